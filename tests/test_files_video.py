"""A video that a file view sends, in a real browser: it seeks, and most of it is never sent."""

import re
import shutil
import subprocess
from types import SimpleNamespace
from uuid import uuid4

import pytest

from .browser import chromium, new_page
from .servers import running

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.service]

SECONDS = 180
BRIGHTEST = 192
"""The video is black at first and gets brighter until its end, evenly: a frame tells its time."""

# The noise makes it large, at once: nothing that moves would have to be drawn.
PICTURE = (
    f"color=color=0x{BRIGHTEST:x}{BRIGHTEST:x}{BRIGHTEST:x}:size=320x180:rate=10,"
    f"fade=type=in:duration={SECONDS},noise=alls=40:allf=t"
)

PAGE = """<!doctype html><title>Video</title><link rel="icon" href="data:,">
<video controls preload="metadata" src="video.mp4"></video>"""

SEEK = """async (seconds) => {
    const video = document.querySelector("video");
    const seeked = new Promise((resolve, reject) => {
        video.addEventListener("seeked", resolve);
        setTimeout(() => reject(new Error("the video did not seek")), 20_000);
    });
    video.currentTime = seconds;
    await seeked;
}"""

BRIGHTNESS = """() => {
    const video = document.querySelector("video");
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((_, index) => index % 4 === 1).reduce((sum, each) => sum + each, 0)
        / (data.length / 4);
}"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Makes the video, with what is needed to find a frame at its beginning, and its page."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("ffmpeg is not installed; get it by: apt-get install ffmpeg")
    folder = tmp_path_factory.getbasetemp() / "files"
    public = folder / "public"
    public.mkdir(parents=True)
    path = public / "video.mp4"
    drawn = ["-f", "lavfi", "-i", PICTURE, "-t", str(SECONDS)]
    encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p"]
    seekable = ["-g", "20", "-movflags", "+faststart"]
    subprocess.run(
        [program, "-v", "error", *drawn, *encoded, *seekable, path],
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    (public / "video.html").write_text(PAGE)
    try:
        yield path
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["uvicorn", "granian", "hypercorn"])
def server(request, video):
    with running(request, request.param) as server:
        yield server


def received(page):
    """Returns what counts the bytes of the video that come to a page."""
    count, ids = SimpleNamespace(bytes=0), set()

    def asked(event):
        if event["request"]["url"].endswith(".mp4"):
            ids.add(event["requestId"])

    def came(event):
        if event["requestId"] in ids:
            count.bytes += event["dataLength"]

    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.requestWillBeSent", asked)
    session.on("Network.dataReceived", came)
    return count


def test_chromium_seeks_a_video_of_which_most_is_never_sent(browser, server, video):
    name, size = uuid4().hex, video.stat().st_size
    assert size > 40_000_000
    before = server.worker.io_counters().read_chars
    with new_page(browser, server.url("")) as page:
        count = received(page)
        page.goto(f"/files/{name}/video.html")
        page.wait_for_function("document.querySelector('video').readyState > 0")
        assert page.evaluate("document.querySelector('video').duration") == SECONDS
        near_end = SECONDS - 10
        page.evaluate(SEEK, near_end)
        expected = BRIGHTEST * near_end / SECONDS
        assert page.evaluate(BRIGHTNESS) == pytest.approx(expected, abs=5)
        assert 0 < count.bytes < size / 4
        # With what waits on the way, all of which the server has read.
        assert server.worker.io_counters().read_chars - before < size / 2
    ranges = [what for what, _ in server.journal(name) if what is not None]
    starts = [int(re.fullmatch(r"bytes=(\d+)-\d*", each)[1]) for each in ranges]
    assert starts[0] == 0
    assert max(starts) > 0.9 * size
