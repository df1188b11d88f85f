"""Runs the benchmarks: python3 dev.py bench [events formats csv decoding uploads] [--rounds N].

Every contestant is served by a uvicorn of its own, started and stopped here, and asked over one
connection at a time. In each round all contestants have their turn, and ratios are taken within a
round: so they hold when the machine's speed drifts. What is printed is the median of the rounds.
"""

import argparse
import statistics
from contextlib import ExitStack
from dataclasses import dataclass

from . import decoding, uploads
from .contestants import DICTS, EVENTS, ROWS
from .serving import first_byte, rate, served


@dataclass
class Race:
    """One stream that several contestants send, and what ours is to be of theirs."""

    url: str
    what: str
    count: int
    contestants: tuple
    targets: dict


EVERYBODY = ("ours", "raw", "raw_single", "django", "sse_starlette")
DJANGO = ("ours", "django")
RACES = {
    "events": [
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
    ],
    "formats": [
        Race("/jsonl/", "dicts as JSON lines", DICTS, DJANGO, {"django": 6.0}),
        Race("/msgpack/", "dicts as MessagePack", DICTS, DJANGO, {"django": 6.0}),
    ],
    "csv": [Race("/csv/", "rows of CSV", ROWS, DJANGO, {"django": 3.0})],
}
UPLOADS = [
    Race(
        "/count/",
        "bytes of a body to a counter",
        uploads.BYTES,
        ("ours", "raw", "django"),
        {"django": 2.0, "raw": 0.9},
    ),
    Race("/save/", "bytes of a form's file to disk", uploads.BYTES, DJANGO, {"django": 1.5}),
]


def main():
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__.split("\n")[0])
    suites = [*RACES, "decoding", "uploads"]
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of {', '.join(suites)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to measure (default: 5)")
    options = parser.parse_args()
    if unknown := set(options.suites) - set(suites):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(suites)}")
    for suite in options.suites or suites:
        if suite == "decoding":
            read(options.rounds)
        elif suite == "uploads":
            receive(options.rounds)
        else:
            serve(RACES[suite], options.rounds, measures_first_byte=suite == "events")


def serve(races, rounds, *, measures_first_byte):
    with ExitStack() as stack:
        names = races[0].contestants
        servers = {name: stack.enter_context(served(name)) for name in names}
        for race in races:
            report_race(race, [run(race, servers) for _ in range(rounds + 1)][1:])
        if measures_first_byte:
            report_first([first_bytes(servers) for _ in range(20 * rounds)])


def run(race, servers):
    """Returns the items per second of each contestant, asked one after the other."""
    return {
        name: rate(server.port, race.url, marker=b"EURUSD", count=race.count)
        for name, server in servers.items()
    }


def first_bytes(servers):
    """Returns the seconds until the first event has come, per contestant."""
    return {name: first_byte(servers[name].port, "/first/") for name in ("ours", "django")}


def receive(rounds):
    for race in UPLOADS:
        with ExitStack() as stack:
            # Servers of its own, which hold nothing yet of what they were sent before.
            servers = {name: stack.enter_context(served(name)) for name in race.contestants}
            idle = {name: uploads.idle_memory(servers[name], race.url) for name in servers}
            rows = [uploads.send_to_each(servers, race.url) for _ in range(rounds + 1)]
        report_race(race, [rates_of(row) for row in rows[1:]], unit="MB/s", divisor=1e6)
        report_peaks(rows, idle)


def rates_of(row):
    """Returns the bytes per second of each contestant."""
    return {name: uploads.BYTES / upload.seconds for name, upload in row.items()}


def read(rounds):
    data = decoding.body()
    rows = [decoding.rates(data) for _ in range(rounds + 1)][1:]
    print(f"\n{len(data) / 1e6:.0f} MB of JSON lines to a type, median of {rounds} rounds")
    report_medians(rows, "MB/s")
    report_ratio(rows, "plain loop", 0.6)


def report_race(race, rows, unit="k/s", divisor=1e3):
    print(f"\n{race.url}  {race.count} {race.what}, median of {len(rows)} rounds")
    report_medians([{name: row[name] / divisor for name in row} for row in rows], unit)
    for other, target in race.targets.items():
        report_ratio(rows, other, target)


def report_peaks(rows, idle):
    print("  at the peak, MB of memory above the idle server, and of disk beside the saved file")
    for name, memory in idle.items():
        used = max(row[name].memory for row in rows) - memory
        disk = max(row[name].disk for row in rows)
        print(f"  {name:14} {used / 1e6:8.1f} {disk / 1e6:8.1f}")


def report_first(rows):
    print(f"\nfirst byte of an event that is alone, median of {len(rows)} requests")
    report_medians([{name: row[name] * 1000 for name in row} for row in rows], "ms", digits=2)
    ratio = statistics.median(row["ours"] / row["django"] for row in rows)
    print(f"  {'ours / django':24} {ratio:6.2f}   {met(ratio <= 1)}: at most 1")


def report_medians(rows, unit, digits=0):
    for name in rows[0]:
        print(f"  {name:14} {statistics.median(row[name] for row in rows):8.{digits}f} {unit}")


def report_ratio(rows, other, target):
    ratio = statistics.median(row["ours"] / row[other] for row in rows)
    print(f"  {f'ours / {other}':24} {ratio:6.2f}   {met(ratio >= target)}: at least {target:g}")


def met(is_met):
    return "met" if is_met else "MISSED"


if __name__ == "__main__":
    main()
