"""The demo's files page: what its URLs answer, and what it does in a real browser."""

import html
import http.client
import io
import itertools
import random
import re
import shutil
import uuid
import wave
import zipfile
from contextlib import closing, contextmanager
from urllib.parse import quote, unquote

import pytest

from demo_project.listening import MAX_LISTENERS, MAX_STRETCHES, HeardMelody, Listener, listener
from demo_project.melody import (
    BYTES_PER_SECOND,
    FRAMES_PER_SECOND,
    HEADER,
    NOTE_BYTES,
    NOTES,
    SECONDS,
    SIZE,
    MelodyFile,
    melody,
)

from .browser import chromium, new_page
from .demo import running_demo
from .servers import PATIENCE, ROOT

server = pytest.mark.server

NAMES = [
    "notes.txt",
    "röntgen bild.png",
    "日本語.pdf",
    'say "hi" & go.html',
    "it's; filename=evil.exe.svg",
    "50% off #1?.tar.gz",
    "%2e%2e%2fnotes.txt",
    "a<script>.bin",
]
"""Which all are saved as they are."""

IN_ARCHIVE = {
    'say "hi" & go.html': "say _hi_ & go.html",
    "50% off #1?.tar.gz": "50% off #1_.tar.gz",
    "a<script>.bin": "a_script_.bin",
}
"""As what an archive has those that Windows would not take."""

IDENTITY = {"Accept-Encoding": "identity"}
"""Of a client that wants to know the length, and to resume: GZipMiddleware takes both away."""

TYPES = {
    "notes.txt": "text/plain; charset=utf-8",
    "röntgen bild.png": "image/png",
    "日本語.pdf": "application/pdf",
    'say "hi" & go.html': "text/html; charset=utf-8",
    "it's; filename=evil.exe.svg": "image/svg+xml",
    "50% off #1?.tar.gz": "application/gzip",
    "a<script>.bin": "application/octet-stream",
}


@pytest.fixture
def demo(request):
    """The demo without any upload."""
    with running_demo(request) as demo:
        shutil.rmtree(demo.media, ignore_errors=True)
        yield demo
        shutil.rmtree(demo.media, ignore_errors=True)


def url(name):
    return f"/files/uploads/{quote(name, safe='')}"


def content_of(name):
    return random.Random(name).randbytes(200_000)


def rows(text):
    """Returns the listing in a page: name, link, type and size of each file."""
    found = re.findall(
        r'<th scope="row"><a href="([^"]+)" download>(.+?)</a></th>\s*'
        r"<td>(.+?)</td>\s*"
        r'<td class="number">(.+?)</td>\s*'
        r'<td><time datetime="\d{4}-\d\d-\d\dT[^"]+">\d+ \w{3} \d{4}, [\d:]{8}</time></td>',
        text,
    )
    return [
        (html.unescape(name), html.unescape(link), type, size.replace("\xa0", " "))
        for link, name, type, size in found
    ]


# The page.


@server
def test_the_page_has_all_the_files_it_names_and_shows_its_views(demo):
    page = demo.get("/files/").text
    for static in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert demo.get(static).status_code == 200
    module = (ROOT / "demo_project" / "pages" / "files.py").read_text()
    views = re.findall(r"^class \w+\((?:File|Zip)StreamView\):\n.*?\n\n\n", module, re.M | re.S)
    assert len(views) == 3
    for text in (page, demo.get("/").text):
        shown = html.unescape(re.sub(r"<[^>]+>", "", text))
        assert all(view.strip() in shown for view in views)


@server
def test_an_empty_folder_is_said_to_be_empty(demo):
    page = demo.get("/files/").text
    assert "Nothing is here yet." in page
    assert rows(page) == []
    assert "everything/" not in page


@server
def test_uploads_are_listed_with_type_size_and_time_the_newest_first(demo):
    demo.upload("old.txt", b"abc")
    demo.upload("new.png", bytes(3 * 2**20))
    assert rows(demo.get("/files/").text) == [
        ("new.png", "/files/uploads/new.png", "image/png", "3.0 MB"),
        ("old.txt", "/files/uploads/old.txt", "text/plain", "3 bytes"),
    ]


# A download.


@server
@pytest.mark.parametrize("name", NAMES)
def test_a_download_is_what_was_uploaded_whatever_its_name(demo, name):
    assert demo.upload(name, content_of(name)) == name
    page = demo.get("/files/").text
    [(listed, link, _, _)] = rows(page)
    assert listed == name
    assert "<script>.bin" not in page
    assert demo.get(link).content == content_of(name)  # Compressed, as its middleware does.
    response = demo.get(link, headers=IDENTITY)
    assert response.status_code == 200
    assert response.content == content_of(name)
    assert response.headers["Content-Length"] == "200000"
    assert response.headers["Content-Type"] == TYPES.get(name, "text/plain; charset=utf-8")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    disposition = response.headers["Content-Disposition"]
    match = re.fullmatch(
        r"""attachment; filename="([^"]+)"(?:; filename\*=UTF-8''(.+))?""", disposition
    )
    assert (unquote(match[2]) if match[2] else match[1]) == name


@server
def test_an_empty_file_can_be_downloaded(demo):
    demo.upload("empty.txt", b"")
    response = demo.get(url("empty.txt"))
    assert (response.status_code, response.content) == (200, b"")


@server
def test_a_download_is_resumed(demo):
    content = content_of("film.mkv")
    demo.upload("film.mkv", content)
    with demo.stream("GET", url("film.mkv"), headers=IDENTITY) as response:
        etag = response.headers["ETag"]
    headers = {**IDENTITY, "Range": "bytes=150000-", "If-Range": etag}
    response = demo.get(url("film.mkv"), headers=headers)
    assert response.status_code == 206
    assert response.headers["Content-Range"] == "bytes 150000-199999/200000"
    assert response.content == content[150_000:]
    headers["If-Range"] = '"another"'
    response = demo.get(url("film.mkv"), headers=headers)
    assert (response.status_code, response.content) == (200, content)
    assert demo.get(url("film.mkv"), headers={"If-None-Match": etag}).status_code == 304


@server
def test_several_ranges_are_sent_and_one_beyond_the_end_is_not(demo):
    content = content_of("film.mkv")
    demo.upload("film.mkv", content)
    response = demo.get(url("film.mkv"), headers={"Range": "bytes=0-9,-10"})
    assert response.status_code == 206
    assert response.headers["Content-Type"].startswith("multipart/byteranges")
    assert content[:10] in response.content
    assert content[-10:] in response.content
    response = demo.get(url("film.mkv"), headers={"Range": "bytes=200000-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */200000"


@server
@pytest.mark.parametrize(
    "path",
    [
        "nothing.txt",
        "",
        ".",
        "folder",
        "folder/",
        "../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "..%5csecret.txt",
        "%252e%252e%252fsecret.txt",
        "folder/../../secret.txt",
        "./a.txt",
        "a.txt/",
        "a.txt%00",
        "%00",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "link.txt",
        ".hidden.txt",
        "x" * 5000,
        "%ff",
    ],
)
def test_what_is_not_there_or_not_meant_to_be_is_not_found(demo, path):
    demo.upload("a.txt", b"abc")
    (demo.media / "secret.txt").write_text("secret")
    (demo.media / "uploads" / ".hidden.txt").write_text("secret")
    (demo.media / "uploads" / "folder").mkdir()
    (demo.media / "uploads" / "link.txt").symlink_to(demo.media / "secret.txt")
    status, body = raw_get(demo, f"/files/uploads/{path}")
    assert status == 404
    assert b"secret" not in body.replace(path.encode(), b"").replace(b"secret.txt", b"")


@server
def test_nothing_is_found_where_nothing_was_uploaded(demo):
    assert demo.get(url("a.txt")).status_code == 404


def raw_get(demo, path):
    """Asks for a path as it stands, which httpx would change."""
    connection = http.client.HTTPConnection(demo.base_url.host, demo.base_url.port, PATIENCE)
    with closing(connection):
        connection.putrequest("GET", path)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read()


@contextmanager
def announced(demo, name, size):
    """Gives a connection on which an upload of this size has been announced, and no more."""
    connection = http.client.HTTPConnection(demo.base_url.host, demo.base_url.port, PATIENCE)
    connection.putrequest("POST", "/upload/save/")
    connection.putheader("Cookie", f"csrftoken={demo.csrf['X-CSRFToken']}")
    connection.putheader("X-CSRFToken", demo.csrf["X-CSRFToken"])
    connection.putheader("Content-Disposition", f'attachment; filename="{name}"')
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    with closing(connection):
        yield connection


# All of them.


def zipped(response):
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@server
def test_everything_is_one_zip_that_reads_back(demo):
    for name in NAMES:
        demo.upload(name, content_of(name))
    response = demo.get("/files/everything/", headers=IDENTITY)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert response.headers["Content-Disposition"] == 'attachment; filename="uploads.zip"'
    assert response.headers["Content-Length"] == str(len(response.content))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert zipped(response) == {IN_ARCHIVE.get(name, name): content_of(name) for name in NAMES}


@server
def test_of_nothing_the_zip_is_empty(demo):
    assert zipped(demo.get("/files/everything/")) == {}


# What changes.


@contextmanager
def changes(demo, key=None):
    """Opens the event stream of a page, and gives a function that returns the next such event's
    HTML: that one of this name which has that text."""
    with demo.events(f"/files/changes/{key or uuid.uuid4()}/") as events:

        def awaited(name, text=""):
            found = (event.data for event in events if event.event == name)
            return next(data for data in found if text in data)

        yield awaited


@server
def test_each_part_of_the_page_is_sent_at_first_as_the_page_has_it(demo):
    demo.upload("a.txt", b"abc")
    page = demo.get("/files/").text
    [path] = re.findall(r'data-url="(/files/changes/[^"]+)"', page)
    with demo.events(path) as events:
        sent = {event.event: event.data for event in itertools.islice(events, 4)}
    assert list(sent) == ["arriving", "listing", "video", "heard"]
    assert all(data in page for data in sent.values())


@server
def test_the_newest_video_is_shown(demo):
    with changes(demo) as awaited:
        assert "<video" not in awaited("video")
        for name in ("old.mp4", "new one.webm"):
            demo.upload(name, b"abc")
            [link] = re.findall(
                r'<video controls preload="metadata" src="([^"]+)"', awaited("video")
            )
            assert link == url(name)
            assert demo.get(link).headers["Content-Type"].startswith("video/")
        demo.upload("film.txt", b"abc")
        page = demo.get("/files/").text
    assert re.findall(r'<video .*src="([^"]+)"', page) == [url("new one.webm")]


@server
def test_an_upload_progresses_and_is_listed_when_it_is_whole(demo):
    with changes(demo) as awaited, announced(demo, "film.mkv", 8 * 2**20) as connection:
        assert rows(awaited("listing")) == []
        connection.send(bytes(2 * 2**20))
        arriving = html.unescape(awaited("arriving", "2.0\xa0MB")).replace("\xa0", " ")
        assert '<strong class="upload-name">film.mkv</strong>' in arriving
        assert "2.0 MB of 8.0 MB, 25 %" in arriving
        assert 'max="8388608" value="2097152"' in arriving
        [part] = (demo.media / "uploads").iterdir()
        assert demo.get(url(part.name)).status_code == 404
        assert rows(demo.get("/files/").text) == []
        assert zipped(demo.get("/files/everything/")) == {}
        connection.send(bytes(6 * 2**20))
        assert connection.getresponse().status == 201
        [(name, *_)] = rows(awaited("listing"))
        assert name == "film.mkv"


@server
def test_an_upload_that_breaks_off_is_not_arriving_any_more(demo):
    with changes(demo) as awaited:
        with announced(demo, "film.mkv", 8 * 2**20) as connection:
            connection.send(bytes(2**20))
            awaited("arriving", "film.mkv")
        assert "film.mkv" not in awaited("arriving")
    assert rows(demo.get("/files/").text) == []


@server
def test_a_name_that_arrives_is_text_and_no_markup(demo):
    with changes(demo) as awaited, announced(demo, "<img src=x>'.txt", 10) as connection:
        connection.send(b"12345")
        arriving = awaited("arriving", "5\xa0bytes")
        assert "&lt;img src=x&gt;&#x27;.txt" in arriving
        assert "<img" not in arriving


# The melody.


@server
def test_the_melody_is_sent_by_range_and_only_that_is_read(demo):
    key = uuid.uuid4()
    path = f"/files/melody/{key}/"
    head = demo.head(path, headers=IDENTITY)
    assert head.headers["Content-Length"] == str(SIZE)
    assert head.headers["Accept-Ranges"] == "bytes"
    assert head.headers["Content-Type"] == "audio/wav"
    with changes(demo, key) as awaited, changes(demo) as awaited_elsewhere:
        assert 'data-bytes="0"' in awaited("heard")
        assert 'data-bytes="0"' in awaited_elsewhere("heard")
        start = SIZE // 2 + 1
        for range, content in (
            (f"bytes={start}-{start + 99_999}", read_at(start, 100_000)),
            ("bytes=-1000", read_at(SIZE - 1000, 1000)),
        ):
            response = demo.get(path, headers={"Range": range})
            assert response.status_code == 206
            assert response.content == content
        heard = awaited("heard", 'data-bytes="101000"')
        assert '<dd id="requests">2</dd>' in heard
        assert '<rect x="5000" width="9" height="1"/>' in heard
        demo.upload("a.txt", b"abc")  # Which is the next that the other page is told of.
        awaited_elsewhere("listing", "a.txt")
    response = demo.get(path, headers={"Range": f"bytes={SIZE}-"})
    assert (response.status_code, response.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


def read_at(start, count):
    file = MelodyFile()
    file.seek(start)
    return file.read(count)


def test_the_melody_is_a_wav_file():
    with wave.open(MelodyFile()) as file:
        assert file.getnchannels() == 2
        assert file.getsampwidth() == 2
        assert file.getframerate() == FRAMES_PER_SECOND
        assert file.getnframes() == SECONDS * FRAMES_PER_SECOND
        assert len(file.readframes(1000)) == 4000
    file = MelodyFile()
    assert (file.seek(0, io.SEEK_END), file.read(1)) == (SIZE, b"")
    assert len(HEADER) == 44  # Or its frames would not be aligned.


@pytest.mark.parametrize("start", [0, 10, 44, 45, 44 + NOTE_BYTES, SIZE - 3 * NOTE_BYTES - 7])
def test_wherever_the_melody_is_read_it_is_the_same(start):
    whole = read_at(start, 3 * NOTE_BYTES)
    assert len(whole) == 3 * NOTE_BYTES
    for size in (1000, 44_101):
        pieces = [read_at(at, size) for at in range(start, start + len(whole), size)]
        assert b"".join(pieces)[: len(whole)] == whole
    file = MelodyFile()
    file.seek(start)
    assert b"".join(file.read(size) for size in (1, 2, 43, NOTE_BYTES)) == whole[: 46 + NOTE_BYTES]


def test_the_melody_is_audible_and_never_clipped():
    samples = memoryview(read_at(44 + 20 * BYTES_PER_SECOND, 10 * BYTES_PER_SECOND)).cast("h")
    assert 8_000 < max(samples) < 2**15 - 1
    assert -(2**15) < min(samples) < -8_000


def test_the_melody_rises_and_is_always_the_same():
    notes = melody()
    assert len(notes) * NOTE_BYTES + len(HEADER) == SIZE
    tenths = [notes[at : at + len(notes) // 10] for at in range(0, len(notes), len(notes) // 10)]
    means = [sum(tenth) / len(tenth) for tenth in tenths]
    assert means == sorted(means)
    assert (min(notes), max(notes)) == (0, NOTES - 1)
    assert notes[:8] == melody.__wrapped__()[:8]


def test_what_was_read_is_kept_for_so_many_listeners_and_stretches():
    first = listener(uuid.uuid4())
    for n in range(MAX_STRETCHES + 5):
        file = HeardMelody(first)
        file.seek(1000 * n)
        file.read(10)
        file.read(20)  # It goes on.
    assert (first.requests, first.bytes_read) == (MAX_STRETCHES + 5, 30 * (MAX_STRETCHES + 5))
    assert [(s.start, s.stop) for s in first.stretches][:2] == [(5000, 5030), (6000, 6030)]
    assert len(first.stretches) == MAX_STRETCHES
    keys = [uuid.uuid4() for _ in range(MAX_LISTENERS)]
    listeners = [listener(key) for key in keys]
    assert listener(keys[0]) is listeners[0]
    assert listener(uuid.uuid4()) is not first
    assert listener(keys[0]) is listeners[0]
    assert listener(keys[1]) is not listeners[1]  # It was the one asked for longest ago.


def test_a_request_that_jumps_reads_another_stretch():
    heard = Listener()
    file = HeardMelody(heard)
    file.read(10)
    file.seek(100)
    file.read(5)
    assert [(s.start, s.size) for s in heard.stretches] == [(0, 10), (100, 5)]


# In a browser.


def in_browser(test):
    return pytest.mark.browser(server(test))


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, demo):
    with new_page(browser, str(demo.base_url)) as page:
        page.goto("/files/")
        yield page


@pytest.fixture
def expect():
    from playwright.sync_api import expect

    return expect


@pytest.fixture
def add(page, tmp_path):
    """Has the page upload a file."""

    def add(name, content):
        (tmp_path / name).write_bytes(content)
        page.get_by_label("Files to add").set_input_files(tmp_path / name)

    return add


def listed(page):
    return page.get_by_role("table").get_by_role("link")


def downloaded(page, link):
    """Returns what a link saves: its name, and its content."""
    with page.expect_download() as download:
        link.click()
    return download.value.suggested_filename, download.value.path().read_bytes()


@contextmanager
def slowed_down(page, bytes_per_second):
    """Makes the browser send slowly for as long as its block runs."""
    session = page.context.new_cdp_session(page)
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    for throughput in (bytes_per_second, -1):
        conditions["uploadThroughput"] = throughput
        session.send("Network.emulateNetworkConditions", conditions)
        if throughput > 0:
            yield


@in_browser
@pytest.mark.parametrize("name", ["röntgen (1).txt", "it's 50% & #1.bin"])
def test_what_is_uploaded_is_listed_and_downloaded(page, add, expect, name):
    expect(page.get_by_text("Nothing is here yet.")).to_be_visible()
    add(name, content_of(name))
    expect(page.get_by_role("status")).to_have_text(f"Saved as uploads/{name}.")
    expect(listed(page)).to_have_text([name])
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("195.3 KB")
    assert downloaded(page, listed(page)) == (name, content_of(name))


@in_browser
def test_an_upload_progresses_beside_the_list_wherever_it_comes_from(page, demo, add, expect):
    demo.upload("first.txt", b"abc")
    arriving = page.locator("#arriving").get_by_role("listitem")
    with slowed_down(page, 400_000), announced(demo, "elsewhere.bin", 8 * 2**20) as connection:
        add("here.bin", bytes(6_000_000))
        connection.send(bytes(2 * 2**20))
        elsewhere = arriving.filter(has_text="elsewhere.bin")
        expect(elsewhere).to_contain_text("2.0 MB of 8.0 MB, 25 %")
        bar = page.get_by_role("progressbar", name="Progress of elsewhere.bin")
        assert bar.evaluate("it => it.position") == 0.25
        wait_for_progress(page, "here.bin", more_than=wait_for_progress(page, "here.bin"))
        expect(page.get_by_role("status")).to_have_text("Uploading here.bin …")
        expect(listed(page)).to_have_text(["first.txt"])
        connection.send(bytes(6 * 2**20))
        assert connection.getresponse().status == 201
        expect(listed(page)).to_have_text(["elsewhere.bin", "first.txt"])
        expect(arriving).to_have_count(1)
    expect(listed(page)).to_have_text(["here.bin", "elsewhere.bin", "first.txt"])
    expect(arriving).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text("Saved as uploads/here.bin.")


def wait_for_progress(page, name, more_than=0.0):
    """Waits until the page shows that more than that of a file has come; returns how much."""
    position = page.wait_for_function(
        """([name, moreThan]) => {
            const bar = document.querySelector(`progress[aria-label="Progress of ${name}"]`);
            return bar?.position > moreThan && bar.position;
        }""",
        arg=[name, more_than],
    )
    return position.json_value()


@in_browser
def test_several_files_are_sent_one_after_the_other(page, demo, expect, tmp_path):
    names = ["a.txt", "b.txt", "c.txt"]
    for name in names:
        (tmp_path / name).write_text(name)
    page.get_by_label("Files to add").set_input_files([tmp_path / name for name in names])
    expect(listed(page)).to_have_text(names[::-1])


@in_browser
def test_what_the_server_refuses_is_explained_and_the_next_is_taken(
    browser, demo, expect, tmp_path
):
    for name in ("setup.exe", "a.txt"):
        (tmp_path / name).write_bytes(b"MZ")
    with new_page(browser, str(demo.base_url), tolerated="status of 415") as page:
        page.goto("/files/")
        page.get_by_label("Files to add").set_input_files(tmp_path / "setup.exe")
        expect(page.get_by_role("status")).to_contain_text(
            "setup.exe: the file 'setup.exe' of type"
        )
        expect(page.get_by_role("status")).to_have_attribute("data-state", "failed")
        page.get_by_label("Files to add").set_input_files(tmp_path / "a.txt")
        expect(page.get_by_role("status")).to_have_text("Saved as uploads/a.txt.")
        expect(listed(page)).to_have_text(["a.txt"])


@in_browser
def test_everything_is_downloaded_as_one_zip(page, demo, expect):
    for name in NAMES:
        demo.upload(name, content_of(name))
    expect(listed(page)).to_have_count(len(NAMES))
    name, content = downloaded(page, page.get_by_role("link", name="as one ZIP"))
    assert name == "uploads.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            IN_ARCHIVE.get(name, name): content_of(name) for name in NAMES
        }


@in_browser
def test_the_list_changes_under_the_keyboard_which_stays_where_it_is(page, demo, expect):
    demo.upload('"a".txt', b"abc")
    expect(listed(page)).to_have_count(1)
    listed(page).focus()
    demo.upload("b.txt", b"abc")
    expect(listed(page)).to_have_text(["b.txt", '"a".txt'])
    expect(listed(page).nth(1)).to_be_focused()


class Fetched:
    """What of the melody a page has asked for, and how many bytes of it have come."""

    def __init__(self, page):
        self.ranges = []
        self.bytes = 0
        self._ids = set()
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", self._asked)
        session.on("Network.dataReceived", self._received)

    def _asked(self, event):
        if "/melody/" in event["request"]["url"]:
            self.ranges.append(event["request"]["headers"]["Range"])
            self._ids.add(event["requestId"])

    def _received(self, event):
        if event["requestId"] in self._ids:
            self.bytes += event["dataLength"]


SEEK = """async (seconds) => {
    const melody = document.querySelector("#melody");
    const seeked = new Promise((resolve) => melody.addEventListener("seeked", resolve));
    melody.currentTime = seconds;
    await seeked;
    await melody.play();
    return melody.currentTime;
}"""


def wait_until_played(page, seconds):
    page.wait_for_function(
        "seconds => document.querySelector('#melody').currentTime > seconds", arg=seconds
    )


def read_for(page):
    return int(page.locator("#bytes-read").get_attribute("data-bytes"))


@in_browser
def test_the_melody_is_played_from_near_its_end_and_most_of_it_is_not_loaded(page):
    fetched = Fetched(page)
    page.reload()
    page.wait_for_function("document.querySelector('#melody').readyState > 0")
    assert page.evaluate("document.querySelector('#melody').duration") == SECONDS
    near_end = SECONDS - 10
    assert page.evaluate(SEEK, near_end) >= near_end
    wait_until_played(page, near_end + 0.5)
    first, *others = fetched.ranges  # Chromium may come back for more of what it has begun with.
    assert first == "bytes=0-"
    starts = [int(re.fullmatch(r"bytes=(\d+)-", each)[1]) for each in others]
    assert (starts[0] - len(HEADER)) / BYTES_PER_SECOND <= near_end
    assert all(start > 0.95 * SIZE for start in starts)
    assert 0 < fetched.bytes < SIZE / 10
    # What waits between the two is counted by the server alone.
    wait_for_stretch(page, starts[0])
    assert SIZE - starts[0] <= read_for(page) < SIZE / 4


@in_browser
def test_a_jump_into_the_middle_reads_no_more_than_fills_the_buffers(page):
    page.wait_for_function("document.querySelector('#melody').readyState > 0")
    page.get_by_role("button", name="6:00").click()
    wait_until_played(page, 360.5)
    wait_for_stretch(page, 0.6 * SIZE)
    assert read_for(page) < SIZE / 2


def wait_for_stretch(page, start):
    """Waits until the page shows that some bytes from there on were read."""
    page.wait_for_function(
        """start => [...document.querySelectorAll("#heard rect")].some((rect) => {
            const [x, width] = [rect.x, rect.width].map((it) => it.baseVal.value);
            return Math.abs(x - start) < 50 && width > 0;
        })""",
        arg=10_000 * start / SIZE,
    )


@in_browser
def test_the_melody_ends_at_its_end(page):
    page.get_by_role("button", name="its end").click()
    wait_until_played(page, SECONDS - 8)
    page.evaluate(
        """async () => {
            const melody = document.querySelector("#melody");
            const ended = new Promise((resolve) => melody.addEventListener("ended", resolve));
            melody.currentTime = melody.duration - 0.5;
            await ended;
        }"""
    )


@in_browser
def test_without_javascript_the_files_are_listed_and_downloaded(browser, demo, expect):
    demo.upload("a.txt", b"abc")
    with new_page(browser, str(demo.base_url), java_script_enabled=False) as page:
        page.goto("/files/")
        expect(page.get_by_label("Files to add")).to_be_hidden()
        assert downloaded(page, listed(page)) == ("a.txt", b"abc")
        name, _ = downloaded(page, page.get_by_role("link", name="as one ZIP"))
        assert name == "uploads.zip"


@in_browser
@pytest.mark.parametrize("width", [320, 800, 920, 1280])
def test_long_names_and_types_fit_the_window(browser, demo, expect, width):
    demo.upload(f"{'long' * 50}.pptx", b"abc")
    with (
        new_page(browser, str(demo.base_url), viewport={"width": width, "height": 800}) as page,
        announced(demo, f"{'long' * 50}.bin", 100) as connection,
    ):
        connection.send(b"abc")
        page.goto("/files/")
        expect(page.get_by_role("progressbar")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
