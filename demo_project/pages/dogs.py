"""Dogs: the rows of a query set, in whichever of all formats is asked for.

A query set is iterated in a thread, in batches; nothing is collected before it is sent.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import msgspec
from django import forms
from django.db.models import F, QuerySet
from django.urls import path
from django.views.generic import FormView

from demo_project.checked import CheckedMixin
from demo_project.models import Dog
from django_streams import (
    BYTES,
    CBOR_SEQ,
    CSV,
    DIOXUS_CBOR,
    DIOXUS_JSON,
    DIOXUS_MSGPACK,
    DIOXUS_POSTCARD,
    EVENT_STREAM,
    JSON_ARRAY,
    JSON_SEQ,
    JSONL,
    MSGPACK,
    TEXT,
    StreamView,
)

MAX_ROWS = 20_000
WATCHABLE_ROWS_PER_SECOND = 200

FORMATS = {
    "JSON lines": JSONL,
    "JSON sequence": JSON_SEQ,
    "JSON array": JSON_ARRAY,
    "MessagePack": MSGPACK,
    "CBOR sequence": CBOR_SEQ,
    "CSV": CSV,
    "Server-Sent Events": EVENT_STREAM,
    "Dioxus, JSON": DIOXUS_JSON,
    "Dioxus, CBOR": DIOXUS_CBOR,
    "Dioxus, MessagePack": DIOXUS_MSGPACK,
    "Dioxus, Postcard": DIOXUS_POSTCARD,
    "Text": TEXT,
    "Bytes": BYTES,
}


class DogListForm(forms.Form):
    rows = forms.IntegerField(
        min_value=1,
        max_value=MAX_ROWS,
        initial=5_000,
        widget=forms.Select(choices=[(n, f"{n:,}") for n in (100, 1_000, 5_000, MAX_ROWS)]),
    )
    pace = forms.ChoiceField(
        choices=[("fast", "Full speed"), ("slow", "Slow, to watch")], initial="fast"
    )


class DogsPage(FormView):
    template_name = "demo/dogs.html"
    form_class = DogListForm
    http_method_names = ["get", "head"]
    extra_context = {"formats": FORMATS}


class DogItem(msgspec.Struct):
    chip: int
    name: str
    breed_name: str
    origin: str
    born_on: date
    weight_kg: float | None
    is_vaccinated: bool


class DogList(CheckedMixin, StreamView):
    formats = tuple(FORMATS.values())
    format_query_param = "format"
    item_type = DogItem
    form_class = DogListForm

    def stream(self):
        dogs = Dog.objects.annotate(breed_name=F("breed__name"), origin=F("breed__origin"))
        dogs = dogs[: self.options["rows"]]
        return slowly(dogs) if self.options["pace"] == "slow" else dogs

    def to_item(self, dog: Dog) -> Dog | str | bytes:
        if self.chosen_format not in (TEXT, BYTES):
            return dog  # An item_type is made of it.
        line = f"{dog.chip}: {dog.name}, {dog.breed_name}, born on {dog.born_on}\n"
        return line if self.chosen_format == TEXT else line.encode()


async def slowly(dogs: QuerySet[Dog]) -> AsyncIterator[Dog]:
    """Yields the dogs at a pace that an eye can follow."""
    async for dog in dogs.aiterator(chunk_size=100):
        yield dog
        await asyncio.sleep(1 / WATCHABLE_ROWS_PER_SECOND)


urlpatterns = [
    path("", DogsPage.as_view(), name="page"),
    path("stream/", DogList.as_view(), name="stream"),
]
