"""`StreamsCollector`: what is open, and what was, for Prometheus (the extra `metrics`).

    from prometheus_client import REGISTRY
    from django_streams.metrics import StreamsCollector

    REGISTRY.register(StreamsCollector())

It counts nothing itself: a scrape reads what the process knows anyway, and a stream costs no more.

Names: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError(
        "Metrics need prometheus-client: pip install 'django-stream-views[metrics]'"
    ) from error

from .lifetime import open_streams, totals

__all__ = ["StreamsCollector"]


class StreamsCollector(Collector):
    """Collects what a registry of prometheus-client exposes about the streams of this process.

    `view` is the view's dotted path, "" where it is not known; `ending` a value of `Ending`.

    - `django_streams_open`: streams that are open, by view; 0 once all of them have ended.
    - `django_streams_finished_total`: streams that have ended, by view and ending.
    - `django_streams_items_total`, `django_streams_sent_bytes_total`,
      `django_streams_seconds_total`: what those came to, by view. An open stream adds its part
      when it ends.

    Register one per process; a registry refuses a second with `ValueError`.
    """

    def collect(self) -> Iterator[Metric]:
        """Yields the five metrics, as they are now."""
        # Asked first: a stream that ends in between is then counted twice rather than not at all.
        running, finished = open_streams(), totals()
        opened = GaugeMetricFamily("django_streams_open", "Streams that are open.", labels=["view"])
        for view in sorted(running.keys() | {view for view, _ in finished}):
            opened.add_metric([view], running.get(view, 0))
        yield opened

        ended = CounterMetricFamily(
            "django_streams_finished", "Streams that have ended.", labels=["view", "ending"]
        )
        items, sent_bytes, seconds = Counter[str](), Counter[str](), dict[str, float]()
        for (view, ending), sums in finished.items():
            ended.add_metric([view, ending], sums.streams)
            items[view] += sums.items
            sent_bytes[view] += sums.bytes_sent
            seconds[view] = seconds.get(view, 0.0) + sums.seconds
        yield ended

        yield _by_view("items", "Items that the finished streams' sources have made.", items)
        yield _by_view("sent_bytes", "Bytes of the finished streams' bodies.", sent_bytes)
        yield _by_view("seconds", "Seconds that the finished streams have lasted.", seconds)


def _by_view(name: str, what: str, values: dict[str, int] | dict[str, float]) -> Metric:
    counter = CounterMetricFamily(f"django_streams_{name}", what, labels=["view"])
    for view, value in values.items():
        counter.add_metric([view], value)
    return counter
