"""What the package promises of files, asked of real servers over a socket and by real clients."""

import http.client
import os
import random
import re
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from .nginx import nginx_before
from .servers import (
    APPLICATIONS,
    ASGI_SERVERS,
    HOST,
    PATIENCE,
    WSGI_SERVERS,
    Peak,
    eventually,
    running,
)

pytestmark = pytest.mark.server

PERIOD = 1_048_583
"""A prime: what is read from a wrong place differs, whatever the slices are."""
NOISE = random.Random(PERIOD).randbytes(PERIOD)

HUGE = 500_000_000
LARGE = 20_000_000
MIDDLE = 8_000_000
"""More than what the buffers between a server and a client that does not read can hold."""
SMALL = b"a small file"
SECRET = b"nobody is to read this"

PROMISED_SECONDS = 1
"""Within which a file is closed when its client has left, and others are answered."""


def content(start, stop):
    """Returns what the files consist of, from one offset up to another."""
    first = start % PERIOD
    count = stop - start
    return (NOISE * ((first + count) // PERIOD + 1))[first : first + count]


# Files.


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Makes the files that the servers send, and deletes them: they are large."""
    folder = tmp_path_factory.getbasetemp() / "files"
    for name in ("public", "accelerated", "named"):
        (folder / name).mkdir(parents=True)
    (folder / "secret.txt").write_bytes(SECRET)
    fill_public(folder / "public")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def fill_public(public):
    for name, size in {"huge.bin": HUGE, "large.bin": LARGE, "middle.bin": MIDDLE}.items():
        write(public / name, size)
    (public / "folder" / "inner").mkdir(parents=True)
    for name in ("small.txt", "folder/small.txt"):
        (public / name).write_bytes(SMALL)
    for name in (".secret", "folder/.secret", ".git/config"):
        (public / name).parent.mkdir(exist_ok=True)
        (public / name).write_bytes(SECRET)
    links = {
        "link.txt": "folder/small.txt",
        "out.txt": "../secret.txt",
        "absolute.txt": public.parent / "secret.txt",
        "out": "..",
        "chain.txt": "out.txt",
        "dangling.txt": "nothing.txt",
        "loop.txt": "loop.txt",
    }
    for name, target in links.items():
        (public / name).symlink_to(target)
    os.mkfifo(public / "fifo")


def write(path, size):
    with path.open("wb") as file:
        for start in range(0, size, 2**20):
            file.write(content(start, min(start + 2**20, size)))


@pytest.fixture(params=[*ASGI_SERVERS, *WSGI_SERVERS])
def server(request, files):
    with running(request, request.param) as server:
        yield server


def handles(server, file="huge.bin", folder="public"):
    """Returns how many handles the server has on that file."""
    path = server.files / folder / file
    return sum(Path(opened.path) == path for opened in server.worker.open_files())


class Download:
    """A client that asks for a file, and reads of it as much as it likes when it likes."""

    def __init__(self, server, path, headers="", method="GET", receive_buffer=None):
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE)
        try:
            if receive_buffer is not None:  # Only before it is connected.
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.sock.connect((HOST, server.port))
            head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n"
            self.sock.sendall(head.encode("utf-8", "surrogateescape"))
            self.response = http.client.HTTPResponse(self.sock, method=method)
            self.response.begin()
        except BaseException:
            self.sock.close()
            raise
        self.position = 0
        self._buffer = memoryview(bytearray(2**18))

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.response.close()
        self.sock.close()

    def read(self, count):
        """Reads so many bytes, and asserts that they are the next ones of the file."""
        ends = self.position + count
        while self.position < ends:
            size = self.response.readinto(self._buffer[: ends - self.position])
            if not size:
                raise http.client.IncompleteRead(b"", ends - self.position)
            expected = content(self.position, self.position + size)
            assert self._buffer[:size].tobytes() == expected, self.position
            self.position += size


def answered(server, path, headers="", method="GET"):
    """Returns a whole answer, as `http.client` has it, and its `content`."""
    with Download(server, path, headers, method) as download:
        download.response.content = download.response.read()
        return download.response


# A file as a whole.


UNDER_EVERY_HANDLER = pytest.mark.parametrize(
    ("server", "prefix"),
    [
        *((server, prefix) for server in ASGI_SERVERS for prefix in APPLICATIONS.values()),
        *((server, "") for server in WSGI_SERVERS),
    ],
    indirect=["server"],
)


@UNDER_EVERY_HANDLER
def test_a_whole_file_arrives(server, prefix, name):
    with Download(server, f"{prefix}/files/{name}/large.bin") as download:
        headers = download.response.headers
        assert download.response.status == 200
        assert headers["Content-Length"] == headers["X-Content-Size"] == str(LARGE)
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["X-Content-Type-Options"] == "nosniff"
        download.read(LARGE)
    eventually(lambda: not handles(server, "large.bin"), "the file is closed", PROMISED_SECONDS)


@pytest.mark.parametrize("headers", ["", "Range: bytes=0-499999998\r\n"], ids=["whole", "range"])
def test_a_file_of_500_mb_takes_no_memory(server, headers, name):
    # What a process takes once and for all.
    with Download(server, f"/files/{name}/large.bin", headers) as download:
        download.read(int(download.response.headers["Content-Length"]))
    peak = Peak(server)
    with Download(server, f"/files/{name}/huge.bin", headers) as download:
        size = int(download.response.headers["Content-Length"])
        assert size >= HUGE - 1
        for _ in range(50):
            download.read(size // 50)
            peak.look()
        download.read(size % 50)
    assert peak.added < 10_000_000


def test_the_first_byte_of_500_mb_comes_as_soon_as_that_of_a_small_file(server, name):
    times = {"small.txt": [], "huge.bin": []}
    for _ in range(7):
        for file in times:
            began = time.monotonic()
            with Download(server, f"/files/{name}/{file}") as download:
                assert download.response.read(1)
                times[file].append(time.monotonic() - began)
            eventually(lambda: not handles(server), "nothing else goes on")
    # What else the machine does only makes it later. Reading all of it takes longer than that,
    # even on a fast machine.
    assert min(times["huge.bin"]) < min(times["small.txt"]) + 0.1


# Clients that read slowly, or leave.

SLOW_CLIENTS = 50
A_BIT = 2**16


def slow_downloads(stack, server, path):
    """Opens many downloads that have read a bit and then pause."""
    downloads = []
    for _ in range(SLOW_CLIENTS):
        download = stack.enter_context(Download(server, path, receive_buffer=A_BIT))
        download.read(A_BIT)
        downloads.append(download)
    return downloads


def assert_answered_in_time(server, path):
    for _ in range(5):
        began = time.monotonic()
        assert answered(server, path).content == SMALL
        assert time.monotonic() - began < PROMISED_SECONDS


# gunicorn has a thread for each request and no more than so many: see it behind nginx below.
@pytest.mark.parametrize("server", [*ASGI_SERVERS, "wsgiref"], indirect=True)
def test_slow_clients_do_not_hold_up_another_request(server, name):
    with ExitStack() as stack:
        downloads = slow_downloads(stack, server, f"/files/{name}/middle.bin")
        assert handles(server, "middle.bin") >= SLOW_CLIENTS
        assert_answered_in_time(server, f"/files/{name}/small.txt")
        for download in downloads:
            download.read(MIDDLE - A_BIT)
    eventually(lambda: not handles(server, "middle.bin"), "the files are closed", PROMISED_SECONDS)


LEAVING = {
    "whole": "",
    "range": "Range: bytes=0-499999998\r\n",
    "ranges": "Range: bytes=0-199999999,300000000-499999999\r\n",
}


@UNDER_EVERY_HANDLER
@pytest.mark.parametrize("headers", LEAVING.values(), ids=LEAVING)
def test_a_client_that_leaves_frees_the_file(server, prefix, headers, name):
    with Download(server, f"{prefix}/files/{name}/huge.bin", headers) as download:
        assert len(download.response.read(A_BIT)) == A_BIT
        eventually(lambda: handles(server), "the file is open")
    eventually(lambda: not handles(server), "the file is closed", PROMISED_SECONDS)


@pytest.mark.parametrize("server", ["uvicorn", "granian", "hypercorn"], indirect=True)
def test_many_clients_that_leave_free_all_files(server, name):
    with ExitStack() as stack:
        slow_downloads(stack, server, f"/files/{name}/middle.bin")
    eventually(lambda: not handles(server, "middle.bin"), "the files are closed", PROMISED_SECONDS)


def test_an_answer_without_the_file_closes_it(server, name):
    path = f"/files/{name}/huge.bin"
    head = answered(server, path, method="HEAD")
    assert (head.status, head.headers["Content-Length"]) == (200, str(HUGE))
    for headers, status in {
        f"If-None-Match: {head.headers['ETag']}\r\n": 304,
        'If-Match: "another"\r\n': 412,
        f"Range: bytes={HUGE}-\r\n": 416,
    }.items():
        assert answered(server, path, headers).status == status
    eventually(lambda: not handles(server), "the file is closed", PROMISED_SECONDS)


@pytest.mark.parametrize("headers", ["", "Range: bytes=1-\r\n"], ids=["whole", "range"])
def test_a_file_that_shrinks_meanwhile_breaks_the_body_off(server, headers, files, name):
    path = files / "public" / f"{name}.bin"
    write(path, LARGE)
    # The answer to another request must not be taken for the end of the file.
    headers += f"\r\nGET /dogs/ HTTP/1.1\r\nHost: {HOST}\r\n"
    with Download(server, f"/files/{name}/{path.name}", headers, receive_buffer=A_BIT) as download:
        download.position = 1 if download.response.status == 206 else 0
        download.read(A_BIT)
        os.truncate(path, LARGE // 4)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            download.read(LARGE - download.position)
        assert download.position < LARGE
    path.unlink()


# wsgiref closes every connection.
@pytest.mark.parametrize("server", [*ASGI_SERVERS, "gunicorn"], indirect=True)
@pytest.mark.parametrize("file", ["small.txt", "middle.bin"])
def test_a_connection_is_usable_after_every_kind_of_answer(server, file, name):
    path = f"/files/{name}/{file}"
    size = (server.files / "public" / file).stat().st_size
    etag = answered(server, path, method="HEAD").headers["ETag"]
    connection = http.client.HTTPConnection(HOST, server.port, timeout=PATIENCE)
    connection.connect()
    sock = connection.sock
    try:
        for method, headers, status, length in [
            ("GET", {}, 200, size),
            ("HEAD", {}, 200, 0),
            ("GET", {"If-None-Match": etag}, 304, 0),
            ("GET", {"Range": "bytes=1-"}, 206, size - 1),
            ("HEAD", {"Range": "bytes=1-"}, 200, 0),
            ("GET", {"Range": "bytes=0-0,2-"}, 206, None),
            ("GET", {"Range": "bytes=1000000000-"}, 416, None),
            ("GET", {"If-Match": '"another"'}, 412, None),
            ("HEAD", {"If-Match": '"another"'}, 412, 0),
            ("GET", {"If-Range": '"another"', "Range": "bytes=1-"}, 200, size),
            ("POST", {}, 405, 0),
            ("GET", {}, 200, size),
        ]:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            body = response.read()
            assert (response.status, connection.sock) == (status, sock), (method, headers)
            assert length in (None, len(body)), (method, headers)
    finally:
        connection.close()


# Clients that know nothing of Python.


class Tool:
    """A program that downloads, and what it is told so that nothing is in between."""

    def __init__(self, program, *options, package=None):
        self.path = shutil.which(program)
        if self.path is None:
            pytest.skip(f"{program} is not installed; get it by: apt-get install {package}")
        self.options = options
        self.environment = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }

    def command(self, *arguments):
        return [self.path, *self.options, *map(str, arguments)]

    def run(self, *arguments):
        """Returns what it has printed."""
        process = subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=2 * PATIENCE,
            env=self.environment,
        )
        assert process.returncode == 0, process.stdout
        return process.stdout


@pytest.fixture(scope="session")
def curl():
    return Tool("curl", "--disable", "--silent", "--show-error", "--fail", package="curl")


@pytest.fixture(scope="session")
def wget():
    return Tool("wget", "--no-config", "--no-verbose", "--tries=1", package="wget")


@pytest.fixture(scope="session")
def aria2c():
    return Tool("aria2c", "--no-conf", "--file-allocation=none", "-j1", package="aria2")


def ranges_asked(server, name):
    """Returns the values of Range that the view has seen; None for a request without."""
    return [what for what, _ in server.journal(name)]


@pytest.fixture
def saved(tmp_path):
    """Returns where to save `large.bin`, which is not kept with what else pytest keeps."""
    path = tmp_path / "large.bin"
    yield path
    path.unlink(missing_ok=True)


def break_off(process, path):
    """Ends a download when there is some of it."""
    try:
        eventually(lambda: path.exists() and path.stat().st_size, "something has arrived")
    finally:
        process.terminate()
        process.wait(PATIENCE)
    assert 0 < path.stat().st_size < LARGE
    return path.stat().st_size


def assert_is_large(path):
    assert path.stat().st_size == LARGE
    assert path.read_bytes() == content(0, LARGE)


def test_curl_resumes(server, curl, saved, name):
    url = server.url(f"/files/{name}/large.bin")
    with subprocess.Popen(
        curl.command("--limit-rate", "2M", "-o", saved, url), env=curl.environment
    ) as process:
        size = break_off(process, saved)
    said = curl.run("-C", "-", "-o", saved, "-w", "%{http_code} %{size_download}", url)
    assert said.decode() == f"206 {LARGE - size}"
    assert_is_large(saved)
    assert ranges_asked(server, name) == [None, f"bytes={size}-"]


def test_wget_resumes(server, wget, saved, name):
    url = server.url(f"/files/{name}/large.bin")
    with subprocess.Popen(
        wget.command("--limit-rate", "2M", "-O", saved, url), env=wget.environment
    ) as process:
        size = break_off(process, saved)
    for _ in range(2):  # The second time, there is nothing left to do.
        wget.run("-c", "-O", saved, url)
        assert_is_large(saved)
    assert ranges_asked(server, name) == [None, f"bytes={size}-", f"bytes={LARGE}-"]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("0-0", 0, 1),
        ("7-1048590", 7, 1048591),
        ("-5", LARGE - 5, LARGE),
        ("19999990-", 19999990, LARGE),
    ],
)
def test_curl_gets_one_range(server, curl, asked, start, stop, name):
    body = curl.run("-r", asked, server.url(f"/files/{name}/large.bin"))
    assert body == content(start, stop)


def test_curl_gets_several_ranges(server, curl, tmp_path, name):
    head = tmp_path / "head"
    url = server.url(f"/files/{name}/large.bin")
    body = curl.run("-r", "0-99,5000000-7999999,-100", "-D", head, url)
    assert b" 206 " in head.read_bytes().splitlines()[0]
    boundary = re.search(r"multipart/byteranges; boundary=(\w+)", head.read_text())[1]
    parts = [
        f"--{boundary}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Range: bytes {start}-{stop - 1}/{LARGE}\r\n\r\n".encode()
        + content(start, stop)
        for start, stop in [(0, 100), (5_000_000, 8_000_000), (LARGE - 100, LARGE)]
    ]
    assert body == b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])


def split(aria2c, path, url):
    """Downloads over eight connections at once."""
    # It asks for the size first: or else a fast server has sent all before there is a second one.
    options = ("--use-head=true", "-x", "8", "-s", "8", "-k", "1M")
    aria2c.run(*options, "-d", path.parent, "-o", path.name, url)


def test_aria2c_splits(server, aria2c, saved, name):
    split(aria2c, saved, server.url(f"/files/{name}/large.bin"))
    assert_is_large(saved)
    assert len(set(ranges_asked(server, name))) >= 8


# Paths that lead elsewhere.

OUTSIDE = {
    "parent": "../secret.txt",
    "parent, dots encoded": "%2e%2e/secret.txt",
    "parent, a dot encoded": ".%2E/secret.txt",
    "parent, slash encoded": "..%2fsecret.txt",
    "parent, all encoded": "%2e%2e%2f%73%65%63%72%65%74.txt",
    "parent, encoded twice": "%252e%252e%252fsecret.txt",
    "parent, encoded three times": "%25252e%25252e%25252fsecret.txt",
    "parent, overlong slash": "..%c0%afsecret.txt",
    "parent, overlong dots": "%c0%ae%c0%ae/secret.txt",
    "parent, three-byte overlong": "..%e0%80%afsecret.txt",
    "parent, IIS escape": "..%u2215secret.txt",
    "parent, wide slash": "..%ef%bc%8fsecret.txt",
    "parent, wide dots": "%ef%bc%8e%ef%bc%8e/secret.txt",
    "parent, backslash": "..\\secret.txt",
    "parent, backslash encoded": "..%5csecret.txt",
    "parent, doubled": "....//secret.txt",
    "parent, path parameter": "..;/secret.txt",
    "parent, two slashes": "..//secret.txt",
    "parent, from a folder": "folder/../../secret.txt",
    "parent, from a folder, encoded": "folder/%2e%2e/%2e%2e/secret.txt",
    "parent, from what is not there": "nothing/../../secret.txt",
    "parent, from a file": "small.txt/../../secret.txt",
    "parent, beyond the root": "../" * 40 + "etc/passwd",
    "parent, NUL between": "..%00/secret.txt",
    "parent, line end between": "..%0d%0a/secret.txt",
    "here": "./../secret.txt",
    "absolute": "/etc/passwd",
    "absolute, encoded": "%2fetc%2fpasswd",
    "absolute, with a drive": "C:/secret.txt",
    "absolute, with a drive encoded": "c:%5csecret.txt",
    "home": "~root/.bashrc",
    "URL": "file:///etc/passwd",
    "device": "/dev/stdin",
    "process": "/proc/self/environ",
    "NUL": "%00",
    "NUL at the end": "small.txt%00",
    "NUL and another suffix": "small.txt%00.png",
    "raw NUL": "small.txt\0",
    "line end": "small.txt%0a",
    "line ends": "small.txt%0d%0aX-Injected:%20yes",
    "raw carriage return": "small.txt\rX-Injected: yes",
    "no UTF-8": "%ff%fe",
    "raw, no UTF-8": "\udcff\udcfe",
    "surrogates": "%ed%a0%80",
    "broken escape": "%2",
    "link out": "out.txt",
    "link out, absolute": "absolute.txt",
    "link out, over another": "chain.txt",
    "link to a folder outside": "out/secret.txt",
    "link to nothing": "dangling.txt",
    "link to itself": "loop.txt",
    "dot file": ".secret",
    "dot file, encoded": "%2esecret",
    "dot file in a folder": "folder/.secret",
    "in a dot folder": ".git/config",
    "folder": "folder",
    "folder with slash": "folder/",
    "the root": ".",
    "nothing": "",
    "FIFO": "fifo",
    "a file as a folder": "small.txt/",
    "a file as a folder with here": "small.txt/.",
    "in a file": "small.txt/small.txt",
    "two slashes": "folder//small.txt",
    "here in between": "folder/./small.txt",
    "long name": "a" * 300,
    "long path": "a/" * 2500,
}


def status_and_answer(server, target, headers=""):
    """Returns the status, None if the server has hung up, and all that it has sent."""
    head = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{headers}\r\n"
    with socket.create_connection((HOST, server.port), timeout=PATIENCE) as sock:
        sock.sendall(head.encode("latin-1", "surrogateescape"))
        answer = b""
        try:
            while data := sock.recv(2**16):
                answer += data
        except ConnectionResetError:
            pass
    status = re.match(rb"HTTP/1\.[01] (\d+) ", answer)
    return int(status[1]) if status else None, answer


def assert_leads_nowhere(server, target):
    status, answer = status_and_answer(server, target)
    assert status in {None, 400, 404, 414}, answer
    for told in (SECRET, SMALL, b"root:", b"\r\nX-Injected", str(server.files).encode()):
        assert told not in answer


@pytest.mark.parametrize("path", OUTSIDE.values(), ids=OUTSIDE)
def test_a_path_that_leads_elsewhere_is_not_found(server, path, name):
    assert_leads_nowhere(server, f"/files/{name}/{path}")


def test_an_absolute_path_of_a_file_that_is_there_is_not_found(server, files, name):
    for path in (files / "secret.txt", files / "public" / "small.txt"):
        assert_leads_nowhere(server, f"/files/{name}/{path}")
        assert_leads_nowhere(server, f"/files/{name}/{quote(str(path), safe='')}")


@pytest.mark.parametrize(
    "path",
    [
        "small.txt",
        "%73mall%2etxt",
        "folder/small.txt",
        "folder%2fsmall.txt",
        "link.txt",
        "out/public/small.txt",
    ],
)
def test_a_path_that_leads_to_a_file_is_found(server, path, name):
    status, answer = status_and_answer(server, f"/files/{name}/{path}")
    assert status == 200
    assert answer.endswith(b"\r\n\r\n" + SMALL)


# Ranges that make work.


# Ranges that are meant to make work.

RANGES = [
    ("bytes=0-99999999999999999999999999", 206, 0, MIDDLE),
    ("bytes=-99999999999999999999999999", 206, 0, MIDDLE),
    ("bytes=000000000000000000000000000007-9", 206, 7, 10),
    ("bytes=0-9,5-14,14-20,2-3", 206, 0, 21),
    ("bytes=0-9,0-9,0-9,10-10", 206, 0, 11),
    (f"bytes={MIDDLE}-", 416, 0, 0),
    ("bytes=99999999999999999999999999-", 416, 0, 0),
    ("bytes=99999999999999999999999998-99999999999999999999999999", 416, 0, 0),
    (f"bytes={'9' * 1500}-", 416, 0, 0),
    ("bytes=-0", 416, 0, 0),
    (f"bytes=0-{'9' * 5000}", 200, 0, MIDDLE),
    ("bytes=0-,0-", 200, 0, MIDDLE),
    (f"bytes={'0-,' * 600}", 200, 0, MIDDLE),
    (f"bytes={',' * 600}", 200, 0, MIDDLE),
    (f"bytes={','.join(f'{2 * n}-{2 * n}' for n in range(17))}", 200, 0, MIDDLE),
    ("bytes=--1", 200, 0, MIDDLE),
    ("bytes=-1-2", 200, 0, MIDDLE),
    ("bytes=9-5", 200, 0, MIDDLE),
    ("bytes=0-1,9-5", 200, 0, MIDDLE),
    ("bytes=+1-2", 200, 0, MIDDLE),
    ("bytes=1.0-2", 200, 0, MIDDLE),
    ("bytes=0x1-0x2", 200, 0, MIDDLE),
    ("bytes=1e1-", 200, 0, MIDDLE),
    ("bytes=1_0-2_0", 200, 0, MIDDLE),
    ("bytes=\u0663-\u0664", 200, 0, MIDDLE),
    ("bytes=-", 200, 0, MIDDLE),
    ("bytes=", 200, 0, MIDDLE),
    ("bytes", 200, 0, MIDDLE),
    ("bytes 0-1", 200, 0, MIDDLE),
    ("lines=0-1", 200, 0, MIDDLE),
    ("bytes=0-1\r\nRange: bytes=5-6", 200, 0, MIDDLE),
]


@pytest.mark.parametrize(("asked", "status", "start", "stop"), RANGES)
def test_any_range_gets_what_it_asks_for_or_everything(server, asked, status, start, stop, name):
    headers = f"Range: {asked}\r\n"
    with Download(server, f"/files/{name}/middle.bin", headers) as download:
        said = download.response.headers
        assert download.response.status == status
        if status == 416:
            assert said["Content-Range"] == f"bytes */{MIDDLE}"
            return
        if status == 206:
            assert said["Content-Range"] == f"bytes {start}-{stop - 1}/{MIDDLE}"
        assert said["Content-Length"] == str(stop - start)
        download.position = start
        download.read(stop - start)


@pytest.mark.parametrize(
    "asked",
    [
        ",".join(f"{2 * n}-{2 * n}" for n in range(10_000)),
        ",".join("0-" for n in range(10_000)),
        ",".join(f"-{n}" for n in range(10_000)),
    ],
    ids=["apart", "overlapping", "suffixes"],
)
def test_ten_thousand_ranges_make_no_work(server, asked, name):
    path = f"/files/{name}/middle.bin"
    status, answer = status_and_answer(server, path, f"Range: bytes={asked}\r\n")
    # Servers refuse what is too long for them, or hang up; we send everything.
    assert status in {200, None, 400, 413, 431}
    if status == 200:
        assert answer.endswith(b"\r\n\r\n" + content(0, MIDDLE))
    assert_answered_in_time(server, f"/files/{name}/small.txt")


# Names that are meant to be more than names.

NAMES = {
    "plain.txt": 'filename="plain.txt"',
    "two words.txt": 'filename="two words.txt"',
    "a\r\nX-Injected: yes.txt": 'filename="aX-Injected: yes.txt"',
    "a\nX-Injected: yes.txt": 'filename="aX-Injected: yes.txt"',
    "a\rX-Injected: yes.txt": 'filename="aX-Injected: yes.txt"',
    "a\r\n\r\n<script>": 'filename="a<script>"',
    "a\x85b\x7f\x1b.txt": 'filename="ab.txt"',
    "a\u2028b.txt": "filename=\"a_b.txt\"; filename*=UTF-8''a%E2%80%A8b.txt",
    'a"; filename="b.txt': (
        "filename=\"a_; filename=_b.txt\"; filename*=UTF-8''a%22%3B%20filename%3D%22b.txt"
    ),
    "a;b=c,d'e.txt": 'filename="a;b=c,d\'e.txt"',
    "100%41.txt": "filename=\"100_41.txt\"; filename*=UTF-8''100%2541.txt",
    "naïve.txt": "filename=\"naive.txt\"; filename*=UTF-8''na%C3%AFve.txt",
    "Жук.txt": "filename=\"___.txt\"; filename*=UTF-8''%D0%96%D1%83%D0%BA.txt",
    "🐕.txt": "filename=\"_.txt\"; filename*=UTF-8''%F0%9F%90%95.txt",
    "=?utf-8?q?a?=.txt": 'filename="=?utf-8?q?a?=.txt"',
    "a\\b.txt": 'filename="b.txt"',
}
"""Names that a file can have, and what is said of them."""

PATHS = {
    "../../a.txt": 'filename="a.txt"',
    "/etc/passwd": 'filename="passwd"',
    "a\0.txt": 'filename="a.txt"',
    "a/\r\nX-Injected: yes": 'filename="X-Injected: yes"',
    "a" * 2000: f'filename="{"a" * 255}"',  # As much as a file system takes.
}
"""What only a view can call a file."""


def assert_named(server, path, name, said):
    response = answered(server, f"{path}?name={quote(name, safe='')}")
    assert response.status == 200
    assert response.headers["Content-Disposition"] == f"attachment; {said}"
    assert "X-Injected" not in response.headers
    assert len(response.headers.get_all("Content-Disposition")) == 1
    return response


@pytest.mark.parametrize(("called", "said"), [*NAMES.items(), *PATHS.items()])
def test_a_name_that_a_view_gives_is_nothing_but_a_name(server, called, said):
    assert_named(server, "/named/given/", called, said)


@pytest.mark.parametrize(("called", "said"), NAMES.items())
def test_a_name_that_a_file_has_is_nothing_but_a_name(server, files, called, said):
    (files / "named" / called).write_bytes(SMALL)
    assert assert_named(server, "/named/own/", called, said).content == SMALL


@pytest.mark.parametrize("called", [*NAMES, *PATHS])
def test_curl_saves_in_its_folder_whatever_the_name(request, files, curl, tmp_path, called):
    folder = tmp_path / "folder"
    folder.mkdir()
    with running(request, "uvicorn") as server:
        url = server.url(f"/named/given/?name={quote(called[:100], safe='')}")
        curl.run("--output-dir", folder, "-O", "-J", url)
    assert len(list(folder.iterdir())) == 1
    assert list(tmp_path.iterdir()) == [folder]


# nginx sends the file, and the application only says which.


@pytest.fixture(scope="module")
def accelerated(files):
    """Returns the folder that nginx sends from."""
    folder = files / "accelerated"
    for name in ACCELERATED:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"I am {name}")
    (folder / "link.txt").symlink_to("folder/plain.txt")
    (folder / "out.txt").symlink_to("../secret.txt")
    (folder / ".secret").write_bytes(SECRET)
    for name in ("small.txt", "middle.bin", "large.bin"):
        (folder / name).hardlink_to(files / "public" / name)
    return folder


@pytest.fixture(scope="module", params=["uvicorn", "gunicorn"])
def nginx(request, accelerated, tmp_path_factory):
    with (
        running(request, request.param) as server,
        nginx_before(server, accelerated, tmp_path_factory.mktemp("nginx")) as nginx,
    ):
        yield nginx


ACCELERATED = [
    "plain.txt",
    "folder/plain.txt",
    "two words.txt",
    "100%.txt",
    "100%41.txt",
    "%2e%2e.txt",
    "a+b&c=d;e,f.txt",
    "question?mark.txt",
    "number#sign.txt",
    "quo\"te's.txt",
    "back\ttab.txt",
    "naïve Жук 🐕.txt",
    "nai\u0308ve.txt",
    "dots...txt",
    "$host ${uri}.txt",
]


@pytest.mark.parametrize("called", ACCELERATED)
def test_nginx_sends_the_file_of_that_name(nginx, called):
    path = f"/accelerated/{quote(called)}"
    response = answered(nginx, path)
    assert (response.status, response.headers["Server"][:5]) == (200, "nginx")
    assert response.content.decode() == f"I am {called}"
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "X-Accel-Redirect" not in response.headers
    own = answered(nginx.application, path)
    assert own.headers["X-Accel-Redirect"].startswith("/internal/")
    assert own.content == b""


def test_nginx_answers_conditions_and_ranges(nginx):
    path = "/accelerated/middle.bin"
    head = answered(nginx, path, method="HEAD")
    assert (head.status, head.headers["Content-Length"]) == (200, str(MIDDLE))
    etag = head.headers["ETag"]
    assert answered(nginx, path, f"If-None-Match: {etag}\r\n").status == 304
    since = head.headers["Last-Modified"]
    assert answered(nginx, path, f"If-Modified-Since: {since}\r\n").status == 304
    part = answered(nginx, path, f"If-Range: {etag}\r\nRange: bytes=1000000-2999999\r\n")
    assert (part.status, part.headers["Server"][:5]) == (206, "nginx")
    assert part.headers["Content-Range"] == f"bytes 1000000-2999999/{MIDDLE}"
    assert part.content == content(1_000_000, 3_000_000)
    whole = answered(nginx, path, 'If-Range: "another"\r\nRange: bytes=1-2\r\n')
    assert (whole.status, whole.content) == (200, content(0, MIDDLE))
    assert answered(nginx, path, f"Range: bytes={MIDDLE}-\r\n").status == 416


def test_nginx_has_entity_tags_and_dates_of_its_own(nginx):
    """It drops those of the application, and evaluates conditions with those it sends."""
    path = "/accelerated-with-tag/small.txt"
    assert answered(nginx.application, path).headers["ETag"] == '"v17"'
    head = answered(nginx, path, method="HEAD").headers
    plain = answered(nginx, "/accelerated/small.txt", method="HEAD").headers
    assert head.get_all("ETag") == [plain["ETag"]]
    assert head.get_all("Last-Modified") == [plain["Last-Modified"]]
    for etag, matches in (('"v17"', False), (plain["ETag"], True)):
        status = answered(nginx, path, f"If-None-Match: {etag}\r\n").status
        assert status == (304 if matches else 200)
        assert answered(nginx, path, f"If-Match: {etag}\r\n").status == (200 if matches else 412)
        ranged = f"If-Range: {etag}\r\nRange: bytes=0-1\r\n"
        assert answered(nginx, path, ranged).status == (206 if matches else 200)


def test_aria2c_splits_what_nginx_sends(nginx, aria2c, saved):
    split(aria2c, saved, nginx.url("/accelerated/large.bin"))
    assert_is_large(saved)


def test_slow_clients_of_nginx_do_not_hold_up_another_request(nginx, name):
    with ExitStack() as stack:
        downloads = slow_downloads(stack, nginx, "/accelerated/middle.bin")
        assert not handles(nginx.application, "middle.bin", "accelerated")
        assert_answered_in_time(nginx, "/accelerated/small.txt")
        assert_answered_in_time(nginx, f"/files/{name}/small.txt")
        for download in downloads:
            download.read(MIDDLE - A_BIT)


@pytest.mark.parametrize(
    "path",
    [
        "/internal/plain.txt",
        "//internal/plain.txt",
        "/./internal/plain.txt",
        "/%69nternal/plain.txt",
        "/%69nternal%2fplain.txt",
        "/files/../internal/plain.txt",
        "/accelerated/../internal/plain.txt",
        "/accelerated/%2e%2e/internal/plain.txt",
        "/accelerated/..%2finternal/plain.txt",
        "/internal/",
        "/internal",
        "/internal../secret.txt",
        "/internal/../secret.txt",
        "/internal/..%2fsecret.txt",
        "/accelerated/../secret.txt",
        "/accelerated/..%2fsecret.txt",
        "/accelerated/%252e%252e%252fsecret.txt",
        "/accelerated/folder/..%2f..%2fsecret.txt",
        "/accelerated/plain.txt%00",
        "/accelerated/plain.txt%0d%0aX-Injected:%20yes",
        "/accelerated/out.txt",
        "/accelerated/.secret",
        "/accelerated/folder",
        "/accelerated/nothing.txt",
    ],
)
def test_nothing_else_is_read_through_nginx(nginx, path):
    status, answer = status_and_answer(nginx, path)
    assert status in {400, 404}
    for told in (SECRET, b"I am", b"\r\nX-Injected", b"X-Accel-Redirect"):
        assert told not in answer
