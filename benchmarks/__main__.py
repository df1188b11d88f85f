"""Runs the benchmark of event streams: python3 dev.py bench [--rounds N].

Every contestant is served by a uvicorn of its own, started and stopped here, and asked over one
connection at a time. In each round all contestants have their turn, and ratios are taken within a
round: so they hold when the machine's speed drifts. What is printed is the median of the rounds.
"""

import argparse
import http.client
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

from .contestants import COUNT

CONTESTANTS = ["ours", "raw", "raw_single", "django", "sse_starlette"]
TARGETS = [
    ("/ready/", "django", 6.0),
    ("/ready/", "sse_starlette", 10.0),
    ("/ready/", "raw", 0.9),
    ("/awaited/", "django", 0.95),
    ("/awaited/", "sse_starlette", 1.5),
]


def main():
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds to measure (default: 5)")
    rounds = parser.parse_args().rounds
    with ExitStack() as stack:
        ports = {name: stack.enter_context(served(name)) for name in CONTESTANTS}
        for url in ("/ready/", "/awaited/"):
            report_rates(url, [rates(ports, url) for _ in range(rounds + 1)][1:])
        report_first([first_bytes(ports) for _ in range(20 * rounds)])


@contextmanager
def served(name):
    """Serves a contestant by uvicorn[standard]; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "uvicorn", f"benchmarks.contestants:{name}", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, *command, "--log-level", "error", "--timeout-graceful-shutdown", "1"]
    )
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port, process, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"no server answers on port {port}")


def rates(ports, url):
    """Returns the events per second of each contestant, asked one after the other."""
    return {name: rate(port, url) for name, port in ports.items()}


def rate(port, url):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    started = time.perf_counter()
    connection.request("GET", url)
    response = connection.getresponse()
    line_feeds = 0
    while chunk := response.read1(1 << 20):
        line_feeds += chunk.count(b"\n")
    seconds = time.perf_counter() - started
    connection.close()
    if line_feeds < 2 * COUNT:  # Each event is a line of data and a blank one.
        raise RuntimeError(f"{url} on port {port} sent {line_feeds // 2} events, not {COUNT}")
    return COUNT / seconds


def first_bytes(ports):
    """Returns the seconds until the first event has come, per contestant."""
    return {name: first_byte(ports[name]) for name in ("ours", "django")}


def first_byte(port):
    time.sleep(0.02)  # What the last request leaves to clean up is none of this one's time.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    started = time.perf_counter()
    connection.request("GET", "/first/")
    connection.getresponse().read1(1)
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def report_rates(url, rounds):
    print(f"\n{url}  {COUNT} events, median of {len(rounds)} rounds")
    for name in CONTESTANTS:
        print(f"  {name:14} {statistics.median(row[name] for row in rounds) / 1000:8.0f} k/s")
    for target_url, other, target in TARGETS:
        if target_url == url:
            ratio = statistics.median(row["ours"] / row[other] for row in rounds)
            report_ratio(f"ours / {other}", ratio, ratio >= target, f"at least {target:g}")


def report_first(rounds):
    print(f"\nfirst byte of an event that is alone, median of {len(rounds)} requests")
    for name in ("ours", "django"):
        print(f"  {name:14} {statistics.median(row[name] for row in rounds) * 1000:8.2f} ms")
    ratio = statistics.median(row["ours"] / row["django"] for row in rounds)
    report_ratio("ours / django", ratio, ratio <= 1, "at most 1")


def report_ratio(name, ratio, is_met, target):
    print(f"  {name:24} {ratio:6.2f}   {'met' if is_met else 'MISSED'}: {target}")


if __name__ == "__main__":
    main()
