"""A real nginx for tests, in front of a server: on the loopback only, and always stopped.

    with nginx_before(server, folder, directory) as nginx:
        nginx.url("/path/")

It writes to one directory and needs no rights. It is one process, so whoever has ended that has
ended all of it.
"""

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from .servers import HOST, ROOT, START_SECONDS, Server, end, free_port

IDLE_SECONDS = 4
"""After which the impatient gives up: several heartbeats, on a slow machine too."""

DEPLOYMENT = ROOT / "docs" / "deployment.md"

CONFIGURATION = """
daemon off;
master_process off;
pid "DIRECTORY/nginx.pid";
error_log stderr warn;
events { worker_connections 512; }
http {
    access_log off;
    sendfile on;
    client_body_temp_path "DIRECTORY/client_body";
    proxy_temp_path "DIRECTORY/proxy";
    fastcgi_temp_path "DIRECTORY/fastcgi";
    uwsgi_temp_path "DIRECTORY/uwsgi";
    scgi_temp_path "DIRECTORY/scgi";
    server {
        listen HOST:PORT;
        location / {
            proxy_pass http://HOST:UPSTREAM;
            proxy_set_header Host $http_host;
        }
        # The same, but for what each of these says.
        location /impatient/ {
            proxy_pass http://HOST:UPSTREAM/;
            proxy_read_timeout SECONDSs;
        }
        location /unheeding/ {
            proxy_pass http://HOST:UPSTREAM/;
            proxy_ignore_headers X-Accel-Buffering;
            proxy_http_version 1.0;  # The default before 1.29.7.
        }
        location /compressing/ {
            proxy_pass http://HOST:UPSTREAM/;
            gzip on;
            gzip_types text/event-stream application/jsonl;
        }
        DOCUMENTED
        location /internal/ {
            internal;
            alias "FOLDER/";
            # Of the application's headers nginx keeps only a few, and these are not among them.
            add_header X-Content-Type-Options nosniff;
        }
    }
}
"""


@dataclass
class Nginx:
    """Where it listens, and the server that it asks."""

    port: int
    application: Server

    def url(self, path):
        return f"http://{HOST}:{self.port}{path}"


@contextmanager
def nginx_before(server, folder, directory):
    """Starts it, and stops it in the end.

    It asks `server`, and sends the files of `folder` itself where the server says so.
    """
    port = free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(_configured(server, folder, directory, port))
    log = directory / "nginx.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [_program(), "-e", "stderr", "-p", str(directory), "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        nginx = Nginx(port, server)
        _wait(process, nginx, log)
        yield nginx
    finally:
        end(process)
        print(log.read_text(errors="replace"))  # noqa: T201 - pytest shows it of what failed.


def _program():
    # Debian has it where only root looks.
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip("nginx is not installed; get it by: apt-get install nginx-light")
    return path


def _configured(server, folder, directory, port):
    values = {"DIRECTORY": directory, "FOLDER": folder, "HOST": HOST, "UPSTREAM": server.port}
    values["SECONDS"] = IDLE_SECONDS
    text = CONFIGURATION.replace("DOCUMENTED", _documented())
    for name, value in {**values, "PORT": port}.items():
        text = text.replace(name, str(value))
    return text


def _documented():
    """Returns the location of the documentation, below a prefix and with the test's server."""
    [location] = re.findall(r"```nginx\n(.*?)```", DEPLOYMENT.read_text(), re.DOTALL)
    assert "location / {" in location
    assert "http://127.0.0.1:8000;" in location
    location = location.replace("location / {", "location /documented/ {")
    return location.replace("http://127.0.0.1:8000;", "http://HOST:UPSTREAM/;")


def _wait(process, nginx, log):
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            httpx.get(nginx.url("/pid/"), trust_env=False)
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nginx did not start:\n{log.read_text(errors='replace')}")
