"""`manage.py seed`: fills the database, with the same dogs and readings on every machine."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from demo_project.models import Breed, Dog, Reading

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


INSERT_READINGS = """
    WITH RECURSIVE
      station (place, name, celsius) AS (
        VALUES (0, 'Bergen', 2), (1, 'Kyoto', 8), (2, 'Lima', 16), (3, 'Nairobi', 14),
               (4, 'Perth', 13), (5, 'Quito', 9), (6, 'Reykjavík', 0), (7, 'Zürich', 4)
      ),
      reading (number) AS (
        SELECT %(first)s UNION ALL SELECT number + 1 FROM reading WHERE number + 1 < %(end)s
      )
    INSERT INTO demo_project_reading (id, station, at, celsius)
    SELECT number + 1,
           name,
           datetime('2025-01-01', (number / 8) || ' minutes'),
           -- Each day is coldest at 2:00 and, twelve hours later, 8 degrees warmer; and no
           -- thermometer is exact.
           round(celsius + abs((number / 8 + 600) %% 1440 - 720) / 90.0
                 + number * 7919 %% 31 / 10.0, 1)
    FROM reading JOIN station ON place = number %% 8
"""
"""Readings from number `first` to the one before `end`: each minute, one of each station.

In SQLite's own SQL, which makes a million of them in two seconds; the ORM takes half a minute.
"""


class Command(BaseCommand):
    help = "Fills the database with dogs and readings. What is there already is left as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dogs", type=int, default=20_000, help="how many there are to be (default: 20000)"
        )
        parser.add_argument(
            "--readings",
            type=int,
            default=1_000_000,
            help="how many there are to be (default: 1000000)",
        )

    def handle(self, *args: Any, dogs: int, readings: int, **options: Any) -> None:
        for model, seed, number in ((Dog, seed_dogs, dogs), (Reading, seed_readings, readings)):
            before = model.objects.count()
            seed(number)
            after = model.objects.count()
            name = model._meta.verbose_name_plural
            self.stdout.write(f"There are {after:,} {name}, {after - before:,} of them new.")


def seed_dogs(number: int) -> None:
    Breed.objects.bulk_create(
        (Breed(name=name, origin=origin) for name, (origin, _) in BREEDS.items()),
        ignore_conflicts=True,
    )
    Dog.objects.bulk_create(invented_dogs(number), ignore_conflicts=True)


def seed_readings(number: int) -> None:
    first = Reading.objects.count()
    if first < number:
        with connection.cursor() as cursor:
            cursor.execute(INSERT_READINGS, {"first": first, "end": number})


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
