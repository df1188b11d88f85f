"""What a view says about its items: a mixin, a type, a file name, and the format by a link."""

import json
from pathlib import Path

import httpx
import msgspec
import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from django.utils.functional import lazystr

from django_streams import (
    CSV,
    DIOXUS_CBOR,
    DIOXUS_JSON,
    DIOXUS_MSGPACK,
    JSONL,
    MSGPACK,
    BrokenOff,
    CBORMixin,
    CSVMixin,
    DioxusMixin,
    JSONArrayMixin,
    JSONLinesMixin,
    JSONSequenceMixin,
    PostcardMixin,
    StreamResponse,
    StreamView,
    decode,
)
from django_streams.asgi import StreamingASGIHandler
from django_streams.testing import StreamClient
from tests.kennel.models import Dog, Owner

pytestmark = pytest.mark.urls(__name__)


class DogItem(msgspec.Struct):
    name: str
    age: int


class Dogs(StreamView):
    async def stream(self):
        yield {"name": "Rex", "age": 3}
        yield {"name": "Ada", "age": 5}


class Models(StreamView):
    formats = (JSONL, CSV, MSGPACK)
    item_type = DogItem
    format_query_param = "format"
    filename = "dogs"

    def stream(self):
        return Dog.objects.order_by("pk")


class Array(JSONArrayMixin, Dogs):
    pass


class EmptyArray(JSONArrayMixin, StreamView):
    def stream(self):
        return []


class FailingArray(JSONArrayMixin, StreamView):
    async def stream(self):
        yield 1
        raise OSError


class Sequence(JSONSequenceMixin, Dogs):
    pass


class Cbor(CBORMixin, Dogs):
    pass


class Rows(CSVMixin, Dogs):
    columns = ["age", "name"]
    bom = True
    filename = "Hündchen 2026.csv"


class HookedRows(CSVMixin, Dogs):
    def get_columns(self):
        return ["name"]


class Formulas(CSVMixin, StreamView):
    escapes_formulas = True

    def stream(self):
        return [{"x": "=1"}]


class Framed(DioxusMixin, Dogs):
    item_type = DogItem


class Postcards(PostcardMixin, Dogs):
    item_type = DogItem


class Untyped(PostcardMixin, Dogs):
    pass


class Typed(Untyped):
    @property
    def item_type(self):
        return DogItem


class HookedFormat(Untyped):
    def get_format(self):
        return JSONL


class Unioned(JSONLinesMixin, Dogs):
    item_type = DogItem | Dog


class Owned(JSONLinesMixin, StreamView):
    """Each dog, and the owner that was not asked for."""

    class item_type(msgspec.Struct):  # noqa: N801
        name: str
        owner: dict | None = None

    async def stream(self):
        async for dog in Dog.objects.aiterator():
            yield dog


class LetterColumns(CSVMixin, Dogs):
    columns = "name"


class FailingFrames(DioxusMixin, StreamView):
    def stream(self):
        yield 1
        raise OSError


class HookedType(PostcardMixin, Dogs):
    def get_item_type(self):
        return DogItem


class PlainFramed(DioxusMixin, StreamView):
    def stream(self):
        yield from range(50)


class LargeFrame(DioxusMixin, StreamView):
    async def stream(self):
        yield "x" * (3 * 2**20)
        yield "y"


class Endings(StreamView):
    formats = (JSONL,)
    format_query_param = "format"
    filename = "v1.2"

    def stream(self):
        return []


def function_view(request):
    return StreamResponse(
        [{"name": "Rex", "age": 3, "secret": 1}],
        format=CSV,
        item_type=DogItem,
        filename="dogs",
        request=request,
    )


async def echo(request):
    """What a client has sent, decoded as it is read."""

    async def chunks():
        yield request.body

    items = [item async for item in decode(chunks(), JSONL, DogItem)]
    return StreamResponse(items, format=JSONL, request=request)


urlpatterns = [
    path("models/", Models.as_view()),
    path("array/", Array.as_view()),
    path("empty-array/", EmptyArray.as_view()),
    path("failing-array/", FailingArray.as_view()),
    path("sequence/", Sequence.as_view()),
    path("cbor/", Cbor.as_view()),
    path("rows/", Rows.as_view()),
    path("hooked-rows/", HookedRows.as_view()),
    path("formulas/", Formulas.as_view()),
    path("framed/", Framed.as_view()),
    path("framed-cbor/", Framed.as_view(format=DIOXUS_CBOR)),
    path("framed-msgpack/", Framed.as_view(format=DIOXUS_MSGPACK)),
    path("postcards/", Postcards.as_view()),
    path("hooked-type/", HookedType.as_view()),
    path("plain-framed/", PlainFramed.as_view()),
    path("large-frame/", LargeFrame.as_view()),
    path("endings/", Endings.as_view()),
    path("function/", function_view),
    path("echo/", echo),
    path("owned/", Owned.as_view()),
    path("failing-frames/", FailingFrames.as_view()),
]


@pytest.fixture
def kennel(db):
    Dog.objects.create(name="Rex", age=3)
    Dog.objects.create(name="Ada", age=5)


async def fetched(path, **kwargs):
    async with StreamClient().stream("GET", path, **kwargs) as stream:
        body = await stream.read()
    return stream, body


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("array", "application/json", b'[{"name":"Rex","age":3},{"name":"Ada","age":5}]'),
        ("empty-array", "application/json", b"[]"),
        (
            "sequence",
            "application/json-seq",
            b'\x1e{"name":"Rex","age":3}\n\x1e{"name":"Ada","age":5}\n',
        ),
        ("cbor", "application/cbor-seq", b"\xa2dnamecRexcage\x03\xa2dnamecAdacage\x05"),
        ("rows", "text/csv; charset=utf-8", b"\xef\xbb\xbfage,name\r\n3,Rex\r\n5,Ada\r\n"),
        ("hooked-rows", "text/csv; charset=utf-8", b"name\r\nRex\r\nAda\r\n"),
        ("formulas", "text/csv; charset=utf-8", b"x\r\n'=1\r\n"),
        ("postcards", "application/stream+postcard", b"\x82\x05\x03Rex\x06\x82\x05\x03Ada\x0a"),
        ("hooked-type", "application/stream+postcard", b"\x82\x05\x03Rex\x06\x82\x05\x03Ada\x0a"),
        ("framed-msgpack", "application/stream+msgpack", b"\x82\x06\x92\xa3Rex\x03"),
        ("function", "text/csv; charset=utf-8", b"name,age\r\nRex,3\r\n"),
    ],
)
async def test_a_mixin_fixes_the_format(path, content_type, body):
    stream, received = await fetched(f"/{path}/")
    assert (stream.status_code, stream.headers["Content-Type"]) == (200, content_type)
    assert received.startswith(body) if path == "framed-msgpack" else received == body
    assert stream.is_complete


def test_an_array_is_one_document_under_wsgi_too():
    response = Client().get("/array/")
    assert json.loads(b"".join(response.streaming_content)) == [
        {"name": "Rex", "age": 3},
        {"name": "Ada", "age": 5},
    ]


async def test_an_array_that_fails_midway_is_left_open_and_broken_off():
    stream, body = await fetched("/failing-array/")
    assert body == b"[1"
    assert stream.is_broken_off


async def test_a_model_instance_becomes_the_item_type(kennel, transactional_db):
    _, body = await fetched("/models/")
    assert body == b'{"name":"Rex","age":3}\n{"name":"Ada","age":5}\n'


@pytest.mark.parametrize(
    ("query", "content_type", "disposition"),
    [
        ("", "application/jsonl", 'attachment; filename="dogs.jsonl"'),
        ("?format=csv", "text/csv; charset=utf-8", 'attachment; filename="dogs.csv"'),
        ("?format=msgpack", "application/vnd.msgpack", 'attachment; filename="dogs.msgpack"'),
    ],
)
async def test_a_link_chooses_the_format_where_the_view_allows_it(
    query, content_type, disposition, kennel, transactional_db
):
    stream, _ = await fetched(f"/models/{query}", headers={"Accept": "application/jsonl"})
    assert stream.headers["Content-Type"] == content_type
    assert stream.headers["Content-Disposition"] == disposition


async def test_an_unknown_name_in_a_link_is_answered_with_the_names():
    stream, body = await fetched("/models/?format=xml")
    assert stream.status_code == 406
    assert b"the format 'xml' is none of those there are: jsonl, csv, msgpack" in body


async def test_a_link_chooses_nothing_unless_the_view_allows_it():
    stream, _ = await fetched("/array/?format=csv")
    assert stream.headers["Content-Type"] == "application/json"


async def test_a_file_name_keeps_its_suffix_and_any_character():
    stream, _ = await fetched("/rows/")
    disposition = stream.headers["Content-Disposition"]
    assert disposition == "attachment; filename*=utf-8''H%C3%BCndchen%202026.csv"
    stream, _ = await fetched("/endings/")
    assert stream.headers["Content-Disposition"] == 'attachment; filename="v1.2"'


@pytest.mark.parametrize("name", ['a"b', "a\r\nX-Injected: 1", "../../etc/passwd"])
def test_a_file_name_cannot_inject_a_header(name):
    response = StreamResponse([], filename=name, request=RequestFactory().get("/"))
    assert "\n" not in response.headers["Content-Disposition"]
    assert "\r" not in response.headers["Content-Disposition"]


@pytest.mark.parametrize("path", ["framed", "framed-cbor", "framed-msgpack", "plain-framed"])
async def test_each_frame_is_a_body_message_of_its_own_and_none_is_empty(path):
    messages = []
    async with StreamClient().stream("GET", f"/{path}/") as stream:
        original = stream._message

        async def message():
            received = await original()
            if received is not None and received["type"] == "http.response.body":
                messages.append(received)
            return received

        stream._message = message
        await stream.read()
    *frames, end = [bytes(message.get("body", b"")) for message in messages]
    assert end == b""
    assert len(frames) == (50 if path == "plain-framed" else 2)
    assert all(frame[0] == 0x82 and frame[1] == len(frame) - 2 for frame in frames)


async def test_a_frame_of_any_size_is_one_body_message():
    async with StreamClient().stream("GET", "/large-frame/") as stream:
        assert len(await stream.chunk()) == 3 * 2**20 + 2 + 10
        assert await stream.chunk() == b'\x82\x03"y"'


def test_each_frame_is_a_chunk_of_its_own_under_wsgi():
    response = Client().get("/framed/")
    assert isinstance(response, StreamingHttpResponse)
    frames = list(response.streaming_content)
    assert [frame[0] for frame in frames] == [0x82, 0x82]


async def test_postcard_without_a_type_is_a_mistake_that_the_checks_name(settings):
    with pytest.raises(ImproperlyConfigured, match="item_type"):
        Untyped.as_view()(RequestFactory().get("/"))
    settings.ROOT_URLCONF = type(
        "Routes",
        (),
        {
            "urlpatterns": [
                path("", Untyped.as_view()),
                path("", Untyped.as_view()),
                path("", Untyped.as_view(item_type=DogItem)),
                path("", Untyped.as_view(format=JSONL)),
                path("", HookedType.as_view()),
                path("", HookedFormat.as_view()),
                path("", Typed.as_view()),
            ]
        },
    )
    faults = [error.msg for error in checks.run_checks() if error.id == "streams.E002"]
    assert len(faults) == 1
    assert faults[0].startswith("Untyped cannot stream application/stream+postcard: ")


def test_an_item_type_that_is_none_is_named_by_the_checks(settings):
    settings.ROOT_URLCONF = type("Routes", (), {"urlpatterns": [path("", Unioned.as_view())]})
    faults = [error.msg for error in checks.run_checks() if error.id == "streams.E002"]
    assert len(faults) == 1
    assert faults[0].startswith("Unioned cannot stream application/jsonl: ")


async def test_an_item_type_that_follows_a_relation_on_the_event_loop_is_told_of_a_way_out(
    transactional_db, caplog
):
    owner = await Owner.objects.acreate(name="Ada")
    await Dog.objects.acreate(name="Rex", age=3, owner=owner)
    stream, _ = await fetched("/owned/")
    assert stream.status_code == 500
    assert "an item_type touched the database" in caplog.text
    assert "select_related" in caplog.text


def test_columns_that_are_a_str_are_a_mistake():
    with pytest.raises(ImproperlyConfigured, match="columns is 'name'"):
        LetterColumns.as_view()(RequestFactory().get("/"))


def test_frames_that_fail_midway_send_nothing_empty_under_wsgi():
    chunks = []
    with pytest.raises(BrokenOff):
        for chunk in Client().get("/failing-frames/").streaming_content:
            chunks.append(chunk)
    assert chunks == [b"\x82\x011"]


def test_a_file_name_may_be_lazy_text_or_a_path():
    for name in (lazystr("dogs"), Path("dogs")):
        response = StreamResponse([], format=CSV, filename=name, request=RequestFactory().get("/"))
        assert response.headers["Content-Disposition"] == 'attachment; filename="dogs.csv"'


def test_the_views_of_a_format_decide_without_a_thread():
    for view in (Array, Sequence, Cbor, Rows, Framed, Postcards, Models):
        assert hasattr(view.as_view(), "decides_without_thread"), view
    for view in (HookedRows, HookedType):
        assert not hasattr(view.as_view(), "decides_without_thread"), view


async def test_a_client_decodes_a_stream_with_httpx():
    transport = httpx.ASGITransport(StreamingASGIHandler())
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
        client.stream("GET", "/framed/") as response,
    ):
        dogs = [dog async for dog in decode(response.aiter_bytes(), DIOXUS_JSON, DogItem)]
    assert dogs == [DogItem("Rex", 3), DogItem("Ada", 5)]


def test_what_is_damaged_in_a_request_is_told_by_its_index():
    body = b'{"name":"Rex","age":3}\n{"name":"Ada","age":"old"}\n'
    with pytest.raises(Exception, match=r"item 1: \$\.age: expected `int`, got `str`"):
        Client().post("/echo/", body, content_type="application/jsonl")
    response = Client().post("/echo/", body[:23], content_type="application/jsonl")
    assert b"".join(response.streaming_content) == body[:23]
