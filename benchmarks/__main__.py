"""Runs the benchmarks: python3 dev.py bench [SUITE ...] [--rounds N].

Every contestant is served by a process of its own, started and stopped here, and asked over one
connection at a time. In each round all contestants have their turn, and ratios are taken within a
round: so they hold when the machine's speed drifts. What is printed is the median of the rounds.
"""

import argparse

from . import compression, decoding, files, idle, streams, uploads

SUITES = {
    "events": streams.run_events,
    "formats": streams.run_formats,
    "csv": streams.run_csv,
    "decoding": decoding.run,
    "uploads": uploads.run,
    "files": files.run,
    "compression": compression.run,
    "idle": idle.run,
}


def main():
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__.split("\n")[0])
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to measure (default: 5)")
    options = parser.parse_args()
    if unknown := set(options.suites) - set(SUITES):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    for suite in options.suites or SUITES:
        SUITES[suite](options.rounds)


if __name__ == "__main__":
    main()
