"""Stacks of middleware, each a handler of our own below `/stacks/<its name>/`, and what they serve.

Here is what Django has, and what third parties write: synchronous, asynchronous, both; wrapping
what is streamed, replacing it, failing.
"""

import asyncio
import json

import django
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import path
from django.utils.decorators import async_only_middleware, sync_only_middleware
from django.utils.translation import get_language

from django_streams import JSONL, Event, EventStreamView, NoContent, StreamError, StreamView
from django_streams.asgi import StreamingASGIHandler

from . import journal
from .journal import recorded, signals

STEPS = 3
"""Items of a stream, each of which waits until the client has seen the one before."""

COMPLAINT = "the middleware has failed after the view"


# Third parties'.


@sync_only_middleware
def sync_only(get_response):
    def middleware(request):
        response = get_response(request)
        response.headers["X-Third-Party"] = "sync"
        return response

    return middleware


@async_only_middleware
def async_only(get_response):
    async def middleware(request):
        response = await get_response(request)
        response.headers["X-Third-Party"] = "async"
        await asyncio.sleep(0)
        return response

    return middleware


def wrapped(response):
    """Gives every chunk back as it comes, as GZipMiddleware does, and counts them in a header."""

    async def chunks(content):
        async for chunk in content:
            yield chunk

    response.streaming_content = chunks(response.streaming_content)
    response.headers["X-Third-Party"] = "wrapping"
    return response


@sync_only_middleware
def sync_wrapping(get_response):
    return lambda request: wrapped(get_response(request))


@async_only_middleware
def async_wrapping(get_response):
    async def middleware(request):
        return wrapped(await get_response(request))

    return middleware


class Wrapping:
    """Both, as Django's own are."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request):
        if self.is_async:
            return self.acall(request)
        return wrapped(self.get_response(request))

    async def acall(self, request):
        return wrapped(await self.get_response(request))


@sync_only_middleware
def naively_wrapping(get_response):
    """Takes what is streamed for an iterable, as middleware does that knows WSGI only."""

    def middleware(request):
        response = get_response(request)
        response.streaming_content = (chunk for chunk in response.streaming_content)
        return response

    return middleware


@sync_only_middleware
def replacing(get_response):
    def middleware(request):
        get_response(request)
        return HttpResponse("something else")

    return middleware


@sync_only_middleware
def failing(get_response):
    def middleware(request):
        get_response(request)
        raise RuntimeError(COMPLAINT)

    return middleware


@sync_only_middleware
def touching(get_response):
    """Changes the session when the view has returned."""

    def middleware(request):
        response = get_response(request)
        request.session["touched"] = request.session.get("touched", 0) + 1
        return response

    return middleware


# The stacks, outermost first.

SECURITY = "django.middleware.security.SecurityMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL_GET = "django.middleware.http.ConditionalGetMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"
COMMON = "django.middleware.common.CommonMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CLICKJACKING = "django.middleware.clickjacking.XFrameOptionsMiddleware"
UPDATE_CACHE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH_FROM_CACHE = "django.middleware.cache.FetchFromCacheMiddleware"
CORS = "corsheaders.middleware.CorsMiddleware"
CSP = ["django.middleware.csp.ContentSecurityPolicyMiddleware"] if django.VERSION >= (6, 0) else []
THIRD = f"{__name__}."

STACKS = {
    "none": [],
    "security": [SECURITY],
    "gzip": [GZIP],
    "conditional-get": [CONDITIONAL_GET],
    "sessions": [SESSIONS],
    "sessions-touched": [SESSIONS, f"{THIRD}touching"],
    "locale": [LOCALE],
    "common": [COMMON],
    "authentication": [SESSIONS, AUTHENTICATION],
    "messages": [SESSIONS, MESSAGES],
    "cache": [UPDATE_CACHE, FETCH_FROM_CACHE],
    "csp": CSP,
    "cors": [CORS],
    "sync": [f"{THIRD}sync_only"],
    "async": [f"{THIRD}async_only"],
    "wrapping-sync": [f"{THIRD}sync_wrapping"],
    "wrapping-async": [f"{THIRD}async_wrapping"],
    "wrapping": [f"{THIRD}Wrapping"],
    "sync-async-sync": [f"{THIRD}sync_only", f"{THIRD}async_wrapping", f"{THIRD}sync_only"],
    "all": [
        UPDATE_CACHE,
        GZIP,
        SECURITY,
        *CSP,
        CONDITIONAL_GET,
        SESSIONS,
        LOCALE,
        CORS,
        COMMON,
        CSRF,
        AUTHENTICATION,
        MESSAGES,
        CLICKJACKING,
        f"{THIRD}touching",
        f"{THIRD}sync_only",
        f"{THIRD}async_only",
        FETCH_FROM_CACHE,
    ],
}
"""Through each of these a stream comes as it is made."""

STACKS["all-and-wrapping"] = [*STACKS["all"], f"{THIRD}sync_wrapping", f"{THIRD}async_wrapping"]

IN_THE_WAY = {
    "naively-wrapping": [f"{THIRD}naively_wrapping"],
    "replacing": [f"{THIRD}replacing"],
    "failing": [f"{THIRD}failing"],
}
"""Through these none does."""

OTHERS = {
    "two-origins": [SECURITY, *CSP, SESSIONS, LOCALE, CORS, COMMON, AUTHENTICATION, MESSAGES],
    "one-origin": [SECURITY, SESSIONS, COMMON, AUTHENTICATION],
}


def handlers():
    """Returns our handler with each stack, by its name."""
    made = {}
    for name, middleware in {**STACKS, **IN_THE_WAY, **OTHERS}.items():
        with override_settings(MIDDLEWARE=middleware):  # A handler loads it when it is made.
            made[name] = StreamingASGIHandler()
    return made


# What they serve.


class Told:
    """Tells its steps, each when the client has told that it has the one before."""

    def get(self, request, **kwargs):
        if hasattr(request, "session"):
            request.session["visits"] = request.session.get("visits", 0) + 1
        if hasattr(request, "_messages"):
            messages.success(request, "the stream begins")
        response = super().get(request, **kwargs)
        response.set_cookie("taste", "sweet")
        return response

    async def stream(self):
        name = self.kwargs["name"]
        with recorded(name):
            for step in range(STEPS):
                journal.produced[name] += 1
                yield {"step": step, **await known(self.request)}
                await signals[f"{name}-{step}"].arrives()


class PlainTold(Told):
    """The same in a thread."""

    def stream(self):
        name = self.kwargs["name"]
        with recorded(name):
            for step in range(STEPS):
                journal.produced[name] += 1
                yield {"step": step, "language": get_language()}
                signals[f"{name}-{step}"].wait()


async def known(request):
    """Returns what a source sees of what the middleware has done."""
    seen = {"language": get_language()}
    if hasattr(request, "session"):
        for key in ("visits", "touched"):
            seen[key] = await request.session.aget(key)
    if hasattr(request, "auser"):
        seen["user"] = (await request.auser()).get_username()
    return seen


class Lines(Told, StreamView):
    format = JSONL


class Events(Told, EventStreamView):
    pass


class PlainLines(PlainTold, StreamView):
    format = JSONL


class PlainEvents(PlainTold, EventStreamView):
    pass


class Choosing(Lines):
    """Refuses who accepts something else."""

    formats = [JSONL]


class Remembering(Lines):
    """Changes the session while it streams."""

    async def stream(self):
        with recorded(self.kwargs["name"]):
            yield "first"
            await self.request.session.aset("remembered", "something")
            await self.request.session.asave()
            yield "second"


class Private(LoginRequiredMixin, Lines):
    """Answers 403 to who is not logged in."""

    raise_exception = True


class Posted(StreamView):
    """Takes a body, as the page of another origin sends one, and tells it in steps."""

    http_method_names = ["post", "options"]
    format = JSONL

    async def stream(self):
        name = self.kwargs["name"]
        with recorded(name):
            for step in range(STEPS):
                journal.produced[name] += 1
                yield {"step": step, "posted": json.loads(self.request.body)}
                await signals[f"{name}-{step}"].arrives()


class Resuming(EventStreamView):
    """Ends after each of two events, and is over when it is asked for a third."""

    retry = 0.01

    async def stream(self):
        with recorded(self.kwargs["name"]):
            last = int(self.last_event_id or 0)
            if last == 2:
                raise NoContent
            yield Event.json({"after": last}, id=str(last + 1))


class NotThere(Lines):
    async def stream(self):
        raise Http404("no such thing")
        yield


class Failing(Lines):
    async def stream(self):
        raise RuntimeError("failed before the first item")
        yield


class Refusing(Lines):
    async def stream(self):
        raise StreamError("the prompt is too long")
        yield


class Nothing(Lines):
    async def stream(self):
        raise NoContent
        yield


class Keeping(NotThere):
    """Describes its content, and says for how long it may be kept."""

    filename = "lines"

    def get(self, request, **kwargs):
        response = super().get(request, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=3600"
        response.headers["Content-Location"] = "/elsewhere/"
        response.headers["ETag"] = '"1"'
        response.headers["Last-Modified"] = "Wed, 21 Oct 2015 07:28:00 GMT"
        response.headers["X-Accel-Limit-Rate"] = "1"
        return response


class Secret(NotThere):
    def get(self, request, **kwargs):
        response = super().get(request, **kwargs)
        response.headers["Cache-Control"] = "private, no-store"
        return response


async def session_of(request, **kwargs):
    """An ordinary view, which tells what the session holds now, but for who is logged in."""
    held = await request.session.aitems()
    return JsonResponse({key: value for key, value in held if not key.startswith("_")})


urlpatterns = [
    path("event-stream/<name>/", Events.as_view()),
    path("jsonl/<name>/", Lines.as_view()),
    path("plain-event-stream/<name>/", PlainEvents.as_view()),
    path("plain-jsonl/<name>/", PlainLines.as_view()),
    path("choosing/<name>/", Choosing.as_view()),
    path("remembering/<name>/", Remembering.as_view()),
    path("private/<name>/", Private.as_view()),
    path("posted/<name>/", Posted.as_view()),
    path("resuming/<name>/", Resuming.as_view()),
    path("not-there/<name>/", NotThere.as_view()),
    path("failing/<name>/", Failing.as_view()),
    path("refusing/<name>/", Refusing.as_view()),
    path("nothing/<name>/", Nothing.as_view()),
    path("keeping/<name>/", Keeping.as_view()),
    path("secret/<name>/", Secret.as_view()),
    path("session/", session_of),
]
