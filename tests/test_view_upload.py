"""`views.upload`: what comes is saved, all of it or nothing."""

import asyncio
import hashlib
import json
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.db import connections
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from django_streams import StreamError, UploadView
from django_streams.asgi import get_asgi_application
from django_streams.testing import StreamClient
from tests.connections import SECONDS, Connection
from tests.kennel.models import Dog

FORM = "multipart/form-data; boundary=b"
END = b"--b--\r\n"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def field(name, value):
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file_part(content=b"content", filename="rex.txt", name="f", kind="text/plain"):
    head = (
        f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


class PlainStorage(Storage):
    """No more than a storage has to have."""

    def __init__(self):
        self.files = {}

    def _save(self, name, content):
        self.files[name] = b"".join(content.chunks())
        return name

    def _open(self, name, mode="rb"):
        return ContentFile(self.files[name])

    def exists(self, name):
        return name in self.files

    def delete(self, name):
        self.files.pop(name, None)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch, settings, tmp_path):
    monkeypatch.setattr("django_streams.body.receiving.LINGER_SECONDS", 0)
    monkeypatch.setattr("django_streams.body.receiving.TURN_SECONDS", 0)
    settings.MIDDLEWARE = []
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "django-streams-save"]


@pytest.fixture
def files(tmp_path):
    """Returns what is in the default storage, also under hidden names."""

    def files():
        paths = [path for path in tmp_path.rglob("*") if path.is_file()]
        return {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in paths}

    return files


@pytest.fixture
def upload(settings):
    """Uploads to a view, by our handler; returns status, headers and content."""

    async def upload(view, content, kind=FORM, method="POST", **headers):
        route(settings, view)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        async with StreamClient().stream(
            method, "/", content, content_type=kind, headers=headers
        ) as answer:
            answer.content = await answer.read()
            return answer

    return upload


def route(settings, view):
    settings.ROOT_URLCONF = (path("", view.as_view() if isinstance(view, type) else view),)


def saved_by(answer):
    assert answer.status_code == 201, answer.content
    return json.loads(answer.content)["files"]


# Forms


async def test_a_form_with_one_file(upload, files):
    [saved] = saved_by(await upload(UploadView, file_part() + END))
    assert saved == {
        "field": "f",
        "filename": "rex.txt",
        "content_type": "text/plain",
        "name": "rex.txt",
        "size": 7,
        "digest": None,
    }
    assert files() == {"rex.txt": b"content"}


async def test_a_form_with_several_files_and_fields(upload, files):
    seen = []

    class Album(UploadView):
        def get_name(self, file):
            seen.append((file.name, self.fields.dict(), [saved.name for _, saved in self.saved]))
            return f"{self.fields['album']}/{file.filename}"

    content = (
        field("album", "dogs")
        + file_part(b"1", "rex.txt", "a")
        + field("note", "é")
        + file_part(b"2", "ada.txt", "b")
        + field("late", "x")
        + END
    )
    answer = await upload(Album, content)
    assert [saved["name"] for saved in saved_by(answer)] == ["dogs/rex.txt", "dogs/ada.txt"]
    assert files() == {"dogs/rex.txt": b"1", "dogs/ada.txt": b"2"}
    assert seen == [
        ("a", {"album": "dogs"}, []),
        ("b", {"album": "dogs", "note": "é"}, ["dogs/rex.txt"]),
    ]


async def test_all_values_of_a_field_are_kept(upload):
    class Tagged(UploadView):
        def to_item(self, file, saved):
            return self.fields.getlist("tag")

    answer = await upload(Tagged, field("tag", "a") + field("tag", "b") + file_part() + END)
    assert saved_by(answer) == [["a", "b"]]


async def test_inputs_in_which_nothing_was_chosen_are_skipped(upload, files):
    answer = await upload(UploadView, file_part(b"", "") + file_part() + file_part(b"", "") + END)
    assert len(saved_by(answer)) == 1
    assert len(files()) == 1


async def test_an_empty_file_is_a_file(upload, files):
    [saved] = saved_by(await upload(UploadView, file_part(b"", "empty.txt") + END))
    assert (saved["name"], saved["size"]) == ("empty.txt", 0)


@pytest.mark.parametrize("content", [END, field("a", "1") + END, file_part(b"", "") + END])
async def test_a_form_without_a_file_is_400(content, upload, files):
    answer = await upload(UploadView, content)
    assert (answer.status_code, answer.content) == (400, b"the request has no file\n")
    assert not files()


async def test_a_form_that_has_no_files_by_its_type_is_415(upload, files):
    answer = await upload(UploadView, "a=1", "application/x-www-form-urlencoded")
    assert (answer.status_code, answer.headers["Accept"]) == (415, "multipart/form-data")
    assert b'enctype="multipart/form-data"' in answer.content


async def test_a_form_that_is_cut_leaves_nothing(upload, files):
    answer = await upload(UploadView, file_part() + file_part()[:-20])
    assert answer.status_code == 400
    assert not files()


async def test_a_part_that_is_too_large_leaves_nothing(upload, files):
    class Small(UploadView):
        max_part_size = 10

    answer = await upload(Small, file_part() + file_part(b"x" * 11, "ada.txt") + END)
    assert answer.status_code == 413
    assert not files()


async def test_equal_names_are_changed_by_the_storage(upload, files):
    answer = await upload(UploadView, file_part(b"1") + file_part(b"2") + END)
    first, second = [saved["name"] for saved in saved_by(answer)]
    assert first == "rex.txt"
    assert second.startswith("rex_")
    assert files() == {first: b"1", second: b"2"}


# Bodies that are files


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_body_is_a_file(method, upload, files):
    answer = await upload(
        UploadView,
        b"content",
        "text/plain",
        method,
        Content_Disposition='attachment; filename="rex.txt"',
    )
    [saved] = saved_by(answer)
    assert (saved["field"], saved["name"], saved["size"]) == (None, "rex.txt", 7)
    assert files() == {"rex.txt": b"content"}


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="../../x.txt"', "x.txt"),
        ('attachment; filename="/etc/passwd"', "passwd"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx.txt", "x.txt"),
        ('attachment; filename="..\\\\..\\\\x.txt"', "x.txt"),
        ('attachment; filename="a%00b.txt"', "ab.txt"),
        ("attachment; filename*=UTF-8''a%00b%0A.txt", "ab.txt"),
        ('attachment; filename=".htaccess"', "htaccess"),
        ('attachment; filename=""', "upload.txt"),
        ('attachment; filename=".."', "upload.txt"),
        ('attachment; filename="/"', "upload.txt"),
        ("attachment; filename*=UTF-8''%00", "upload.txt"),
        ("nonsense;;;==", "upload.txt"),
        ("", "upload.txt"),
        ("attachment; filename*=UTF-8''%E6%97%A5.txt", "日.txt"),
    ],
)
async def test_a_body_gets_a_name_that_leads_nowhere(disposition, name, upload, files):
    headers = {"Content_Disposition": disposition} if disposition else {}
    [saved] = saved_by(await upload(UploadView, b"x", "text/plain", **headers))
    assert saved["name"] == name
    assert files() == {name: b"x"}


@pytest.mark.parametrize("filename", ["../../x.txt", "C:\\dir\\x.txt", "/x.txt", "x.txt\u202e"])
async def test_a_part_gets_a_name_that_leads_nowhere(filename, upload, files):
    [saved] = saved_by(await upload(UploadView, file_part(filename=filename) + END))
    assert files() == {"x.txt": b"content"}
    assert saved["filename"] == "x.txt"


async def test_a_name_with_a_nul_is_refused_or_cleaned(upload, files):
    answer = await upload(UploadView, file_part(filename="a\x00b.txt") + END)
    assert answer.status_code == 400
    assert not files()


async def test_a_body_of_no_type_is_a_file_too(upload, files):
    [saved] = saved_by(await upload(UploadView, b"x", "application/octet-stream"))
    assert saved["name"].startswith("upload")
    [saved] = saved_by(await upload(UploadView, b"x", 'x/"; rm -rf\\'))
    assert saved["name"].startswith("upload")
    assert len(files()) == 2


async def test_no_body_is_no_file(upload, files):
    for method in ("POST", "PUT"):
        answer = await upload(UploadView, b"", "application/octet-stream", method)
        assert answer.status_code == 400
    assert not files()


async def test_an_empty_body_with_a_name_is_a_file(upload, files):
    name = 'attachment; filename="empty"'
    saved_by(await upload(UploadView, b"", "text/plain", Content_Disposition=name))
    assert files() == {"empty": b""}


@pytest.mark.parametrize("length", [240, 250, 255, 400])
@pytest.mark.parametrize("letter", ["x", "日"])
async def test_the_longest_of_names_can_be_taken_twice(length, letter, upload, files):
    """A storage makes a name that is taken longer than file systems allow."""
    name = letter * length + ".txt"
    for _ in range(3):
        [saved] = saved_by(await upload(UploadView, file_part(filename=name) + END))
        assert saved["name"].endswith(".txt")
    assert len(files()) == 3


# Where, and under what name


async def test_upload_to_is_a_folder_of_today(upload, files):
    class Dated(UploadView):
        upload_to = "a/%Y/"

    [saved] = saved_by(await upload(Dated, file_part() + END))
    assert saved["name"].startswith("a/20")
    assert len(saved["name"]) == len("a/2026/rex.txt")


STORAGES = {"memory": InMemoryStorage, "own": PlainStorage}


@pytest.mark.parametrize("kind", STORAGES)
async def test_any_storage_serves(kind, upload, files):
    storage = STORAGES[kind]()
    answer = await upload(UploadView.as_view(storage=storage), file_part() + END)
    [saved] = saved_by(answer)
    assert saved["name"].startswith("rex_")
    assert saved["name"].endswith(".txt")
    with storage.open(saved["name"]) as file:
        assert file.read() == b"content"
    assert not files()


async def test_a_storage_may_be_chosen_by_the_request(upload, tmp_path):
    class Chosen(UploadView):
        async def get_storage(self):
            await asyncio.sleep(0)
            return FileSystemStorage(tmp_path / self.request.headers["X-Where"])

    saved_by(await upload(Chosen, file_part() + END, X_Where="there"))
    assert (tmp_path / "there/rex.txt").read_bytes() == b"content"


@pytest.mark.parametrize("is_hook", [True, False])
async def test_a_digest_is_computed_on_the_way(is_hook, upload):
    class Digested(UploadView):
        digest = None if is_hook else "sha256"

        def get_digest(self):
            return "sha256" if is_hook else super().get_digest()

    [saved] = saved_by(await upload(Digested, file_part() + END))
    assert saved["digest"] == hashlib.sha256(b"content").hexdigest()


async def test_a_name_of_ones_own(upload, files):
    class Named(UploadView):
        async def get_name(self, file):
            return f"{await sync_to_async(lambda: 'a')()}/b.txt"

    saved_by(await upload(Named, file_part() + END))
    assert files() == {"a/b.txt": b"content"}


async def test_a_name_that_leaves_the_storage_saves_nothing(upload, files):
    class Escaping(UploadView):
        def get_name(self, file):
            return "../x.txt"

    answer = await upload(Escaping, file_part() + END)
    assert answer.status_code == 400  # As Django answers a SuspiciousOperation.
    assert not files()


# Hooks


async def test_a_file_that_is_not_allowed_is_415_before_its_content_has_come(upload, files):
    class Images(UploadView):
        def allow_file(self, file):
            return file.content_type == "image/png"

    answer = await upload(Images, file_part(kind="image/png") + file_part() + END)
    assert answer.status_code == 415
    assert b"'rex.txt' of type text/plain is not allowed" in answer.content
    assert not files()
    saved_by(await upload(Images, file_part(kind="image/png") + END))


async def test_a_file_that_is_not_allowed_is_not_waited_for(settings, files):
    class Nothing(UploadView):
        async def allow_file(self, file):
            return False

    route(settings, Nothing)
    connection = connected()
    await connection.send(file_part()[:100])
    assert (await connection.message())["status"] == 415
    await connection.over()


async def test_a_file_may_be_forbidden(upload, files):
    class Forbidden(UploadView):
        def allow_file(self, file):
            if self.saved:
                raise PermissionDenied
            return True

    answer = await upload(Forbidden, file_part() + file_part() + END)
    assert answer.status_code == 403
    assert not files()


async def test_a_hook_may_answer_as_it_likes(upload, files):
    class Taken(StreamError):
        status = 409

    class Refusing(UploadView):
        async def file_saved(self, file, name):
            raise Taken("we have it already")

    answer = await upload(Refusing, file_part() + END)
    assert (answer.status_code, answer.content) == (409, b"we have it already\n")
    assert not files()


@pytest.mark.parametrize(
    "hook", ["get_storage", "get_digest", "allow_file", "get_name", "file_saved", "get_success_url"]
)
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
async def test_a_hook_that_raises_leaves_nothing(hook, is_async, upload, files, caplog):
    def raising(self, *args):
        if hook in ("get_storage", "get_digest") or len(self.saved) > 1 or hook != "allow_file":
            raise LookupError("from the hook")
        return True

    async def raising_async(self, *args):
        return raising(self, *args)

    cls = type("Raising", (UploadView,), {hook: raising_async if is_async else raising})
    answer = await upload(cls, file_part() + file_part() + file_part() + END)
    assert answer.status_code == 500
    assert str(caplog.records[-1].exc_info[1]) == "from the hook"
    assert not files()


@pytest.mark.parametrize("storage", [None, *STORAGES], ids=str)
async def test_hooks_are_told_when_all_is_saved(storage, upload):
    seen = []

    class Told(UploadView):
        def file_saved(self, file, name):
            seen.append((file.filename, name, len(self.saved)))

    view = Told.as_view(storage=STORAGES[storage]() if storage else None)
    answer = await upload(view, file_part() + file_part(filename="ada.txt") + END)
    names = [saved["name"] for saved in saved_by(answer)]
    assert seen == [("rex.txt", names[0], 2), ("ada.txt", names[1], 2)]


@pytest.mark.parametrize("kind", STORAGES)
async def test_what_was_saved_is_deleted_in_any_storage(kind, upload):
    storage = STORAGES[kind]()
    deleted, delete = [], storage.delete
    storage.delete = lambda name: (deleted.append(name), delete(name))

    class Failing(UploadView):
        def file_saved(self, file, name):
            if file.filename == "ada.txt":
                raise LookupError

    content = file_part() + file_part(filename="ada.txt") + END
    answer = await upload(Failing.as_view(storage=storage), content)
    assert answer.status_code == 500
    assert len(deleted) == 2
    assert not any(map(storage.exists, deleted))


async def test_a_file_that_cannot_be_deleted_is_logged_and_the_others_are(upload, caplog):
    class Stubborn(PlainStorage):
        def delete(self, name):
            if name.startswith("rex"):
                raise OSError("stuck")
            super().delete(name)

    class Failing(UploadView):
        def file_saved(self, file, name):
            raise LookupError("the reason")

    storage = Stubborn()
    answer = await upload(
        Failing.as_view(storage=storage), file_part() + file_part(filename="ada.txt") + END
    )
    assert answer.status_code == 500
    assert [name[:3] for name in storage.files] == ["rex"]
    assert "What is left of an upload, 'rex" in caplog.text
    assert str(caplog.records[-1].exc_info[1]) == "the reason"


async def test_a_storage_that_fails_is_500_and_leaves_nothing(upload, files, caplog):
    class Full(PlainStorage):
        def _save(self, name, content):
            if self.files:
                raise OSError(28, "No space left on device")
            return super()._save(name, content)

    storage = Full()
    answer = await upload(UploadView.as_view(storage=storage), file_part() + file_part() + END)
    assert answer.status_code == 500
    assert not storage.files


# The answer


class Redirecting(UploadView):
    success_url = "/done/"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (BROWSER, 302),
        ("text/html", 302),
        ("text/*;q=0.5", 302),
        ("*/*", 201),
        ("application/json", 201),
        ("application/json, text/html;q=0.5", 201),
        ("text/html;q=0.5, application/json", 201),
        ("image/png", 201),
        (None, 201),
    ],
)
async def test_a_form_without_a_script_is_sent_on(accept, status, upload, files):
    headers = {"Accept": accept} if accept else {}
    answer = await upload(Redirecting, file_part() + END, **headers)
    assert answer.status_code == status
    assert answer.headers.get("Location") == ("/done/" if status == 302 else None)
    assert len(files()) == 1


async def test_without_a_success_url_all_get_json(upload):
    saved_by(await upload(UploadView, file_part() + END, Accept=BROWSER))


async def test_a_success_url_may_be_the_name_of_a_view(settings, files):
    async def done(request, name):
        return HttpResponse(name)

    class Named(UploadView):
        def get_success_url(self):
            return self

        def get_absolute_url(self):
            return f"/done/{self.saved[0][1].name}"

    settings.ROOT_URLCONF = (path("", Named.as_view()), path("done/<name>/", done, name="done"))
    async with StreamClient().stream(
        "POST", "/", file_part() + END, content_type=FORM, headers={"Accept": BROWSER}
    ) as answer:
        assert answer.headers["Location"] == "/done/rex.txt"


async def test_what_is_said_of_a_file_is_ones_own(upload):
    class Said(UploadView):
        async def to_item(self, file, saved):
            return {"url": (await asyncio.sleep(0, self._storage)).url(saved.name)}

    [saved] = saved_by(await upload(Said, file_part() + END))
    assert saved["url"].endswith("rex.txt")


async def test_what_cannot_be_said_in_json_leaves_nothing(upload, files):
    class Said(UploadView):
        def to_item(self, file, saved):
            return object()

    assert (await upload(Said, file_part() + END)).status_code == 500
    assert not files()


# Methods and mixins


async def test_put_does_what_a_subclass_makes_of_post(upload, files):
    """A check that was added to one way in must not be missing from the other."""

    class Checked(UploadView):
        async def post(self, request):
            if request.headers.get("X-Quota") != "left":
                raise PermissionDenied
            return await super().post(request)

    class SyncChecked(UploadView):
        def post(self, request):
            if request.headers.get("X-Quota") != "left":
                raise PermissionDenied
            return async_to_sync(super().post)(request)

    for cls in (Checked, SyncChecked):
        for method in ("POST", "PUT"):
            assert (await upload(cls, b"x", "text/plain", method)).status_code == 403
            answer = await upload(cls, b"x", "text/plain", method, X_Quota="left")
            assert answer.status_code == 201
    assert len(files()) == 4


async def test_put_may_be_something_else(upload, files):
    class Replaced(UploadView):
        async def put(self, request):
            return HttpResponse(await request.body_stream.read())

    assert (await upload(Replaced, b"x", "text/plain", "PUT")).content == b"x"
    assert not files()


async def test_other_methods_are_not_answered(upload):
    for method, content in (("GET", {}), ("PATCH", b"x"), ("DELETE", b"x")):
        answer = await upload(UploadView, content, "text/plain", method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, PUT, OPTIONS")


async def test_a_sync_get_may_show_the_form(upload, files):
    class WithForm(UploadView):
        http_method_names = ["get", *UploadView.http_method_names]

        def get(self, request):
            return HttpResponse("<form>")

    assert (await upload(WithForm, b"", method="GET")).content == b"<form>"
    saved_by(await upload(WithForm, file_part() + END))
    assert len(files()) == 1


def by_header(get_response):
    def middleware(request):
        name = request.headers.get("X-User")
        request.user = User(username=name) if name else AnonymousUser()
        return get_response(request)

    return middleware


class Private(LoginRequiredMixin, UploadView):
    upload_to = "private/"

    def get_name(self, file):
        return f"{self.request.user.username}/{super().get_name(file)}"


async def test_an_upload_may_need_a_login(upload, files, settings):
    settings.MIDDLEWARE = [f"{__name__}.by_header"]
    answer = await upload(Private, file_part() + END)
    assert (answer.status_code, files()) == (302, {})
    saved_by(await upload(Private, file_part() + END, X_User="rex"))
    assert files() == {"rex/private/rex.txt": b"content"}


@pytest.mark.parametrize("cls", [UploadView, Private])
async def test_the_same_view_under_djangos_clients(cls, settings, files):
    settings.MIDDLEWARE = [f"{__name__}.by_header"]
    route(settings, cls)
    content, headers = field("a", "1") + file_part(b"x" * 10**6) + END, {"X-User": "rex"}
    sync = sync_to_async(Client().generic)
    for post in (AsyncClient().generic, sync):
        for kind, sent in ((FORM, content), ("text/plain", b"raw")):
            answer = await post("POST", "/", sent, content_type=kind, headers=headers)
            assert len(saved_by(answer)) == 1
    assert sorted(map(len, files().values())) == [3, 3, 10**6, 10**6]


def test_the_same_view_without_an_event_loop(settings, files):
    route(settings, UploadView)
    data = {"title": "Rex", "f": ContentFile(b"content", name="rex.txt")}
    [saved] = saved_by(Client().post("/", data))
    assert (saved["field"], saved["size"]) == ("f", 7)
    request = RequestFactory().post("/", {"f": ContentFile(b"content", name="ada.txt")})
    answer = async_to_sync(UploadView.as_view())(request)
    assert [saved["name"] for saved in saved_by(answer)] == ["ada.txt"]
    assert Client().post("/", {"title": "Rex"}).status_code == 400
    assert len(files()) == 2


def test_the_same_view_after_the_check_of_a_form_under_wsgi(settings, files):
    """Django's check has taken the form apart by then."""
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    route(settings, UploadView)
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "s" * 32
    fields = {"csrfmiddlewaretoken": "s" * 32, "f": ContentFile(b"content", name="rex.txt")}
    [saved] = saved_by(client.post("/", fields))
    assert files() == {saved["name"]: b"content"}
    assert client.post("/", {"f": ContentFile(b"x", name="x")}).status_code == 403


# The database


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("bases", [(UploadView,), (Private,)], ids=["loop", "thread"])
async def test_hooks_may_use_the_orm(bases, upload, files, settings):
    settings.MIDDLEWARE = [f"{__name__}.by_header"]

    class Stored(*bases):
        def allow_file(self, file):
            return Dog.objects.count() < 2

        def get_name(self, file):
            return f"{Dog.objects.count()}.txt"

        def file_saved(self, file, name):
            Dog.objects.create(name=name)

        async def to_item(self, file, saved):
            return (await Dog.objects.aget(name=saved.name)).name

    content = file_part() + END
    assert saved_by(await upload(Stored, content, X_User="rex")) == ["0.txt"]
    assert saved_by(await upload(Stored, content, X_User="rex")) == ["1.txt"]
    assert (await upload(Stored, content, X_User="rex")).status_code == 415
    assert set(files()) == {"0.txt", "1.txt"}


# A client that leaves


def connected(**headers):
    """Returns a client that sends its form step by step, and may leave."""
    return Connection(get_asgi_application(), headers={"Content-Type": FORM} | headers)


class Watched(UploadView):
    """Says when it asks, and waits where a test wants it to."""

    asked = None
    waits_in = ""

    async def allow_file(self, file):
        await self.reach("allow_file")
        return True

    async def file_saved(self, file, name):
        await self.reach("file_saved")

    async def reach(self, name):
        self.asked.put_nowait(name)
        if self.waits_in == name:
            await asyncio.Event().wait()


class SyncPassing:
    def dispatch(self, *args, **kwargs):
        return super().dispatch(*args, **kwargs)


class WatchedInThread(SyncPassing, Watched):
    pass


@pytest.mark.parametrize("cls", [Watched, WatchedInThread])
@pytest.mark.parametrize("storage", [None, *STORAGES], ids=str)
async def test_a_client_that_leaves_midway_leaves_nothing(cls, storage, settings, files, caplog):
    asked = asyncio.Queue()
    storage = STORAGES[storage]() if storage else None
    route(settings, cls.as_view(asked=asked, storage=storage))
    connection = connected()
    await connection.send(file_part(), file_part(b"x" * 3 * 2**20)[:-100])
    for _ in range(2):
        assert await asyncio.wait_for(asked.get(), SECONDS) == "allow_file"
    await connection.leave()
    await connection.over()
    assert not files()
    assert not getattr(storage, "files", {})
    assert not (isinstance(storage, InMemoryStorage) and storage.listdir("")[1])
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


@pytest.mark.parametrize("cls", [Watched, WatchedInThread])
@pytest.mark.parametrize(
    ("hook", "left"), [("allow_file", {}), ("file_saved", {"rex.txt": b"content"})]
)
async def test_a_client_that_leaves_while_a_hook_runs_undoes_what_no_hook_has_acted_on(
    cls, hook, left, settings, files
):
    asked = asyncio.Queue()
    route(settings, cls.as_view(asked=asked, waits_in=hook))
    connection = connected()
    await connection.send(file_part() + END)
    await connection.end()
    while await asyncio.wait_for(asked.get(), SECONDS) != hook:
        pass
    await connection.leave()
    await connection.over()
    assert files() == left


class NeverCached(UploadView):
    @method_decorator(never_cache)
    async def post(self, request):
        return await super().post(request)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_decorated_upload(method, upload, files):
    answer = await upload(NeverCached, file_part() + END, method=method)
    assert len(saved_by(answer)) == 1
    assert "no-store" in answer.headers["Cache-Control"]
    assert len(files()) == 1


async def test_the_fields_of_a_form_take_no_more_than_django_allows(upload, files, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    few = field("a", "x" * 400) * 2
    assert (await upload(UploadView, few + file_part() + END)).status_code == 201
    answer = await upload(UploadView, file_part() + few + few + END)
    assert (answer.status_code, len(files())) == (413, 1)
    assert b"more than the 1000 bytes allowed" in answer.content
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert (await upload(UploadView, few + few + file_part() + END)).status_code == 201


async def test_a_file_of_whose_name_nothing_is_left_is_a_file(upload, files):
    [saved] = saved_by(await upload(UploadView, file_part(filename="..") + END))
    assert saved["filename"] == ""
    assert files() == {"upload.txt": b"content"}


@pytest.mark.django_db(transaction=True)
async def test_a_view_in_a_transaction_runs_in_a_thread(upload, files, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    threads = []

    class Uploaded(UploadView):
        def file_saved(self, file, name):
            threads.append(connections["default"].in_atomic_block)

    assert not Uploaded.view_is_async
    saved_by(await upload(Uploaded, file_part() + END))
    assert threads == [True]
