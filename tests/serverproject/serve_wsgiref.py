"""The standard library's WSGI server, as `runserver` uses it: `... serve_wsgiref PORT`."""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tests.serverproject.wsgi import application


class ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format, *args):
        """Logs no request: the log is for what went wrong."""


if __name__ == "__main__":
    with make_server(
        "127.0.0.1", int(sys.argv[1]), application, ThreadedServer, QuietHandler
    ) as server:
        server.serve_forever()
