"""`manage.py seed`: fills the database with dogs, the same ones on every machine."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from demo_project.models import Breed, Dog

FIRST_CHIP = 756_098_100_000_001
"""A number from the block of a country, of 15 digits as ISO 11784 has it."""

TODAY = date(2025, 6, 1)
"""Fixed, so that a dog has the same birthday whenever it is made."""

NAMES = (
    "Ada Akela Alma Anouk Argos Arlo Asta Balu Bella Benno Bilbo Bonnie Bosco Bruno Caesar Carlo "
    "Charlie Chester Chili Cleo Coco Cooper Daisy Dexter Django Donna Dusty Eddie Elsa Emma Enzo "
    "Falco Fanny Felix Finn Fiona Flora Frida Gaia Gino Gismo Hazel Heidi Henry Hugo Ida Indie "
    "Jack Jasper Jette Juno Kaya Kira Lady Lana Leo Lenny Lola Lotte Lucky Luna Maja Maple Max "
    "Merlin Mia Milo Molly Moritz Nala Nando Nelly Nemo Nora Odin Olive Oscar Otto Paula Pepper "
    "Pippa Pluto Quincy Rasmus Rex Rocky Romy Rosie Ruby Rufus Sam Sasha Scout Shadow Sirius Skye "
    "Socks Stella Tilda Toby Trixie Ulla Uno Vega Wanda Willow Xena Yuki Zelda Zeus Zoe"
)

BREEDS = {
    # name: (origin, the weight of a grown dog in kg)
    "Akita": ("Japan", 38),
    "Australian Shepherd": ("United States", 24),
    "Basenji": ("Congo", 10),
    "Beagle": ("United Kingdom", 11),
    "Bernese Mountain Dog": ("Switzerland", 45),
    "Border Collie": ("United Kingdom", 18),
    "Borzoi": ("Russia", 36),
    "Chihuahua": ("Mexico", 2.5),
    "Dachshund": ("Germany", 9),
    "Dalmatian": ("Croatia", 27),
    "Entlebucher": ("Switzerland", 26),
    "Eurasier": ("Germany", 25),
    "Great Dane": ("Germany", 62),
    "Greyhound": ("United Kingdom", 31),
    "Irish Setter": ("Ireland", 29),
    "Jack Russell Terrier": ("United Kingdom", 6.5),
    "Kuvasz": ("Hungary", 44),
    "Labrador Retriever": ("Canada", 31),
    "Lagotto Romagnolo": ("Italy", 13.5),
    "Leonberger": ("Germany", 58),
    "Löwchen": ("France", 6),
    "Norwegian Elkhound": ("Norway", 22),
    "Papillon": ("France", 4),
    "Poodle": ("France", 23),
    "Pug": ("China", 7.5),
    "Saluki": ("Iran", 22),
    "Samoyed": ("Russia", 24),
    "Shiba Inu": ("Japan", 9),
    "Vizsla": ("Hungary", 25),
    "Whippet": ("United Kingdom", 13),
}


class Command(BaseCommand):
    help = "Fills the database with dogs. What is there already is left as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dogs", type=int, default=20_000, help="how many there are to be (default: 20000)"
        )

    def handle(self, *args: Any, dogs: int, **options: Any) -> None:
        before = Dog.objects.count()
        Breed.objects.bulk_create(
            (Breed(name=name, origin=origin) for name, (origin, _) in BREEDS.items()),
            ignore_conflicts=True,
        )
        Dog.objects.bulk_create(invented_dogs(dogs), ignore_conflicts=True)
        after = Dog.objects.count()
        self.stdout.write(f"There are {after:,} dogs, {after - before:,} of them new.")


def invented_dogs(number: int) -> Iterator[Dog]:
    """Yields dogs, not saved: the first ones are the same whatever the number."""
    random = Random("dogs")
    names = NAMES.split()
    breeds = {breed.name: breed for breed in Breed.objects.all()}
    for n in range(number):
        name, (_, weight_kg) = random.choice(list(BREEDS.items()))
        yield Dog(
            chip=FIRST_CHIP + n,
            name=random.choice(names),
            breed=breeds[name],
            born_on=TODAY - timedelta(days=random.randrange(60, 14 * 365)),
            weight_kg=round(weight_kg * random.gauss(1, 0.1), 1) if random.random() < 0.9 else None,
            is_vaccinated=random.random() < 0.8,
        )
