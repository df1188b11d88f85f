"""What the package promises of request bodies, asked of real servers over a socket."""

import json
import random
import shutil
import socket
import threading
import time
import zlib
from collections import Counter
from contextlib import suppress
from uuid import uuid4

import httpx
import psutil
import pytest

from django_streams import JSONL, MSGPACK

from .serverproject.body_views import MAX_SIZE
from .serverproject.wire import HOUNDS
from .servers import (
    PATIENCE,
    STANDSTILL_SECONDS,
    WSGI_SERVERS,
    Peak,
    Sender,
    eventually,
    running,
)

pytestmark = pytest.mark.server

STREAMING_SERVERS = ("uvicorn", "granian", "hypercorn")
"""daphne has received a body before it calls an application."""

PROMISED_SECONDS = 1
"""Within which a view has heard of it when its client has left."""

WRITES_TO_NOBODY = ("[INFO] ASGI transport error", "socket.send() raised exception.")
"""How granian, and asyncio under hypercorn, say that a stream has gone on for a moment."""

HUGE = 500_000_000
FLOOD = 50_000_000
"""Bytes, more than all buffers take."""
BOUNDARY = "frontier"
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
FILE_HEAD = (
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="file"; filename="a.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
FORM_END = f"\r\n--{BOUNDARY}--\r\n".encode()

BUFFERS = 20_000_000
"""Bytes that sockets and servers hold at most of what nobody reads."""
LINGER_BYTES = 2**26
"""What our handler discards at most, so that a client gets to see its answer."""


@pytest.fixture(params=STREAMING_SERVERS)
def server(request):
    with running(request, request.param) as server:
        yield server


@pytest.fixture(params=["", "/sync"], ids=["ours", "ours-under-sync-middleware"])
def our_prefix(request):
    return request.param


def whats(server, name):
    return [what for what, _ in server.journal(name)]


def sum_of(data):
    return {"size": len(data), "crc": zlib.crc32(data)}


def noise(size):
    """Returns bytes of which none could be missed or sent twice unnoticed."""
    return random.Random(size).randbytes(size)


# A body is read while it is sent.


def pour_and_look(client, size, peak):
    for _ in range(50):
        assert client.pour(size // 50) is None
        peak.look()


def test_a_body_of_500_mb_is_read_while_it_is_sent_and_takes_no_memory(warm_server, name):
    server = warm_server
    peak = Peak(server)
    with Sender(server, f"/reads/{name}/", size=HUGE) as client:
        client.send(bytes(HUGE // 100))
        eventually(lambda: server.produced(name) == HUGE // 100, "all that was sent is read")
        assert whats(server, name) == ["begun"]
        pour_and_look(client, HUGE - HUGE // 100, peak)
        assert json.loads(client.answer().content)["size"] == HUGE
    assert peak.added < 10_000_000


@pytest.fixture(scope="module")
def warm_servers():
    return set()


@pytest.fixture
def warm_server(server, warm_servers):
    """Returns a server whose process has taken what memory a body takes once and for all."""
    if server not in warm_servers:
        warm_up(server)
        warm_servers.add(server)
    return server


def warm_up(server):
    for path, head, end in [("reads", b"", b""), ("upload", FILE_HEAD, FORM_END)]:
        name = uuid4().hex
        size = len(head) + 50_000_000 + len(end)
        with Sender(server, f"/{path}/{name}/", size, FORM if head else "") as client:
            client.send(head)
            assert client.pour(50_000_000) is None
            client.send(end)
            assert client.answer().status in (200, 201)
        shutil.rmtree(server.media / name, ignore_errors=True)


def test_a_file_of_500_mb_is_saved_while_it_is_sent_and_no_other_copy_is_written(warm_server, name):
    server = warm_server
    peak, written = Peak(server), written_by(server)
    size = len(FILE_HEAD) + HUGE + len(FORM_END)
    with Sender(server, f"/upload/{name}/", size, FORM) as client:
        client.send(FILE_HEAD)
        client.send(bytes(HUGE // 100))
        assert server.time_of("begun", name)
        eventually(lambda: saved_bytes(server, name), "some of the file is on the disk")
        pour_and_look(client, HUGE - HUGE // 100, peak)
        client.send(FORM_END)
        answer = client.answer()
        (file,) = json.loads(answer.content)["files"]
        assert (answer.status, file["size"]) == (201, HUGE)
    peak.look()
    assert saved_bytes(server, name) == HUGE
    assert peak.added < 10_000_000
    if psutil.LINUX:
        assert written_by(server) - written < HUGE * 1.01
    shutil.rmtree(server.media / name)


def written_by(server):
    """Returns how many bytes the server has written, to whatever file: also to nameless ones."""
    return server.worker.io_counters().write_chars if psutil.LINUX else 0


def saved_bytes(server, name):
    return sum(file.stat().st_size for file in files_of(server, name))


def files_of(server, name):
    """Returns what stands in the test's folder, partial files too."""
    folder = server.media / name
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux counts what a process writes")
def test_a_second_copy_would_be_seen(server, name):
    written = written_by(server)
    with Sender(server, f"/django/upload/{name}/", 50_000_000) as client:
        client.send(bytes(50_000_000))
        assert client.answer().status == 201
    assert written_by(server) - written > 99_000_000
    shutil.rmtree(server.media / name)


# A client has to wait for a view that does not read.


@pytest.mark.parametrize("path", ["reads-late", "reads-and-pauses"])
def test_a_view_that_does_not_read_makes_its_client_wait(server, path, name):
    with Sender(server, f"/{path}/{name}/") as client:
        assert client.pour(HUGE, patience=STANDSTILL_SECONDS) == "standstill"
        assert client.sent < BUFFERS
        assert whats(server, name) == ["begun"]
    server.signal(name)
    assert server.time_of("closed", name)


@pytest.mark.parametrize("path", ["reads-late", "reads-and-pauses"])
def test_what_had_to_wait_arrives_when_the_view_goes_on(server, path, name):
    data = noise(2 * BUFFERS)
    with Sender(server, f"/{path}/{name}/", size=len(data)) as client:
        sending = threading.Thread(target=client.send, args=[data])
        sending.start()
        try:
            assert server.time_of("begun", name)
            sending.join(0.5)
            assert sending.is_alive()
        finally:
            server.signal(name)
            sending.join()
        assert json.loads(client.answer().content) == sum_of(data)


# A client that leaves.


@pytest.fixture
def undisturbed(server):
    """Asserts that a test has left no task and no thread."""
    before = min((what_runs(server) for _ in range(5)), key=Counter.total)  # The last one may end.
    yield
    eventually(lambda: not what_runs(server) - before, "all has ended")


def what_runs(server):
    runs = server.get("/running/").json()
    return Counter(runs["tasks"] + runs["threads"])


@pytest.fixture
def unlogged(server):
    """Asserts that the server has logged nothing."""
    before = logged_by(server)
    yield
    assert server.get("/dogs/").status_code == 200  # By then it would be there.
    assert logged_by(server) == before


def logged_by(server):
    """Returns what it has logged, but for what it says of writing to whoever has left."""
    lines = server.log.read_text().splitlines()
    return [line for line in lines if not line.startswith(WRITES_TO_NOBODY)]


@pytest.mark.usefixtures("undisturbed", "unlogged")
@pytest.mark.parametrize("path", ["reads", "reads-privately", "reads-function", "reads-parts"])
def test_a_view_that_reads_hears_of_a_departure_in_time(server, our_prefix, path, name):
    headers = FORM + cookie_of(server)
    with Sender(server, f"{our_prefix}/{path}/{name}/", headers=headers) as client:
        client.send(FILE_HEAD + bytes(1000))
        eventually(lambda: server.produced(name) >= 900, "all that was sent is read")
        left_at = time.monotonic()
    assert_heard_in_time(server, "aborted", name, left_at)
    assert whats(server, name) == ["begun", "aborted", "closed"]


@pytest.mark.usefixtures("undisturbed", "unlogged")
@pytest.mark.parametrize("path", ["upload", "upload-privately"])
@pytest.mark.parametrize("is_form", [True, False])
def test_half_a_file_is_gone_when_its_client_is(server, our_prefix, path, is_form, name):
    headers = (FORM if is_form else "") + cookie_of(server)
    with Sender(server, f"{our_prefix}/{path}/{name}/", HUGE, headers) as client:
        client.send(FILE_HEAD + bytes(5_000_000))
        eventually(lambda: saved_bytes(server, name) > 2_000_000, "half a file is on the disk")
        left_at = time.monotonic()
    assert_heard_in_time(server, "aborted", name, left_at)
    eventually(lambda: files_of(server, name) == [], "the file is gone", PROMISED_SECONDS)
    assert server.time_of("closed", name)
    assert whats(server, name) == ["begun", "aborted", "closed"]


@pytest.mark.usefixtures("undisturbed", "unlogged")
@pytest.mark.parametrize("path", ["reads-and-pauses", "reads-and-pauses-privately"])
def test_a_view_that_has_something_else_to_do_is_cancelled(server, our_prefix, path, name):
    headers = cookie_of(server)
    with Sender(server, f"{our_prefix}/{path}/{name}/", headers=headers) as client:
        client.send(b"first")
        eventually(lambda: server.produced(name) == 5, "all that was sent is read")
        client.send(b"second")
        left_at = time.monotonic()
    assert_heard_in_time(server, "cancelled", name, left_at)


def assert_heard_in_time(server, what, name, left_at):
    """Asserts that it happened in time; both times are of the clock of this machine."""
    ends = left_at + PROMISED_SECONDS
    heard_at = eventually(
        lambda: dict(server.journal(name)).get(what) or time.monotonic() > ends, f"{name} is {what}"
    )
    assert heard_at is not True, f"{name} is not {what} in time"
    assert heard_at - left_at < PROMISED_SECONDS


def cookie_of(server):
    response = server.get("/login/?user=ada")
    return f"Cookie: sessionid={response.cookies['sessionid']}\r\n"


# daphne, which has the whole body first.


@pytest.fixture
def daphne(request):
    with running(request, "daphne") as server:
        yield server


def test_daphne_has_the_whole_body_when_the_view_starts(daphne, our_prefix, name):
    data = noise(5_000_000)
    with Sender(daphne, f"{our_prefix}/reads/{name}/", len(data)) as client:
        client.send(data[:-1])
        assert whats(daphne, name) == []
        nearly_sent_at = time.monotonic()
        client.send(data[-1:])
        assert json.loads(client.answer().content) == sum_of(data)
    assert daphne.time_of("begun", name) > nearly_sent_at


# Refusals.


TOO_LARGE = ["reads-little", "reads-function", "upload-little"]


@pytest.mark.parametrize("path", TOO_LARGE)
def test_a_body_that_says_it_is_too_large_is_refused_before_its_view_runs(
    server, our_prefix, path, name
):
    with Sender(server, f"{our_prefix}/{path}/{name}/", size=HUGE) as client:
        assert client.pour(HUGE) == "answer"
        answer = client.answer()
        assert (answer.status, answer.headers["Connection"]) == (413, "close")
        assert client.sent < LINGER_BYTES + BUFFERS
    assert whats(server, name) == []
    assert files_of(server, name) == []


@pytest.mark.usefixtures("undisturbed")
@pytest.mark.parametrize("size", [30_000_000, 10 * HUGE])
def test_a_refused_client_that_sends_on_sees_why_and_is_not_let_send_all(server, size, name):
    """granian may hang up as soon as it has written as much as Content-Length says."""
    with Sender(server, f"/reads-little/{name}/", size=size) as client:
        stopped = client.pour(size, stops_at_answer=False)
        assert client.answer().status == 413
        assert client.read() == b""
        if size < LINGER_BYTES and server.name != "granian":
            assert stopped is None
        elif size > LINGER_BYTES:
            assert stopped == "hang-up"
            assert client.sent < LINGER_BYTES + BUFFERS


@pytest.mark.parametrize("path", TOO_LARGE)
def test_a_body_that_grows_too_large_is_refused_midway(server, our_prefix, path, name):
    with Sender(server, f"{our_prefix}/{path}/{name}/") as client:
        client.send(bytes(MAX_SIZE))
        eventually(lambda: server.produced(name) == MAX_SIZE, "all that was sent is read")
        assert client.pour(HUGE) == "answer"
        answer = client.answer()
        assert (answer.status, answer.headers["Connection"]) == (413, "close")
        assert client.sent < LINGER_BYTES + BUFFERS
    assert whats(server, name) == ["begun", "closed"]
    assert files_of(server, name) == []


REFUSED_AT_ONCE = [
    ("upload-little", 413),  # By Content-Length.
    ("csrf/upload", 403),  # For want of any token.
    ("upload-privately", 302),  # By LoginRequiredMixin.
]


@pytest.mark.parametrize(("path", "status"), REFUSED_AT_ONCE)
def test_a_client_that_asks_first_is_refused_without_being_asked_to_go_on(
    server, our_prefix, path, status, name
):
    headers = f"{FORM}Expect: 100-continue\r\n"
    with Sender(server, f"{our_prefix}/{path}/{name}/", HUGE, headers) as client:
        received = client.read_all()
    if server.name == "hypercorn":  # It says so before it calls the application.
        assert received.startswith(b"HTTP/1.1 100")
        received = received.partition(b"\r\n\r\n")[2]
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert b"100 Continue" not in received
    assert b"\r\nconnection: close\r\n" in received.lower()
    assert whats(server, name) == []


@pytest.mark.parametrize(("path", "status"), REFUSED_AT_ONCE)
def test_a_client_that_waits_for_nothing_is_refused_before_anything_is_read(
    server, our_prefix, path, status, name
):
    with Sender(server, f"{our_prefix}/{path}/{name}/", HUGE, FORM) as client:
        answer = client.answer()
        assert (answer.status, answer.headers["Connection"]) == (status, "close")
    assert whats(server, name) == []


def test_a_client_that_asks_first_is_asked_to_go_on_when_the_view_reads(server, our_prefix, name):
    with Sender(
        server, f"{our_prefix}/reads-late/{name}/", 4, "Expect: 100-continue\r\n"
    ) as client:
        assert server.time_of("begun", name)
        server.signal(name)
        assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        client.send(b"body")
        assert json.loads(client.answer().content) == sum_of(b"body")


@pytest.mark.parametrize("path", ["reads-impatiently", "upload-impatiently"])
def test_a_client_that_pauses_is_not_waited_for(server, our_prefix, path, name):
    with Sender(server, f"{our_prefix}/{path}/{name}/") as client:
        client.send(bytes(3_000_000))
        answer = client.answer()
        assert (answer.status, answer.headers["Connection"]) == (408, "close")
    assert files_of(server, name) == []


def test_a_client_that_dribbles_is_not_waited_for(server, our_prefix, name):
    with Sender(server, f"{our_prefix}/dribbled/{name}/") as client:
        while not client.is_answered():
            client.send(b"x")
            eventually(
                lambda: server.produced(name) == client.sent or client.is_answered(),
                "the byte is read",
            )
        answer = client.answer()
        assert (answer.status, answer.headers["Connection"]) == (408, "close")
    assert client.sent > 1


JSON_LINES = "Content-Type: application/jsonl\r\n"
FIELD_HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="field"\r\n\r\n'.encode()
MISTAKES = {
    "form-without-a-beginning": ("upload", FORM, bytes(100), 400),
    "form-without-an-end": ("upload", FORM, FILE_HEAD + bytes(3_000_000), 400),
    "form-with-a-second-file-that-is-none": (
        *("upload", FORM),
        FILE_HEAD + bytes(3_000_000) + f"\r\n--{BOUNDARY}\r\nno header\r\n\r\n".encode(),
        400,
    ),
    "form-without-a-file": ("upload", FORM, FIELD_HEAD + b"value" + FORM_END, 400),
    "item-that-is-none": ("reads-items", JSON_LINES, b"{}\n", 400),
    "half-an-item": ("reads-items", JSON_LINES, b'{"name"', 400),
    "items-of-no-format": ("reads-items", "Content-Type: text/plain\r\n", b"{}\n", 415),
    "form-of-no-parts": ("reads-parts", JSON_LINES, b"{}\n", 415),
    "form-without-files": (
        *("upload", "Content-Type: application/x-www-form-urlencoded\r\n", b"a=b", 415),
    ),
    "compressed-items": ("reads-items", f"{JSON_LINES}Content-Encoding: gzip\r\n", b"{}\n", 415),
}


@pytest.mark.parametrize(("path", "headers", "body", "status"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_and_leaves_nothing(server, path, headers, body, status, name):
    with Sender(server, f"/{path}/{name}/", len(body), headers) as client:
        client.send(body)
        assert client.answer().status == status
    assert server.time_of("closed", name)
    assert files_of(server, name) == []


# The connection.


def test_a_connection_is_used_again_after_a_body_that_was_read(server, our_prefix, name):
    data = noise(200_000)
    with Sender(server) as client:
        for size in (len(data), None, len(data), None):
            client.ask(f"{our_prefix}/reads/{name}/", size)
            client.send(data)
            if size is None:
                client.end()
            answer = client.answer()
            assert json.loads(answer.content) == sum_of(data)
            assert "Connection" not in answer.headers


def test_a_connection_is_closed_after_a_body_that_was_not_read(server, our_prefix, name):
    size = 1_000_000  # What is small has come whole by the answer, read or not.
    with Sender(server, f"{our_prefix}/reads-nothing/{name}/", size) as client:
        client.send(bytes(size))
        answer = client.answer()
        assert (answer.content, answer.headers["Connection"]) == (b"unread", "close")
        assert client.read() == b""


@pytest.mark.parametrize("server", ["granian", "hypercorn"], indirect=True)
def test_over_http_2_an_answer_is_seen_though_the_body_was_not_read(server, our_prefix, name):
    with httpx.Client(http1=False, http2=True, trust_env=False, timeout=PATIENCE) as client:
        url = server.url(f"{our_prefix}/reads-nothing/{name}/")
        answer = client.post(url, content=bytes(10_000_000))
    assert (answer.http_version, answer.text) == ("HTTP/2", "unread")


# CSRF.


@pytest.fixture
def token(server):
    """Returns a token for a form, and the cookie that goes with it."""
    response = server.get("/csrf/form/")
    return response.text, f"Cookie: csrftoken={response.cookies['csrftoken']}\r\n"


def test_a_real_form_passes(server, our_prefix, name):
    data = noise(3_000_000)
    with httpx.Client(
        base_url=server.url(our_prefix), timeout=PATIENCE, trust_env=False
    ) as browser:
        form_token = browser.get("/csrf/form/").text
        answer = browser.post(
            f"/csrf/upload/{name}/",
            data={"csrfmiddlewaretoken": form_token},
            files={"file": ("a.bin", data)},
        )
    assert answer.status_code == 201
    (file,) = files_of(server, name)
    assert file.read_bytes() == data


def token_field(token):
    head = FIELD_HEAD.replace(b"field", b"csrfmiddlewaretoken")
    return b"%b%b\r\n" % (head, token.encode())


def test_a_form_with_its_token_first_passes_while_its_file_is_sent(server, token, name):
    begin = token_field(token[0]) + FILE_HEAD
    size = len(begin) + MAX_SIZE + len(FORM_END)
    with Sender(server, f"/csrf/upload/{name}/", size, FORM + token[1]) as client:
        client.send(begin)
        assert server.time_of("begun", name)
        client.send(bytes(MAX_SIZE) + FORM_END)
        assert client.answer().status == 201
    assert saved_bytes(server, name) == MAX_SIZE


@pytest.mark.parametrize("fields", ["", "wrong", "none-first"])
def test_a_form_without_a_token_before_its_file_is_refused_without_the_file(
    server, our_prefix, token, fields, name
):
    begin = {
        "": b"",
        "wrong": token_field("x" * 64),
        "none-first": FIELD_HEAD + b"value\r\n",
    }[fields] + FILE_HEAD
    end = b"\r\n" + token_field(token[0]) + FORM_END
    size = len(begin) + HUGE + len(end)
    with Sender(server, f"{our_prefix}/csrf/upload/{name}/", size, FORM + token[1]) as client:
        client.send(begin)
        assert client.pour(HUGE) == "answer"
        answer = client.answer()
        assert (answer.status, answer.headers["Connection"]) == (403, "close")
        assert client.sent < LINGER_BYTES + BUFFERS
    assert whats(server, name) == []
    assert files_of(server, name) == []


def test_a_token_in_a_header_passes(server, our_prefix, token, name):
    headers = f"{token[1]}X-CSRFToken: {token[0]}\r\n"
    with Sender(server, f"{our_prefix}/csrf/upload/{name}/", 4, headers) as client:
        client.send(b"body")
        assert client.answer().status == 201
    assert saved_bytes(server, name) == 4


# Answers that stream while their request does.


def test_an_echo_is_heard_while_the_client_goes_on(server, our_prefix, name):
    with Sender(server, f"{our_prefix}/echo/{name}/") as client:
        client.send(b"first")
        answer = client.begun_answer()
        assert answer.read(5) == b"first"
        for size in (1, 1000, 200_000):
            data = noise(size)
            client.send(data)
            assert answer.read(size) == data
        assert whats(server, name) == ["begun"]
        client.end()
        assert answer.read() == b""
    assert whats(server, name) == ["begun", "closed"]


@pytest.mark.usefixtures("undisturbed", "unlogged")
@pytest.mark.parametrize("path", ["deaf", "deaf-going-on"])
@pytest.mark.parametrize("messages", [0, 10])
def test_a_stream_that_no_longer_reads_hears_of_a_departure_in_time(
    server, our_prefix, path, messages, name
):
    with Sender(server, f"{our_prefix}/{path}/{name}/") as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send(b"first")
        assert client.begun_answer().read(5) == b"first"
        for _ in range(messages):
            client.send(bytes(1024))
        assert whats(server, name) == ["begun"]
        left_at = time.monotonic()
    assert_heard_in_time(server, "closed", name, left_at)


@pytest.mark.parametrize("path", ["deaf", "deaf-going-on"])
def test_a_stream_that_no_longer_reads_hears_of_the_departure_of_a_flood(server, path, name):
    """A departure comes behind what was sent: the stream has to give its body up, as it does here
    after half a second, to take more than the buffers do.
    """
    with Sender(server, f"/{path}/{name}/") as client:
        client.send(b"first")
        assert client.begun_answer().read(5) == b"first"
        assert client.pour(FLOOD - client.sent, stops_at_answer=False) is None
        left_at = time.monotonic()
    try:
        assert_heard_in_time(server, "closed", name, left_at)
    finally:
        server.signal(name)


# Items.


@pytest.mark.parametrize("format", [JSONL, MSGPACK], ids=lambda format: format.name)
def test_an_item_is_seen_before_the_next_is_sent(server, our_prefix, format, name):
    headers = f"Content-Type: {format.media_types[0]}\r\n"
    with Sender(server, f"{our_prefix}/reads-items/{name}/", headers=headers) as client:
        for hound in HOUNDS[:5]:
            item = format.encode(hound)
            client.send(item[:3])
            client.send(item[3:])
            assert server.time_of(hound.name, name)
        client.end()
        assert json.loads(client.answer().content) == {"items": 5}
    assert whats(server, name) == ["begun", *(hound.name for hound in HOUNDS[:5]), "closed"]


# Where the body is not left unread.


@pytest.fixture(params=["uvicorn", "granian", "hypercorn", "daphne", *WSGI_SERVERS])
def fallback(request):
    with running(request, request.param) as server:
        yield server, "" if request.param in WSGI_SERVERS else "/django"


def post(server, path, body, headers=""):
    with Sender(server, path, len(body), headers) as client:
        with suppress(ConnectionError):  # It may have answered, and hung up, before all is sent.
            client.send(body)
        return client.answer()


def test_chunks_are_read_elsewhere_too(fallback, name):
    server, prefix = fallback
    data = noise(5_000_000)
    answer = post(server, f"{prefix}/reads/{name}/", data)
    assert json.loads(answer.content) == sum_of(data)


def test_parts_are_read_elsewhere_too(fallback, name):
    server, prefix = fallback
    body = FIELD_HEAD + b"value\r\n" + FILE_HEAD + bytes(3_000_000) + FORM_END
    answer = post(server, f"{prefix}/reads-parts/{name}/", body, FORM)
    parts = [["field", None, 5], ["file", "a.bin", 3_000_000]]
    assert json.loads(answer.content) == {"parts": parts}


@pytest.mark.parametrize("format", [JSONL, MSGPACK], ids=lambda format: format.name)
def test_items_are_read_elsewhere_too(fallback, format, name):
    server, prefix = fallback
    headers = f"Content-Type: {format.media_types[0]}\r\n"
    body = b"".join(format.encode(hound) for hound in HOUNDS)
    answer = post(server, f"{prefix}/reads-items/{name}/", body, headers)
    assert json.loads(answer.content) == {"items": len(HOUNDS)}


@pytest.mark.parametrize("path", ["upload", "upload-privately"])
@pytest.mark.parametrize("is_form", [True, False])
def test_a_file_is_saved_elsewhere_too(fallback, path, is_form, name):
    server, prefix = fallback
    data = noise(3_000_000)
    body = FILE_HEAD + data + FORM_END if is_form else data
    headers = cookie_of(server) + (FORM if is_form else "")
    assert post(server, f"{prefix}/{path}/{name}/", body, headers).status == 201
    (file,) = files_of(server, name)
    assert file.read_bytes() == data


def test_a_form_with_its_token_passes_elsewhere_too(fallback, name):
    server, prefix = fallback
    response = server.get("/csrf/form/")
    headers = f"{FORM}Cookie: csrftoken={response.cookies['csrftoken']}\r\n"
    file = FILE_HEAD + bytes(3_000_000) + FORM_END
    path = f"{prefix}/csrf/upload/{name}/"
    assert post(server, path, file, headers).status == 403
    assert post(server, path, token_field(response.text) + file, headers).status == 201
    assert saved_bytes(server, name) == 3_000_000


@pytest.mark.parametrize(("path", "headers", "body", "status"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_elsewhere_too(fallback, path, headers, body, status, name):
    server, prefix = fallback
    assert post(server, f"{prefix}/{path}/{name}/", body, headers).status == status
    assert files_of(server, name) == []


@pytest.mark.parametrize("path", TOO_LARGE)
def test_too_large_a_body_is_refused_elsewhere_too(fallback, path, name):
    server, prefix = fallback
    assert post(server, f"{prefix}/{path}/{name}/", bytes(MAX_SIZE + 1)).status == 413
    assert whats(server, name) == []
    assert files_of(server, name) == []
