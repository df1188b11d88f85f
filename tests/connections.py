"""A request of an ASGI application, in this process, whose body is sent step by step."""

import json

from asgiref.testing import ApplicationCommunicator
from django.utils.datastructures import CaseInsensitiveMapping

__all__ = ["SECONDS", "Answer", "Connection"]

SECONDS = 10
"""The deadline of every wait."""


class Answer:
    """What came back, however it came."""

    def __init__(self, status_code, headers, content):
        self.status_code = status_code
        self.headers = CaseInsensitiveMapping(dict(headers))
        self.content = content

    def json(self):
        return json.loads(self.content)


class Connection:
    """One request of an ASGI application, whose body is sent step by step."""

    def __init__(self, application, method="POST", path="/", *, headers=None, **scope):
        headers = {"Host": "testserver"} | (headers or {})
        if "Content-Length" not in headers:
            headers["Transfer-Encoding"] = "chunked"
        self._application = ApplicationCommunicator(
            application,
            {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": method,
                "path": path,
                "query_string": b"",
                "headers": [(k.lower().encode(), str(v).encode()) for k, v in headers.items()],
                "server": ("testserver", 80),
                **scope,
            },
        )

    async def send(self, *chunks):
        for chunk in chunks:
            message = {"type": "http.request", "body": chunk, "more_body": True}
            await self._application.send_input(message)

    async def end(self, *chunks):
        await self.send(*chunks)
        await self._application.send_input({"type": "http.request"})

    async def leave(self):
        await self._application.send_input({"type": "http.disconnect"})

    async def message(self):
        return await self._application.receive_output(SECONDS)

    async def answer(self):
        """Returns the answer when the application has returned."""
        start, content = await self.message(), b""
        message = {"more_body": True}
        while message.get("more_body", False):
            message = await self.message()
            content += message.get("body", b"")
        await self.over()
        headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
        return Answer(start["status"], headers, content)

    async def over(self):
        """Waits until the application has returned; raises what it raised."""
        await self._application.wait(SECONDS)

    def is_silent(self):
        return self._application.output_queue.empty()
