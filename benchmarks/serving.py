"""Contestants served by a uvicorn each, and asked over one connection at a time."""

import http.client
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass(frozen=True)
class Server:
    """A process that serves a contestant, and the folder for what it writes: its TMPDIR."""

    port: int
    pid: int
    folder: Path


@contextmanager
def served(name):
    """Serves a contestant by uvicorn[standard]; yields its `Server`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-m", "uvicorn", f"benchmarks.contestants:{name}", "--port", str(port)]
    with TemporaryDirectory(prefix="benchmark-") as folder:
        process = subprocess.Popen(
            [sys.executable, *command, "--log-level", "error", "--timeout-graceful-shutdown", "1"],
            env={**os.environ, "TMPDIR": folder},
        )
        try:
            _wait_for(port, process)
            yield Server(port, process.pid, Path(folder))
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port, process, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"no server answers on port {port}")


def rate(port, url, marker, count):
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


def first_byte(port, url):
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
