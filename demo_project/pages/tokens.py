"""Tokens: text that comes word by word, until it ends or the reader has had enough.

The words are those of a Markov model, which is trained at the start on the manual that every Python
brings. Any language model takes its place in `Tokens.stream()`.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from functools import cache
from pydoc_data.topics import topics

from django import forms
from django.urls import path
from django.views.generic import FormView

from demo_project.checked import CheckedMixin
from demo_project.gauge import Gauge
from demo_project.markov import MarkovModel, prose
from django_streams import EventStreamView, StreamView

SECONDS_PER_TOKEN = 0.04
"""About the pace of a hosted language model, and slow enough to press Stop."""

generators = Gauge()
"""How many generators of tokens run in this process."""


class PromptForm(forms.Form):
    prompt = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
    length = forms.TypedChoiceField(
        label="Words", choices=[(n, n) for n in (50, 150, 500)], coerce=int, initial=150
    )


class TokensPage(FormView):
    template_name = "demo/tokens.html"
    form_class = PromptForm
    initial = {"prompt": "An exception is"}
    http_method_names = ["get", "head"]
    extra_context = {"examples": ["A generator", "The class statement", "In the beginning"]}


class Tokens(CheckedMixin, StreamView):
    http_method_names = ["post"]
    form_class = PromptForm

    async def stream(self):
        model = await asyncio.to_thread(trained_model)
        tokens = model.tokens(self.options["prompt"], random.Random())
        with generators.counting():
            for token in itertools.islice(tokens, self.options["length"]):
                yield token
                await asyncio.sleep(SECONDS_PER_TOKEN)


class RunningGenerators(EventStreamView):
    """How many generators run: now, and each time it changes."""

    def stream(self) -> AsyncIterator[int]:
        return generators.values()


@cache
def trained_model() -> MarkovModel:
    return MarkovModel(prose("\n\n".join(topics.values())))


urlpatterns = [
    path("", TokensPage.as_view(), name="page"),
    path("stream/", Tokens.as_view(), name="stream"),
    path("running/", RunningGenerators.as_view(), name="running"),
]
