"""Soaks a uvicorn: python3 dev.py soak [--seconds N] [--clients N] [--seed N].

Clients of every kind come and go in rounds; between two rounds all have left, and what the server
holds is looked at: so nothing has to be guessed of streams that are still open. The first third of
the rounds is the warm-up, in which pools fill up. After it

- streams, tasks, threads and open files have to come back to what they were, to the last one;
- memory, and the number of Python's objects, may not grow from the middle of what follows to its
  end by more than what it takes to tell growth from noise: three standard deviations of what lies
  off a straight line, and a floor for the allocator's arenas, or for caches that are not full yet.

Exits with 1 if something has grown, or if a client did not get what it was right to expect.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections import Counter
from http.client import HTTPConnection
from json import load

from benchmarks.serving import served

from .clients import behave

MEBIBYTE = 2**20
EXACT = ("streams", "tasks", "threads", "files")
FLOORS = {"objects": 500, "memory": 2 * MEBIBYTE}
"""What may come on top of the noise. A soak of ten minutes has tens of thousands of clients: these
are some 50 bytes, and a fiftieth of an object, for each."""

ROUND_SECONDS = 10
MIN_ROUNDS, WARM_UP = 9, 1 / 3
ANSWER_SECONDS = 30


class Soak:
    """One run: the clients' rounds, and what was held after each."""

    def __init__(self, port, options):
        self.port = port
        self.options = options
        rounds = max(MIN_ROUNDS, round(options.seconds / ROUND_SECONDS))
        self.warm_up = round(rounds * WARM_UP)
        self.rounds = range(rounds)
        self.seconds = options.seconds / rounds
        self.held = []
        self.done = Counter()
        self.surprises = []

    def run(self):
        for number in self.rounds:
            asyncio.run(self._round(number))
            self.held.append(self._settled())
        ends = time.monotonic() + self.options.patience
        while any(self.growth(name) > 0 for name in EXACT) and time.monotonic() < ends:
            self.held[-1] = self._settled()

    async def _round(self, number):
        """Lets all clients do something for as long as a round lasts, and leave."""
        until = asyncio.get_running_loop().time() + self.seconds
        seeds = [f"{self.options.seed}/{number}/{each}" for each in range(self.options.clients)]
        clients = [behave(self.port, seed, until, self.done) for seed in seeds]
        ends = await asyncio.gather(*clients, return_exceptions=True)
        self.surprises += [f"round {number}: {end!r}" for end in ends if end is not None]

    def _settled(self):
        """Returns what is held when two looks see the same, and no stream: or it has taken long."""
        ends = time.monotonic() + self.options.patience
        before = self._ask()
        while True:
            time.sleep(0.2)
            held = self._ask()
            is_quiet = all(held[name] == before[name] for name in (*EXACT, "objects"))
            if (is_quiet and not held["streams"]) or time.monotonic() > ends:
                return held
            before = held

    def _ask(self):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/held/")
            return load(connection.getresponse())
        finally:
            connection.close()

    # What is made of it.

    def at(self, name):
        """Returns how much was held after the warm-up, in the middle of the rest, at the end."""
        values = self._values(name)
        return self.held[self.warm_up - 1][name], values[len(values) // 2], values[-1]

    def growth(self, name):
        """Returns what is left at the end that was not there after the warm-up; or how much it grew
        from the middle to the end, where that is told from noise.
        """
        if name in EXACT:
            return self.held[-1][name] - self.held[self.warm_up - 1][name]
        values = self._values(name)
        return self._line(values).slope * (len(values) - 1) / 2

    def allowed(self, name):
        """Returns how much growth proves nothing."""
        if name in EXACT:
            return 0
        values = self._values(name)
        slope, intercept = self._line(values)
        off = [value - slope * number - intercept for number, value in enumerate(values)]
        return 3 * statistics.pstdev(off) + FLOORS[name]

    def has_leaked(self):
        return any(self.growth(name) > self.allowed(name) for name in (*EXACT, *FLOORS))

    def _values(self, name):
        return [held[name] for held in self.held[self.warm_up :]]

    @staticmethod
    def _line(values):
        return statistics.linear_regression(range(len(values)), values)


def report(soak):
    """Prints what the clients did, what they were surprised at, and what was held."""
    print(f"\n{sum(soak.done.values())} things done, in {len(soak.rounds)} rounds:", end=" ")
    print(", ".join(f"{count} {name}" for name, count in sorted(soak.done.items())))
    print(f"\n{'':8} {'warmed up':>10} {'middle':>10} {'end':>10} {'growth':>10} {'allowed':>10}")
    for name in (*EXACT, *FLOORS):
        unit, digits = (MEBIBYTE, 2) if name == "memory" else (1, 0)
        values = (*soak.at(name), soak.growth(name), soak.allowed(name))
        figures = " ".join(f"{value / unit:10.{digits}f}" for value in values)
        verdict = "LEAKED" if soak.growth(name) > soak.allowed(name) else ""
        print(f"{name:8} {figures} {'MiB' if name == 'memory' else '':3} {verdict}".rstrip())
    for surprise in soak.surprises:
        print(f"SURPRISE in {surprise}")


def main():
    parser = argparse.ArgumentParser(prog="dev.py soak", description=__doc__.split("\n\n")[1])
    parser.add_argument("--seconds", type=float, default=600, help="(default: 600)")
    parser.add_argument("--clients", type=int, default=50, help="at a time (default: 50)")
    parser.add_argument("--seed", type=int, default=1, help="gives the same clients (default: 1)")
    parser.add_argument(
        "--patience",
        type=float,
        default=30,
        help="seconds that cleaning up may take, of which an idle machine needs one (default: 30)",
    )
    options = parser.parse_args()
    # A request that a client has pipelined would begin in the context of the one before, which
    # has ended, and its thread last until that context is collected: cpython#140947.
    os.environ["UVICORN_RESET_CONTEXTVARS"] = "1"
    with served("benchmarks.soak.server:application") as server:
        soak = Soak(server.port, options)
        soak.run()
    report(soak)
    return 1 if soak.has_leaked() or soak.surprises else 0


if __name__ == "__main__":
    sys.exit(main())
