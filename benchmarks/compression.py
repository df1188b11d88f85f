"""Compressed streams: what an open one holds, and what it saves, for several windows."""

import gc
import json
import random
import statistics
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import psutil

from django_streams.compression import (
    CODINGS,
    GZIP_MEMORY_LEVEL,
    PIECE,
    WINDOW_BITS,
    Gzip,
)

STREAMS = 200
EVENTS = 500
BATCH_EVENTS = 4_000
WINDOWS = [(15, 8), (13, 6), (WINDOW_BITS, GZIP_MEMORY_LEVEL), (11, 4), (10, 3)]
"""Of gzip, with the memory level that fits each."""


class OtherGzip(Gzip):
    """Gzip with another window."""

    def __init__(self, window_bits, memory_level):
        self._deflate = zlib.compressobj(wbits=16 + window_bits, memLevel=memory_level)
        self.compress = self._deflate.compress


def run(rounds):
    events = order_events(EVENTS)
    size = statistics.mean(map(len, events))
    print(f"\nevents of {size:.0f} bytes, {STREAMS} streams of {EVENTS}, median of {rounds} rounds")
    print(f"  {'':14} {'KiB/stream':>10} {'alone':>6} {'64 KiB':>6} {'us/event':>8} {'in turn':>8}")
    for name, arguments in contestants():
        rows = [_in_new_process(name, arguments) for _ in range(rounds)]
        medians = [statistics.median(column) for column in zip(*rows, strict=True)]
        print("  {:14} {:10.0f} {:6.2f} {:6.2f} {:8.1f} {:8.1f}".format(name, *medians))


def contestants():
    """Yields each one's name, and the arguments of `OtherGzip` or None for ours of that name."""
    for window_bits, memory_level in WINDOWS:
        yield f"gzip {window_bits}/{memory_level}", (window_bits, memory_level)
    for coding in CODINGS:
        yield coding.name, None


def _in_new_process(name, arguments):
    """Measures where nobody has left memory to use again."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, name, arguments).result()


def measured(name, arguments):
    """Returns KiB a stream, how many times smaller events become that leave alone and 64 KiB at
    once, and microseconds for an event that leaves alone: of one stream, and of many in turn.
    """

    def compressor():
        if arguments is not None:
            return OtherGzip(*arguments)
        return next(coding for coding in CODINGS if coding.name == name).compressor()

    events, batch = order_events(EVENTS), b"".join(order_events(BATCH_EVENTS))
    pieces = [batch[start : start + PIECE] for start in range(0, len(batch), PIECE)]
    alone, seconds_alone = _compressed(compressor(), events)
    together, _ = _compressed(compressor(), pieces)
    held, seconds_in_turn = _held(compressor, events)
    return (
        held / 1024,
        sum(map(len, events)) / alone,
        len(batch) / together,
        seconds_alone / len(events) * 1e6,
        seconds_in_turn * 1e6,
    )


def _compressed(compressor, chunks):
    """Returns the bytes that are left of chunks, each flushed, and the seconds it took."""
    started = time.process_time()
    size = sum(len(compressor.compress(chunk)) + len(compressor.flush()) for chunk in chunks)
    return size, time.process_time() - started


def _held(compressor, events):
    """Returns the bytes of memory of one of many streams that have sent some events, and the
    seconds that one event took: their tables do not all fit into the processor's cache.
    """
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    compressors = [compressor() for _ in range(STREAMS)]
    started = time.process_time()
    for event in events:
        for each in compressors:
            each.compress(event)
            each.flush()
    seconds = time.process_time() - started
    held = process.memory_info().rss - before
    return held / STREAMS, seconds / STREAMS / len(events)


def order_events(count):
    """Returns events as a shop would send them, as they leave."""
    chance = random.Random(0)
    return [_order_event(48_000 + n, chance) for n in range(count)]


def _order_event(n, chance):
    data = {
        "id": n,
        "type": chance.choice(["order.paid", "order.shipped", "stock.changed"]),
        "customer": chance.choice(["north", "south", "east", "west"]) + f"-{chance.randrange(900)}",
        "amount": f"{chance.randrange(100, 99_999) / 100:.2f}",
        "currency": chance.choice(["EUR", "USD"]),
        "at": f"2026-03-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:{n % 60:02}:00Z",
        "items": chance.randrange(1, 9),
    }
    return f"id: {n}\nevent: order\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
