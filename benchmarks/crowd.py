"""A crowd of clients that open a stream each and do nothing but read it, in one cheap process:

    python -m benchmarks.crowd PORT URL COUNT

Once all have an answer it prints {"opened": seconds}. From then on each line that it is sent ends a
turn, and is answered by how often the streams have beaten in it: {"fewest": n, "most": n}. It ends
with its input.
"""

import json
import select
import socket
import sys
import time

from .serving import allow_many_files

BEAT = b":\n\n"
OPENING = 100
"""At a time: more would be refused where the server's queue is full."""

CLIENTS_PER_ADDRESS = 2_000
"""An address has 28,000 ports on Linux; finding a free one takes longer the more are taken."""

IP_BIND_ADDRESS_NO_PORT = 24
"""Of Linux: the port is chosen when it is known which server is to be reached."""

PATIENCE = 300


class Crowd:
    """All clients' sockets, and how often each has heard a heartbeat since it was asked."""

    def __init__(self, port, url):
        self._server = ("127.0.0.1", port)
        self._request = f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._poll = select.epoll()
        self._sockets = {}
        self._answered = set()
        self._beats = {}

    def open(self, count):
        """Opens so many streams."""
        ends = time.monotonic() + PATIENCE
        while len(self._answered) < count:
            while len(self._sockets) < min(count, len(self._answered) + OPENING):
                self._add()
            self.read(0.1)
            if time.monotonic() > ends:
                raise SystemExit(f"only {len(self._answered)} of {count} streams were opened")

    def _add(self):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((f"127.0.0.{1 + len(self._sockets) // CLIENTS_PER_ADDRESS}", 0))
        sock.connect(self._server)
        sock.send(self._request)
        self._sockets[sock.fileno()] = sock
        self._poll.register(sock, select.EPOLLIN)

    def read(self, seconds):
        """Reads what is there, waiting for something for so long; returns whether it was told to
        end a turn.
        """
        is_told = False
        for number, _ in self._poll.poll(seconds):
            if number == sys.stdin.fileno():
                is_told = True
            else:
                self._hear(number, self._sockets[number].recv(4096))
        return is_told

    def _hear(self, number, data):
        if not data:
            raise SystemExit("the server has closed a stream")
        if number not in self._answered:
            if not data.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"a stream was answered by {data!r}")
            self._answered.add(number)
        # A chunk is written whole: no beat comes in two pieces.
        self._beats[number] = self._beats.get(number, 0) + data.count(BEAT)

    def take_turns(self):
        """Counts the beats of each turn until there is no further one."""
        self._poll.register(sys.stdin, select.EPOLLIN)
        self._beats = dict.fromkeys(self._sockets, 0)
        while True:
            while not self.read(1):
                pass
            if not sys.stdin.readline():
                return
            beats = self._beats.values()
            say({"fewest": min(beats), "most": max(beats)})
            self._beats = dict.fromkeys(self._sockets, 0)


def say(what):
    print(json.dumps(what), flush=True)


def main():
    port, url, count = sys.argv[1:]
    allow_many_files(int(count))
    crowd = Crowd(int(port), url)
    started = time.monotonic()
    crowd.open(int(count))
    say({"opened": time.monotonic() - started})
    crowd.take_turns()


if __name__ == "__main__":
    main()
