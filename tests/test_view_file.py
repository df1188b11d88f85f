"""`FileStreamView`: what its hooks give is sent, what is not there is not found."""

import asyncio
import errno
import io
import os
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.db import connections
from django.db.models import FileField, Model
from django.db.models.fields.files import FieldFile
from django.http import Http404
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import path, re_path

from django_streams import FileStreamView
from django_streams.files import SLICE_BYTES
from django_streams.testing import StreamClient
from tests.test_response_file import ask as ask_by_headers
from tests.test_response_file import is_open

pytestmark = pytest.mark.urls(__name__)

CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
LARGE = os.urandom(SLICE_BYTES + 4321)
CLIENTS = ["ours", "django", "wsgi"]
every_client = pytest.mark.parametrize("client", CLIENTS)


class Hooked(FileStreamView):
    """Its hooks are the test's."""

    hooks = {}

    def setup(self, *args, **kwargs):
        super().setup(*args, **kwargs)
        vars(self).update(self.hooks)


class Guarded(LoginRequiredMixin, Hooked):
    pass


class Folder(FileStreamView):
    """Its root is the test's."""

    root = None


class WithDots(Folder):
    shows_dot_files = True


class WithDotsForSome(Folder):
    async def get_shows_dot_files(self):
        return self.kwargs["path"] == ".env"


urlpatterns = [
    path("hooked/", Hooked.as_view()),
    path("guarded/", Guarded.as_view()),
    path("folder/<path:path>", Folder.as_view()),
    re_path(r"^any/(?P<path>(?s:.*))$", Folder.as_view()),
    path("dots/<path:path>", WithDots.as_view()),
    path("some-dots/<path:path>", WithDotsForSome.as_view()),
    path("no-path/", Folder.as_view()),
    path("bare/<path:path>", FileStreamView.as_view()),
]


@pytest.fixture
def hook(monkeypatch):
    def hook(**hooks):
        monkeypatch.setattr(Hooked, "hooks", hooks)

    return hook


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with files, links and hidden ones; next to it what must not be sent."""
    found = tmp_path / "root"
    (found / "sub" / ".git").mkdir(parents=True)
    (found / "a.txt").write_bytes(CONTENT)
    (found / "sub" / "b é.txt").write_bytes(CONTENT)
    (found / ".env").write_bytes(b"hidden")
    (found / "sub" / ".git" / "config").write_bytes(b"hidden")
    (found / "%2e%2e").write_bytes(b"a name like any other")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "secret.txt").write_bytes(b"secret")
    (found / "inside").symlink_to("a.txt")
    (found / "outside").symlink_to(tmp_path / "secret.txt")
    (found / "up").symlink_to("..")
    (found / "broken").symlink_to("nothing")
    (found / "loop").symlink_to("loop")
    os.mkfifo(found / "pipe")
    monkeypatch.setattr(Folder, "root", found)
    return found


async def ask(client, url, method="GET", **headers):
    """Returns the answer by our handler, by Django's, or by WSGI."""
    return await ask_by_headers(client, method, headers, url=url)


# What get_file() may return.


class Remote(Storage):
    """A storage with no local files; `kind` is of what its files are made."""

    def __init__(self, kind=io.BytesIO):
        self.kind = kind

    def _open(self, name, mode="rb"):
        if name == "missing":
            raise FileNotFoundError(name)
        return File(self.kind(LARGE), name=name)

    def size(self, name):
        return len(LARGE)

    def url(self, name):
        return f"https://files.example/{name}"


class Tape(io.RawIOBase):
    """Cannot seek."""

    def __init__(self, content):
        self.content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.content.readinto(buffer)


class Document(Model):
    pdf = FileField(storage=InMemoryStorage())

    class Meta:
        app_label = "kennel"
        managed = False

    def __str__(self):
        return self.pdf.name


def document(storage, name):
    instance = Document()
    field = FileField(storage=storage)
    field.name = field.attname = "pdf"
    instance.pdf = FieldFile(instance, field, name)
    return instance


@every_client
async def test_a_path_is_sent(client, tmp_path, hook):
    found = tmp_path / "a.bin"
    found.write_bytes(LARGE)
    for given in (found, str(found)):
        hook(get_file=lambda given=given: given)
        answer = await ask(client, "/hooked/")
        assert (answer.status, answer.body) == (200, LARGE)
        assert answer.headers["Content-Disposition"] == 'inline; filename="a.bin"'


@every_client
async def test_the_file_of_a_model_is_sent(client, tmp_path, hook):
    storage = FileSystemStorage(tmp_path)
    memory = InMemoryStorage()
    for kind in (storage, memory):
        name = kind.save("a.txt", ContentFile(LARGE))
        hook(get_file=lambda kind=kind, name=name: document(kind, name).pdf)
        whole = await ask(client, "/hooked/")
        assert whole.body == LARGE
        assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"
        part = await ask(client, "/hooked/", range="bytes=-5")
        assert (part.status, part.body) == (206, LARGE[-5:])
        again = await ask(client, "/hooked/", **{"if-none-match": whole.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")


@every_client
async def test_the_file_of_a_storage_is_sent(client, tmp_path, hook):
    local = FileSystemStorage(tmp_path)
    local.save("a.bin", ContentFile(LARGE))
    for storage in (local, Remote(), Remote(Tape)):
        hook(get_file=lambda storage=storage: storage.open("a.bin"))
        answer = await ask(client, "/hooked/")
        assert answer.body == LARGE
        part = await ask(client, "/hooked/", range="bytes=1-3")
        assert part.status == (200 if storage.__dict__.get("kind") is Tape else 206)
        assert part.body == (LARGE if part.status == 200 else LARGE[1:4])


@every_client
async def test_what_is_in_memory_is_sent(client, hook):
    for make in (lambda: CONTENT, lambda: io.BytesIO(CONTENT), lambda: ContentFile(CONTENT)):
        hook(get_file=make)
        answer = await ask(client, "/hooked/", range="bytes=4-8")
        assert (answer.status, answer.body) == (206, b"quick")


def generated(*, error=None):
    yield b"one "
    if error is not None:
        raise error
    yield b"two"


async def generated_async():
    for chunk in generated():
        await asyncio.sleep(0)
        yield chunk


@every_client
@pytest.mark.parametrize("make", [generated, generated_async])
async def test_what_is_generated_is_streamed(client, make, hook):
    hook(get_file=make, filename="é.csv", as_attachment=False)
    answer = await ask(client, "/hooked/", range="bytes=0-1")
    assert (answer.status, answer.body) == (200, b"one two")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Accept-Ranges"] == "none"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    disposition = "; filename=\"e.csv\"; filename*=UTF-8''%C3%A9.csv"
    assert answer.headers["Content-Disposition"] == f"inline{disposition}"
    assert "Content-Length" not in answer.headers
    hook(get_file=make, filename="é.csv", as_attachment=True)
    answer = await ask(client, "/hooked/", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Disposition"] == f"attachment{disposition}"
    hook(get_file=make, content_type="a/b")
    answer = await ask(client, "/hooked/")
    assert answer.headers["Content-Type"] == "a/b"
    assert "Content-Disposition" not in answer.headers


async def test_what_fails_before_its_first_bytes_is_an_error_of_the_request(hook):
    def fails():
        raise RuntimeError("nothing to tell")
        yield b""

    hook(get_file=fails)
    assert (await ask("ours", "/hooked/")).status == 500


@pytest.mark.parametrize("given", [None, 3, object(), io.StringIO("text")])
async def test_what_is_no_file_is_the_developers_mistake(given, hook):
    hook(get_file=lambda: given)
    with pytest.raises(TypeError, match="binary"):
        await sync_to_async(Hooked.as_view())(RequestFactory().get("/"))


@every_client
async def test_what_is_missing_is_not_found(client, tmp_path, hook):
    def raises(error):
        def get_file():
            raise error

        return get_file

    (tmp_path / "a.txt").write_bytes(b"content")
    (tmp_path / "loop").symlink_to("loop")
    folder = FileSystemStorage(tmp_path)
    for missing in (
        lambda: tmp_path / "missing",
        lambda: tmp_path,
        lambda: Remote().open("missing"),
        lambda: folder.open("."),
        lambda: folder.open("a.txt/b"),
        lambda: folder.open("loop"),
        lambda: folder.open("a" * 1000),
        lambda: document(Remote(), "missing").pdf,
        lambda: document(Remote(), "").pdf,
        raises(FileNotFoundError("somewhere")),
        raises(Http404("nowhere")),
    ):
        for hooks in ({}, {"get_redirect_url": lambda file: getattr(file, "url", None)}):
            hook(get_file=missing, **hooks)
            answer = await ask(client, "/hooked/")
            if answer.status != 302:  # Where a file is missing, its storage may know a URL.
                assert answer.status == 404
                assert str(tmp_path).encode() not in answer.body


async def test_what_the_server_is_to_blame_for_is_not_called_missing(hook):
    def fails():
        raise PermissionError(errno.EACCES, "not for us")

    hook(get_file=fails)
    assert (await ask("ours", "/hooked/")).status == 500


# The hooks.


@every_client
async def test_all_hooks_may_be_asynchronous(client, hook):
    async def get_file():
        return CONTENT

    async def get_filename():
        return "a.txt"

    async def get_content_type():
        return "a/b"

    async def get_as_attachment():
        return True

    async def get_redirect_url(file):
        assert file == CONTENT

    hook(
        get_file=get_file,
        get_filename=get_filename,
        get_content_type=get_content_type,
        get_as_attachment=get_as_attachment,
        get_redirect_url=get_redirect_url,
    )
    answer = await ask(client, "/hooked/")
    assert answer.body == CONTENT
    assert answer.headers["Content-Type"] == "a/b"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a.txt"'


async def test_the_clients_of_tests_get_it(hook, tmp_path):
    found = tmp_path / "a.bin"
    found.write_bytes(LARGE)
    hook(get_file=lambda: found)
    response = await sync_to_async(Client().get)("/hooked/")
    assert b"".join(response) == LARGE
    response = await AsyncClient().get("/hooked/")
    assert b"".join([chunk async for chunk in response]) == LARGE
    async with StreamClient().stream("GET", "/hooked/", headers={"Range": "bytes=0-9"}) as stream:
        assert stream.status_code == 206
        assert await stream.chunk() == LARGE[:10]
    async with StreamClient().stream("GET", "/hooked/") as stream:
        assert await stream.chunk() == LARGE[:SLICE_BYTES]
        await stream.disconnect()
    assert not is_open(found)


async def test_hooks_are_asked_in_a_thread(hook):
    asked = []

    def get_file():
        asked.append(threading.current_thread())
        return CONTENT

    hook(get_file=get_file)
    await ask("ours", "/hooked/")
    assert threading.main_thread() not in asked


@every_client
async def test_a_storage_may_send_its_files_itself(client, hook):
    opened = []

    def get_file():
        opened.append(document(Remote(), "a b.pdf").pdf)
        return opened[-1]

    hook(get_file=get_file, get_redirect_url=lambda file: file.url)
    answer = await ask(client, "/hooked/")
    assert answer.status == 302
    assert answer.headers["Location"] == "https://files.example/a%20b.pdf"
    assert opened[-1]._file is None  # Nobody has asked the storage for its content.


@pytest.mark.parametrize(
    "hooks",
    [
        {"get_redirect_url": lambda file: "/elsewhere/"},
        {"get_redirect_url": lambda file: 1 / 0},
        {"get_filename": lambda: 1 / 0},
        {"get_content_type": lambda: 1 / 0},
        {"get_as_attachment": lambda: 1 / 0},
        {"get_content_type": lambda: "a/b\r\nX: y"},
    ],
)
async def test_a_file_that_is_not_sent_is_closed(hooks, hook):
    file = io.BytesIO(LARGE)
    hook(get_file=lambda: file, **hooks)
    assert (await ask("ours", "/hooked/")).status in (302, 500)
    assert file.closed


@every_client
async def test_only_reading_is_allowed(client, hook):
    hook(get_file=lambda: CONTENT)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = await ask(client, "/hooked/", method)
        assert answer.status in (403, 405)  # 403 is CSRF's.
    options = await ask(client, "/hooked/", "OPTIONS")
    assert options.status == 200
    assert options.headers["Allow"] == "GET, HEAD, OPTIONS"
    head = await ask(client, "/hooked/", "HEAD", range="bytes=1-2")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(CONTENT))


def test_post_is_405():
    response = Client().post("/hooked/")
    assert response.status_code == 405


@every_client
async def test_a_mixin_of_django_stands_in_front(client, hook):
    asked = []
    hook(get_file=lambda: asked.append(1) or CONTENT)
    answer = await ask(client, "/guarded/")
    assert answer.status == 302
    assert answer.headers["Location"] == "/login/?next=/guarded/"
    assert asked == []


@pytest.mark.django_db(transaction=True)
@every_client
async def test_requests_may_be_atomic(client, hook, monkeypatch):
    hook(get_file=lambda: str(connections["default"].in_atomic_block).encode())
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    answer = await ask(client, "/hooked/")
    assert (answer.status, answer.body) == (200, b"True")


# Folders.


@every_client
@pytest.mark.parametrize(
    ("requested", "name"),
    [
        ("a.txt", "a.txt"),
        ("%61.txt", "a.txt"),
        ("sub/b%20%C3%A9.txt", "b é.txt"),
        ("inside", "a.txt"),
        ("up/root/a.txt", "a.txt"),
    ],
)
async def test_what_lies_in_the_root_is_sent(client, requested, name, root):
    answer = await ask(client, f"/folder/{requested}")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


OUTSIDE = [
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "sub/../../secret.txt",
    "sub%2f..%2f..%2fsecret.txt",
    "..\\secret.txt",
    "..%5csecret.txt",
    "%2e%2e%5csecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%252fsecret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "..%c0%afsecret.txt",
    "..%ef%bc%8fsecret.txt",
    "%uff0e%uff0e/secret.txt",
    "....//secret.txt",
    "..;/secret.txt",
    "../root2/secret.txt",
    "%2e%2e/root2/secret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "file:///etc/passwd",
    "C:%5cwindows%5cwin.ini",
    "~/.bashrc",
]
INSIDE = [
    "missing",
    "a.txt%00",
    "a.txt%00.png",
    "%00",
    "a.txt%0a",
    "a.txt/",
    "a.txt/.",
    "./a.txt",
    "%2e/a.txt",
    "sub//b%20%C3%A9.txt",
    "sub/../a.txt",
    "sub",
    "sub/",
    ".",
    "..",
    "outside",
    "up/secret.txt",
    "broken",
    "loop",
    "pipe",
    ".env",
    "sub/.git/config",
    "x" * 300,
    "%ff%fe",
    "%ed%a0%80",
]


@pytest.mark.parametrize("client", ["ours", "wsgi"])
@pytest.mark.parametrize("prefix", ["/folder/", "/any/"])
@pytest.mark.parametrize("requested", [*OUTSIDE, *INSIDE])
async def test_nothing_else_is_found(client, prefix, requested, root):
    answer = await ask(client, prefix + requested)
    assert answer.status == 404
    assert b"secret" not in answer.body.replace(b"secret.txt", b"")


@every_client
async def test_a_name_is_decoded_once(client, root):
    answer = await ask(client, "/folder/%252e%252e")
    assert (answer.status, answer.body) == (200, b"a name like any other")


@every_client
async def test_hidden_files_are_sent_if_the_view_says_so(client, root):
    for requested in (".env", "sub/.git/config"):
        assert (await ask(client, f"/dots/{requested}")).body == b"hidden"
    assert (await ask(client, "/some-dots/.env")).body == b"hidden"
    assert (await ask(client, "/some-dots/sub/.git/config")).status == 404
    for requested in ("..", ".", "../secret.txt", "sub/.git/../../a.txt", "sub/.git"):
        assert (await ask(client, f"/dots/{requested}")).status == 404


@every_client
async def test_the_root_may_be_a_link_and_missing(client, root, tmp_path, monkeypatch):
    (tmp_path / "linked").symlink_to("root")
    monkeypatch.setattr(Folder, "root", str(tmp_path / "linked"))
    assert (await ask(client, "/folder/a.txt")).body == CONTENT
    monkeypatch.setattr(Folder, "root", tmp_path / "missing")
    assert (await ask(client, "/folder/a.txt")).status == 404


async def test_a_view_may_be_given_its_root(root):
    view = FileStreamView.as_view(root=root, as_attachment=True, filename="b.txt")
    response = await sync_to_async(view)(RequestFactory().get("/"), path="a.txt")
    assert b"".join(response) == CONTENT
    assert response["Content-Disposition"] == 'attachment; filename="b.txt"'


@pytest.mark.parametrize(
    ("view", "kwargs", "message"),
    [
        (FileStreamView.as_view(), {"path": "a"}, "FileStreamView has neither a get_file"),
        (FileStreamView.as_view(root="/srv"), {}, "no <path:path>"),
        (FileStreamView.as_view(root=""), {"path": "a"}, "must be an absolute path"),
        (FileStreamView.as_view(root="media"), {"path": "a"}, "must be an absolute path"),
    ],
)
def test_a_view_that_cannot_know_its_files_is_the_developers_mistake(view, kwargs, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        view(RequestFactory().get("/"), **kwargs)


@every_client
async def test_a_web_server_may_send_what_lies_in_the_root(client, root):
    with override_settings(STREAMS={"X_ACCEL_REDIRECT": {root: "/internal/"}}):
        answer = await ask(client, "/folder/sub/b%20é.txt", range="bytes=0-1")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["X-Accel-Redirect"] == "/internal/sub/b%20%C3%A9.txt"
        assert (await ask(client, "/folder/outside")).status == 404
