"""`metrics`: what Prometheus gets to see of the streams."""

import asyncio
import importlib
import sys
from uuid import uuid4

import pytest
from django.urls import path
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

import django_streams.metrics
from django_streams import JSONL, EventStreamView, StreamView
from django_streams.metrics import StreamsCollector
from django_streams.testing import StreamClient

from .servers import eventually, running

pytestmark = pytest.mark.urls(__name__)


class Waiting(EventStreamView):
    async def stream(self):
        yield "1"
        await asyncio.Event().wait()


class Short(StreamView):
    format = JSONL

    async def stream(self):
        for number in range(20):
            yield number
        if "fail" in self.request.GET:
            raise LookupError


urlpatterns = [
    path("waiting/", Waiting.as_view()),
    path("short/", Short.as_view()),
]


class Samples:
    """What a registry says of one view of this module, from here on."""

    def __init__(self, view):
        self._view = f"{__name__}.{view.__name__}"
        self._registry = CollectorRegistry()
        self._registry.register(StreamsCollector())
        self._before = {}
        self._before = {name: self[name] for name in ("items", "sent_bytes", "seconds")}

    def __getitem__(self, name):
        full_name = f"django_streams_{name}_total"
        value = self._registry.get_sample_value(full_name, {"view": self._view}) or 0
        return value - self._before.get(name, 0)

    @property
    def open(self):
        return self._registry.get_sample_value("django_streams_open", {"view": self._view})

    def finished(self, ending):
        labels = {"view": self._view, "ending": ending}
        return self._registry.get_sample_value("django_streams_finished_total", labels) or 0


async def read(url):
    async with StreamClient().stream("GET", url) as stream:
        return await stream.read()


async def test_open_streams_are_a_gauge_that_falls_to_zero():
    samples = Samples(Waiting)
    async with StreamClient().stream("GET", "/waiting/"):
        async with StreamClient().stream("GET", "/waiting/"):
            assert samples.open == 2
        assert samples.open == 1
    assert samples.open == 0


async def test_finished_streams_are_counted_by_ending():
    pairs = [(Short, "done"), (Short, "error"), (Waiting, "disconnect"), (Waiting, "done")]
    before = [Samples(view).finished(ending) for view, ending in pairs]
    await read("/short/")
    await read("/short/")
    await read("/short/?fail")
    async with StreamClient().stream("GET", "/waiting/"):
        pass
    after = [Samples(view).finished(ending) for view, ending in pairs]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 1, 0]


async def test_what_they_came_to_is_added_up_over_all_endings():
    samples = Samples(Short)
    bodies = await read("/short/") + await read("/short/?fail")
    assert (samples["items"], samples["sent_bytes"]) == (40, len(bodies))
    assert 0 < samples["seconds"] < 60


def test_a_registry_takes_one_collector():
    registry = CollectorRegistry(auto_describe=True)
    registry.register(StreamsCollector())
    with pytest.raises(ValueError, match="django_streams_open"):
        registry.register(StreamsCollector())


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "django_streams.metrics")
    monkeypatch.setattr("django_streams.metrics", django_streams.metrics)  # Put back at the end.
    monkeypatch.setitem(sys.modules, "prometheus_client.core", None)
    with pytest.raises(ImportError, match=r"pip install 'django-stream-views\[metrics\]'"):
        importlib.import_module("django_streams.metrics")


# As Prometheus asks a server.


def scraped(server):
    """Returns the values of a scrape, by name and labels, and the kinds of the metrics."""
    answer = server.get("/metrics/")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = [
        family
        for family in text_string_to_metric_families(answer.text)
        if family.name.startswith("django_streams_")
    ]
    values = {
        (sample.name, sample.labels["view"], sample.labels.get("ending")): sample.value
        for family in families
        for sample in family.samples
    }
    return values, {family.name: family.type for family in families}


@pytest.mark.server
def test_a_scrape_of_a_server_tells_what_is_open_and_what_was(request):
    view = "tests.serverproject.views.Steps"
    with running(request, "uvicorn") as server:
        before, kinds = scraped(server)
        assert kinds == {
            "django_streams_open": "gauge",
            "django_streams_finished": "counter",
            "django_streams_items": "counter",
            "django_streams_sent_bytes": "counter",
            "django_streams_seconds": "counter",
        }

        def grown(name, ending=None):
            key = (f"django_streams_{name}", view, ending)
            return scraped(server)[0].get(key, 0) - before.get(key, 0)

        name = uuid4().hex
        with server.open(f"/steps/text/{name}/") as stream:
            stream.read_until(b"first")
            assert grown("open") == 1
            assert grown("finished_total", "done") == 0
            server.signal(name)
            stream.read_all()
        eventually(lambda: grown("finished_total", "done") == 1, "the stream is counted")
        assert grown("open") == 0
        assert grown("items_total") == 2
        assert grown("sent_bytes_total") == len("firstsecond")
        assert grown("seconds_total") > 0

        with server.open(f"/steps/text/{uuid4().hex}/") as stream:
            stream.read_until(b"first")
        eventually(lambda: grown("finished_total", "disconnect") == 1, "the departure is counted")
