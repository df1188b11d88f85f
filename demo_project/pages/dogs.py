"""Dogs: the rows of a query set, in the format that the page asks for.

A query set is iterated in a thread, in batches; nothing is collected before it is sent.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.urls import path
from django.views.generic import FormView

from demo_project.checked import CheckedMixin
from demo_project.models import Dog
from django_streams import JSONL, MSGPACK, StreamView

MAX_ROWS = 20_000
WATCHABLE_ROWS_PER_SECOND = 200


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
    extra_context = {"formats": [("JSON lines", JSONL), ("MessagePack", MSGPACK)]}


class DogList(CheckedMixin, StreamView):
    formats = (JSONL, MSGPACK)
    form_class = DogListForm

    def stream(self):
        dogs = Dog.objects.select_related("breed")[: self.options["rows"]]
        return slowly(dogs) if self.options["pace"] == "slow" else dogs

    def to_item(self, dog: Dog) -> dict[str, Any]:
        return {
            "chip": dog.chip,
            "name": dog.name,
            "breed": dog.breed.name,
            "origin": dog.breed.origin,
            "born_on": dog.born_on,
            "weight_kg": dog.weight_kg,
            "is_vaccinated": dog.is_vaccinated,
        }


async def slowly(dogs: QuerySet[Dog]) -> AsyncIterator[Dog]:
    """Yields the dogs at a pace that an eye can follow."""
    async for dog in dogs.aiterator(chunk_size=100):
        yield dog
        await asyncio.sleep(1 / WATCHABLE_ROWS_PER_SECOND)


urlpatterns = [
    path("", DogsPage.as_view(), name="page"),
    path("stream/", DogList.as_view(), name="stream"),
]
