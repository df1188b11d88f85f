"""A large file, downloaded as fast as a client can; and a small one, again and again.

The files are hot: they have just been written, and read once by everyone. What comes is compared
with them once per contestant, and counted whenever it is timed.
"""

import re
import socket
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from . import nginx
from .blocks import BLOCK, BLOCKS, BYTES
from .races import Race, report_race
from .serving import all_served

LARGE, SMALL = "/files/large", "/files/small"
SMALL_BYTES = 4096
REQUESTS = {LARGE: 1, SMALL: 2000}
UNITS = {LARGE: ("MB/s", 1e6), SMALL: ("per second", 1)}

RACES = [
    Race(
        LARGE,
        "bytes of a file",
        BYTES,
        ("ours", "raw", "django", "nginx"),
        {"raw": 0.95, "django": 3.0, "nginx": 0.6},
    ),
    Race(
        LARGE,
        "bytes of a file",
        BYTES,
        ("ours", "raw", "nginx"),
        {"raw": 0.95, "nginx": 0.75},
        server="granian",
    ),
    # Without "pathsend": what it costs one client is what it saves the process.
    Race(
        LARGE,
        "bytes of a file",
        BYTES,
        ("ours_sliced", "raw", "nginx"),
        {"raw": 0.95, "nginx": 0.75},
        server="granian",
    ),
    Race(SMALL, "files of 4 KiB", REQUESTS[SMALL], ("ours", "django"), {"django": 0.9}),
]


def run(rounds):
    has_nginx = nginx.program() is not None
    if not has_nginx:
        print("\nnginx is left out: it is not installed. Get it by: apt-get install nginx-light")
    with TemporaryDirectory(prefix="benchmark-") as folder:
        _make_files(Path(folder))
        for race in RACES:
            names = tuple(name for name in race.contestants if name != "nginx" or has_nginx)
            with all_served(replace(race, contestants=names), folder) as servers:
                for server in servers.values():
                    _compare(server, race.url)
                rows = [_rates(race, servers) for _ in range(rounds + 1)][1:]
            unit, divisor = UNITS[race.url]
            report_race(race, rows, unit, divisor)


def _make_files(folder):
    """Makes both; in each block of the large one stands which it is."""
    (folder / "files").mkdir()
    with (folder / LARGE[1:]).open("wb") as file:
        for number in range(BLOCKS):
            file.write(number.to_bytes(8, "big") + BLOCK[8:])
    (folder / SMALL[1:]).write_bytes(BLOCK[:SMALL_BYTES])


def _rates(race, servers):
    """Returns the bytes, or files, per second of each contestant, asked one after the other."""
    return {name: race.count / _seconds(server, race.url) for name, server in servers.items()}


def _seconds(server, url):
    """Returns the seconds that the requests of a turn take, over one connection."""
    time.sleep(0.1)  # What the last turn leaves to clean up is none of this one's time.
    size = (server.folder / url[1:]).stat().st_size
    with closing(Client(server.port)) as client:
        started = time.perf_counter()
        for _ in range(REQUESTS[url]):
            for _piece in client.pieces(url, size):
                pass
        return time.perf_counter() - started


def _compare(server, url):
    """Raises `RuntimeError` if what is sent is not the file."""
    path = server.folder / url[1:]
    with closing(Client(server.port)) as client, path.open("rb") as file:
        for piece in client.pieces(url, path.stat().st_size):
            if file.read(len(piece)) != bytes(piece):
                raise RuntimeError(f"{url} on port {server.port} is not {path}")


class Client:
    """One connection, kept alive, and the one buffer that everything is received into.

    As little as can be: beside a server that answers thousands of requests a second, http.client
    would be what is measured.
    """

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), 120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(2**20))

    def close(self):
        self._socket.close()

    def pieces(self, url, size):
        """Asks for a file of `size` bytes and yields its pieces; each is gone with the next."""
        self._socket.sendall(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        piece = self._after_head(size)
        received = len(piece)
        yield piece
        while received < size:
            count = self._receive(0)
            received += count
            yield self._buffer[:count]
        if received > size:
            raise RuntimeError(f"{url} has more than {size} bytes")

    def _after_head(self, size):
        """Returns what has come of the body when all of the head has."""
        filled = 0
        while not (found := re.search(rb"\r\n\r\n", self._buffer[:filled])):
            filled += self._receive(filled)
        head = bytes(self._buffer[: found.end()])
        length = re.search(rb"\r\ncontent-length: *(\d+)\r\n", head, re.IGNORECASE)
        if not head.startswith(b"HTTP/1.1 200 ") or length is None or int(length[1]) != size:
            raise RuntimeError(f"for a file of {size} bytes the answer is {head!r}")
        return self._buffer[found.end() : filled]

    def _receive(self, start):
        count = self._socket.recv_into(self._buffer[start:])
        if count == 0:
            raise RuntimeError("the server has closed the connection midway")
        return count
