"""Contestants served by a process each, which is started and stopped here."""

import os
import resource
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from . import nginx

COMMANDS = {
    "uvicorn": ["--log-level", "error", "--timeout-graceful-shutdown", "1"],
    "granian": ["--log-level", "error", "--workers-kill-timeout", "1", "--interface", "asgi"],
}


SPARE_FILES = 500


@dataclass(frozen=True)
class Server:
    """A process that serves a contestant, and the folder for what it writes: its TMPDIR."""

    port: int
    pid: int
    folder: Path


@contextmanager
def all_served(race, folder=None):
    """Serves all contestants of a race; yields their `Server`s by name."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(served(name, race.server, folder))
            for name in race.contestants
        }


@contextmanager
def served(name, server="uvicorn", folder=None):
    """Serves a contestant, or an application by its path; yields its `Server`.

    By `server`, but nginx serves itself. Without a `folder` it gets an empty one.
    """
    with ExitStack() as stack:
        folder = Path(folder or stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
        port = _free_port()
        process = subprocess.Popen(
            _command(name, server, port, folder), env={**os.environ, "TMPDIR": str(folder)}
        )
        stack.callback(_stop, process)
        _wait_for(port, process)
        yield Server(port, process.pid, folder)


def allow_many_files(count):
    """Lets this process, and those that it starts, open so many files and some more."""
    wanted = count + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"only {hard} open files are allowed; allow more by: ulimit -Hn {wanted}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _command(name, server, port, folder):
    if name == "nginx":
        return nginx.command(port, folder)
    application = name if ":" in name else f"benchmarks.contestants:{name}"
    return [sys.executable, "-m", server, application, "--port", str(port), *COMMANDS[server]]


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port, process, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"no server answers on port {port}")


def _stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
