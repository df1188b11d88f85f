"""Export: a table of a million rows as one download, while the server's memory stays as it is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django.urls import path
from django.views.generic import TemplateView

from demo_project.gauge import Gauge
from demo_project.memory import process_memory
from demo_project.models import Reading
from django_streams import CSV, JSONL, EventStreamView, StreamView

SECONDS_PER_SAMPLE = 0.25

exports = Gauge()
"""How many exports run in this process."""


class ExportPage(TemplateView):
    template_name = "demo/export.html"
    extra_context = {"formats": {"CSV": CSV, "JSON lines": JSONL}}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(total=Reading.objects.count(), **kwargs)


class Export(StreamView):
    formats = (CSV, JSONL)
    format_query_param = "format"
    filename = "readings"

    def stream(self):
        with exports.counting():
            # An export needs no model instances, which would take three times as long.
            yield from Reading.objects.values("station", "at", "celsius").iterator()


class Vitals(EventStreamView):
    """What exports cost the server: its memory now, and how many of them run."""

    async def stream(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield {"memory": process_memory(), "exports": exports.value}
            await asyncio.sleep(SECONDS_PER_SAMPLE)


urlpatterns = [
    path("", ExportPage.as_view(), name="page"),
    path("stream/", Export.as_view(), name="stream"),
    path("vitals/", Vitals.as_view(), name="vitals"),
]
