"""`body`: a request's body as a stream, whatever it comes from."""

import asyncio
import functools
import io
import threading

import msgspec
import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.http.request import RawPostDataException, UnreadablePostError
from django.test import AsyncRequestFactory, RequestFactory

from django_streams import (
    JSONL,
    MSGPACK,
    BodyLimits,
    BodyTooLarge,
    DecodeError,
    ItemTooLarge,
    MalformedBody,
    PartTooLarge,
    RequestTimeout,
    StreamError,
    TooManyParts,
    TruncatedStream,
    UnsupportedBody,
)
from django_streams.body import (
    LIMITS,
    Aborted,
    BodyStream,
    RequestSource,
    find_csrf_token,
    limits_of_settings,
)


class Chunks:
    """A source whose chunks are all there; an exception among them is raised in its place."""

    is_in_blocks = False

    def __init__(self, *chunks):
        self.left = list(chunks)
        self.asked = 0

    async def chunk(self):
        self.asked += 1
        chunk = self.left.pop(0) if self.left else None
        if isinstance(chunk, Exception):
            raise chunk
        return chunk


class Silence:
    """A source from which nothing comes."""

    is_in_blocks = False

    async def chunk(self):
        await asyncio.Event().wait()


class Hand:
    """A source that gets its chunks while it is read."""

    is_in_blocks = False

    def __init__(self):
        self.chunks = asyncio.Queue()

    async def chunk(self):
        return await self.chunks.get()


def body_of(*chunks, **headers):
    return BodyStream(Chunks(*chunks), {name.upper(): value for name, value in headers.items()})


def limits(**chosen):
    return limits_of_settings("", **chosen)


async def all_of(iterator):
    return [item async for item in iterator]


# Chunks


async def test_it_is_iterated_as_it_comes():
    body = body_of(b"a", b"bc", b"d")
    seen = []
    async for chunk in body:
        seen.append((chunk, body.received))
    assert seen == [(b"a", 1), (b"bc", 3), (b"d", 4)]


async def test_it_is_iterated_on_from_where_it_was_left():
    body = body_of(b"a", b"b", b"c")
    async for chunk in body:
        assert chunk == b"a"
        break
    assert await body.read() == b"bc"


async def test_its_end_is_its_end_for_good():
    body = body_of(b"a")
    assert await body.read() == b"a"
    assert await body.read() == b""
    assert await all_of(body) == []


async def test_nothing_is_asked_for_before_it_is_read():
    source = Chunks(b"a")
    body = BodyStream(source, {"CONTENT_TYPE": "application/jsonl"})
    body.items()
    body.file()
    assert source.asked == 0


def test_it_says_what_it_is():
    body = body_of(content_type='Text/Plain; charset="UTF-16LE"', content_length="12")
    assert (body.content_type, body.charset, body.size) == ("text/plain", "utf-16le", 12)
    assert repr(body) == "<BodyStream text/plain 0/12>"


@pytest.mark.parametrize("missing", [{}, {"content_type": ""}, {"content_type": None}])
def test_without_a_content_type_it_is_bytes(missing):
    assert body_of(**missing).content_type == "application/octet-stream"


@pytest.mark.parametrize(
    "length",
    ["", "x", "-1", "+1", "1_0", "1.5", " 7", "0x10", "7, 7", "²", "٣", "9" * 20, None, "1\x00"],
)
def test_a_malformed_length_is_none(length):
    assert body_of(content_length=length).size is None
    assert body_of(http_x_content_size=length or "").file().size is None


# read, text, json


async def test_read_takes_as_many_bytes_as_it_is_told():
    assert await body_of(b"ab", b"cd").read(4) == b"abcd"
    with pytest.raises(BodyTooLarge, match="more than the 3 bytes") as failure:
        await body_of(b"ab", b"cd").read(3)
    assert failure.value.status == 413


async def test_read_takes_nothing_of_a_body_that_may_have_nothing():
    assert await body_of().read(0) == b""
    with pytest.raises(BodyTooLarge):
        await body_of(b"a").read(0)


@pytest.mark.parametrize("method", ["read", "text", "json"])
async def test_without_a_number_as_much_is_read_as_django_would(method, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4
    await getattr(body_of(b"1234"), method)()
    with pytest.raises(BodyTooLarge, match="4 bytes"):
        await getattr(body_of(b"12345"), method)()
    assert await getattr(body_of(b"12345"), method)(max_bytes=5)


async def test_without_a_limit_of_djangos_all_is_read(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert len(await body_of(*[b"x" * 2**20] * 4).read()) == 4 * 2**20


async def test_a_file_is_read_within_the_same_limit(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 4
    with pytest.raises(BodyTooLarge, match="4 bytes"):
        await body_of(b"12345").file().read()


@pytest.mark.parametrize(
    ("charset", "content", "text"),
    [
        ("", "é".encode(), "é"),
        ("; charset=utf-8", "é".encode(), "é"),
        ("; charset=ISO-8859-1", b"\xe9", "é"),
        ('; charset="shift_jis"', b"\x82\xa0", "あ"),
        ("; charset=utf-16", "é".encode("utf-16"), "é"),
    ],
)
async def test_text_is_decoded_by_the_charset(charset, content, text):
    assert await body_of(content, content_type="text/plain" + charset).text() == text


async def test_text_is_decoded_across_chunks():
    assert await body_of(b"\xc3", b"\xa9").text() == "é"


async def test_text_that_is_not_in_its_charset_is_malformed():
    with pytest.raises(MalformedBody, match="not valid utf-8"):
        await body_of(b"\xff").text()


@pytest.mark.parametrize("charset", ["zip", "idna", "utf-7", "nonsense", "\x00", "punycode"])
async def test_a_charset_that_no_form_is_sent_in_is_refused_before_anything_is_read(charset):
    source = Chunks(b"a")
    body = BodyStream(source, {"CONTENT_TYPE": f"text/plain; charset={charset}"})
    with pytest.raises(UnsupportedBody, match="charset"):
        await body.text()
    assert source.asked == 0


class Dog(msgspec.Struct):
    name: str
    age: int = 0


async def test_json_becomes_what_is_asked_for():
    assert await body_of(b'{"na', b'me":"Rex"}').json() == {"name": "Rex"}
    assert await body_of(b'{"name":"Rex"}').json(Dog) == Dog("Rex")


@pytest.mark.parametrize("content", [b"", b"{", b"nope", b'{"a":1,"a":2}', b"[" * 5000, b"\xff"])
async def test_what_is_no_json_is_malformed(content):
    with pytest.raises(MalformedBody, match="the body is not as expected") as failure:
        await body_of(content).json()
    assert (failure.value.status, failure.value.is_clients) == (400, True)


async def test_json_of_another_type_is_malformed():
    with pytest.raises(MalformedBody, match="age"):
        await body_of(b'{"name":"Rex","age":"old"}').json(Dog)


@pytest.mark.parametrize("take", ["json", "items", "parts"])
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br, gzip", "x" * 500])
async def test_what_is_compressed_is_not_taken_apart(take, coding):
    form = "multipart/form-data; boundary=b"
    content_type = {"parts": form}.get(take, "application/jsonl")
    body = body_of(b"x", content_type=content_type, http_content_encoding=coding)
    with pytest.raises(UnsupportedBody, match="Content-Encoding") as failure:
        await getattr(body, take)()
    assert failure.value.status == 415
    assert dict(failure.value.headers) == {"Accept-Encoding": "identity"}
    assert len(str(failure.value)) < 200
    assert await body.read() == b"x"


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
async def test_what_is_coded_as_it_is_is_not_compressed(coding):
    assert await body_of(b"1", http_content_encoding=coding).json() == 1


# items


async def test_items_come_as_they_are_whole():
    source = Hand()
    items = aiter(BodyStream(source, {"CONTENT_TYPE": "application/jsonl"}).items(Dog))
    source.chunks.put_nowait(b'{"name":"Rex"}\n{"na')
    assert await asyncio.wait_for(anext(items), 5) == Dog("Rex")
    waiting = asyncio.ensure_future(anext(items))
    source.chunks.put_nowait(b'me":"Ada"}\n')
    assert await asyncio.wait_for(waiting, 5) == Dog("Ada")
    source.chunks.put_nowait(None)
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(items), 5)


@pytest.mark.parametrize("format", [JSONL, MSGPACK], ids=str)
async def test_the_content_type_says_how_items_are_read(format):
    encode = format.encoder(Dog)
    content = b"".join(encode(Dog(name)) for name in ("Rex", "Ada"))
    body = body_of(*[bytes([byte]) for byte in content], content_type=str(format))
    assert await all_of(body.items(Dog)) == [Dog("Rex"), Dog("Ada")]


@pytest.mark.parametrize("content_type", ["", "text/plain", "text/event-stream", "x/y" * 500])
async def test_items_of_another_type_are_refused_at_once(content_type):
    body = body_of(b"{}", content_type=content_type)
    with pytest.raises(UnsupportedBody, match="is none of those there are") as failure:
        body.items()
    assert "application/jsonl" in failure.value.headers["Accept"]
    assert len(str(failure.value)) < 1000


async def test_formats_that_are_named_are_the_only_ones():
    body = body_of(b"{}\n", content_type="application/jsonl")
    with pytest.raises(UnsupportedBody) as failure:
        body.items(formats=[MSGPACK])
    assert dict(failure.value.headers) == {"Accept": str(MSGPACK)}
    assert await all_of(body.items(formats=[MSGPACK, JSONL])) == [{}]


async def test_items_before_the_damage_are_yielded():
    seen = []
    body = body_of(b'{"a":1}\n', b"nope\n", content_type="application/jsonl")
    with pytest.raises(DecodeError, match="JSON is malformed") as failure:
        async for item in body.items():
            seen.append(item)
    assert seen == [{"a": 1}]
    assert failure.value.is_clients


async def test_an_item_may_be_too_large():
    body = body_of(b'"' + b"x" * 100 + b'"\n', content_type="application/jsonl")
    body.limits = limits(max_item=50)
    with pytest.raises(ItemTooLarge) as failure:
        await all_of(body.items())
    assert (failure.value.status, failure.value.is_clients) == (413, True)


async def test_an_item_may_be_cut():
    body = body_of(b"\x81\xa1", content_type=str(MSGPACK))
    with pytest.raises(TruncatedStream) as failure:
        await all_of(body.items())
    assert failure.value.is_clients


# parts

FORM = "multipart/form-data; boundary=b"


def field(name, value):
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file_part(name, filename, content=b"x"):
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = b"--b--\r\n"
WHOLE = field("a", "1") + file_part("f", "x.txt", b"content") + END


async def read_parts(parts):
    return [(part.name, part.filename, await part.read()) async for part in parts]


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_parts_are_those_of_the_form(size):
    chunks = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    parts = body_of(*chunks, content_type=FORM).parts()
    assert await read_parts(parts) == [("a", None, b"1"), ("f", "x.txt", b"content")]


@pytest.mark.parametrize(
    "content_type",
    ["", "application/x-www-form-urlencoded", "multipart/form-data", "multipart/mixed; boundary=b"],
)
async def test_what_is_no_form_is_refused_at_once(content_type):
    body = body_of(b"a=1", content_type=content_type)
    with pytest.raises(UnsupportedBody) as failure:
        body.parts()
    assert dict(failure.value.headers) == {"Accept": "multipart/form-data"}
    assert await body.read() == b"a=1"


async def test_the_limits_of_the_form_are_those_of_the_body():
    body = body_of(WHOLE, content_type=FORM)
    body.limits = limits(max_parts=1)
    with pytest.raises(TooManyParts):
        await read_parts(body.parts())


# Once only


@pytest.mark.parametrize("first", ["read", "items", "parts"])
@pytest.mark.parametrize("second", ["items", "parts"])
async def test_it_is_taken_once(first, second):
    content_types = {"items": "application/jsonl", "parts": FORM}
    content_type = content_types.get(first) or content_types[second]
    body = body_of(WHOLE if content_type == FORM else b"1\n", content_type=content_type)
    if first == "read":
        await body.read()
    else:
        await all_of(getattr(body, first)())
    body._meta["CONTENT_TYPE"] = content_types[second]  # As if it were both.
    with pytest.raises(RuntimeError, match="read already"):
        await all_of(getattr(body, second)())


async def test_what_is_left_is_no_file_of_the_size_that_was_announced():
    """A storage that asks for the size would wait for bytes that do not come."""
    sizes = []

    class Sizing(InMemoryStorage):
        def _save(self, name, content):
            sizes.append(content.size)
            return super()._save(name, ContentFile(b"".join(content.chunks())))

    whole = body_of(b"GIF8", b"rest", content_length="8")
    await whole.file().save("whole.gif", Sizing())
    body = body_of(b"GIF8", b"rest", content_length="8")
    await anext(body)
    saved = await body.file().save("rest.gif", Sizing())
    assert saved.size == 4
    assert sizes == [8, None]


# Limits


async def test_the_limits_are_those_of_the_settings_unless_they_are_set(settings):
    settings.STREAMS = {"BODY_MAX_SIZE": 3}
    assert body_of().limits.max_size == 3
    with pytest.raises(BodyTooLarge):
        await body_of(b"1234").read()
    body = body_of(b"1234")
    body.limits = limits(max_size=4)
    assert await body.read() == b"1234"


def test_more_than_is_allowed_is_refused_before_it_is_read():
    source = Chunks(b"12345")
    body = BodyStream(source, {"CONTENT_LENGTH": "5"})
    with pytest.raises(BodyTooLarge, match="more than the 4 bytes"):
        body.limits = limits(max_size=4)
    assert source.asked == 0


async def test_more_than_is_allowed_is_refused_when_it_comes():
    body = body_of(b"123", b"45", b"6")
    body.limits = limits(max_size=4)
    seen = []
    with pytest.raises(BodyTooLarge):
        async for chunk in body:
            seen.append(chunk)
    assert seen == [b"123"]


async def test_as_much_as_is_allowed_is_taken():
    body = body_of(b"123", b"4", content_length="4")
    body.limits = limits(max_size=4)
    assert await body.read() == b"1234"


async def test_no_limit_is_none():
    body = body_of(b"1234", content_length="9" * 19)
    body.limits = limits(max_size=None)
    assert await body.read() == b"1234"


async def test_a_client_that_pauses_is_refused():
    body = BodyStream(Silence(), {})
    body.limits = limits(idle_seconds=0.001)
    with pytest.raises(RequestTimeout, match=r"0\.001 seconds"):
        await asyncio.wait_for(body.read(), 5)


async def test_a_failure_is_repeated_to_whoever_asks_again():
    for failure in (Aborted(), BodyTooLarge("x"), RequestTimeout("x")):
        source = Chunks(b"a", failure, b"b")
        body = BodyStream(source, {})
        assert await anext(body) == b"a"
        for _ in range(3):
            with pytest.raises(type(failure)):
                await body.read()
        assert source.asked == 2


async def test_a_refusal_is_repeated_to_whoever_reads_nevertheless():
    source = Chunks(b"12345")
    body = BodyStream(source, {"CONTENT_LENGTH": "5"})
    with pytest.raises(BodyTooLarge):
        body.limits = limits(max_size=4)
    with pytest.raises(BodyTooLarge):
        await body.read()
    assert source.asked == 0


async def test_a_failure_of_the_source_itself_is_no_clients():
    body = body_of(LookupError("a secret"), b"on")
    with pytest.raises(LookupError):
        await body.read()
    assert await body.read() == b"on"


async def test_an_idle_client_of_a_form_is_refused_to_whoever_reads_the_part():
    source = Hand()
    body = BodyStream(source, {"CONTENT_TYPE": FORM})
    body.limits = limits(idle_seconds=0.001)
    source.chunks.put_nowait(file_part("f", "x.txt").removesuffix(b"\r\n"))
    parts = body.parts()
    part = await asyncio.wait_for(anext(parts), 5)
    with pytest.raises(RequestTimeout):
        await asyncio.wait_for(part.read(), 5)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [0, -1, "1", True, float("nan"), float("inf"), [], 2**70j])
def test_a_wrong_limit_is_named(name, value):
    with pytest.raises(ImproperlyConfigured, match=rf"Upload\.{name} is .*; it takes a positive"):
        limits_of_settings("Upload", **{name: value})


def test_limits_that_can_be_off_can_be_none():
    off = {"max_size": None, "max_part_size": None, "idle_seconds": None, "min_rate": None}
    assert isinstance(limits(**off), BodyLimits)
    for name in set(LIMITS) - set(off):
        with pytest.raises(ImproperlyConfigured, match=name):
            limits(**{name: None})


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_has_its_setting(name, settings):
    settings.STREAMS = {f"BODY_{name.upper()}": 7}
    assert getattr(limits(), name) == 7
    assert getattr(limits(**{name: 8}), name) == 8
    settings.STREAMS = {f"BODY_{name.upper()}": "wrong"}
    with pytest.raises(ImproperlyConfigured, match=f"BODY_{name.upper()}"):
        limits()


# Putting back


async def test_what_is_put_back_comes_first_and_in_order():
    body = body_of(b"a", b"b", b"c")
    first = [await anext(body), await anext(body)]
    body.put_back(first)
    assert await all_of(body) == [b"a", b"b", b"c"]


async def test_what_is_put_back_twice_stands_in_front():
    body = body_of(b"c")
    body.put_back([b"b"])
    body.put_back([b"a"])
    assert await all_of(body) == [b"a", b"b", b"c"]
    assert body.received == 1


async def test_what_was_put_back_is_not_taken():
    body = body_of(b"1\n", content_type="application/jsonl")
    body.put_back([await anext(body)])
    assert await all_of(body.items()) == [1]


# Progress


async def test_progress_is_told_with_every_chunk_and_once_at_the_end():
    seen = []
    body = body_of(b"a", b"bc")
    body.on_progress(lambda body: seen.append(body.received), seconds=0)
    await body.read()
    await body.read()
    assert seen == [1, 3, 3]


async def test_progress_may_be_async():
    seen = []

    async def tell(body):
        await asyncio.sleep(0)
        seen.append(body.received)

    body = body_of(b"a")
    body.on_progress(tell, seconds=0)
    await body.read()
    assert seen == [1, 1]


@pytest.mark.parametrize("kind", ["partial", "lambda", "object"])
async def test_progress_that_turns_out_to_be_async_is_awaited(kind):
    seen = []

    async def tell(seen, body):
        seen.append(body.received)

    class Teller:
        async def __call__(self, body):
            await tell(seen, body)

    callbacks = {
        "partial": functools.partial(tell, seen),
        "lambda": lambda body: tell(seen, body),
        "object": Teller(),
    }
    body = body_of(b"a")
    body.on_progress(callbacks[kind], seconds=0)
    await body.read()
    assert seen == [1, 1]


async def test_progress_is_told_every_so_many_seconds(monkeypatch):
    loop = asyncio.get_running_loop()
    now, seen = [1000.0], []
    source = Hand()
    body = BodyStream(source, {})
    body.limits = limits(idle_seconds=None)
    body.on_progress(lambda body: seen.append((now[0], body.received)), seconds=0.25)
    for step in (0.0, 0.1, 0.1, 0.1, 0.1, 0.5):
        source.chunks.put_nowait(b"x")
        now[0] += step
        with monkeypatch.context() as patch:
            patch.setattr(loop, "time", lambda: now[0])
            await anext(body)
    assert [round(when - 1000, 1) for when, _ in seen] == [0.0, 0.3, 0.9]
    source.chunks.put_nowait(None)
    assert await body.read() == b""
    assert [count for _, count in seen] == [1, 4, 6, 6]


async def test_progress_that_raises_is_raised_to_whoever_reads():
    def tell(body):
        raise LookupError("from the hook")

    body = body_of(b"a", b"b")
    body.on_progress(tell, seconds=0)
    with pytest.raises(LookupError, match="from the hook"):
        await body.read()


async def test_what_came_with_progress_that_raised_is_not_lost():
    """A reader that goes on must not get a body with a hole in it."""
    failures = [LookupError("once")]

    def tell(body):
        if failures:
            raise failures.pop()

    body = body_of(b"a", b"b")
    body.on_progress(tell, seconds=0)
    with pytest.raises(LookupError):
        await anext(body)
    assert await body.read() == b"ab"


async def test_what_came_with_progress_that_was_interrupted_is_not_lost():
    hangs = [True]

    async def tell(body):
        if hangs:
            hangs.pop()
            await asyncio.Event().wait()

    body = body_of(b"a", b"b")
    body.on_progress(tell, seconds=0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(body), 0.001)
    assert await body.read() == b"ab"


async def test_progress_is_told_of_a_file_that_is_saved():
    seen = []
    body = body_of(b"a", b"b")
    body.on_progress(lambda body: seen.append(body.received), seconds=0)
    await body.file().save("a.txt", InMemoryStorage())
    assert seen == [1, 2, 2]


# A file


async def test_a_file_has_the_body_for_its_content():
    body = body_of(b"con", b"tent", content_type="image/png", content_length="7")
    file = body.file()
    assert (file.name, file.filename, file.size, file.content_type) == (None, None, 7, "image/png")
    assert await file.read() == b"content"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=rex.png", "rex.png"),
        ('attachment; filename="rex the dog.png"', "rex the dog.png"),
        ("attachment; filename=\"a.png\"; filename*=UTF-8''%C3%A9.png", "é.png"),
        ("filename*=nonsense", None),
        ('attachment; filename="%u65E5%E9.png"', "日é.png"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\dir\\\\rex.png"', "rex.png"),
        ('attachment; filename="a\x00b.png"', "ab.png"),
        ('attachment; filename=".."', None),
        ('attachment; filename=""', None),
        ("attachment", None),
        ("", None),
        ('attachment; filename="a"; filename="b"', None),
        ('attachment; filename="open', None),
        ("attachment; filename*=UTF-8''%2e%2e%2fx", "x"),
        ("attachment; filename*=UTF-8''%00", None),
    ],
)
async def test_the_name_of_a_file_is_read_and_cleaned(header, name):
    file = body_of(http_content_disposition=header).file()
    assert file.name == name


def test_the_size_of_a_file_is_announced_in_either_header():
    assert body_of(http_x_content_size="7").file().size == 7
    assert body_of(content_length="8", http_x_content_size="7").file().size == 8


async def test_a_size_that_anybody_may_claim_is_no_limit():
    assert await body_of(b"1234", http_x_content_size="2").file().read() == b"1234"


async def test_a_file_is_as_good_an_iterator_as_the_body():
    file = body_of(b"a", b"b").file()
    assert await anext(file) == b"a"
    assert await all_of(file) == [b"b"]
    assert repr(file) == "<BodyFile None application/octet-stream None>"


# The CSRF token

TOKEN = field("csrfmiddlewaretoken", "t" * 64)


@pytest.mark.parametrize("size", [1, 50, 10_000])
@pytest.mark.parametrize("before", [b"", field("a", "1") * 3], ids=["first", "later"])
async def test_the_token_is_found_before_a_file_and_nothing_is_lost(size, before):
    content = before + TOKEN + file_part("f", "x.txt", b"content" * 100) + END
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    source = Chunks(*chunks)
    body = BodyStream(source, {"CONTENT_TYPE": FORM})
    assert await find_csrf_token(body) == "t" * 64
    if size == 1:  # No more was read than that took.
        assert len(before + TOKEN) <= source.asked <= len(before + TOKEN) + 5
    parts = await read_parts(body.parts())
    assert parts[-1] == ("f", "x.txt", b"content" * 100)
    assert len(parts) == 2 + before.count(b"--b")


async def test_no_token_is_found_behind_a_file():
    chunks = [file_part("f", "x.txt", b"1"), b"", TOKEN + END]
    source = Chunks(*chunks)
    body = BodyStream(source, {"CONTENT_TYPE": FORM})
    assert await find_csrf_token(body) == ""
    assert source.asked == 1
    assert await body.read() == b"".join(chunks)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        END,
        b"nonsense",
        field("a", "1") + END,
        field("a", "1"),
        b"x" * 2**17,
        field("csrfmiddlewaretoken", "t" * 300) + END,
        file_part("csrfmiddlewaretoken", "t.txt", b"t") + END,
        field("a", "x" * 2**17) + TOKEN + END,
        b"--b\r\n" + b"X-Header: y\r\n" * 100,
    ],
    ids=lambda content: f"{content[:40]!r}",
)
async def test_where_there_is_no_token_nothing_is_lost_either(content):
    chunks = [content[at : at + 999] for at in range(0, len(content), 999)]
    body = BodyStream(Chunks(*chunks), {"CONTENT_TYPE": FORM})
    assert await find_csrf_token(body) == ""
    assert await body.read() == content


async def test_a_token_that_is_no_ascii_is_a_wrong_one():
    body = body_of(field("csrfmiddlewaretoken", "é" * 32) + END, content_type=FORM)
    assert set(await find_csrf_token(body)) == {"\ufffd"}


async def test_a_token_is_looked_for_in_a_form_only():
    body = body_of(TOKEN + END, content_type="text/plain")
    assert await find_csrf_token(body) == ""
    assert await body.read() == TOKEN + END


@pytest.mark.parametrize("failure", [Aborted(), RequestTimeout("x")])
async def test_a_client_that_fails_before_its_token_is_told_so(failure):
    body = body_of(field("a", "1"), failure, content_type=FORM)
    with pytest.raises(type(failure)):
        await find_csrf_token(body)


async def test_a_view_that_takes_more_than_the_settings_gets_its_token(settings):
    """The view's own limits are known when the check has been made: those count."""
    settings.STREAMS = {"BODY_MAX_SIZE": 10}
    content = TOKEN + file_part("f", "x.txt", b"content") + END
    body = body_of(content, content_type=FORM, content_length=str(len(content)))
    assert await find_csrf_token(body) == "t" * 64
    body.limits = limits(max_size=1000)
    assert (await read_parts(body.parts()))[-1][-1] == b"content"


async def test_a_view_that_takes_less_than_was_read_for_the_token_refuses_it():
    content = TOKEN + END
    body = body_of(content, content_type=FORM)
    assert await find_csrf_token(body) == "t" * 64
    with pytest.raises(BodyTooLarge):
        body.limits = limits(max_size=10)


async def test_the_limits_of_the_settings_hold_for_whoever_reads_after_the_token(settings):
    settings.STREAMS = {"BODY_MAX_SIZE": 300}
    content = TOKEN + END
    body = body_of(content, b"x" * 300, content_type=FORM)
    assert await find_csrf_token(body) == "t" * 64
    assert body.limits.max_size == 300
    with pytest.raises(BodyTooLarge):
        await body.read()


async def test_a_form_in_single_bytes_is_looked_at_once():
    """Not all of it again with each byte: 64 KiB would take half a minute."""
    lengths = []

    class Byte(bytes):
        def __len__(self):
            lengths.append(1)
            return 1

    content = field("a", "x" * 2000)
    body = body_of(*[Byte(content[at : at + 1]) for at in range(len(content))], content_type=FORM)
    assert await find_csrf_token(body) == ""
    assert len(lengths) < 10 * len(content)


# A body that Django has read, or reads


def posted(content=WHOLE, content_type=FORM, factory=RequestFactory, method="POST", **headers):
    return factory().generic(method, "/", content, content_type=content_type, headers=headers)


def stream_of(request):
    return BodyStream(RequestSource(request), request.META)


FACTORIES = pytest.mark.parametrize("factory", [RequestFactory, AsyncRequestFactory])


@FACTORIES
async def test_a_request_is_read_as_it_comes(factory):
    request = posted(b"x" * 100_000, "text/plain", factory)
    assert [len(chunk) for chunk in await all_of(stream_of(request))] == [65536, 34464]


@FACTORIES
async def test_a_request_without_a_body_is_empty(factory):
    body = stream_of(factory().get("/"))
    assert await body.read() == b""
    assert await body.read() == b""


@FACTORIES
@pytest.mark.parametrize("touched", [[], ["body"], ["body", "POST"], ["body", "POST", "FILES"]])
async def test_a_request_whose_body_is_kept_has_everything(factory, touched):
    request = posted(factory=factory)
    for name in touched:
        getattr(request, name)
    assert await stream_of(request).read() == WHOLE
    request = posted(factory=factory)
    for name in touched:
        getattr(request, name)
    assert len(await read_parts(stream_of(request).parts())) == 2


@FACTORIES
async def test_an_urlencoded_form_that_was_looked_at_is_there_as_it_came(factory):
    request = posted(b"a=1", "application/x-www-form-urlencoded", factory)
    assert request.POST["a"] == "1"
    assert await stream_of(request).text() == "a=1"


@FACTORIES
async def test_a_form_that_was_taken_apart_has_its_parts(factory):
    content = (
        file_part("f", "x.txt", b"content" * 20_000)
        + field("a", "é")
        + field("a", "2")
        + file_part("g", "日.txt", b"")
        + END
    )
    request = posted(content, factory=factory)
    assert request.POST.getlist("a") == ["é", "2"]
    body = stream_of(request)
    assert await read_parts(body.parts()) == [
        ("a", None, "é".encode()),
        ("a", None, b"2"),
        ("f", "x.txt", b"content" * 20_000),
        ("g", "日.txt", b""),
    ]


@FACTORIES
@pytest.mark.parametrize("take", [BodyStream.read, BodyStream.text, BodyStream.json])
async def test_the_bytes_of_a_form_that_was_taken_apart_are_gone(factory, take):
    request = posted(factory=factory)
    assert request.POST
    with pytest.raises(RawPostDataException, match=r"parts\(\).*CSRF token in a header"):
        await take(stream_of(request))


async def test_what_somebody_else_has_begun_to_read_is_gone():
    request = posted(b"12345", "text/plain")
    request.read(2)
    with pytest.raises(RawPostDataException):
        await stream_of(request).read()


def parsed(content, **chosen):
    request = posted(content)
    assert request.POST is not None
    body = stream_of(request)
    body.limits = limits(**chosen)
    return body


PARSED = field("a", "12345") + file_part("f", "x.txt", b"123456789") + END


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        ({"max_parts": 1}, TooManyParts),
        ({"max_field_size": 4}, PartTooLarge),
        ({"max_part_size": 8}, PartTooLarge),
        ({"max_size": 20}, BodyTooLarge),
    ],
)
async def test_the_limits_of_a_form_that_was_taken_apart_are_the_same(chosen, error):
    with pytest.raises(error) as failure:
        await all_of(parsed(PARSED, **chosen).parts())
    assert failure.value.status == 413


async def test_a_form_that_was_taken_apart_may_be_as_large_as_is_allowed():
    body = parsed(PARSED, max_parts=2, max_field_size=5, max_part_size=9)
    assert len(await all_of(body.parts())) == 2


async def test_a_form_that_was_taken_apart_is_no_larger_for_not_having_said_how_large_it_is():
    """Chunked, as it may come to Django's ASGI handler."""
    request = posted(PARSED)
    assert request.POST
    request.META["CONTENT_LENGTH"] = ""
    body = stream_of(request)
    body.limits = limits(max_size=10)
    with pytest.raises(BodyTooLarge):
        await all_of(body.parts())


async def test_the_parts_of_a_form_that_was_taken_apart_are_read_in_turn():
    parts = parsed(PARSED).parts()
    first = await anext(parts)
    second = await anext(parts)
    with pytest.raises(RuntimeError, match="the next part was asked for"):
        await first.read()
    assert await second.read() == b"123456789"
    assert await second.read() == b""
    with pytest.raises(StopAsyncIteration):
        await anext(parts)
    with pytest.raises(RuntimeError, match="the next part was asked for"):
        await second.read()


async def test_the_parts_of_a_form_that_was_taken_apart_say_what_they_are():
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a%22b.txt"\r\n'
    content = head + b"Content-Type: Text/Plain; charset=latin1\r\n\r\n\xe9\r\n" + END
    [part] = [part async for part in parsed(content).parts()]
    assert (part.name, part.content_type, part.charset) == ("f", "text/plain", "latin1")
    assert part.is_file
    assert part.headers["content-disposition"].startswith('form-data; name="f"; filename="')


async def test_the_parts_of_a_form_that_was_taken_apart_can_be_saved():
    storage = InMemoryStorage()
    async for part in parsed(PARSED).parts():
        if part.is_file:
            saved = await part.save(part.filename, storage, digest="md5")
    assert (saved.name, saved.size) == ("x.txt", 9)


@pytest.mark.parametrize("second", [BodyStream.parts, BodyStream.read])
async def test_a_form_that_was_taken_apart_is_taken_once_too(second):
    body = parsed(PARSED)
    await read_parts(body.parts())
    with pytest.raises((RuntimeError, RawPostDataException)):
        taken = second(body)
        await (taken if asyncio.iscoroutine(taken) else all_of(taken))


async def test_another_method_than_post_has_no_form_that_was_taken_apart():
    request = posted(method="PUT")
    assert not request.POST
    assert len(await read_parts(stream_of(request).parts())) == 2


async def test_progress_of_a_form_that_was_taken_apart_is_told_at_its_end():
    seen = []
    body = parsed(PARSED)
    body.on_progress(lambda body: seen.append(body.received))
    await read_parts(body.parts())
    assert seen == [len(PARSED)]


async def test_a_client_that_leaves_a_buffered_request_is_heard_of():
    class Breaking(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            raise OSError("gone")

    request = posted(b"12345", "text/plain")
    request._stream = Breaking()
    body = stream_of(request)
    for _ in range(2):
        with pytest.raises(Aborted) as failure:
            await body.read()
    assert isinstance(failure.value, StreamError)
    assert isinstance(failure.value.__cause__, UnreadablePostError)


async def test_what_was_read_for_a_reader_that_was_interrupted_is_not_lost():
    """The thread reads on when nobody waits for it any more."""
    begun, go_on = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size=-1):
            begun.set()
            assert go_on.wait(10)
            return super().read(size)

    request = posted(b"12345", "text/plain")
    request._stream = Slow(b"12345")
    body = stream_of(request)
    reading = asyncio.ensure_future(anext(body))
    assert await asyncio.to_thread(begun.wait, 10)
    reading.cancel()
    go_on.set()
    await asyncio.wait([reading], timeout=10)
    assert reading.cancelled()
    assert await asyncio.wait_for(body.read(), 10) == b"12345"


def test_a_sync_view_reads_in_several_goes():
    """Under WSGI each `async_to_sync` has a loop of its own."""
    body = stream_of(posted(b"x" * 100_000, "text/plain"))
    assert len(async_to_sync(body.__anext__)()) == 65536
    assert len(async_to_sync(body.read)()) == 34464
    assert async_to_sync(body.read)() == b""


async def test_a_source_that_comes_in_blocks_is_not_given_up_for_a_pause():
    source = Silence()
    source.is_in_blocks = True
    body = BodyStream(source, {})
    body.limits = limits_of_settings(idle_seconds=0.01)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await body.read()
