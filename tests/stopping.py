"""A server that a test starts for itself, to stop it while streams are open.

    with started("uvicorn", directory) as server:
        events = server.opened(100, "/stopping/events/{}/", FIRST_EVENT)
        server.interrupt(signal.SIGTERM)
        server.assert_gone()
        server.assert_closed()

What happened to each stream is read from a file, as nobody is left to be asked.
"""

import http.client
import signal
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import psutil

from .servers import ASGI, COMMANDS, HOST, Sender, Server, environment_in

STOP_SECONDS = 2
"""Within which a server is to be gone, whatever is open."""

STOPPING_COMMANDS = {
    "uvicorn": COMMANDS["uvicorn"],
    "uvicorn, 2 workers": f"{COMMANDS['uvicorn']} --workers 2",
    "gunicorn with uvicorn": f"gunicorn {ASGI} --bind {HOST}:PORT --no-control-socket"
    " --worker-class uvicorn_worker.UvicornWorker",
    "granian": COMMANDS["granian"],
    # Nothing else makes it leave a client that does not read.
    "granian, killing": f"{COMMANDS['granian']} --workers-kill-timeout {STOP_SECONDS}",
    "granian, 2 workers": f"{COMMANDS['granian']} --workers 2",
    "daphne": COMMANDS["daphne"],
    "hypercorn": f"{COMMANDS['hypercorn']} --workers 0",
}


@contextmanager
def started(name, directory, command=None, **environment):
    """Gives a server of its own, which is ended in any case. Its log is printed, for a failure."""
    environment = environment_in(directory) | environment
    environment["SERVERPROJECT_JOURNAL"] = str(directory / "journal")
    server = StoppedServer(name, directory, environment, command or STOPPING_COMMANDS[name])
    with server.clients:
        try:
            server.start()
            yield server
        finally:
            server.stop()
            print(server.log.read_text())  # noqa: T201


def rest(answer):
    """Returns what else comes, if the answer is whole, and None if it was broken off."""
    try:
        return answer.read()
    except (http.client.IncompleteRead, ConnectionError):
        return None


class StoppedServer(Server):
    """A server that is told to stop, and what it owes to those who are connected."""

    def __init__(self, name, directory, environment, command):
        super().__init__(name, directory, environment)
        self.command = command
        self.journal_file = directory / "journal"
        self.journal_file.touch()
        self.clients = ExitStack()
        """Hold their connections until the test has ended."""

    def start(self):
        super().start()
        self.remember_processes()

    def _answers(self):
        began = time.monotonic()
        answers = super()._answers()
        # A start is work, an end is mostly waiting: so this is generous on a machine under load.
        self.patience = max(STOP_SECONDS, 2 * (time.monotonic() - began))
        if "kill-timeout" in self.command:
            self.patience += STOP_SECONDS
        return answers

    def remember_processes(self):
        """Looks which processes it has: those that are to end.

        Without what Python starts for `multiprocessing` itself: it serves nobody, and ends when it
        finds that all others are gone.
        """
        root = psutil.Process(self._process.pid)
        children = root.children(recursive=True)
        theirs = [each for each in children if "resource_tracker" not in " ".join(each.cmdline())]
        self.processes = [root, *theirs]

    def client(self):
        """Returns a connection."""
        return self.clients.enter_context(Sender(self))

    def ask(self, path, name):
        """Asks for a stream over a connection of its own, which is returned."""
        client = self.client()
        client.ask(path.format(name), 0, method="GET")
        return client

    def opened(self, count, path, first):
        """Returns the answers to so many requests, each of which has begun so."""
        name = path.split("/")[2]
        clients = [self.ask(path, f"{name}-{number}") for number in range(count)]
        answers = [self.clients.enter_context(client.begun_answer()) for client in clients]
        for answer in answers:
            assert answer.read(len(first)) == first
        return answers

    def interrupt(self, number):
        """Sends a signal, as a process manager does."""
        self._interrupted = time.monotonic()
        self._process.send_signal(number)

    def press_ctrl_c(self):
        """Sends what a terminal sends, to all of its processes."""
        self._interrupted = time.monotonic()
        for process in self.processes:
            process.send_signal(signal.SIGINT)

    def assert_gone(self):
        """Asserts that all of its processes end in time."""
        left = self._interrupted + self.patience - time.monotonic()
        _, alive = psutil.wait_procs(self.processes, timeout=max(left, 0.1))
        assert not alive, f"{self.name} still runs after {self.patience:.1f} s"

    def happened(self, what):
        """Returns of which streams the journal says so, and how often."""
        lines = self.journal_file.read_text().splitlines()
        return Counter(
            name for name, _, told in (line.partition(" ") for line in lines) if told == what
        )

    def assert_closed(self):
        """Asserts that every source which began was closed, once."""
        assert self.happened("closed") == self.happened("begun")
