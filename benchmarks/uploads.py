"""A large body, sent as fast as a client can; how long it takes, and what the server holds of it.

What is sent is checked: the answer has to name its size, and a file that is saved has to be the one
that was sent. It is deleted before the next upload.
"""

import http.client
import stat
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from .blocks import BLOCK, BLOCKS, BYTES
from .contestants import SAVED
from .races import Race, report_race
from .serving import all_served

RACES = [
    Race(
        "/count/",
        "bytes of a body to a counter",
        BYTES,
        ("ours", "raw", "django"),
        {"django": 2.0, "raw": 0.9},
    ),
    Race("/save/", "bytes of a form's file to disk", BYTES, ("ours", "django"), {"django": 1.5}),
]

SAMPLE_SECONDS = 0.01

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
HEAD = (
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="file"; filename="video.mp4"\r\n'
    "Content-Type: video/mp4\r\n\r\n"
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()

# Content-Type, and what stands around the blocks.
FRAMES = {
    "/count/": ("application/octet-stream", b"", b""),
    "/save/": (f"multipart/form-data; boundary={BOUNDARY}", HEAD, TAIL),
}


@dataclass
class Upload:
    """What an upload took."""

    seconds: float = 0.0
    memory: int = 0
    """Bytes that the server's process had at its peak."""
    disk: int = 0
    """Bytes that the server had on disk at its peak, beside those of the file it saved."""


def run(rounds):
    for race in RACES:
        # Servers of its own, which hold nothing yet of what they were sent before.
        with all_served(race) as servers:
            idle = {name: _idle_memory(servers[name], race.url) for name in servers}
            rows = [_send_to_each(servers, race.url) for _ in range(rounds + 1)]
        report_race(race, [_rates(row) for row in rows[1:]], unit="MB/s", divisor=1e6)
        _report_peaks(rows, idle)


def _rates(row):
    """Returns the bytes per second of each contestant."""
    return {name: BYTES / upload.seconds for name, upload in row.items()}


def _report_peaks(rows, idle):
    print("  at the peak, MB of memory above the idle server, and of disk beside the saved file")
    for name, memory in idle.items():
        used = max(row[name].memory for row in rows) - memory
        disk = max(row[name].disk for row in rows)
        print(f"  {name:14} {used / 1e6:8.1f} {disk / 1e6:8.1f}")


def _send_to_each(servers, url):
    """Returns the `Upload` to each of the servers, sent one after the other."""
    return {name: _send(server, url, BLOCKS) for name, server in servers.items()}


def _idle_memory(server, url):
    """Returns the bytes of a server's process that has served a small body, and so is complete."""
    _send(server, url, 1)
    return psutil.Process(server.pid).memory_info().rss


def _send(server, url, blocks):
    """Sends a body of so many blocks; returns the `Upload`."""
    time.sleep(0.1)  # What the last upload leaves to clean up is none of this one's time.
    with _watched(server) as upload:
        started = time.perf_counter()
        answer = _answer(server.port, url, blocks)
        upload.seconds = time.perf_counter() - started
    if b'"size": %d' % (blocks * len(BLOCK)) not in answer:
        raise RuntimeError(f"{url} on port {server.port} answers {answer!r}")
    for path in (server.folder / SAVED).glob("*"):
        _check(path, blocks)
        upload.disk -= path.stat().st_size
        path.unlink()
    return upload


def _answer(port, url, blocks):
    content_type, head, tail = FRAMES[url]
    size = len(head) + blocks * len(BLOCK) + len(tail)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.putrequest("POST", url)
    connection.putheader("Content-Type", content_type)
    connection.putheader("Content-Length", str(size))
    connection.endheaders(head)
    for _ in range(blocks):
        connection.send(BLOCK)
    connection.send(tail)
    answer = connection.getresponse().read()
    connection.close()
    return answer


def _check(path, blocks):
    """Raises `RuntimeError` if a saved file is not what was sent."""
    with path.open("rb") as file:
        is_whole = all(file.read(len(BLOCK)) == BLOCK for _ in range(blocks)) and not file.read(1)
    if not is_whole:
        raise RuntimeError(f"{path} is not what was sent")


# What the server holds.


@contextmanager
def _watched(server):
    """Yields an `Upload` that is told the peaks of what the server holds meanwhile."""
    upload, has_ended = Upload(), threading.Event()
    process = psutil.Process(server.pid)

    def watch():
        is_last = False  # There is one more when it has ended: then all of the file is there.
        while not is_last:
            is_last = has_ended.wait(SAMPLE_SECONDS)
            upload.memory = max(upload.memory, process.memory_info().rss)
            upload.disk = max(upload.disk, _bytes_on_disk(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield upload
    finally:
        has_ended.set()
        watcher.join()


def _bytes_on_disk(server):
    """Returns the bytes of the files in the server's folder, and of those it has open unnamed.

    Python's temporary files are such: only Linux, in /proc, has them to be seen.
    """
    sizes = {}
    for path in [*server.folder.rglob("*"), *Path(f"/proc/{server.pid}/fd").glob("*")]:
        with suppress(FileNotFoundError):  # It was there a moment ago.
            found = path.stat()
            is_file = stat.S_ISREG(found.st_mode)
            if is_file and (found.st_nlink == 0 or path.is_relative_to(server.folder)):
                sizes[found.st_ino] = found.st_size
    return sum(sizes.values())
