"""`checks`: what is wrong before the first request is said at start-up."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path, re_path
from django.views import View

from django_streams import (
    JSONL,
    BodyStreamMixin,
    EventStreamView,
    FileStreamView,
    StreamView,
    UploadView,
    body_stream,
)
from django_streams.checks import check_server, check_settings, check_views

pytestmark = pytest.mark.urls(__name__)


class Right(StreamView):
    formats = (JSONL,)

    def stream(self):
        return []


class WithoutStream(StreamView):
    pass


class WrongFormat(Right):
    format = "jsonl"


class WrongFormats(Right):
    formats = (JSONL, "msgpack")


class NoFormats(Right):
    formats = []


class OneFormat(Right):
    formats = JSONL


class WrongDuration(Right):
    max_duration = -1


class WrongCount(Right):
    max_streams = 0


class WrongHeartbeat(EventStreamView):
    heartbeat = 0

    def stream(self):
        return []


class WrongRetry(EventStreamView):
    retry = "3s"

    def stream(self):
        return []


class OneMethod(Right):
    http_method_names = "post"


class MethodInCapitals(Right):
    http_method_names = ["get", "POST"]


class WrongSeconds(Right):
    first_item_seconds = "long"


class WrongLimit(BodyStreamMixin, View):
    max_size = "1 GiB"

    async def post(self, request):
        return HttpResponse()


class NoIdleSeconds(WrongLimit):
    max_size = None
    idle_seconds = 0


class RightLimits(WrongLimit):
    max_size = None
    max_parts = 3
    min_rate = 1

    @property
    def max_item(self):
        return 3


@body_stream
async def count(request):
    return HttpResponse()


class OfItsOwn(Right):
    @property
    def heartbeat(self):
        return 3

    @property
    def formats(self):
        return (JSONL,)

    @property
    def format(self):
        return JSONL


class TicksOfItsOwn(EventStreamView):
    http_method_names = ("get", "post")

    @property
    def retry(self):
        return timedelta(seconds=3)

    def stream(self):
        return []


urlpatterns = [
    path("", include([path("right/", Right.as_view())])),
    path("own/", OfItsOwn.as_view()),
    path("events/", TicksOfItsOwn.as_view()),
    path("limits/", RightLimits.as_view()),
    path("count/", count),
]


def routes(view):
    return type("urls", (), {"urlpatterns": [path("", include([path("x/", view.as_view())]))]})


def test_a_project_without_faults_has_no_messages():
    assert [message for message in run_checks() if message.id.startswith("streams.")] == []


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (WithoutStream, "WithoutStream has no stream()"),
        (WrongFormat, "WrongFormat.format is 'jsonl'; it takes a Format"),
        (WrongFormats, "WrongFormats.formats is (<Format jsonl: application/jsonl>, 'msgpack')"),
        (NoFormats, "NoFormats.formats is []; it takes a tuple or list of Format, or None"),
        (OneFormat, "OneFormat.formats is <Format jsonl: application/jsonl>; it takes a tuple"),
        (WrongHeartbeat, "WrongHeartbeat.heartbeat is 0; it takes a positive number of seconds"),
        (WrongDuration, "WrongDuration.max_duration is -1; it takes a positive number of seconds"),
        (WrongCount, "WrongCount.max_streams is 0; it takes a positive whole number of streams"),
        (WrongSeconds, "WrongSeconds.first_item_seconds is 'long'"),
        (WrongRetry, "WrongRetry.retry='3s' is neither a number of seconds nor a timedelta."),
        (OneMethod, "OneMethod.http_method_names is 'post'; it takes a list in lower case"),
        (MethodInCapitals, "MethodInCapitals.http_method_names is ['get', 'POST']; it takes"),
        (WrongLimit, "WrongLimit.max_size is '1 GiB'; it takes a positive whole number of bytes"),
        (NoIdleSeconds, "NoIdleSeconds.idle_seconds is 0; it takes a positive number of seconds"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_of_a_routed_view_is_an_error_that_names_it(view, message):
    with override_settings(ROOT_URLCONF=routes(view)):
        [error] = check_views()
    assert (error.id, error.obj) == ("streams.E002", view)
    assert error.msg.startswith(message)


def test_a_wrong_setting_is_an_error_that_names_it():
    with override_settings(STREAMS={"HEARTBEAT": "x"}):
        [error] = check_settings()
    assert error.id == "streams.E001"
    assert "STREAMS[\"HEARTBEAT\"] is 'x'" in error.msg


def test_a_wrong_setting_is_told_by_a_check_though_the_application_cannot_be_made(
    tmp_path, monkeypatch
):
    (tmp_path / "asgi_of_project.py").write_text(
        "from django_streams.asgi import get_asgi_application\n"
        "application = get_asgi_application()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    application = "asgi_of_project.application"
    with override_settings(STREAMS={"HEARTBEAT": 0}, ASGI_APPLICATION=application):
        [error] = [message for message in run_checks() if message.id.startswith("streams.")]
    assert error.id == "streams.E001"


@pytest.mark.parametrize(
    ("application", "ids"),
    [
        ("tests.asgi.application", []),
        (f"{__name__}.djangos", ["streams.W001"]),
        (f"{__name__}.router", []),
        (None, ["streams.W002"]),
        ("no.such.module", []),
    ],
)
def test_the_application_of_the_project_is_looked_at(application, ids):
    with override_settings(ASGI_APPLICATION=application, WSGI_APPLICATION="tests.wsgi.application"):
        assert [warning.id for warning in check_server()] == ids


def test_a_project_that_says_not_how_it_is_served_is_not_warned():
    with override_settings(ASGI_APPLICATION=None, WSGI_APPLICATION=None):
        assert check_server() == []


@override_settings(ASGI_APPLICATION=None, WSGI_APPLICATION="tests.wsgi.application")
def test_the_warning_of_wsgi_says_what_a_stream_costs_and_names_some_views():
    [warning] = check_server()
    assert "(OfItsOwn, Right, RightLimits, ...)" in warning.msg
    assert "each open stream keeps a thread of the server to itself, or a process" in warning.msg
    assert "--threads" in warning.hint
    with override_settings(ROOT_URLCONF=routes(Right)):
        [warning] = check_server()
    assert "(Right)" in warning.msg


def djangos(scope, receive, send):
    """Stands for an application that is not ours."""


class router:  # noqa: N801 - An object as Channels' ProtocolTypeRouter is one.
    from tests.asgi import application

    application_mapping = {"http": application}


@pytest.mark.parametrize("view", [count, UploadView.as_view()], ids=["function", "class"])
def test_a_view_that_takes_its_body_as_a_stream_is_a_streaming_view(view):
    urls = type("urls", (), {"urlpatterns": [path("", view)]})
    with override_settings(ROOT_URLCONF=urls, ASGI_APPLICATION=f"{__name__}.djangos"):
        [warning] = check_server()
    assert warning.id == "streams.W001"
    assert "a request body is received whole before its view is called" in warning.msg


def test_a_project_without_streaming_views_is_not_warned():
    urls = type("urls", (), {"urlpatterns": [path("", lambda request: HttpResponse())]})
    with override_settings(ROOT_URLCONF=urls, ASGI_APPLICATION=None, WSGI_APPLICATION="a.b"):
        assert check_server() == check_views() == []
    with override_settings(ROOT_URLCONF=None):
        assert check_views() == []


class Invoice(FileStreamView):
    def get_file(self):
        return b"%PDF"


class Media(FileStreamView):
    root = "/srv/media"


class MediaOfTenant(FileStreamView):
    @property
    def root(self):
        return "/srv/media"


class MediaOfOneFile(Media):
    def setup(self, request, *args, **kwargs):
        super().setup(request, *args, **kwargs, path="a.txt")


def faults_of(*routes):
    with override_settings(ROOT_URLCONF=type("urls", (), {"urlpatterns": routes})):
        return [(message.id, message.obj, message.msg) for message in check_views()]


@pytest.mark.parametrize(
    "route",
    [
        path("a/", Invoice.as_view()),
        path("a/", Invoice.as_view(root="/srv/media")),
        path("<path:path>", Media.as_view()),
        path("<path:path>", FileStreamView.as_view(root=Path("/srv/media"))),
        re_path("^(?P<path>.*)$", Media.as_view()),
        path("<path:path>/", include([path("", Media.as_view())])),
        path("a/", Media.as_view(), {"path": "a.txt"}),
        path("a/", include([path("", Media.as_view())]), {"path": "a.txt"}),
        path("a/", MediaOfTenant.as_view()),
        path("a/", MediaOfOneFile.as_view()),
    ],
)
def test_a_view_that_knows_its_files_has_no_message(route):
    assert faults_of(route) == []


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (
            path("a/", FileStreamView.as_view()),
            "FileStreamView has neither a get_file() nor a root",
        ),
        (path("<path:path>", Media.as_view(root=None)), "Media has neither a get_file()"),
        (
            path("<path:path>", Media.as_view(root="")),
            "Media.root is ''; it takes an absolute path",
        ),
        (path("<path:path>", Media.as_view(root="media")), "Media.root is 'media'"),
        (
            path("<path:path>", Media.as_view(root=Path("media"))),
            "Media.root is PosixPath('media')",
        ),
        (path("<path:path>", Media.as_view(root=3)), "Media.root is 3"),
        (path("a/", Invoice.as_view(root="media")), "Invoice.root is 'media'"),
        (path("<path:name>", Media.as_view()), "Media has a root, but its route no path"),
        (re_path("^(.*)$", Media.as_view()), "Media has a root, but its route no path"),
    ],
)
def test_a_view_that_does_not_know_its_files_is_an_error(route, message):
    [(id, view, said)] = faults_of(route, route)
    assert id == "streams.E003"
    assert view is route.callback.view_class
    assert said.startswith(message)


def test_files_alone_need_no_asgi():
    urls = type("urls", (), {"urlpatterns": [path("a/", Invoice.as_view())]})
    with override_settings(ROOT_URLCONF=urls, ASGI_APPLICATION=None, WSGI_APPLICATION="a.b"):
        assert check_server() == []
