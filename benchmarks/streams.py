"""Streams of items, asked one connection at a time: their rate, and how soon one comes."""

import http.client
import json
import statistics
import time

from .contestants import ALONE, DICTS, EVENTS, ROWS
from .races import Race, met, report_medians, report_race
from .serving import all_served

EVERYBODY = ("ours", "raw", "raw_single", "django", "sse_starlette")
DJANGO = ("ours", "django")
EVENT_RACES = [
    Race(
        "/ready/",
        "events that are ready",
        EVENTS,
        EVERYBODY,
        {"django": 6.0, "sse_starlette": 10.0, "raw": 0.9},
    ),
    Race(
        "/awaited/",
        "events, each after an await",
        EVENTS,
        EVERYBODY,
        {"django": 0.95, "sse_starlette": 1.5},
    ),
]
FORMAT_RACES = [
    Race("/jsonl/", "dicts as JSON lines", DICTS, DJANGO, {"django": 6.0}),
    Race("/msgpack/", "dicts as MessagePack", DICTS, DJANGO, {"django": 6.0}),
]
CSV_RACE = Race("/csv/", "rows of CSV", ROWS, DJANGO, {"django": 3.0})


def run_events(rounds):
    with all_served(EVENT_RACES[0]) as servers:
        for race in EVENT_RACES:
            _run(race, servers, rounds)
        _report_delays(
            f"from an event that is alone to its client, {ALONE} events a round",
            [_delays(servers) for _ in range(rounds + 1)][1:],
        )
        _report_delays(
            "from a request to the first byte of an event that is alone",
            [_first_bytes(servers) for _ in range(20 * rounds)],
        )


def run_formats(rounds):
    with all_served(FORMAT_RACES[0]) as servers:
        for race in FORMAT_RACES:
            _run(race, servers, rounds)


def run_csv(rounds):
    with all_served(CSV_RACE) as servers:
        _run(CSV_RACE, servers, rounds)


def _run(race, servers, rounds):
    report_race(race, [_rates(race, servers) for _ in range(rounds + 1)][1:])


def _rates(race, servers):
    """Returns the items per second of each contestant, asked one after the other."""
    return {
        name: _rate(server.port, race.url, marker=b"EURUSD", count=race.count)
        for name, server in servers.items()
    }


def _rate(port, url, marker, count):
    """Returns the items per second of a stream that has `count` items, each with a `marker`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    chunks = []
    started = time.perf_counter()
    connection.request("GET", url)
    response = connection.getresponse()
    while chunk := response.read1(1 << 20):
        chunks.append(chunk)
    seconds = time.perf_counter() - started
    connection.close()
    if (received := b"".join(chunks).count(marker)) != count:
        raise RuntimeError(f"{url} on port {port} sent {received} items, not {count}")
    return count / seconds


def _first_bytes(servers):
    """Returns the seconds until the first event has come, per contestant."""
    return {name: _first_byte(servers[name].port, "/first/") for name in DJANGO}


def _first_byte(port, url):
    """Returns the seconds until the first byte of a body has come."""
    time.sleep(0.02)  # What the last request leaves to clean up is none of this one's time.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    started = time.perf_counter()
    connection.request("GET", url)
    connection.getresponse().read1(1)
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def _delays(servers):
    """Returns the median of the seconds that events took to their client, per contestant."""
    return {name: _delay(servers[name].port, "/alone/") for name in DJANGO}


def _delay(port, url):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", url)
    response = connection.getresponse()
    seconds = []
    while chunk := response.read1():
        if event := chunk.removeprefix(b"data: "):  # Ours sends an empty chunk with the headers.
            made_at = json.loads(event)["made_at"]  # One clock for all processes.
            seconds.append((time.monotonic_ns() - made_at) / 1e9)
    connection.close()
    if len(seconds) != ALONE:
        raise RuntimeError(f"{url} on port {port} sent {len(seconds)} events alone, not {ALONE}")
    return statistics.median(seconds)


def _report_delays(what, rows):
    print(f"\n{what}, median of {len(rows)}")
    report_medians([{name: row[name] * 1000 for name in row} for row in rows], "ms", digits=2)
    ratio = statistics.median(row["ours"] / row["django"] for row in rows)
    print(f"  {'ours / django':24} {ratio:6.2f}   {met(ratio <= 1)}: at most 1")
