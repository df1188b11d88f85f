"""Runs Django's `runtests.py`, as it is, with our handler wherever Django takes its own.

    python django_suites_runner.py FOLDER_OF_DJANGOS_TESTS SUITE ...

`django_suites.py` calls it, in a process of its own, since what is replaced here stays replaced:

- **The names** of Django's handler. Not the class: ours is a subclass of it.
- **The handlers of Django's test client,** which would ask neither Django's handler nor ours. Those
  that replace them have ours answer, through ASGI messages, and give the client the response with
  what was sent as its content.

Requests are counted. A suite in which our handler should have answered some and has answered none
proves nothing, and fails.
"""

from __future__ import annotations

import asyncio
import faulthandler
import io
import runpy
import sys
import unittest
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django.core.asgi
import django.core.handlers.asgi
import django.test.client
from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIRequest
from django.test.client import AsyncClientHandler, ClientHandler, conditional_content_removal

import django_streams.asgi
from django_streams.asgi import StreamingASGIHandler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

Scope = dict[str, Any]

PIECE_BYTES = 2**16  # of a request's body in one message, about as servers have it
TIMEOUT_SECONDS = 600  # fifty times what the suites take

ASK_NO_HANDLER = {"httpwrappers", "requests_tests", "responses"}
"""The suites that make their requests and responses by hand, and would not miss a handler."""

ASK_DJANGOS_CLIENT_HANDLER = {
    # The signal carries the WSGI environment, which no ASGI request has.
    "handlers.tests.SignalsTests.test_request_signals",
    # The client's handler ends the request when the test has read the stream, ASGI when it is sent.
    "handlers.tests.SignalsTests.test_request_signals_streaming_response",
}
"""The tests of Django's own test client. They run with it: another handler is not their subject."""


class Tally:
    """How many tests each suite has run, and how many requests our handler has answered in them."""

    def __init__(self) -> None:
        self.tests: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.test = ""
        """The test that is running."""

    def follow_tests(self) -> None:
        """Notes from now on which test is running."""
        run = unittest.TestCase.run

        def noting_run(test: unittest.TestCase, result: Any = None) -> Any:
            self.test = test.id()
            self.tests[suite_of(self.test)] += 1
            return run(test, result)

        unittest.TestCase.run = noting_run

    def follow_answers(self) -> None:
        """Counts from now on what our handler answers, whatever subclass a test makes of it."""
        handle = StreamingASGIHandler.handle

        async def counting_handle(handler: StreamingASGIHandler, *arguments: Any) -> None:
            await handle(handler, *arguments)
            self.answers[suite_of(self.test)] += 1

        StreamingASGIHandler.handle = counting_handle

    def find_unanswered(self, labels: Sequence[str]) -> list[str]:
        """Returns the suites that should have asked our handler and have not."""
        suites = {suite_of(label) for label in labels}
        return sorted(suites - ASK_NO_HANDLER - self.answers.keys())

    def __str__(self) -> str:
        lines = (
            f"{suite}: {count} tests, {self.answers[suite]} requests answered by our handler"
            for suite, count in self.tests.items()
        )
        return "\n".join(lines)


tally = Tally()


@dataclass
class Conversation:
    """The server's side of one request: its body in pieces, and what was sent for it."""

    body: io.BytesIO
    enforces_csrf: bool
    request: HttpRequest | None = None
    response: HttpResponseBase | None = None
    sent: list[bytes] = field(default_factory=list)
    is_received = False

    async def receive(self) -> Mapping[str, Any]:
        """Returns the next piece of the body; after the last it waits, as a client does."""
        if self.is_received:
            await asyncio.Future()
        piece = self.body.read(PIECE_BYTES)
        self.is_received = len(piece) < PIECE_BYTES
        return {"type": "http.request", "body": piece, "more_body": not self.is_received}

    async def send(self, message: Mapping[str, Any]) -> None:
        """Keeps what is sent of the response's body."""
        self.sent.append(message.get("body", b""))

    def take_response(self) -> Any:
        """Returns the response with what was sent as its content, for the test client."""
        response: Any = self.response
        if not response.streaming:
            response.content = b"".join(self.sent)
        elif response.is_async:
            response.streaming_content = iterate_async(self.sent)
        else:
            response.streaming_content = self.sent
        if self.request is not None:
            conditional_content_removal(self.request, response)
        return response


conversation: ContextVar[Conversation] = ContextVar("conversation")
"""The one to which the handler's current task belongs."""


class ConversingHandler(StreamingASGIHandler):
    """Our handler, which leaves request and response in the conversation."""

    async def converse(self, scope: Scope, body: Any, *, enforces_csrf: bool) -> Conversation:
        """Answers one request; `body` is what the test client would hand to Django's handler."""
        current = Conversation(io.BytesIO(body.read() if body else b""), enforces_csrf)
        conversation.set(current)
        # Not by __call__(), which would give the request a thread: the test's is to be used, for
        # it has the test's transaction.
        await self.handle(scope, current.receive, current.send)
        return current

    async def get_response_async(self, request: Any) -> HttpResponseBase:
        current = conversation.get()
        current.request = request
        request._dont_enforce_csrf_checks = not current.enforces_csrf
        return await super().get_response_async(request)

    async def send_response(self, response: HttpResponseBase, send: Any) -> None:
        conversation.get().response = response
        await super().send_response(response, send)


class OurClientHandler(ClientHandler):
    """The handler of Django's `Client`: has ours answer what it says in words of WSGI."""

    @cached_property
    def ours(self) -> ConversingHandler:
        return ConversingHandler()

    def __call__(self, environ: dict[str, Any]) -> Any:
        if tally.test in ASK_DJANGOS_CLIENT_HANDLER:
            return super().__call__(environ)
        ended = async_to_sync(self.ours.converse)(
            to_scope(environ), environ.get("wsgi.input"), enforces_csrf=self.enforce_csrf_checks
        )
        response = ended.take_response()
        response.wsgi_request = ended.request
        return response


class OurAsyncClientHandler(AsyncClientHandler):
    """The handler of Django's `AsyncClient`: has ours answer."""

    @cached_property
    def ours(self) -> ConversingHandler:
        return ConversingHandler()

    async def __call__(self, scope: Scope) -> Any:
        body = scope.pop("_body_file", None)
        ended = await self.ours.converse(scope, body, enforces_csrf=self.enforce_csrf_checks)
        response = ended.take_response()
        response.asgi_request = ended.request
        return response


def to_scope(environ: dict[str, Any]) -> Scope:
    """Returns the ASGI scope that says what the WSGI environment says."""
    request = WSGIRequest(environ)  # For its path and headers.
    headers = request.headers.items()
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": request.path,
        "root_path": environ["SCRIPT_NAME"],
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": [
            (name.lower().encode(), str(value).encode("latin-1")) for name, value in headers
        ],
        "client": (environ["REMOTE_ADDR"], 0),
        "server": (environ["SERVER_NAME"], environ["SERVER_PORT"]),
    }


async def iterate_async(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yields the chunks to whom reads them asynchronously."""
    for chunk in chunks:
        yield chunk


def suite_of(label: str) -> str:
    """Returns the suite of a test, or of a label on `runtests.py`'s command line."""
    return label.partition(".")[0]


def put_ours_in_place() -> None:
    """Replaces the names by which Django and its tests, imported later, reach a handler."""
    django.core.handlers.asgi.ASGIHandler = StreamingASGIHandler
    django.core.asgi.ASGIHandler = StreamingASGIHandler
    django.core.asgi.get_asgi_application = django_streams.asgi.get_asgi_application
    django.test.client.ClientHandler = OurClientHandler
    django.test.client.AsyncClientHandler = OurAsyncClientHandler


def run(script: Path, labels: Sequence[str]) -> int:
    """Runs `runtests.py` as its command line would; returns its exit code."""
    sys.path.insert(0, str(script.parent))
    # In one process: others would have Django's handler, and would not be counted.
    sys.argv = [str(script), "--settings=test_sqlite", "--parallel=1", *labels]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def main(folder: str, *labels: str) -> int:
    """Runs the suites and returns the exit code: not 0 either if our handler was not asked."""
    faulthandler.dump_traceback_later(TIMEOUT_SECONDS, exit=True)  # A test hangs: says where.
    tally.follow_tests()
    tally.follow_answers()
    put_ours_in_place()
    code = run(Path(folder, "runtests.py"), labels)
    print(tally)  # noqa: T201
    if unanswered := tally.find_unanswered(labels):
        print(f"Our handler was not asked by {', '.join(unanswered)}.")  # noqa: T201
        return code or 1
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
