"""`responses.revalidation`: what of a request is fresh when it is decided upon anew."""

import asyncio
import gc
import weakref
from contextvars import ContextVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import AsyncClient, AsyncRequestFactory, override_settings
from django.urls import path, reverse
from rest_framework.views import APIView

from django_streams import (
    JSONL,
    BodyStreamMixin,
    EventStreamView,
    StreamResponse,
    StreamView,
)
from django_streams.responses.revalidation import is_still_allowed
from django_streams.testing import StreamClient

pytestmark = pytest.mark.urls(__name__)


class Waiting(EventStreamView):
    revalidate = 0.05

    async def stream(self):
        yield "1"
        await asyncio.Event().wait()


class Echo(BodyStreamMixin, StreamView):
    format = JSONL
    http_method_names = ["post"]
    revalidate = 0.05

    async def stream(self):
        async for chunk in self.request.body_stream:
            yield len(chunk)


class OfFramework(APIView):
    """Hands on the framework's request, as its views have no other."""

    def get(self, request):
        Asked.count += 1
        return StreamResponse(numbers(), format=JSONL, request=request, revalidate=0.05)


async def numbers():
    ends = Asked.count + 2
    while Asked.count < ends:
        yield 1
        await asyncio.sleep(0.01)


def of_coroutine(request):
    Asked.count += 1
    return StreamResponse(coroutine(), format=JSONL, request=request, revalidate=0.05)


def forgetful(request):
    return StreamResponse(coroutine, revalidate=0.05)


async def coroutine():
    return numbers()


urlpatterns = [
    path("framework/", OfFramework.as_view()),
    path("forgetful/", forgetful),
    path("coroutine/", of_coroutine),
    path("waiting/", Waiting.as_view(), name="waiting"),
    path("echo/", Echo.as_view()),
]


class Asked:
    """What a middleware has seen: how often it was asked, and what it says."""

    count = 0
    refuses = False
    prefixes: list = []


def judging_afterwards(get_response):
    """Looks at the answer first, as middleware does that needs what the view has found out."""

    def middleware(request):
        response = get_response(request)
        Asked.count += 1
        return HttpResponse(status=403) if Asked.refuses else response

    return middleware


opened = ContextVar("opened")
all_opened = weakref.WeakSet()


class Opened:
    """Is kept by the context that has opened it, as Django's caches are."""


def opening(get_response):
    def middleware(request):
        Asked.count += 1
        thing = Opened()
        opened.set(thing)
        all_opened.add(thing)
        return get_response(request)

    return middleware


def knowing_urls(get_response):
    def middleware(request):
        Asked.count += 1
        Asked.prefixes.append(reverse("waiting"))
        return get_response(request)

    return middleware


@pytest.fixture(autouse=True)
def asked():
    Asked.count, Asked.refuses, Asked.prefixes = 0, False, []


def middleware(*functions):
    names = [f"{__name__}.{function.__name__}" for function in functions]
    return override_settings(MIDDLEWARE=names)


async def asked_again(times=2):
    async with asyncio.timeout(5):
        ends = Asked.count + times
        while Asked.count < ends:
            await asyncio.sleep(0.01)


@middleware(judging_afterwards)
async def test_a_middleware_that_refuses_after_the_view_has_its_say():
    async with StreamClient().stream("GET", "/waiting/") as stream:
        await stream.event()
        await asked_again()
        assert not stream.is_broken_off
        Asked.refuses = True
        assert await stream.read() == b""
        assert stream.is_complete


@override_settings(FORCE_SCRIPT_NAME="/app")
@middleware(knowing_urls)
async def test_urls_are_those_of_the_place_where_the_project_is_mounted():
    async with StreamClient().stream("GET", "/app/waiting/") as stream:
        await stream.event()
        await asked_again()
    assert set(Asked.prefixes) == {"/app/waiting/"}


@middleware(judging_afterwards)
async def test_a_view_whose_body_still_comes_is_asked_again():
    more = asyncio.Event()

    async def body():
        yield b"abc"
        await more.wait()
        yield b"de"

    async with StreamClient().stream("POST", "/echo/", body=body()) as stream:
        assert await stream.item() == 3
        await asked_again()
        more.set()
        assert await stream.item() == 2


@middleware()
async def test_a_view_of_rest_framework_is_asked_again_under_django_s_handler():
    response = await AsyncClient().get("/framework/")
    async with asyncio.timeout(5):
        assert b"".join([chunk async for chunk in response]).endswith(b"1\n")
    assert Asked.count >= 3


@middleware()
async def test_what_a_function_view_builds_to_be_thrown_away_is_discarded():
    assert await is_still_allowed(AsyncRequestFactory().get("/coroutine/"))
    gc.collect()  # Where a coroutine that nobody awaits would be complained of.


@middleware(opening)
async def test_nothing_is_kept_of_what_deciding_has_opened():
    gc.freeze()  # Or looking through what all tests before have left takes longer than deciding.
    try:
        async with StreamClient().stream("GET", "/waiting/") as stream:
            await stream.event()
            before = len(all_opened)
            await asked_again(4)
            async with asyncio.timeout(5):
                while len(all_opened) > before:  # One may be about to be asked.
                    gc.collect()
                    await asyncio.sleep(0)
    finally:
        gc.unfreeze()


@middleware()
async def test_without_a_request_there_is_nothing_to_decide_upon():
    response = await AsyncClient().get("/forgetful/")
    with pytest.raises(ImproperlyConfigured, match="revalidate without a request"):
        [chunk async for chunk in response]
