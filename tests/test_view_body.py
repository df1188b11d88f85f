"""`views.body`: views get their request with the body unread, and everywhere the same API."""

import asyncio
import functools
import logging
from dataclasses import replace
from threading import Thread, get_ident

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from channels.routing import ProtocolTypeRouter
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.mixins import (
    LoginRequiredMixin,
    PermissionRequiredMixin,
    UserPassesTestMixin,
)
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.exceptions import ImproperlyConfigured, RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
from django.urls import include, path, register_converter, reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from django_streams import (
    JSONL,
    BodyStreamMixin,
    JSONLinesMixin,
    StreamError,
    StreamView,
    body_stream,
)
from django_streams.asgi import get_asgi_application
from django_streams.body import LIMITS, Receiver, limits_of_settings
from django_streams.views import wants_body_stream
from tests.connections import SECONDS, Answer, Connection
from tests.kennel.models import Dog


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch, settings):
    """Nobody waits for a client of these tests to see its answer."""
    monkeypatch.setattr("django_streams.body.receiving.LINGER_SECONDS", 0)
    monkeypatch.setattr("django_streams.body.receiving.TURN_SECONDS", 0)
    settings.MIDDLEWARE = []


def route(settings, *views, **named):
    """Makes a project of some views: one at the root, others under their names."""
    patterns = [path("", view) for view in views]
    settings.ROOT_URLCONF = (*patterns, *(path(f"{name}/", view) for name, view in named.items()))


async def until(condition):
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0)


async def in_new_thread(function):
    """Returns what a function does in a thread that no event loop is above, as under WSGI."""
    done, loop = asyncio.get_running_loop().create_future(), asyncio.get_running_loop()

    def run():
        try:
            result, settle = function(), done.set_result
        except Exception as error:  # noqa: BLE001 - It is raised where it is waited for.
            result, settle = error, done.set_exception
        connections.close_all()
        loop.call_soon_threadsafe(settle, result)

    thread = Thread(target=run, daemon=True)
    thread.start()
    async with asyncio.timeout(SECONDS):
        result = await done
    thread.join(SECONDS)
    return result


# The places where a view may run.


async def over_asgi(application, method, content, headers):
    connection = Connection(application, method, headers={"Content-Length": len(content)} | headers)
    half = len(content) // 2
    await connection.end(content[:half], content[half:])
    return await connection.answer()


async def ours(method, content, headers, view):
    return await over_asgi(get_asgi_application(), method, content, headers)


async def djangos(method, content, headers, view):
    return await over_asgi(ASGIHandler(), method, content, headers)


def given(client, method, content, headers):
    others = dict(headers)
    kind = others.pop("Content-Type", "application/octet-stream")
    return client.generic(method, "/", content, content_type=kind, headers=others)


async def async_client(method, content, headers, view):
    response = await given(AsyncClient(), method, content, headers)
    return await read_async(response)


async def client(method, content, headers, view):
    return await in_new_thread(lambda: read(given(Client(), method, content, headers)))


async def async_factory(method, content, headers, view):
    request = given(AsyncRequestFactory(), method, content, headers)
    call = view if iscoroutinefunction(view) else sync_to_async(view)
    return await read_async(await call(request))


async def factory(method, content, headers, view):
    request = given(RequestFactory(), method, content, headers)
    call = async_to_sync(view) if iscoroutinefunction(view) else view
    return await in_new_thread(lambda: read(call(request)))


def read(response):
    content = b"".join(response) if response.streaming else response.content
    return Answer(response.status_code, response.items(), content)


async def read_async(response):
    if not response.streaming:
        return read(response)
    content = b"".join([chunk async for chunk in response])
    return Answer(response.status_code, response.items(), content)


WORLDS = [ours, djangos, async_client, client, async_factory, factory]


@pytest.fixture(params=WORLDS, ids=lambda world: world.__name__)
def ask(request, settings):
    """Asks a view, in each of the places where one may run."""

    async def ask(view, content=b"", method="POST", **headers):
        route(settings, view)
        headers = {name.replace("_", "-").title(): value for name, value in headers.items()}
        async with asyncio.timeout(SECONDS):
            return await request.param(method, content, headers, view)

    return ask


def is_unread(request):
    return isinstance(request.body_stream._source, Receiver)


def told(request):
    return JsonResponse({"unread": is_unread(request), "thread": get_ident()})


# Views


@body_stream
async def function_view(request):
    first = await anext(request.body_stream)
    return JsonResponse({"first": first.decode(), "unread": is_unread(request)})


@body_stream
def sync_function_view(request):
    first = async_to_sync(request.body_stream.__anext__)()
    return JsonResponse({"first": first.decode(), "unread": is_unread(request)})


class AsyncView(BodyStreamMixin, View):
    async def post(self, request, **kwargs):
        return await function_view(request)


class SyncView(BodyStreamMixin, View):
    def post(self, request, **kwargs):
        return sync_function_view(request)


class MixedView(BodyStreamMixin, View):
    def get(self, request):
        return HttpResponse(f"a form {get_ident()}")

    async def post(self, request, **kwargs):
        return await function_view(request)


class GuardedView(UserPassesTestMixin, AsyncView):
    def test_func(self):
        return True


VIEWS = {
    "async function": function_view,
    "sync function": sync_function_view,
    "async class": AsyncView.as_view(),
    "sync class": SyncView.as_view(),
    "mixed class": MixedView.as_view(),
    "bridged class": GuardedView.as_view(),
}

every_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


@every_view
async def test_the_view_is_called_before_its_body_has_come(view, settings):
    route(settings, view)
    connection = Connection(get_asgi_application())
    await connection.send(b"first")
    answer = await connection.answer()
    assert answer.json() == {"first": "first", "unread": True}
    assert answer.headers["Connection"] == "close"


@every_view
async def test_everywhere_else_the_same_view_reads_what_is_there(view, ask, request):
    answer = await ask(view, b"body")
    assert answer.json()["first"] in ("body", "bo")
    is_ours = request.node.callspec.params["ask"] is ours
    assert answer.json()["unread"] is is_ours


async def test_nothing_is_received_before_the_view_reads(settings):
    """So no server says `100 Continue` for a body that is refused."""

    @body_stream
    async def refusing(request):
        return HttpResponse(status=403)

    route(settings, refusing)
    received, sent = [], []

    async def receive():
        received.append(sent[:])
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = Connection(None, headers={"Expect": "100-continue"})._application.scope
    async with asyncio.timeout(SECONDS):
        await get_asgi_application()(scope, receive, send)
    assert all(received)
    assert sent[0]["status"] == 403


@every_view
async def test_a_view_is_known_by_its_mark(view):
    assert wants_body_stream(view)
    assert not wants_body_stream(View.as_view())
    assert not wants_body_stream(lambda request: None)


async def test_a_request_without_a_body_is_empty_everywhere(ask):
    @body_stream
    async def view(request):
        return HttpResponse(b"%r" % await request.body_stream.read())

    for method in ("POST", "PUT", "GET"):
        assert (await ask(view, method=method)).content == b"b''"


async def test_a_body_without_a_length_is_expected_of_http_2(settings):
    route(settings, function_view)
    connection = Connection(get_asgi_application(), http_version="2")
    connection._application.scope["headers"] = [(b"host", b"testserver")]
    await connection.send(b"first")
    answer = await connection.answer()
    assert answer.json()["unread"]
    assert "Connection" not in answer.headers


# The API, everywhere


async def test_chunks_everywhere(ask):
    @body_stream
    async def view(request):
        chunks = [chunk async for chunk in request.body_stream]
        return JsonResponse({"content": b"".join(chunks).decode(), "n": len(chunks)})

    assert (await ask(view, b"body")).json()["content"] == "body"


async def test_text_everywhere(ask):
    @body_stream
    async def view(request):
        return HttpResponse(await request.body_stream.text())

    answer = await ask(view, "é".encode("latin-1"), content_type="text/plain; charset=latin1")
    assert answer.content == "é".encode()


async def test_json_everywhere(ask):
    class AsJSON(BodyStreamMixin, View):
        async def put(self, request):
            return JsonResponse(await request.body_stream.json(dict[str, int]))

    view = AsJSON.as_view()
    assert (await ask(view, b'{"a":1}', "PUT")).json() == {"a": 1}
    answer = await ask(view, b'{"a":"b"}', "PUT")
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        400,
        "text/plain; charset=utf-8",
    )


class Sum(BodyStreamMixin, View):
    async def post(self, request):
        total = 0
        async for item in request.body_stream.items(int):
            total += item
        return HttpResponse(total)


async def test_items_everywhere(ask):
    answer = await ask(Sum.as_view(), b"1\n2\n3", content_type=str(JSONL))
    assert answer.content == b"6"


FORM = "multipart/form-data; boundary=b"


def field(name, value):
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file_part(content=b"content", name="f", filename="x.txt"):
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = b"--b--\r\n"


class Parts(BodyStreamMixin, View):
    async def post(self, request):
        parts = [
            (part.name, part.filename, await part.text())
            async for part in request.body_stream.parts()
        ]
        return JsonResponse({"parts": parts})


async def test_parts_everywhere(ask):
    answer = await ask(
        Parts.as_view(), field("a", "é") + file_part("日".encode()) + END, content_type=FORM
    )
    assert answer.json()["parts"] == [["a", None, "é"], ["f", "x.txt", "日"]]


async def test_parts_everywhere_after_somebody_has_asked_for_the_form(ask):
    """For an unread body that yields nothing, and harms nothing."""

    @body_stream
    async def view(request):
        request.POST.get("a")
        return await Parts().post(request)

    answer = await ask(view, field("a", "1") + file_part() + END, content_type=FORM)
    assert answer.json()["parts"] == [["a", None, "1"], ["f", "x.txt", "content"]]


async def test_a_file_everywhere(ask, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path

    @body_stream
    async def view(request):
        saved = await request.body_stream.file().save("a/b.bin", digest="md5")
        return JsonResponse({"name": saved.name, "size": saved.size})

    answer = await ask(view, b"x" * 100_000)
    assert answer.json() == {"name": "a/b.bin", "size": 100_000}
    assert (tmp_path / "a/b.bin").read_bytes() == b"x" * 100_000


async def test_a_sync_view_reads_with_async_to_sync_everywhere(ask):
    class Sync(BodyStreamMixin, View):
        def post(self, request):
            body = request.body_stream
            first = async_to_sync(body.__anext__)()
            rest = async_to_sync(body.read)()
            return JsonResponse({"size": len(first + rest), "end": len(async_to_sync(body.read)())})

    answer = await ask(Sync.as_view(), b"x" * 200_000)
    assert answer.json() == {"size": 200_000, "end": 0}


async def test_the_body_is_there_for_dispatch_and_setup_too(ask):
    """Not only in the handler, and not only where it is unread."""

    class Sized(BodyStreamMixin, View):
        def setup(self, request, *args, **kwargs):
            super().setup(request, *args, **kwargs)
            self.kind = request.body_stream.content_type

        def dispatch(self, request, *args, **kwargs):
            response = super().dispatch(request, *args, **kwargs)
            response["X-Kind"] = f"{self.kind} {request.body_stream.received}"
            return response

        async def post(self, request):
            return HttpResponse(await request.body_stream.read())

    answer = await ask(Sized.as_view(), b"12345", content_type="text/x")
    assert answer.headers["X-Kind"] == "text/x 5"


async def test_head_and_options_and_what_is_not_allowed_are_answered_everywhere(ask):
    class All(BodyStreamMixin, View):
        async def get(self, request):
            return HttpResponse("x", headers={"X-Size": await request.body_stream.read()})

    class Nothing(BodyStreamMixin, View):
        pass

    assert (await ask(All.as_view(), method="HEAD")).status_code == 200
    for cls in (All, MixedView, Nothing, GuardedView):
        answer = await ask(cls.as_view(), b"body", "OPTIONS")
        assert (answer.status_code, "OPTIONS" in answer.headers["Allow"]) == (200, True)
        assert (await ask(cls.as_view(), b"body", "PATCH")).status_code == 405


# Ordinary views are left alone


async def submit(*chunks, application=None, path="/", **headers):
    """Returns the answer to a form; one without a length is empty to Django."""
    length = {"Content-Type": FORM, "Content-Length": sum(map(len, chunks))}
    connection = Connection(
        application or get_asgi_application(), path=path, headers=length | headers
    )
    await connection.end(*chunks)
    return await connection.answer()


def ordinary(request):
    assert not hasattr(request, "body_stream")
    files = {name: file.read().decode() for name, file in request.FILES.items()}
    return JsonResponse({"POST": request.POST.dict(), "FILES": files})


async def ordinary_async(request):
    return ordinary(request)


def ordinary_body(request):
    return HttpResponse(request.body)


@pytest.mark.parametrize("view", [ordinary, ordinary_async])
async def test_ordinary_views_get_their_form(view, settings):
    route(settings, view, upload=function_view)
    answer = await submit(field("a", "1"), file_part(), END)
    assert answer.json() == {"POST": {"a": "1"}, "FILES": {"f": "content"}}
    assert "Connection" not in answer.headers


async def test_ordinary_views_get_their_body(settings):
    route(settings, ordinary_body, upload=function_view)
    connection = Connection(get_asgi_application())
    await connection.end(b"bo", b"dy")
    assert (await connection.answer()).content == b"body"


# How a view is found


def hiding(view):
    """A decorator that knows nothing of `functools.wraps`."""

    def hidden(request):
        return view(request)

    return hidden


def wrapping(view):
    @functools.wraps(view)
    def wrapper(request, *args, **kwargs):
        return view(request, *args, **kwargs)

    return wrapper


class Exempt(AsyncView):
    @method_decorator(csrf_exempt)
    def dispatch(self, *args, **kwargs):
        return super().dispatch(*args, **kwargs)


@method_decorator(never_cache, name="dispatch")
class NeverCached(AsyncView):
    pass


class DecoratedHandler(BodyStreamMixin, View):
    @method_decorator(never_cache)
    async def post(self, request):
        return await function_view(request)


class DecoratedSyncHandler(BodyStreamMixin, View):
    @method_decorator(require_POST)
    def post(self, request):
        return sync_function_view(request)


class Callable:
    async def __call__(self, request):
        return await function_view(request)


DECORATED = {
    "login_required": login_required(AsyncView.as_view()),
    "login_required sync": login_required(SyncView.as_view()),
    "permission_required": permission_required("x.y")(MixedView.as_view()),
    "csrf_exempt": csrf_exempt(AsyncView.as_view()),
    "csrf_exempt function": csrf_exempt(function_view),
    "csrf_exempt inside": body_stream(csrf_exempt(function_view)),
    "never_cache": never_cache(AsyncView.as_view()),
    "require_POST": require_POST(function_view),
    "require_POST sync": require_POST(sync_function_view),
    "wraps": wrapping(AsyncView.as_view()),
    "many": csrf_exempt(never_cache(login_required(wrapping(AsyncView.as_view())))),
    "method_decorator on a method": Exempt.as_view(),
    "method_decorator on a class": NeverCached.as_view(),
    "method_decorator on a handler": DecoratedHandler.as_view(),
    "method_decorator on a sync handler": DecoratedSyncHandler.as_view(),
    "partial": body_stream(functools.partial(function_view)),
    "a callable object": body_stream(Callable()),
}


@pytest.mark.parametrize("view", DECORATED.values(), ids=DECORATED)
async def test_decorators_leave_the_body_unread(view, settings):
    settings.MIDDLEWARE = [f"{__name__}.superuser"]
    route(settings, view)
    connection = Connection(get_asgi_application())
    await connection.send(b"first")
    assert (await connection.answer()).json() == {"first": "first", "unread": True}


async def test_a_decorator_that_hides_a_view_gets_it_buffered(settings):
    async def hiding_async(request):
        return await AsyncView.as_view()(request)

    for view in (hiding(SyncView.as_view()), hiding(sync_function_view), hiding_async):
        route(settings, view)
        connection = Connection(get_asgi_application())
        await connection.end(b"first")
        assert (await connection.answer()).json() == {"first": "first", "unread": False}


def log_in(request, user):
    async def auser():
        return user

    request.user, request.auser = user, auser


def superuser(get_response):
    def middleware(request):
        log_in(request, User(username="root", is_superuser=True))
        return get_response(request)

    return middleware


class Raising:
    """What it finds depends on the number: nothing, an error, or itself."""

    regex = "[0-9]+"

    def to_python(self, text):
        if text == "404":
            raise ValueError
        if text == "500":
            raise LookupError("from the converter")
        return int(text)

    def to_url(self, value):
        return str(value)


register_converter(Raising, "raising")


async def unread_at(path, application=None, **scope):
    connection = Connection(application or get_asgi_application(), path=path, **scope)
    await connection.end(b"first")
    answer = await connection.answer()
    return answer.json()["unread"] if answer.status_code == 200 else answer.status_code


async def test_included_and_namespaced_views_are_found(settings):
    inner = ([path("<slug:name>/", AsyncView.as_view(), name="one")], "app")
    settings.ROOT_URLCONF = (path("api/", include(inner, namespace="ns")),)
    assert reverse("ns:one", args=["x"]) == "/api/x/"
    assert await unread_at("/api/x/") is True
    assert await unread_at("/api/x/y/") == 404


async def test_a_converter_that_refuses_or_raises_is_djangos_business(settings, caplog):
    settings.ROOT_URLCONF = (
        path("<raising:n>/", AsyncView.as_view()),
        path("404/", SyncView.as_view()),
    )
    assert await unread_at("/7/") is True
    assert await unread_at("/404/") is True
    assert await unread_at("/500/") == 500
    assert str(caplog.records[-1].exc_info[1]) == "from the converter"


async def test_what_is_not_found_is_not_found(settings):
    route(settings, upload=function_view)
    assert await unread_at("/nowhere/") == 404
    assert await unread_at("/upload/") is True


async def test_a_script_prefix_is_no_part_of_the_path(settings):
    route(settings, upload=function_view, app=function_view)
    assert await unread_at("/app/upload/", root_path="/app") is True
    assert await unread_at("/upload/", root_path="/app") is True
    assert await unread_at("/app/app/", root_path="/app") is True


@pytest.mark.parametrize("root", ["/app", "/app/", "/", "/application"])
async def test_any_prefix_leads_where_django_goes(root, settings):
    """What that is depends on its version; with the body unread or not, it is the same view."""

    @body_stream
    async def streamed(request):
        return HttpResponse(b"streamed " + await request.body_stream.read())

    settings.ROOT_URLCONF = (
        path("application/", streamed),
        path("lication/", ordinary_body),
        path("ordinary/", ordinary_body),
        path("app/ordinary/", streamed),
    )
    for path_ in ("/application/", "/app/application/", "/app/ordinary/", "/app/app/ordinary/"):
        answers = []
        for application in (get_asgi_application(), ASGIHandler()):
            connection = Connection(application, path=path_, root_path=root)
            await connection.end(b"first")
            answer = await connection.answer()
            answers.append((answer.status_code, answer.content))
        assert answers[0] == answers[1]


async def test_a_forced_script_name_is_no_part_of_the_path(settings):
    settings.FORCE_SCRIPT_NAME = "/app"
    route(settings, upload=function_view)
    assert await unread_at("/app/upload/") is True


LOCALE = "django.middleware.locale.LocaleMiddleware"


@pytest.mark.parametrize("prefix_default_language", [True, False])
async def test_a_view_under_the_prefix_of_a_language_is_found(prefix_default_language, settings):
    settings.MIDDLEWARE = [LOCALE]
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    settings.LANGUAGE_CODE = "en"
    patterns = i18n_patterns(
        path("up/", function_view), prefix_default_language=prefix_default_language
    )
    settings.ROOT_URLCONF = (path("plain/", function_view), *patterns)
    assert await unread_at("/de/up/") is True
    assert await unread_at("/plain/") is True
    assert await unread_at("/en/up/") == (True if prefix_default_language else 404)
    assert await unread_at("/fr/up/") == 404
    german = {"Accept-Language": "de", "Cookie": "django_language=de"}
    if not prefix_default_language:
        assert await unread_at("/up/") is True
        assert await unread_at("/up/", headers=german) is True


async def test_a_language_that_is_looked_for_is_not_left_active(settings):
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    settings.LANGUAGE_CODE = "en"

    @body_stream
    async def view(request):
        return HttpResponse(translation.get_language())

    settings.ROOT_URLCONF = tuple(i18n_patterns(path("up/", view), prefix_default_language=False))
    connection = Connection(get_asgi_application(), path="/up/")
    await connection.end(b"x")
    assert (await connection.answer()).content == b"en"


# Middleware that sends a request elsewhere


class StreamedSite:
    urlpatterns = (path("", function_view), path("form/", function_view))


class FormSite:
    urlpatterns = (path("", ordinary), path("body/", ordinary_body))


def by_host(get_response):
    def middleware(request):
        if request.get_host() == "forms":
            request.urlconf = FormSite
        elif request.get_host() == "streams":
            request.urlconf = StreamedSite
        return get_response(request)

    return middleware


def urlconf_of(scope):
    host = dict(scope["headers"]).get(b"host")
    return {b"forms": FormSite, b"streams": StreamedSite}.get(host)


async def test_a_middleware_may_choose_a_view_that_wants_its_form(settings):
    settings.MIDDLEWARE = [f"{__name__}.by_host"]
    settings.ROOT_URLCONF = StreamedSite
    for application in (get_asgi_application(), get_asgi_application(urlconf_of)):
        answer = await submit(
            field("a", "1"), file_part(), END, application=application, Host="forms"
        )
        assert answer.json() == {"POST": {"a": "1"}, "FILES": {"f": "content"}}


async def test_a_middleware_may_choose_a_view_that_wants_its_body_unread(settings):
    settings.MIDDLEWARE = [f"{__name__}.by_host"]
    settings.ROOT_URLCONF = FormSite
    headers = {"Host": "streams"}
    assert await unread_at("/", headers=headers) is False
    assert await unread_at("/", get_asgi_application(urlconf_of), headers=headers) is True
    assert await unread_at("/form/", headers=headers) is False


async def test_a_hook_that_names_nothing_leaves_it_to_the_settings(settings):
    route(settings, function_view)
    assert await unread_at("/", get_asgi_application(lambda scope: None)) is True


def touching_form(get_response):
    def middleware(request):
        request.META["TOUCHED"] = request.POST.get("a", "nothing")
        return get_response(request)

    return middleware


async def test_a_middleware_that_looks_at_the_form_of_a_view_it_goes_on_to_replace(settings):
    """The early guess was wrong, and somebody has asked for `request.POST` by then."""

    settings.MIDDLEWARE = [f"{__name__}.by_host", f"{__name__}.touching_form"]
    settings.ROOT_URLCONF = StreamedSite
    answer = await submit(field("a", "1"), END, Host="forms")
    assert answer.json()["POST"] == {"a": "1"}


def rewriting(get_response):
    def middleware(request):
        request.path_info = request.path_info.replace("/old/", "/")
        return get_response(request)

    return middleware


@pytest.mark.parametrize("name", ["upload", "form"])
async def test_a_middleware_that_rewrites_the_path_gets_the_right_view(name, settings):
    settings.MIDDLEWARE = [f"{__name__}.rewriting"]
    settings.ROOT_URLCONF = (
        path("old/form/", function_view),
        path("old/upload/", ordinary),
        path("form/", ordinary),
        path("upload/", function_view),
    )
    content = field("a", "1") + END
    answer = await submit(content, path=f"/old/{name}/")
    if name == "form":
        assert answer.json() == {"POST": {"a": "1"}, "FILES": {}}
    else:
        assert answer.json() == {"first": content.decode(), "unread": False}


async def test_a_client_that_leaves_a_view_that_turns_out_to_want_its_form(
    settings, caplog, monkeypatch
):
    # Or else the request may be cancelled under its sync middleware, which asgiref takes badly:
    # request_finished finds the executor of a thread that has ended, as it does under plain Django.
    monkeypatch.setattr("django_streams.body.receiving.TURN_SECONDS", 60)
    settings.MIDDLEWARE = [f"{__name__}.by_host"]
    settings.ROOT_URLCONF = StreamedSite
    connection = Connection(get_asgi_application(), headers={"Host": "forms"})
    await connection.send(b"x")
    await connection.leave()
    await connection.over()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_csrf_of_a_form_that_a_middleware_chose(settings):
    settings.MIDDLEWARE = [f"{__name__}.by_host", CSRF]
    settings.ROOT_URLCONF = StreamedSite
    for token, status in ((SECRET, 200), (OTHER, 403)):
        answer = await submit(
            field("csrfmiddlewaretoken", token), file_part(), END, Host="forms", **COOKIE
        )
        assert answer.status_code == status
    assert status == 403


async def test_channels_router_hands_on_to_the_handler(settings):
    route(settings, function_view)
    router = ProtocolTypeRouter({"http": get_asgi_application()})
    connection = Connection(router)
    await connection.send(b"first")
    assert (await connection.answer()).json() == {"first": "first", "unread": True}


# Mixins


def by_header(get_response):
    """The user whom a header names, without a database."""

    def middleware(request):
        name = request.headers.get("X-User")
        is_root = name == "root"
        user = User(username=name, is_superuser=is_root, is_active=is_root)
        log_in(request, user if name else AnonymousUser())
        return get_response(request)

    return middleware


class IsRoot(UserPassesTestMixin):
    def test_func(self):
        return self.request.user.username == "root"


class May(PermissionRequiredMixin):
    permission_required = "kennel.add_dog"


class Coloured:
    def dispatch(self, *args, **kwargs):
        response = super().dispatch(*args, **kwargs)
        response["X-Colour"] = "red"
        return response


class AsyncColoured:
    async def dispatch(self, *args, **kwargs):
        response = await super().dispatch(*args, **kwargs)
        response["X-Colour"] = "red"
        return response


class Preparing:
    def setup(self, *args, **kwargs):
        super().setup(*args, **kwargs)
        self.request.prepared = True


MIXINS = [LoginRequiredMixin, May, IsRoot]
HANDLERS = {"async": AsyncView.post, "sync": SyncView.post}


@pytest.mark.parametrize("place", [ours, djangos, async_client, client])
@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
@pytest.mark.parametrize("is_in_front", [True, False], ids=["in front", "behind"])
@pytest.mark.parametrize("mixin", MIXINS)
async def test_djangos_mixins_decide_on_either_side(mixin, is_in_front, handler, place, settings):
    settings.MIDDLEWARE = [f"{__name__}.by_header"]
    bases = (mixin, BodyStreamMixin) if is_in_front else (BodyStreamMixin, mixin)
    cls = type("Guarded", (*bases, View), {"post": handler})
    route(settings, cls.as_view())
    async with asyncio.timeout(SECONDS):
        refused = await place("POST", b"body", {}, None)
        allowed = await place("POST", b"body", {"X-User": "root"}, None)
        other = await place("POST", b"body", {"X-User": "rex"}, None)
    assert (refused.status_code, refused.headers["Location"][:7]) == (302, "/login/")
    assert (allowed.status_code, allowed.json()["unread"]) == (200, place is ours)
    assert other.status_code == (200 if mixin is LoginRequiredMixin else 403)


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
@pytest.mark.parametrize("is_in_front", [True, False], ids=["in front", "behind"])
async def test_a_mixin_gets_a_real_response_of_dispatch(is_in_front, handler, ask):
    bases = (Coloured, BodyStreamMixin) if is_in_front else (BodyStreamMixin, Coloured)
    cls = type("Red", (*bases, View), {"post": handler})
    answer = await ask(cls.as_view(), b"body")
    assert (answer.status_code, answer.headers["X-Colour"]) == (200, "red")


@pytest.mark.parametrize("is_in_front", [True, False], ids=["in front", "behind"])
async def test_a_mixin_gets_a_refusal_as_well(is_in_front, ask):
    bases = (Coloured, BodyStreamMixin) if is_in_front else (BodyStreamMixin, Coloured)
    cls = type("Red", (*bases, View), {"post": Sum.post})
    answer = await ask(cls.as_view(), b"nope", content_type=str(JSONL))
    assert (answer.status_code, answer.headers["X-Colour"]) == (400, "red")


@pytest.mark.parametrize("is_in_front", [True, False], ids=["in front", "behind"])
async def test_an_async_dispatch_stays_on_the_loop(is_in_front, ask):
    bases = (AsyncColoured, BodyStreamMixin) if is_in_front else (BodyStreamMixin, AsyncColoured)
    cls = type("Red", (*bases, View), {"post": AsyncView.post})
    answer = await ask(cls.as_view(), b"body")
    assert (answer.status_code, answer.headers["X-Colour"]) == (200, "red")


async def test_handlers_run_on_the_loop_where_the_code_around_them_is_async_or_only_decides():
    class Prepared(Preparing, AsyncView):
        pass

    class AsyncRed(AsyncColoured, AsyncView):
        pass

    class HalfRed(AsyncColoured, SyncView):
        pass

    class Red(Coloured, AsyncView):
        pass

    class GuardedRed(Coloured, GuardedView):
        pass

    class GuardedAsyncRed(AsyncColoured, GuardedView):
        pass

    class Decorated(GuardedView):
        pass

    # A decorator copies all marks of the function that it wraps.
    Decorated = method_decorator(never_cache, name="dispatch")(Decorated)  # noqa: N806
    assert Decorated.dispatch.__module__ == UserPassesTestMixin.__module__

    for cls in (AsyncView, AsyncRed, GuardedView, Prepared):
        assert cls.view_is_async
        assert iscoroutinefunction(cls.as_view())
    for cls in (SyncView, MixedView, HalfRed, Red, GuardedRed, GuardedAsyncRed, Decorated):
        assert not cls.view_is_async
        assert not iscoroutinefunction(cls.as_view())


async def test_setup_is_given_the_request_and_its_thread(ask):
    class Prepared(Preparing, AsyncView):
        async def post(self, request):
            return HttpResponse(request.prepared)

    assert (await ask(Prepared.as_view(), b"body")).content == b"True"


async def test_sync_and_async_handlers_live_in_one_class(ask):
    assert (await ask(MixedView.as_view(), method="GET")).content.startswith(b"a form")
    assert (await ask(MixedView.as_view(), b"body")).json()["first"] in ("body", "bo")


async def test_an_async_handler_alone_needs_no_thread(settings):
    class Here(BodyStreamMixin, View):
        async def post(self, request):
            return told(request)

    class There(UserPassesTestMixin, Here):
        def test_func(self):
            self.request.thread = get_ident()
            return True

        async def post(self, request):
            assert request.thread != get_ident()
            return told(request)

    for cls in (Here, There):
        route(settings, cls.as_view())
        connection = Connection(get_asgi_application())
        await connection.end(b"x")
        assert (await connection.answer()).json()["thread"] == get_ident()


async def test_an_exception_of_a_view_is_djangos_business(ask, caplog):
    @body_stream
    async def view(request):
        raise LookupError("of the view")

    class Bridged(GuardedView):
        async def post(self, request):
            raise LookupError("of the view")

    for failing in (view, Bridged.as_view()):
        assert "of the view" in await failure_of(ask, failing, caplog)


async def failure_of(ask, view, caplog):
    """Returns what the developer is told: a handler logs it, a test client raises it."""
    caplog.clear()
    try:
        answer = await ask(view, b"body")
    except Exception as error:  # noqa: BLE001 - Whatever it is.
        return str(error)
    assert answer.status_code == 500
    return str(caplog.records[-1].exc_info[1])


# The database


pytest_db = pytest.mark.django_db(transaction=True)


@pytest_db
async def test_setup_may_use_the_orm(ask, settings):
    class Counting(BodyStreamMixin, View):
        def setup(self, request, *args, **kwargs):
            super().setup(request, *args, **kwargs)
            self.dogs = Dog.objects.count()

        async def post(self, request):
            await Dog.objects.acreate(name=await request.body_stream.text())
            return HttpResponse(self.dogs)

    assert (await ask(Counting.as_view(), b"Rex")).content == b"0"
    assert (await ask(Counting.as_view(), b"Ada")).content == b"1"


@pytest_db
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_limits_may_come_from_the_database(kind, ask):
    class Sync(BodyStreamMixin, View):
        def get_body_limits(self):
            return replace(super().get_body_limits(), max_size=Dog.objects.count())

        async def post(self, request):
            return HttpResponse(await request.body_stream.read())

    class Async(Sync):
        async def get_body_limits(self):
            limits = BodyStreamMixin.get_body_limits(self)
            return replace(limits, max_size=await Dog.objects.acount())

    view = {"sync": Sync, "async": Async}[kind].as_view()
    assert (await ask(view, b"a")).status_code == 413
    await sync_to_async(Dog.objects.create)(name="Rex")
    assert (await ask(view, b"a")).content == b"a"
    assert (await ask(view, b"ab")).status_code == 413


class Writing(BodyStreamMixin, View):
    """Has written by the time that its client is found to be wrong."""

    def post(self, request):
        Dog.objects.create(name="Rex")
        async_to_sync(request.body_stream.json)()
        return HttpResponse("written")


class BridgedWriting(UserPassesTestMixin, BodyStreamMixin, View):
    def test_func(self):
        return True

    async def post(self, request):
        await Dog.objects.acreate(name="Rex")
        await request.body_stream.json()
        return HttpResponse("written")


@body_stream
def writing(request):
    return Writing().post(request)


@pytest_db
@pytest.mark.parametrize("made", [Writing.as_view, BridgedWriting.as_view, lambda: writing])
@pytest.mark.parametrize("place", [ours, djangos, client])
async def test_a_refusal_undoes_what_atomic_requests_would_commit(
    made, place, settings, monkeypatch
):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    route(settings, made())
    assert (await place("POST", b"nope", {}, None)).status_code == 400
    assert await Dog.objects.acount() == 0
    assert (await place("POST", b"1", {}, None)).content == b"written"
    assert await Dog.objects.acount() == 1


@pytest_db
async def test_without_atomic_requests_a_refusal_undoes_nothing(ask):
    assert (await ask(Writing.as_view(), b"nope")).status_code == 400
    assert await Dog.objects.acount() == 1


# Limits


def limits_seen_by(cls_or_options):
    """Returns a view that answers with its limits."""

    async def post(self, request):
        limits = request.body_stream.limits
        return JsonResponse({name: getattr(limits, name) for name in LIMITS})

    return type("Limited", (BodyStreamMixin, View), {"post": post} | cls_or_options)


@pytest.mark.parametrize("name", LIMITS)
async def test_a_limit_is_set_in_four_ways(name, settings):
    async def seen(view):
        route(settings, view)
        connection = Connection(get_asgi_application())
        await connection.end(b"x")
        return (await connection.answer()).json()[name]

    @body_stream(**{name: 77})
    async def function(request):
        return JsonResponse({name: getattr(request.body_stream.limits, name)})

    assert await seen(limits_seen_by({name: 77}).as_view()) == 77
    assert await seen(limits_seen_by({name: 77}).as_view(**{name: 78})) == 78
    assert await seen(function) == 77
    settings.STREAMS = {f"BODY_{name.upper()}": 79}
    assert await seen(limits_seen_by({}).as_view()) == 79
    assert await seen(limits_seen_by({name: 77}).as_view()) == 77
    hook = {"get_body_limits": lambda self: limits_of_settings("", **{name: 80})}
    assert await seen(limits_seen_by({name: 77} | hook).as_view()) == 80
    as_property = {name: property(lambda self: 81)}
    assert await seen(limits_seen_by(as_property).as_view()) == 81


@pytest.mark.parametrize("name", LIMITS)
async def test_a_wrong_limit_of_a_view_is_named(name, ask, caplog):
    for view in (
        limits_seen_by({name: "wrong"}).as_view(),
        limits_seen_by({}).as_view(**{name: "wrong"}),
    ):
        assert f"Limited.{name} is 'wrong'" in await failure_of(ask, view, caplog)


@pytest.mark.parametrize("name", LIMITS)
def test_a_wrong_limit_of_a_function_is_named_at_once(name):
    with pytest.raises(ImproperlyConfigured, match=rf"\.named\.{name} is 'wrong'"):

        @body_stream(**{name: "wrong"})
        async def named(request):
            pass


def test_an_unknown_limit_is_named_at_once():
    with pytest.raises(TypeError, match=r"no limit 'max_sise'; it has .*max_size"):
        body_stream(max_sise=1)
    with pytest.raises(TypeError, match="max_sise"):
        AsyncView.as_view(max_sise=1)


async def test_limits_of_the_wrong_type_are_named(ask, caplog):
    class Limited(BodyStreamMixin, View):
        def get_body_limits(self):
            return {"max_size": 5}

        async def post(self, request):
            return HttpResponse()

    failure = await failure_of(ask, Limited.as_view(), caplog)
    assert "The limits of a body are {'max_size': 5}; they have to be BodyLimits" in failure


async def test_too_large_a_body_is_refused_before_the_view_is_called(ask):
    called = []

    class Small(BodyStreamMixin, View):
        max_size = 4

        async def post(self, request):
            called.append(1)
            return HttpResponse(await request.body_stream.read())

    answer = await ask(Small.as_view(), b"12345")
    assert answer.status_code == 413
    assert b"more than the 4 bytes allowed" in answer.content
    assert not called
    assert (await ask(Small.as_view(), b"1234")).content == b"1234"


async def test_too_large_a_body_is_refused_without_a_byte_of_it(settings):
    route(settings, limits_seen_by({"max_size": 4}).as_view())
    connection = Connection(get_asgi_application(), headers={"Content-Length": 5})
    answer = await connection.answer()
    assert (answer.status_code, answer.headers["Connection"]) == (413, "close")


async def test_too_large_a_body_that_has_not_said_so_is_refused_where_it_is_read(settings):
    route(settings, type("Small", (Sum,), {"max_size": 4}).as_view())
    connection = Connection(get_asgi_application(), headers={"Content-Type": str(JSONL)})
    await connection.send(b"1\n2\n", b"3")
    answer = await connection.answer()
    assert (answer.status_code, answer.headers["Connection"]) == (413, "close")


async def test_no_limit_is_no_limit(ask, settings):
    settings.STREAMS = {"BODY_MAX_SIZE": 4}
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None

    @body_stream(max_size=None)
    async def view(request):
        return HttpResponse(len(await request.body_stream.read()))

    assert (await ask(view, b"x" * 100_000)).content == b"100000"


async def test_what_is_supported_is_named(ask):
    answer = await ask(Sum.as_view(), b"1", content_type="text/html")
    assert answer.status_code == 415
    assert "application/jsonl" in answer.headers["Accept"]
    answer = await ask(Parts.as_view(), b"1", content_type="text/html")
    assert (answer.status_code, answer.headers["Accept"]) == (415, "multipart/form-data")


@pytest.mark.parametrize("take", ["items", "parts", "json", "raw"])
async def test_a_compressed_body_is_handed_out_as_it_is_or_refused(take, ask):
    @body_stream
    async def view(request):
        body = request.body_stream
        if take == "raw":
            return HttpResponse(await body.read())
        taken = getattr(body, take)()
        return HttpResponse(await taken if take == "json" else [item async for item in taken])

    kind = FORM if take == "parts" else str(JSONL)
    answer = await ask(view, b"gzipped", content_type=kind, content_encoding="gzip")
    if take == "raw":
        assert (answer.status_code, answer.content) == (200, b"gzipped")
    else:
        assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")
        assert "Accept" not in answer.headers


async def test_a_malformed_body_is_400(ask):
    answer = await ask(Sum.as_view(), b"1\nnope\n", content_type=str(JSONL))
    assert (answer.status_code, b"JSON is malformed" in answer.content) == (400, True)
    answer = await ask(Parts.as_view(), b"--b\r\nnope", content_type=FORM)
    assert answer.status_code == 400


async def test_an_error_of_the_views_own_is_answered_as_well(ask):
    class Teapot(StreamError):
        status = 418

    @body_stream
    async def view(request):
        raise Teapot("the kettle <b>boils</b>")

    answer = await ask(view, b"x")
    assert (answer.status_code, answer.content) == (418, b"the kettle <b>boils</b>\n")
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_a_client_that_pauses_is_408(settings):
    for cls in (Sum, type("Guarded", (UserPassesTestMixin, Sum), {"test_func": lambda self: True})):
        route(settings, type("Hasty", (cls,), {"idle_seconds": 0.01}).as_view())
        connection = Connection(get_asgi_application(), headers={"Content-Type": str(JSONL)})
        await connection.send(b"1\n")
        answer = await connection.answer()
        assert (answer.status_code, answer.headers["Connection"]) == (408, "close")
        assert b"paused for more than 0.01 seconds" in answer.content


async def test_a_client_that_dribbles_is_408(settings, monkeypatch):
    monkeypatch.setattr("django_streams.body.patience.RATE_GRACE_SECONDS", -1)
    route(settings, type("Hasty", (Sum,), {"min_rate": 10**12}).as_view())
    connection = Connection(get_asgi_application(), headers={"Content-Type": str(JSONL)})
    await connection.send(b"1\n")
    answer = await connection.answer()
    assert (answer.status_code, answer.headers["Connection"]) == (408, "close")


async def test_a_view_that_is_slow_itself_is_no_fault_of_its_client(settings):
    @body_stream(idle_seconds=0.01)
    async def view(request):
        body = request.body_stream
        first = await anext(body)
        await until(lambda: body._patience._timer is None)  # It has looked, and nobody waited.
        return HttpResponse(first + await body.read())

    route(settings, view)
    connection = Connection(get_asgi_application())
    await connection.end(b"a", b"b")
    assert (await connection.answer()).content == b"ab"


async def test_a_view_may_answer_for_its_client_itself(settings):
    @body_stream(max_size=4)
    async def view(request):
        try:
            await request.body_stream.read()
        except StreamError as error:
            return HttpResponse(f"caught {error.status}")

    route(settings, view)
    connection = Connection(get_asgi_application())
    await connection.send(b"12345")
    answer = await connection.answer()
    assert (answer.content, answer.headers["Connection"]) == (b"caught 413", "close")


# CSRF

CSRF = "django.middleware.csrf.CsrfViewMiddleware"
SECRET, OTHER = "s" * 32, "o" * 32
COOKIE = {"Cookie": f"csrftoken={SECRET}", "Content-Type": FORM}

called = []


class Protected(BodyStreamMixin, View):
    async def post(self, request):
        called.append(is_unread(request))
        return JsonResponse({"parts": [part.name async for part in request.body_stream.parts()]})

    put = post


class GuardedProtected(Coloured, Protected):
    """Runs in a thread."""


@body_stream
async def protected(request):
    return await Protected().post(request)


@csrf_protect
@body_stream
async def protected_by_decorator(request):
    return await Protected().post(request)


@method_decorator(csrf_protect, name="dispatch")
class ProtectedByDecorator(Protected):
    pass


PROTECTED = {
    "class": (Protected.as_view(), [CSRF]),
    "bridged class": (GuardedProtected.as_view(), [CSRF]),
    "function": (protected, [CSRF]),
    "decorator": (protected_by_decorator, []),
    "method decorator": (ProtectedByDecorator.as_view(), []),
    "both": (protected_by_decorator, [CSRF]),
}

protected_views = pytest.mark.parametrize("case", PROTECTED.values(), ids=PROTECTED)


@pytest.fixture(autouse=True)
def not_called():
    called.clear()


def protect(settings, case):
    view, settings.MIDDLEWARE = case
    route(settings, view)


def token(value=SECRET):
    return field("csrfmiddlewaretoken", value)


async def posted(*chunks, **headers):
    """Returns the answer to a form that goes on after these chunks, or not."""
    connection = Connection(get_asgi_application(), headers=COOKIE | headers)
    await connection.send(*chunks)
    if chunks and chunks[-1].endswith(END):
        await connection.end()
    return await connection.answer()


@protected_views
async def test_a_token_in_a_header_leaves_the_body_alone(case, settings):
    protect(settings, case)
    answer = await posted(file_part(), END, **{"X-CSRFToken": SECRET})
    assert (answer.status_code, answer.json()["parts"], called) == (200, ["f"], [True])
    answer = await posted(**{"X-CSRFToken": OTHER})  # No byte is asked for.
    assert (answer.status_code, called) == (403, [True])


@protected_views
async def test_a_token_in_a_form_is_found_before_its_file(case, settings):
    protect(settings, case)
    connection = Connection(get_asgi_application(), headers=COOKIE)
    await connection.send(field("a", "1"), token(), file_part()[:80])
    await until(lambda: called)  # While the file is still coming.
    await connection.end(file_part()[80:] + END)
    answer = await connection.answer()
    assert answer.json()["parts"] == ["a", "csrfmiddlewaretoken", "f"]


@protected_views
async def test_a_token_that_comes_byte_by_byte_is_found(case, settings):
    protect(settings, case)
    content = token() + file_part() + END
    connection = Connection(get_asgi_application(), headers=COOKIE)
    await connection.end(*[content[at : at + 1] for at in range(len(content))])
    answer = await connection.answer()
    assert answer.json()["parts"] == ["csrfmiddlewaretoken", "f"]


@protected_views
@pytest.mark.parametrize(
    "chunks",
    [
        [file_part()],
        [file_part(), token() + END],
        [field("a", "1") + END],
        [END],
        [token(OTHER) + file_part()],
        [token("x") + END],
        [token("") + END],
        [token("é" * 16) + END],
        [token(SECRET * 20) + END],
        [token(OTHER), token(SECRET)],
        [b"nonsense" * 1000],
        [field("a", "x" * 2**16), token() + END],
        [token().replace(b"csrf", b"CSRF") + END],
        [file_part(SECRET.encode(), "csrfmiddlewaretoken") + END],
    ],
    ids=range(14),
)
async def test_without_the_right_token_before_the_file_no_view_is_called(case, chunks, settings):
    protect(settings, case)
    answer = await posted(*chunks)
    assert (answer.status_code, called) == (403, [])


@protected_views
async def test_a_form_without_a_cookie_is_refused_unread(case, settings):
    protect(settings, case)
    connection = Connection(get_asgi_application(), headers={"Content-Type": FORM})
    answer = await connection.answer()
    assert (answer.status_code, answer.headers["Connection"], called) == (403, "close", [])


async def test_a_form_from_elsewhere_is_refused(settings):
    protect(settings, PROTECTED["class"])
    answer = await posted(token() + END, Origin="https://elsewhere.example")
    assert (answer.status_code, called) == (403, [])


@pytest.mark.parametrize("exempt", ["function", "class", "method"])
async def test_an_exempt_view_reads_all_itself(exempt, settings):
    settings.MIDDLEWARE = [CSRF]
    views = {
        "function": csrf_exempt(protected),
        "class": csrf_exempt(Protected.as_view()),
        "method": method_decorator(csrf_exempt, name="dispatch")(
            type("Exempted", (Protected,), {})
        ).as_view(),
    }
    route(settings, views[exempt])
    connection = Connection(get_asgi_application(), headers=COOKIE)
    await connection.send(file_part())
    await until(lambda: called)
    await connection.end(END)
    assert (await connection.answer()).json()["parts"] == ["f"]


async def test_put_has_its_token_in_a_header_only(settings):
    protect(settings, PROTECTED["class"])
    for headers, status in (({}, 403), ({"X-CSRFToken": SECRET}, 200)):
        connection = Connection(get_asgi_application(), "PUT", headers=COOKIE | headers)
        await connection.end(token() + END)
        assert (await connection.answer()).status_code == status


async def test_a_body_that_is_no_form_has_its_token_in_a_header_only(settings):
    protect(settings, PROTECTED["class"])
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await posted(**kind)
    assert (answer.status_code, called) == (403, [])


async def test_a_secret_in_the_session_serves_as_well(settings):
    settings.CSRF_USE_SESSIONS = True
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    session = SessionStore()
    session["_csrftoken"] = SECRET
    session.save()
    settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware", CSRF]
    route(settings, protected)
    cookie = f"sessionid={session.session_key}"
    assert (await posted(token(), file_part(), END, Cookie=cookie)).json()["parts"][1] == "f"
    assert (await posted(token(OTHER) + END, Cookie=cookie)).status_code == 403
    assert (await posted(token() + END, Cookie="sessionid=x")).status_code == 403


async def test_a_view_may_take_more_than_the_settings_while_its_token_is_looked_for(settings):
    settings.STREAMS = {"BODY_MAX_SIZE": 10}
    settings.MIDDLEWARE = [CSRF]
    route(settings, body_stream(max_size=10**6)(protected.__wrapped__))
    answer = await posted(token() + file_part(), END)
    assert answer.status_code == 200


async def test_a_client_that_pauses_before_its_token_is_408(settings):
    settings.STREAMS = {"BODY_IDLE_SECONDS": 0.01}
    protect(settings, PROTECTED["class"])
    answer = await posted(token()[:20])
    assert (answer.status_code, called) == (408, [])


async def test_a_client_that_leaves_before_its_token_calls_no_view(settings, caplog):
    protect(settings, PROTECTED["class"])
    connection = Connection(get_asgi_application(), headers=COOKIE)
    await connection.send(token()[:20])
    await connection.leave()
    await connection.over()
    assert not called
    assert not warnings_in(caplog)


@pytest.mark.parametrize("test_client", [AsyncClient, Client])
async def test_the_check_is_made_by_djangos_clients_too(test_client, settings):
    protect(settings, PROTECTED["class"])
    client = test_client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = SECRET

    async def ask(*chunks):
        if test_client is AsyncClient:
            return await client.post("/", b"".join(chunks), content_type=FORM)
        post = functools.partial(client.post, "/", b"".join(chunks), content_type=FORM)
        return await in_new_thread(post)

    answer = await ask(file_part(), token(), END)  # The order of what Django has parsed.
    assert answer.json()["parts"] == ["csrfmiddlewaretoken", "f"]
    assert (await ask(token(OTHER), END)).status_code == 403


def warnings_in(caplog):
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


# Streams both ways


class Echo(BodyStreamMixin, JSONLinesMixin, StreamView):
    http_method_names = ["post"]

    async def stream(self):
        async for item in self.request.body_stream.items():
            yield item


class SmallEcho(Echo):
    max_size = 10


class SyncEcho(BodyStreamMixin, JSONLinesMixin, StreamView):
    """Its items are made in a thread."""

    http_method_names = ["post"]

    def stream(self):
        for n in async_to_sync(self.request.body_stream.json)():
            yield n


LINES = {"Content-Type": str(JSONL)}


async def test_an_echo_answers_while_its_request_still_comes(settings):
    route(settings, Echo.as_view())
    connection = Connection(get_asgi_application(), headers=LINES)
    await connection.send(b"1\n")
    start = await connection.message()
    assert start["status"] == 200
    assert (await connection.message())["body"] == b"1\n"
    for n in (b"2\n", b"3\n"):
        await connection.send(n)
        assert (await connection.message())["body"] == n
    await connection.end()
    assert not (await connection.message()).get("more_body", False)
    await connection.over()


async def test_an_echo_answers_what_is_there_everywhere(ask):
    for cls, sent in ((Echo, b"1\n2\n"), (SyncEcho, b"[1, 2]")):
        answer = await ask(cls.as_view(), sent, content_type=str(JSONL))
        assert answer.content == b"1\n2\n"


@pytest.mark.parametrize(
    ("view", "content", "headers", "status"),
    [
        (SmallEcho, b"x" * 11, LINES, 413),
        (SmallEcho, b"", LINES | {"Content-Length": 11}, 413),
        (Echo, b"nope\n", LINES, 400),
        (Echo, b"1\n", {"Content-Type": "text/html"}, 415),
        (Echo, b"1\n", LINES | {"Content-Encoding": "gzip"}, 415),
        (type("Hasty", (Echo,), {"idle_seconds": 0.01}), b"", LINES, 408),
        (type("Tiny", (Echo,), {"max_item": 2}), b"12345\n", LINES, 413),
        (SyncEcho, b"nope", LINES, 400),
    ],
)
async def test_before_the_first_item_a_failing_body_is_a_status(
    view, content, headers, status, settings
):
    route(settings, view.as_view())
    connection = Connection(get_asgi_application(), headers=headers)
    await connection.send(content)
    if status == 400:
        await connection.end()
    answer = await connection.answer()
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("view", "content"),
    [(SmallEcho, b"x" * 11), (Echo, b"nope\n")],
    ids=["too large", "malformed"],
)
async def test_after_the_first_item_a_failing_body_breaks_the_stream_off(view, content, settings):
    route(settings, view.as_view())
    connection = Connection(get_asgi_application(), headers=LINES)
    await connection.send(b"1\n")
    assert (await connection.message())["status"] == 200
    assert (await connection.message())["body"] == b"1\n"
    await connection.send(content)
    messages = []
    await connection.over()
    while not connection.is_silent():
        messages.append(await connection.message())
    assert all(message["more_body"] for message in messages)


async def test_a_stream_decides_without_a_thread_and_takes_its_body_unread(settings):
    class Where(Echo):
        async def stream(self):
            yield [is_unread(self.request), get_ident()]

    view = Where.as_view()
    assert view.decides_without_thread is view
    assert wants_body_stream(view)
    route(settings, view)
    connection = Connection(get_asgi_application(), headers=LINES)
    await connection.send(b"1\n")
    answer = await connection.answer()
    assert answer.json() == [True, get_ident()]


async def test_an_ordinary_stream_view_has_its_form(settings):
    class Posted(StreamView):
        http_method_names = ["post"]

        async def stream(self):
            yield self.request.POST["a"]

    route(settings, Posted.as_view())
    answer = await submit(field("a", "1"), END)
    assert answer.content == b"1"


async def test_an_echo_whose_client_leaves_is_closed_and_nothing_went_wrong(settings, caplog):
    closed = asyncio.Event()

    class Closing(Echo):
        async def stream(self):
            try:
                async for item in self.request.body_stream.items():
                    yield item
            finally:
                closed.set()

    route(settings, Closing.as_view())
    for sent in ([], [b"1\n"]):
        closed.clear()
        connection = Connection(get_asgi_application(), headers=LINES)
        await connection.send(*sent)
        await connection.leave()
        await connection.over()
        assert closed.is_set()
    assert not warnings_in(caplog)


# A client that leaves

LEAVING = {}


class Reading(BodyStreamMixin, View):
    async def post(self, request):
        LEAVING["begun"].set()
        try:
            await request.body_stream.read()
        except RequestAborted as error:
            LEAVING["error"] = error
            raise
        finally:
            LEAVING["over"] = True


class Catching(Reading):
    async def post(self, request):
        try:
            await super().post(request)
        except RequestAborted:
            return HttpResponse("nobody reads this")


class GuardedReading(Coloured, Reading):
    pass


class SyncReading(BodyStreamMixin, View):
    def post(self, request):
        return async_to_sync(Reading().post)(request)


@pytest.fixture
def leaving():
    LEAVING.clear()
    LEAVING["begun"] = asyncio.Event()
    return LEAVING


@pytest.mark.parametrize("view", [Reading, Catching, GuardedReading, SyncReading])
async def test_a_view_that_reads_hears_that_its_client_left(view, leaving, settings, caplog):
    route(settings, view.as_view())
    connection = Connection(get_asgi_application())
    await connection.send(b"some")
    await asyncio.wait_for(leaving["begun"].wait(), SECONDS)
    await connection.leave()
    await connection.over()
    assert isinstance(leaving["error"], StreamError)
    assert leaving["over"]
    assert not warnings_in(caplog)


async def test_a_view_that_was_told_may_clean_up(settings, leaving):
    class Cleaning(BodyStreamMixin, View):
        async def post(self, request):
            try:
                await anext(request.body_stream)
                leaving["begun"].set()
                await request.body_stream.read()
            except RequestAborted:
                for _ in range(5):
                    await asyncio.sleep(0)
                leaving["clean"] = True
                raise

    route(settings, Cleaning.as_view())
    connection = Connection(get_asgi_application())
    await connection.send(b"some")
    await asyncio.wait_for(leaving["begun"].wait(), SECONDS)
    await connection.leave()
    await connection.over()
    assert leaving["clean"]


class Idling(BodyStreamMixin, View):
    async def post(self, request):
        await anext(request.body_stream)
        LEAVING["begun"].set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            LEAVING["error"] = "cancelled"
            raise


class GuardedIdling(Coloured, Idling):
    pass


@pytest.mark.parametrize("view", [Idling, GuardedIdling])
@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "midway"])
async def test_a_view_that_does_not_read_is_cancelled_when_its_client_leaves(
    view, is_whole, leaving, settings, caplog
):
    route(settings, view.as_view())
    connection = Connection(get_asgi_application())
    await connection.send(b"some")
    if is_whole:
        await connection.end()
    await asyncio.wait_for(leaving["begun"].wait(), SECONDS)
    await connection.leave()
    await connection.over()
    assert leaving["error"] == "cancelled"
    assert not warnings_in(caplog)


async def test_a_view_that_reads_after_its_client_left_hears_of_it_then(leaving, settings):
    go_on = asyncio.Event()

    class Late(Reading):
        async def post(self, request):
            await asyncio.wait_for(go_on.wait(), SECONDS)
            await super().post(request)

    route(settings, Late.as_view())
    connection = Connection(get_asgi_application())
    await connection.send(b"some")
    await connection.leave()
    go_on.set()
    await connection.over()
    assert isinstance(leaving["error"], RequestAborted)


@pytest_db
async def test_a_client_that_leaves_commits_nothing(settings, monkeypatch, leaving):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)

    class WritingReading(Coloured, Reading):
        async def post(self, request):
            await Dog.objects.acreate(name="Rex")
            await super().post(request)

    route(settings, WritingReading.as_view())
    connection = Connection(get_asgi_application())
    await connection.send(b"some")
    await asyncio.wait_for(leaving["begun"].wait(), SECONDS)
    await connection.leave()
    await connection.over()
    assert leaving["over"]
    assert await Dog.objects.acount() == 0


def test_the_mixin_has_to_stand_in_front_of_view():
    with pytest.raises(ImproperlyConfigured, match="Backwards names View before BodyStreamMixin"):
        type("Backwards", (View, BodyStreamMixin), {})
