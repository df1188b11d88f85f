"""The demo's pages in a real browser: that they do what they say."""

import itertools
import json
import re

import pytest

from django_streams.formats import FORMATS

from .browser import chromium, new_page
from .demo import READINGS, Demo, running_demo

pytestmark = [pytest.mark.browser, pytest.mark.server]

PAGES = ["/", "/clock/", "/tokens/", "/dogs/", "/export/", "/upload/", "/files/"]


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

    expect(page.locator("#verdict")).to_contain_text("No gap")
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
    expect(page.get_by_role("status")).to_have_text("Done.")
    expect(page.locator("#running")).to_have_text("0")
    first = text(page)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("status")).to_have_text("Done.")
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

ALL_ROWS = """async (selector) => {
    const viewport = document.querySelector(selector);
    const frame = () => new Promise(requestAnimationFrame);
    const rows = new Map();
    for (let top = 0; ; top += viewport.clientHeight) {
        viewport.scrollTop = top;
        await frame();
        await frame();
        for (const row of viewport.querySelectorAll("tbody tr[aria-rowindex]")) {
            rows.set(row.ariaRowIndex, Array.from(row.cells, (cell) => cell.textContent));
        }
        if (top > viewport.scrollHeight) return [...rows.values()];
    }
}"""
"""Scrolls through the table, of which only what is in view is in the document."""


DOG_FORMATS = {
    "JSON lines": "application/jsonl",
    "JSON sequence": "application/json-seq",
    "JSON array": "application/json",
    "MessagePack": "application/vnd.msgpack",
    "CBOR sequence": "application/cbor-seq",
    "CSV": "text/csv; charset=utf-8",
    "Server-Sent Events": "text/event-stream",
    "Dioxus, JSON": "application/stream+json",
    "Dioxus, CBOR": "application/stream+cbor",
    "Dioxus, MessagePack": "application/stream+msgpack",
    "Dioxus, Postcard": "application/stream+postcard",
}
"""Those in which a dog is a dog."""


def test_the_page_has_every_format(page):
    page.goto("/dogs/")
    names = page.get_by_label("Format").locator("option").all_text_contents()
    assert names == [*DOG_FORMATS, "Text", "Bytes"]
    assert len(names) == len(FORMATS)


@pytest.mark.parametrize("name", DOG_FORMATS)
def test_dogs_fill_the_table_alike_in_each_format(page, demo, expect, name):
    response = load(page, expect, name)
    assert response.headers["content-type"] == DOG_FORMATS[name]
    assert response.request.headers["accept"] == DOG_FORMATS[name].partition(";")[0]
    expect(page.locator("#count")).to_have_text("100")
    expect(page.locator("#bytes")).to_contain_text("kB")
    expect(page.locator("#per-item")).to_have_text(re.compile(r"^\d+\.\d B$"))
    expect(page.locator("#first")).to_contain_text("ms")
    expect(page.locator("#rate")).to_have_text(re.compile(r"^[1-9][\d,]*$"))
    assert page.evaluate(ALL_ROWS, "#viewport") == [
        [
            str(n),
            dog["name"],
            dog["breed_name"],
            dog["origin"],
            dog["born_on"],
            "–" if dog["weight_kg"] is None else f"{dog['weight_kg']:.1f} kg",
            "yes" if dog["is_vaccinated"] else "no",
            str(dog["chip"]),
        ]
        for n, dog in enumerate(dogs(demo), 1)
    ]


def test_dogs_as_text_are_shown_as_lines(page, demo, expect):
    load(page, expect, "Text")
    expect(page.locator("#count")).to_have_text("100")
    lines = [line for _, line in page.evaluate(ALL_ROWS, "#text-viewport")]
    assert [line.partition(",")[0] for line in lines] == [
        f"{dog['chip']}: {dog['name']}" for dog in dogs(demo)
    ]


def test_dogs_as_bytes_are_shown_as_they_are(page, demo, expect):
    load(page, expect, "Bytes")
    expect(page.locator("#count")).to_have_text("–")
    expect(page.locator("#bytes")).to_contain_text("kB")
    rows = page.evaluate(ALL_ROWS, "#bytes-viewport")
    sent = demo.get("/dogs/stream/?rows=100&format=text").content
    assert bytes.fromhex(" ".join(digits for _, digits, _ in rows)) == sent
    assert [offset for offset, _, _ in rows[:2]] == ["00000000", "00000010"]
    assert rows[0][2] == sent[:16].decode()


def test_the_page_shows_how_a_stream_begins(page, expect):
    load(page, expect, "Dioxus, Postcard")
    first, *_ = page.locator("#wire").text_content().splitlines()
    assert first == "00000000  82 31 82 d4 d3 ea d9 ea d7 02 04 4e 6f 72 61 06  ·1·········Nora·"


def test_the_page_links_to_every_format(page, expect):
    page.goto("/dogs/")
    links = page.get_by_role("link").filter(has_text=re.compile(r"^[a-z-]+$"))
    for format in FORMATS:
        expect(links.filter(has_text=re.compile(f"^{format.name}$"))).to_have_attribute(
            "href", f"/dogs/stream/?format={format.name}"
        )


def load(page, expect, name):
    """Loads a hundred dogs in one of the formats; returns the response."""
    page.goto("/dogs/")
    page.get_by_label("Format").select_option(name)
    page.get_by_label("Rows").select_option("100")
    with page.expect_response("**/dogs/stream/**") as response:
        page.get_by_role("button", name="Load").click()
    expect(page.get_by_role("status")).to_have_text("Done.")
    return response.value


def dogs(demo):
    return [json.loads(line) for line in demo.get("/dogs/stream/?rows=100").iter_lines()]


def test_many_dogs_are_few_in_the_document(page, expect):
    page.goto("/dogs/")
    page.get_by_label("Rows").select_option("20000")
    page.get_by_role("button", name="Load").click()
    expect(page.get_by_role("status")).to_have_text("Done.")
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
    assert 5 <= len(page.evaluate(ALL_ROWS, "#viewport")) < 5000


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


# The export.


@pytest.mark.parametrize("name", ["CSV", "JSON lines"])
def test_an_export_counts_all_rows(page, expect, name):
    page.goto("/export/")
    page.get_by_label("Format").select_option(name)
    page.get_by_role("button", name="Export into this page").click()
    expect(page.get_by_role("status")).to_have_text(f"Done: all {READINGS:,} rows have come.")
    expect(page.locator("#count")).to_have_text(f"{READINGS:,}")
    expect(page.locator("#bytes")).to_contain_text("MB")
    expect(page.locator("#rate")).to_have_text(re.compile(r"^[1-9][\d,]*$"))
    expect(page.locator("#time")).to_have_text(re.compile(r"^\d+(\.\d)? m?s$"))
    assert page.locator("progress").evaluate("it => it.position") == 1
    expect(page.locator("#exports")).to_have_text("0")


def test_an_export_counts_up_until_stop_stops_it_on_the_server_too(page, expect):
    page.goto("/export/")
    expect(page.locator("#exports")).to_have_text("0")
    slow_down(page, bytes_per_second=1_000_000)
    page.get_by_role("button", name="Export into this page").click()
    wait_for_count(page, 0)
    seen = count(page)
    wait_for_count(page, seen)
    expect(page.locator("#exports")).to_have_text("1")
    expect(page.get_by_role("button", name="Export into this page")).to_be_disabled()

    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_contain_text("Stopped")
    expect(page.locator("#exports")).to_have_text("0")
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()
    assert seen < count(page) < READINGS
    assert 0 < page.locator("progress").evaluate("it => it.position") < 1


def test_the_memory_of_the_server_is_drawn_from_zero_up(page, expect):
    page.goto("/export/")
    bars = page.locator("#memory-chart rect")
    page.wait_for_function("document.querySelectorAll('#memory-chart rect').length >= 3")
    assert all(0.5 < height <= 0.8 for height in bars.evaluate_all(HEIGHTS))
    expect(page.locator(".memory")).to_have_text(re.compile(r"^\d+\.\d\d MB now$"))
    page.get_by_role("button", name="Export into this page").click()
    expect(page.locator("#memory-chart .is-marked").first).to_be_attached()
    expect(page.locator("#growth")).to_contain_text("more than when the export began")


HEIGHTS = "bars => bars.map((bar) => Number(bar.getAttribute('height')))"


@pytest.mark.parametrize(
    ("name", "file", "lines"),
    [
        ("Download as CSV", "readings.csv", READINGS + 1),
        ("Download as JSON lines", "readings.jsonl", READINGS),
    ],
)
def test_an_export_can_be_saved_as_a_file(page, name, file, lines):
    page.goto("/export/")
    with page.expect_download() as download:
        page.get_by_role("link", name=name).click()
    assert download.value.suggested_filename == file
    assert download.value.path().read_bytes().count(b"\n") == lines


def test_an_export_of_which_rows_are_missing_says_so(page, expect):
    page.route("**/export/stream/**", lambda route: route.fulfill(body="a,b\r\n1,2\r\n"))
    page.goto("/export/")
    page.get_by_role("button", name="Export into this page").click()
    expect(page.get_by_role("status")).to_have_text(f"Only 1 of {READINGS:,} rows have come.")


def slow_down(page, bytes_per_second):
    """Makes the browser read slowly, and so the server wait."""
    page.context.new_cdp_session(page).send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 0,
            "downloadThroughput": bytes_per_second,
            "uploadThroughput": -1,
        },
    )


def count(page):
    return int(page.locator("#count").text_content().replace(",", ""))


def wait_for_count(page, more_than):
    page.wait_for_function(
        "count => Number(document.querySelector('#count').textContent.replaceAll(',', '')) > count",
        arg=more_than,
    )


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
        if focused.evaluate("it => it === document.body") or len(reached) > 100:
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
