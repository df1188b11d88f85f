"""The demo's upload page in a real browser: dropped, chosen, cancelled, and without a script."""

import hashlib
import re
import shutil

import pytest

from .browser import chromium, new_page
from .demo import Demo, running_demo

pytestmark = [pytest.mark.browser, pytest.mark.server]

MATCH = "✓ The digests match: what the server has saved is what the browser has read."

DROP = """(files) => {
    const dataTransfer = new DataTransfer();
    for (const [name, size] of files) {
        const blobs = [new Blob([new Uint8Array(size % 2 ** 20)])];
        const blob = new Blob([new Uint8Array(2 ** 20)]);
        for (let n = 0; n < Math.floor(size / 2 ** 20); n += 1) blobs.push(blob);
        dataTransfer.items.add(new File(blobs, name));
    }
    const zone = document.querySelector("#drop");
    for (const type of ["dragover", "drop"]) {
        const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
        zone.dispatchEvent(event);
        if (!event.defaultPrevented) throw new Error(`The page leaves ${type} to the browser.`);
    }
}"""
"""Drops files of zeros, whose memory they share."""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def demo(request):
    with running_demo(request) as demo:
        shutil.rmtree(demo.media, ignore_errors=True)
        yield demo


@pytest.fixture
def page(browser, demo):
    with new_page(browser, str(demo.base_url)) as page:
        page.goto("/upload/")
        yield page


@pytest.fixture
def expect():
    from playwright.sync_api import expect

    return expect


def row(page, name):
    return page.locator("#uploads .upload").filter(has=page.get_by_text(name, exact=True))


def names(demo):
    return sorted(path.name for path in demo.media.glob("*/*"))


def zeros(size):
    return hashlib.sha256(bytes(size)).hexdigest()


class Network:
    """What a page sends by, as slow as is asked for."""

    def __init__(self, page):
        self._session = page.context.new_cdp_session(page)

    def slow_down(self, bytes_per_second):
        conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
        conditions["uploadThroughput"] = bytes_per_second
        self._session.send("Network.emulateNetworkConditions", conditions)

    def speed_up(self):
        self.slow_down(-1)


def wait_for_progress(page, name, more_than=0.0):
    """Waits until more than that of a file has left, but not all; returns how much."""
    position = page.wait_for_function(
        """([name, moreThan]) => {
            const row = [...document.querySelectorAll("#uploads .upload")]
                .find((row) => row.querySelector(".upload-name").textContent === name);
            const { position } = row.querySelector("progress");
            return position > moreThan && position < 1 && position;
        }""",
        arg=[name, more_than],
    )
    return position.json_value()


# With the script.


def test_files_that_are_dropped_progress_and_their_digests_match(page, demo, expect):
    network = Network(page)
    network.slow_down(400_000)
    sizes = {"one.bin": 5_000_000, "two.bin": 6_000_001}
    page.evaluate(DROP, list(sizes.items()))
    for name in sizes:
        seen = wait_for_progress(page, name)
        wait_for_progress(page, name, more_than=seen)
        expect(row(page, name).get_by_role("status").first).to_have_text("Uploading …")
        expect(row(page, name).locator(".upload-figures")).to_have_text(
            re.compile(r"^[\d.]+ .?B of [56]\.00 MB, [\d.]+ .?B/s$")
        )
    expect(page.locator("#arriving")).to_have_text("2")
    network.speed_up()
    for name, size in sizes.items():
        expect(row(page, name).locator(".verdict")).to_have_text(MATCH)
        expect(row(page, name).get_by_role("status").first).to_have_text(
            f"Saved as uploads/{name}."
        )
        for side in ("server", "browser"):
            digest = row(page, name).locator(f"[data-digest={side}]")
            expect(digest).to_have_text(zeros(size))
        assert row(page, name).locator("progress").evaluate("it => it.position") == 1
        expect(row(page, name).get_by_role("button")).to_be_hidden()
    expect(page.locator("#arriving")).to_have_text("0")
    expect(page.locator("#file-count")).to_have_text("2")
    assert names(demo) == list(sizes)
    assert [(demo.media / "uploads" / name).stat().st_size for name in sizes] == [*sizes.values()]


def test_files_that_are_chosen_are_uploaded_at_once(page, demo, expect, tmp_path):
    files = {"röntgen (1).txt": b"abc" * 500_000, "it's empty.txt": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    chooser = page.get_by_label("Drop files here, or choose some")
    chooser.set_input_files([tmp_path / name for name in files])
    for name, content in files.items():
        expect(row(page, name).locator(".verdict")).to_have_text(MATCH)
        expect(row(page, name).locator("[data-digest=server]")).to_have_text(
            hashlib.sha256(content).hexdigest()
        )
        assert (demo.media / "uploads" / name).read_bytes() == content
    chooser.set_input_files([tmp_path / "röntgen (1).txt"])  # Once more.
    expect(page.locator(".verdict").filter(has_text=MATCH)).to_have_count(3)
    assert len(names(demo)) == 3


def test_cancelling_leaves_nothing_behind(page, demo, expect):
    Network(page).slow_down(8_000_000)
    page.evaluate(DROP, [["film.mkv", 200 * 2**20]])
    wait_for_progress(page, "film.mkv")
    expect(page.locator("#parts")).to_have_text("1")
    [part] = names(demo)
    assert part.endswith(".part")
    cancel = page.get_by_role("button", name="Cancel film.mkv")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(row(page, "film.mkv").get_by_role("status").first).to_have_text("Cancelled.")
    expect(cancel).to_be_hidden()
    expect(page.locator("#arriving")).to_have_text("0")
    expect(page.locator("#parts")).to_have_text("0")
    expect(page.locator("#file-count")).to_have_text("0")
    assert names(demo) == []


def test_leaving_the_page_cancels(page, demo, browser, expect):
    with new_page(browser, str(demo.base_url)) as other:
        other.goto("/upload/")
        Network(other).slow_down(8_000_000)
        other.evaluate(DROP, [["film.mkv", 200 * 2**20]])
        expect(page.locator("#parts")).to_have_text("1")
    expect(page.locator("#arriving")).to_have_text("0")
    expect(page.locator("#parts")).to_have_text("0")
    assert names(demo) == []


def test_three_are_sent_at_a_time_and_one_that_waits_can_be_cancelled(page, demo, expect):
    network = Network(page)
    network.slow_down(400_000)
    page.evaluate(DROP, [[f"{n}.bin", 4_000_000] for n in range(5)])
    for n in range(3):
        wait_for_progress(page, f"{n}.bin")
    waiting = page.locator(".upload .status[data-state=waiting]")
    expect(waiting).to_have_count(2)
    page.get_by_role("button", name="Cancel 3.bin").click()
    expect(waiting).to_have_count(1)
    expect(row(page, "3.bin").get_by_role("status").first).to_have_text("Cancelled.")
    expect(page.locator("#arriving")).to_have_text("3")
    network.speed_up()
    expect(page.locator(".verdict").filter(has_text=MATCH)).to_have_count(4)
    assert names(demo) == ["0.bin", "1.bin", "2.bin", "4.bin"]


@pytest.mark.parametrize(
    ("name", "size", "status", "message"),
    [
        ("huge.iso", 10**9 + 1, 413, "the body has more than the 1000000000 bytes allowed"),
        ("setup.exe", 10, 415, "the file 'setup.exe' of type application/octet-stream is not"),
    ],
)
def test_what_the_server_refuses_is_explained(browser, demo, expect, name, size, status, message):
    with new_page(browser, str(demo.base_url), tolerated=f"status of {status}") as page:
        page.goto("/upload/")
        page.evaluate(DROP, [[name, size]])
        refused = row(page, name).get_by_role("status").first
        expect(refused).to_contain_text(message)
        expect(refused).to_have_attribute("data-state", "failed")
        expect(page.locator("#arriving")).to_have_text("0")
        # The next is taken.
        page.evaluate(DROP, [["small.bin", 10]])
        expect(row(page, "small.bin").locator(".verdict")).to_have_text(MATCH)
    assert names(demo) == ["small.bin"]


def test_digests_that_differ_are_shown_to_differ(page, expect):
    saved = {"name": "uploads/a.bin", "size": 10, "digest": "0" * 64}
    answer = {"status": 201, "json": {"files": [saved]}}
    page.route("**/upload/save/", lambda route: route.fulfill(**answer))
    page.evaluate(DROP, [["a.bin", 10]])
    verdict = row(page, "a.bin").locator(".verdict")
    expect(verdict).to_contain_text("✗ The digests differ")
    expect(verdict).to_have_attribute("data-state", "bad")


def test_a_server_that_is_gone_is_noticed(browser, tmp_path, expect):
    demo = Demo(tmp_path)
    demo.prepare()
    with demo.served() as client, new_page(browser, str(client.base_url), tolerated="ERR") as page:
        page.goto("/upload/")
        Network(page).slow_down(1_000_000)
        page.evaluate(DROP, [["film.mkv", 200 * 2**20]])
        wait_for_progress(page, "film.mkv")
        client.process.kill()
        lost = row(page, "film.mkv").get_by_role("status").first
        expect(lost).to_contain_text("The connection was lost")


def test_what_is_dropped_that_is_no_file_is_left_to_the_browser(page, expect):
    is_prevented = page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.setData("text/plain", "words");
            const options = { dataTransfer, bubbles: true, cancelable: true };
            const event = new DragEvent("drop", options);
            document.querySelector("#drop").dispatchEvent(event);
            return event.defaultPrevented;
        }"""
    )
    assert not is_prevented
    expect(page.locator("#uploads .upload")).to_have_count(0)


def test_the_browsers_digest_is_that_of_the_standard(page):
    wrong = page.evaluate(
        """async () => {
            const { Sha256 } = await import("/static/demo/sha256.js");
            const hex = (bytes) =>
                Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
            const wrong = [];
            for (let length = 0; length <= 200; length += 1) {
                const bytes = crypto.getRandomValues(new Uint8Array(length));
                const right = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
                for (const step of [1, 7, 63, 64, 65, 1000]) {
                    const sha256 = new Sha256();
                    for (let at = 0; at < length; at += step) {
                        sha256.update(bytes.subarray(at, at + step));
                    }
                    if (sha256.hex() !== right) wrong.push([length, step]);
                }
            }
            return wrong;
        }"""
    )
    assert wrong == []


# Without it.


def test_the_plain_form_works_without_javascript(browser, demo, expect, tmp_path):
    files = {"notes.txt": b"abc" * 1_000_000, "röntgen.txt": b"x"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with new_page(browser, str(demo.base_url), java_script_enabled=False) as page:
        page.goto("/upload/")
        expect(page.get_by_label("Drop files here")).to_be_hidden()
        chooser = page.get_by_label("Files for the plain form")
        chooser.set_input_files([tmp_path / name for name in files])
        page.get_by_role("button", name="Upload by the plain form").click()
        expect(page).to_have_url(re.compile(r"/upload/\?saved="))
        shown = page.get_by_role("region", name="What the form has uploaded")
        for name, content in files.items():
            saved = shown.get_by_role("listitem").filter(has_text=name)
            text = f"Saved as uploads/{name}: {len(content)} bytes."
            expect(saved.get_by_text(text)).to_be_visible()
            digest = hashlib.sha256(content).hexdigest()
            expect(saved.get_by_text(digest)).to_be_visible()
            assert (demo.media / "uploads" / name).read_bytes() == content
        expect(page.locator("#file-count")).to_have_text("2")


def test_the_plain_form_without_its_cookie_uploads_nothing(browser, demo, expect, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc")
    with new_page(
        browser, str(demo.base_url), tolerated="status of 40", java_script_enabled=False
    ) as page:
        page.goto("/upload/")
        page.context.clear_cookies()
        page.get_by_label("Files for the plain form").set_input_files(tmp_path / "a.txt")
        page.get_by_role("button", name="Upload by the plain form").click()
        expect(page.get_by_text("CSRF verification failed")).to_be_visible()
    assert names(demo) == []


# Everywhere.


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_and_its_rows_fit_the_window(browser, demo, expect, scheme, width):
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with new_page(browser, str(demo.base_url), **options) as page:
        page.goto("/upload/")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        name = f"{'long' * 50}.bin"
        page.evaluate(DROP, [[name, 10]])
        expect(row(page, name).locator(".verdict")).to_have_text(MATCH)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_what_uploads_and_what_cancels(page, expect):
    Network(page).slow_down(1_000_000)
    page.evaluate(DROP, [["film.mkv", 200 * 2**20]])
    wait_for_progress(page, "film.mkv")
    chooser = page.get_by_label("Drop files here, or choose some")
    chooser.focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel film.mkv")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Files for the plain form")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Upload by the plain form")).to_be_focused()
