"""The demo's pages in a real browser: that they do what they say."""

import base64
import itertools
import json
import math
import re
from datetime import UTC, datetime

import msgpack
import pytest

from .browser import chromium, new_page
from .demo import Demo, running_demo

pytestmark = [pytest.mark.browser, pytest.mark.server]

PAGES = ["/", "/clock/", "/tokens/", "/dogs/"]


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def demo(request):
    with running_demo(request) as demo:
        yield demo


@pytest.fixture
def page(browser, demo):
    with new_page(browser, str(demo.base_url)) as page:
        yield page


@pytest.fixture
def expect():
    from playwright.sync_api import expect

    return expect


# The clock.


def test_the_clock_ticks(page, expect):
    page.goto("/clock/")
    expect(page.get_by_role("status").first).to_have_text("Connected")
    wait_for_ticks(page, 3)
    ids = logged_ids(page)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    expect(page.locator("#time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    expect(page.locator("#received")).not_to_have_text("0")


def test_the_clock_resumes_without_a_gap_after_its_connection_was_dropped(page, expect):
    requests = []
    page.on("request", lambda request: "/ticks/" in request.url and requests.append(request))
    page.goto("/clock/")
    wait_for_ticks(page, 2)
    page.get_by_role("button", name="Drop the connection").click()
    expect(page.locator("#log [data-kind=dropped]")).to_have_count(1)
    expect(page.get_by_role("button", name="Drop the connection")).to_be_disabled()

    expect(page.locator("#verdict")).to_contain_text("No gap", timeout=15_000)
    expect(page.get_by_role("button", name="Drop the connection")).to_be_enabled()
    expect(page.locator("#reconnected")).to_have_text("1")
    expect(page.locator("#missing")).to_have_text("0")
    ids = logged_ids(page)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    late = logged_ids(page, "[data-kind=late]")
    assert len(late) >= 2

    first, drop, second = requests
    assert (drop.method, first.url) == ("POST", second.url)
    last_seen = str(late[0] - 1)
    assert "last-event-id" not in first.all_headers()
    assert second.all_headers()["last-event-id"] == last_seen
    expect(page.locator("#log [data-kind=resumed]")).to_contain_text(f"Last-Event-ID: {last_seen}")


def test_the_clock_says_so_when_there_is_a_gap(page, expect):
    answers = itertools.chain(
        [ticks(10, 11, now=10), ticks(17, 20, now=18, last_event_id="10")],
        itertools.repeat({"status": 204}),
    )
    page.route("**/ticks/*/", lambda route: route.fulfill(**next(answers)))
    page.goto("/clock/")
    expect(page.locator("#missing")).to_have_text("6")
    expect(page.locator("#verdict")).to_have_text("A gap: 6 ticks were too old to catch up on.")
    # A server that answers 204 does not want the browser back.
    expect(page.locator("#status")).to_contain_text("Disconnected for good")
    expect(page.get_by_role("button", name="Drop the connection")).to_be_disabled()


def ticks(first, end, **opened):
    """Returns the answer of a server that sends these ticks, and loses the connection."""
    events = [f"retry: 10\nevent: opened\ndata: {json.dumps(opened)}\n\n"]
    for n in range(first, end):
        events.append(f'id: {n}\nevent: tick\ndata: {{"time": "2026-01-01T00:00:{n}Z"}}\n\n')
    return {"content_type": "text/event-stream", "body": "".join(events)}


def wait_for_ticks(page, number):
    page.wait_for_function(
        "number => document.querySelectorAll('#log [data-kind=tick]').length >= number", arg=number
    )


def logged_ids(page, kind="[data-id]"):
    """Returns the ids in the log, the oldest first."""
    rows = page.locator(f"#log {kind}")
    return rows.evaluate_all("rows => rows.map(row => Number(row.dataset.id))")[::-1]


# The tokens.


def test_text_grows_while_it_is_generated_until_stop_ends_the_generator(page, expect):
    page.goto("/tokens/")
    expect(page.locator("#running")).to_have_text("0")
    page.get_by_label("Prompt").fill("The class statement")
    page.get_by_label("Words").select_option("500")
    page.get_by_role("button", name="Generate").click()
    wait_for_text(page, longer_than=0)
    begun = text(page)
    assert begun.startswith("The class statement ")
    wait_for_text(page, longer_than=len(begun) + 50)
    assert text(page).startswith(begun)
    expect(page.locator("#running")).to_have_text("1")
    expect(page.get_by_role("button", name="Generate")).to_be_disabled()

    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#running")).to_have_text("0")
    expect(page.get_by_role("status")).to_contain_text("Stopped")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    expect(page.get_by_role("button", name="Generate")).to_be_enabled()
    stopped = text(page)
    assert len(stopped.split()) < 400
    page.evaluate("fetch(location).then((response) => response.text())")
    assert text(page) == stopped


def test_leaving_the_page_ends_the_generator(page, browser, demo, expect):
    page.goto("/tokens/")
    with new_page(browser, str(demo.base_url)) as other:
        other.goto("/tokens/")
        other.get_by_label("Words").select_option("500")
        other.get_by_role("button", name="Generate").click()
        expect(page.locator("#running")).to_have_text("1")
    expect(page.locator("#running")).to_have_text("0")


def test_a_text_ends_by_itself_and_the_next_takes_its_place(page, expect):
    page.goto("/tokens/")
    page.get_by_label("Words").select_option("50")
    page.get_by_role("button", name="A generator").click()
    expect(page.get_by_label("Prompt")).to_have_value("A generator")
    page.get_by_label("Prompt").press("Control+Enter")
    expect(page.get_by_role("status")).to_have_text("Done.", timeout=15_000)
    expect(page.locator("#running")).to_have_text("0")
    first = text(page)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("status")).to_have_text("Done.", timeout=15_000)
    assert text(page).startswith("A generator")
    assert text(page) != first


def test_a_refused_prompt_is_explained(browser, demo, expect):
    with new_page(browser, str(demo.base_url), tolerated="400 (Bad Request)") as page:
        page.goto("/tokens/")
        page.get_by_label("Prompt").evaluate("field => field.removeAttribute('maxlength')")
        page.get_by_label("Prompt").fill("x" * 501)
        page.get_by_role("button", name="Generate").click()
        expect(page.get_by_role("status")).to_contain_text("prompt: Ensure this value has")
        expect(page.get_by_role("button", name="Generate")).to_be_enabled()


def text(page):
    return page.locator("#text").text_content()


def wait_for_text(page, longer_than):
    page.wait_for_function(
        "length => document.querySelector('#text-tokens').textContent.length > length",
        arg=longer_than,
    )


# The dogs.

ALL_ROWS = """async () => {
    const viewport = document.querySelector("#viewport");
    const frame = () => new Promise(requestAnimationFrame);
    const rows = new Map();
    for (let top = 0; ; top += viewport.clientHeight) {
        viewport.scrollTop = top;
        await frame();
        await frame();
        for (const row of document.querySelectorAll("#dogs tbody tr[aria-rowindex]")) {
            rows.set(row.ariaRowIndex, Array.from(row.cells, (cell) => cell.textContent));
        }
        if (top > viewport.scrollHeight) return [...rows.values()];
    }
}"""
"""Scrolls through the table, of which only what is in view is in the document."""


def test_dogs_fill_the_table_alike_in_either_format(page, demo, expect):
    tables = []
    for name, media_type in (
        ("JSON lines", "application/jsonl"),
        ("MessagePack", "application/vnd.msgpack"),
    ):
        page.goto("/dogs/")
        page.get_by_label("Format").select_option(name)
        page.get_by_label("Rows").select_option("1000")
        with page.expect_response("**/dogs/stream/**") as response:
            page.get_by_role("button", name="Load").click()
        assert response.value.headers["content-type"] == media_type
        expect(page.get_by_role("status")).to_have_text("Done.")
        expect(page.locator("#count")).to_have_text("1,000")
        expect(page.locator("#first")).to_contain_text("ms")
        expect(page.locator("#bytes")).to_contain_text("kB")
        tables.append(page.evaluate(ALL_ROWS))
    lines, packed = tables
    assert lines == packed
    dogs = [json.loads(line) for line in demo.get("/dogs/stream/?rows=1000").iter_lines()]
    assert [(row[1], row[2], row[-1]) for row in lines] == [
        (dog["name"], dog["breed"], str(dog["chip"])) for dog in dogs
    ]


def test_many_dogs_are_few_in_the_document(page, expect):
    page.goto("/dogs/")
    page.get_by_label("Rows").select_option("20000")
    page.get_by_role("button", name="Load").click()
    expect(page.get_by_role("status")).to_have_text("Done.", timeout=30_000)
    expect(page.locator("#count")).to_have_text("20,000")
    expect(page.get_by_role("table")).to_have_attribute("aria-rowcount", "20001")
    assert page.locator("#dogs tr").count() < 100
    # A view that showed the end all the while shows it now.
    expect(page.locator("tr[aria-rowindex='20001']")).to_have_count(1)
    assert page.locator("#viewport").evaluate(
        "it => it.scrollHeight - it.scrollTop - it.clientHeight < 2"
    )


def test_rows_show_while_others_arrive_and_stop_stops_them(page, expect):
    page.goto("/dogs/")
    page.get_by_label("Pace").select_option("Slow, to watch")
    page.get_by_role("button", name="Load").click()
    wait_for_rows(page, 5)
    expect(page.get_by_role("button", name="Load")).to_be_disabled()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_have_text("Stopped.")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    expect(page.get_by_role("button", name="Load")).to_be_enabled()
    assert 5 <= len(page.evaluate(ALL_ROWS)) < 5000


def wait_for_rows(page, number):
    page.wait_for_function(
        "number => document.querySelectorAll('#dogs [aria-rowindex]').length > number", arg=number
    )


def test_a_failure_midway_is_shown(page, expect):
    body = b'{"error": "the stream failed"}\n'
    page.route("**/dogs/stream/**", lambda route: route.fulfill(content_type="x/y", body=body))
    page.goto("/dogs/")
    page.get_by_role("button", name="Load").click()
    expect(page.get_by_role("status")).to_have_text("The server says: the stream failed")


def test_a_server_that_is_gone_is_noticed(browser, tmp_path, expect):
    demo = Demo(tmp_path)
    demo.prepare()
    with demo.served() as client, new_page(browser, str(client.base_url), tolerated="ERR") as page:
        page.goto("/dogs/")
        page.get_by_label("Pace").select_option("Slow, to watch")
        page.get_by_role("button", name="Load").click()
        wait_for_rows(page, 5)
        client.process.kill()
        expect(page.get_by_role("status")).to_have_text("The stream broke off.")


# The decoders, which are made to be copied.

DECODED = """async ([module, name, base64, size]) => {
    const decoders = await import(module);
    const decoder = new decoders[name]();
    const plain = (key, value) => {
        if (typeof value === "bigint") return { bigint: `${value}` };
        if (value instanceof Uint8Array) return { bytes: [...value] };
        return value;
    };
    const items = [];
    const all = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    try {
        for (let at = 0; at < all.length; at += size) {
            items.push(...decoder.decode(all.slice(at, at + size)));
        }
        items.push(...decoder.end());
    } catch (error) {
        items.push(error.message);
    }
    return JSON.stringify(items, plain);
}"""

VALUES = [
    *(None, False, True, 0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1),
    *(-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**53) + 1),
    *(0.0, -0.5, math.pi, 1e300, 5e-324),
    *("", "a", "é日本🐕", "x" * 31, "x" * 32, "x" * 255, "x" * 256, "x" * 65535, "x" * 65536),
    *([], [1, [2, [3]]], [0] * 15, [0] * 16, [0] * 70000),
    *({}, {"a": {"b": None}}, {f"{n}": n for n in range(20)}, {f"{n}": n for n in range(66000)}),
    {"__proto__": 1, "constructor": 2},
]


@pytest.fixture
def decoded(page):
    """Returns the items that a decoder of the demo makes of bytes that come `size` at a time."""
    page.goto("/")

    def decode(module, name, data, size=2**30):
        base64_data = base64.b64encode(data).decode()
        arguments = [f"/static/demo/{module}.js", name, base64_data, size]
        return json.loads(page.evaluate(DECODED, arguments))

    return decode


def messagepack(decoded, data, size=2**30):
    return decoded("messagepack", "MessagePackDecoder", data, size)


def test_messagepack_is_decoded_as_msgpack_encodes_it(decoded):
    data = b"".join(msgpack.packb(value) for value in VALUES)
    assert messagepack(decoded, data) == VALUES
    assert messagepack(decoded, data, 4099) == VALUES


def test_messagepack_is_decoded_however_it_is_cut(decoded):
    values = [value for value in VALUES if len(msgpack.packb(value)) < 100]
    data = b"".join(msgpack.packb(value) for value in values)
    assert messagepack(decoded, data, 1) == values
    assert messagepack(decoded, data, 3) == values


def test_messagepack_that_json_has_not(decoded):
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    early = datetime(1900, 1, 2, 3, 4, 5, tzinfo=UTC)
    values = [2**53, -(2**63), 2**64 - 1, b"", b"\0\xff", b"x" * 300, msgpack.ExtType(5, b"ab")]
    data = b"".join(msgpack.packb(value) for value in values)
    data += b"".join(msgpack.packb(value, datetime=True) for value in (moment, early))
    data += msgpack.packb(0.5, use_single_float=True)
    for size in (1, 1000):
        assert messagepack(decoded, data, size) == [
            {"bigint": str(2**53)},
            {"bigint": str(-(2**63))},
            {"bigint": str(2**64 - 1)},
            {"bytes": []},
            {"bytes": [0, 255]},
            {"bytes": [120] * 300},
            {"type": 5, "data": {"bytes": [97, 98]}},
            "2026-01-02T03:04:05.678Z",
            "1900-01-02T03:04:05.000Z",
            0.5,
        ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x01\x92\x02", "The MessagePack stream ends within an item."),
        (b"\x01\xc1", "0xc1 begins no MessagePack value."),
        (b"\x91" * 100, "MessagePack nested over 64 deep."),
        (b"\xdd\xff\xff\xff\xff", "The MessagePack stream ends within an item."),
        (b"\xc6\xff\xff\xff\xff" + b"x" * 2**20, "A MessagePack item has more than 1048576 bytes."),
    ],
)
def test_wrong_messagepack_is_an_error(decoded, data, message):
    assert messagepack(decoded, data)[-1] == message


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_json_lines_are_decoded_however_they_are_cut(decoded, size):
    values = [None, 1.5, "é日本🐕\n", {"a": [1, 2]}, "\u2028"]
    text = "\n\r\n".join(json.dumps(value, ensure_ascii=False) for value in values)
    for data in (text.encode(), f"{text}\n".encode()):
        assert decoded("jsonlines", "JSONLinesDecoder", data, size) == values


def test_a_json_line_that_is_cut_off_is_an_error(decoded):
    (message,) = decoded("jsonlines", "JSONLinesDecoder", b'{"a": ')
    assert "JSON" in message


# Everywhere.


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_page_fits_its_window(browser, demo, path, scheme, width):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with new_page(browser, str(demo.base_url), **options) as page:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", PAGES)
def test_every_control_has_a_name_and_the_keyboard_reaches_it(page, path):
    page.goto(path)
    controls = page.locator("main").locator("a, button:enabled, select, textarea").element_handles()
    for control in controls:
        name = control.evaluate("it => it.labels?.[0]?.textContent || it.textContent")
        assert name.strip()
    page.locator("body").press("Tab")
    reached = []
    while (focused := page.evaluate_handle("document.activeElement").as_element()) is not None:
        if focused.evaluate("it => it === document.body") or len(reached) > 50:
            break
        reached.append(focused.evaluate("it => it.outerHTML"))
        page.keyboard.press("Tab")
    assert "Skip to the content" in reached[0]
    assert {control.evaluate("it => it.outerHTML") for control in controls} <= set(reached)


@pytest.mark.parametrize("path", PAGES[1:])
def test_the_navigation_marks_the_page(page, expect, path):
    page.goto("/")
    page.get_by_role("navigation").locator(f"a[href='{path}']").click()
    expect(page.locator("[aria-current=page]")).to_have_attribute("href", path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
