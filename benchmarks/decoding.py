"""JSON lines, read back to a type: by the package, and by msgspec alone in a plain loop."""

import asyncio
import time

import msgspec

from django_streams import JSONL, decode

from .contestants import price
from .races import report_medians, report_ratio

BYTES = 100_000_000
CHUNK = 64 * 1024


class Price(msgspec.Struct):
    """What an item of the body becomes."""

    n: int
    symbol: str
    bid: float
    ask: float
    at: int


def run(rounds):
    data = body()
    rows = [rates(data) for _ in range(rounds + 1)][1:]
    print(f"\n{len(data) / 1e6:.0f} MB of JSON lines to a type, median of {rounds} rounds")
    report_medians(rows, "MB/s")
    report_ratio(rows, "plain loop", 0.6)


def body():
    """Returns 100 MB of JSON lines."""
    lines = b"".join(msgspec.json.encode(price(n)) + b"\n" for n in range(10_000))
    return lines * (BYTES // len(lines))


def rates(data):
    """Returns the megabytes per second of each way."""
    ways = {"ours": decoder, "ours, async": asynchronous, "plain loop": plain_loop}
    return {name: _timed(data, decode) for name, decode in ways.items()}


def _timed(data, decode):
    started = time.perf_counter()
    count = decode(data)
    seconds = time.perf_counter() - started
    if count != (lines := data.count(b"\n")):
        raise RuntimeError(f"{decode.__name__} read {count} items of {lines}")
    return len(data) / 1e6 / seconds


def decoder(data):
    """The incremental decoder, fed with chunks as a server hands them out."""
    decoder = JSONL.decoder(Price)
    items = 0
    for start in range(0, len(data), CHUNK):
        for _ in decoder.feed(data[start : start + CHUNK]):
            items += 1
    return items


def asynchronous(data):
    """The asynchronous iterator over it, for which Python itself takes its time per item."""

    async def chunks():
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]

    async def count():
        items = 0
        async for _ in decode(chunks(), JSONL, Price):
            items += 1
        return items

    return asyncio.run(count())


def plain_loop(data):
    """The body whole, split into lines, each decoded: no bounds, no chunks, no error's index."""
    decode = msgspec.json.Decoder(Price).decode
    items = 0
    for line in data.split(b"\n"):
        if line:
            decode(line)
            items += 1
    return items
