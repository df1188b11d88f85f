"""Every snippet of the README is run, in a project made by Django's own startproject."""

import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from .browser import chromium, new_page
from .servers import HOST, PATIENCE, ROOT, START_SECONDS, STOP_SECONDS, eventually, free_port

README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PYTHON = {
    code.split("\n")[0].removeprefix("# "): code for kind, code in SNIPPETS if kind == "python"
}
COMMANDS = [line for kind, code in SNIPPETS if kind == "console" for line in code.splitlines()]
[SCRIPT] = [code for kind, code in SNIPPETS if kind == "js"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project that somebody has who has followed the README."""
    root = tmp_path_factory.mktemp("readme")
    python("-m", "django", "startproject", "mysite", ".", cwd=root)
    for name, code in PYTHON.items():
        path = root / name
        is_whole_file = name != "mysite/settings.py"
        path.write_text(code if is_whole_file else path.read_text() + code)
    urls = root / "mysite" / "urls.py"
    urls.write_text(urls.read_text() + ROUTES_OF_THE_OTHER_SNIPPETS)
    python("manage.py", "migrate", "--verbosity", "0", cwd=root)
    return root


ROUTES_OF_THE_OTHER_SNIPPETS = """
from django.contrib import admin
from django.http import HttpResponse
from django_streams import JSONL, StreamView
from mysite.functions import progress
from mysite.views import Tokens, UserExport, Users


class Everybody(StreamView):
    format = JSONL
    stream = Users.stream
    to_item = Users.to_item


urlpatterns += [
    path("", lambda request: HttpResponse("<title>?</title>")),
    path("admin/", admin.site.urls),
    path("users/", Users.as_view()),
    path("everybody/", Everybody.as_view()),
    path("export/", UserExport.as_view()),
    path("tokens/", Tokens.as_view()),
    path("progress/", progress),
]
"""


ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)


def python(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def served(project):
    """The address at which the README's own command serves the project."""
    [command] = [line for line in COMMANDS if line.startswith("$ uvicorn")]
    port = free_port()
    words = [sys.executable, "-m", *command.removeprefix("$ ").split(), "--port", str(port)]
    with stopped_at_end(words, cwd=project):
        eventually(lambda: answers(port), "the server answers", START_SECONDS)
        yield f"http://{HOST}:{port}"


@contextmanager
def stopped_at_end(words, **options):
    process = subprocess.Popen(
        words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.stdout.close()
        process.wait(STOP_SECONDS)


def answers(port):
    with socket.socket() as sock:
        return sock.connect_ex((HOST, port)) == 0


def test_the_first_stream_takes_less_than_20_lines():
    names = ("mysite/settings.py", "mysite/urls.py")
    lines = [line for name in names for line in PYTHON[name].splitlines()[1:] if line.strip()]
    assert len(lines) < 20


def test_the_project_of_the_readme_has_no_faults(project):
    assert "no issues" in python("manage.py", "check", cwd=project)


def test_the_test_of_the_readme_passes(project):
    assert "OK" in python("manage.py", "test", cwd=project)


@pytest.mark.server
def test_the_curl_of_the_readme_sees_the_events_come(served):
    [command] = [line for line in COMMANDS if line.startswith("$ curl")]
    words = command.removeprefix("$ ").replace("http://127.0.0.1:8000", served).split()
    with stopped_at_end(words) as curl:
        lines = [curl.stdout.readline().decode() for _ in range(8)]
    assert lines[:4] == ["id: 1\n", "event: tick\n", 'data: {"n":1}\n', "\n"]
    assert lines[4:] == ["id: 2\n", "event: tick\n", 'data: {"n":2}\n', "\n"]


@pytest.mark.server
def test_the_other_views_of_the_readme_stream(served, project):
    events = httpx.get(f"{served}/progress/", timeout=PATIENCE).text
    assert events == "".join(f'data: {{"percent":{percent}}}\n\n' for percent in (0, 50, 100))
    with httpx.Client(timeout=PATIENCE) as client:
        anonymous = client.get(f"{served}/users/")
        assert anonymous.headers["Location"] == "/accounts/login/?next=/users/"
        make_user = "from django.contrib.auth.models import User; User.objects.create_superuser"
        python("manage.py", "shell", "-c", f"{make_user}('ada', '', 'secret')", cwd=project)
        log_in(client, served)
        [row] = client.get(f"{served}/users/").text.splitlines()
        assert row.startswith('{"name":"ada","joined":"20')
        export = client.get(f"{served}/export/")
        assert export.headers["Content-Disposition"] == 'attachment; filename="users.csv"'
        assert export.text == "username,email\r\nada,\r\n"
        read = f"import asyncio, client; asyncio.run(client.users('{served}/everybody/'))"
        assert python("-c", read, cwd=project) == "ada\n"
        token = {"X-CSRFToken": client.cookies["csrftoken"]}
        answer = client.post(f"{served}/tokens/", data={"prompt": "a b"}, headers=token)
        assert answer.text == "a b "


def log_in(client, served):
    form = {"username": "ada", "password": "secret", "next": "/users/"}
    client.get(f"{served}/admin/login/")
    form["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
    assert client.post(f"{served}/admin/login/", data=form).status_code == 302


@pytest.mark.browser
def test_the_script_of_the_readme_reads_the_events(served):
    with chromium() as browser, new_page(browser, served, tolerated="404") as page:
        page.goto("/")
        page.add_script_tag(content=SCRIPT)
        page.wait_for_function("document.title === '2'")
