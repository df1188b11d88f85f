"""The demo project, as its users run it and as its pages ask it."""

import asyncio
import hashlib
import html
import http.client
import itertools
import json
import os
import random
import re
import shutil
import sqlite3
import threading
import time
import uuid
from contextlib import aclosing, closing, contextmanager
from datetime import UTC, date, datetime, timedelta

import msgspec
import psutil
import pytest

from demo_project import memory
from demo_project.gauge import Gauge
from demo_project.highlighting import highlighted
from demo_project.markov import PARAGRAPH, MarkovModel, prose
from demo_project.memory import process_memory
from demo_project.uploads import MAX_BYTES, MAX_FILES, STALE_SECONDS, delete_surplus, uploads
from django_streams.formats import BYTES, CSV, EVENT_STREAM, FORMATS, JSONL, TEXT

from .demo import READINGS, RUNSERVER, Demo, running_demo, showing
from .servers import PATIENCE, ROOT

server = pytest.mark.server

PAGES = ("/clock/", "/tokens/", "/dogs/", "/export/", "/upload/", "/files/")


@pytest.fixture
def demo(request):
    with running_demo(request) as demo:
        yield demo


@pytest.fixture
def fresh(tmp_path):
    """The demo with an empty database."""
    demo = Demo(tmp_path)
    with showing(demo.log):
        yield demo


# The project.


@server
def test_system_checks_are_silent(fresh):
    assert fresh.manage("check") == "System check identified no issues (0 silenced).\n"


@server
def test_models_and_migrations_agree(fresh):
    assert "No changes detected" in fresh.manage("makemigrations", "--check", "--dry-run")


@server
def test_seeding_twice_changes_nothing(fresh):
    fresh.manage("migrate", "--verbosity", "0")
    assert fresh.manage("seed", "--readings", "1000") == (
        "There are 20,000 dogs, 20,000 of them new.\nThere are 1,000 readings, 1,000 of them new.\n"
    )
    seeded = rows(fresh.database, "dog"), rows(fresh.database, "reading")
    assert fresh.manage("seed", "--readings", "1000") == (
        "There are 20,000 dogs, 0 of them new.\nThere are 1,000 readings, 0 of them new.\n"
    )
    assert (rows(fresh.database, "dog"), rows(fresh.database, "reading")) == seeded


@server
def test_a_million_readings_are_seeded_unless_said_otherwise(fresh):
    fresh.manage("migrate", "--verbosity", "0")
    said = fresh.manage("seed", "--dogs", "1")
    assert "There are 1,000,000 readings, 1,000,000 of them new.\n" in said


@server
def test_every_machine_gets_the_same_rows_however_they_are_seeded(fresh, tmp_path_factory):
    other = Demo(tmp_path_factory.mktemp("other"))
    for demo in (fresh, other):
        demo.manage("migrate", "--verbosity", "0")
    fresh.manage("seed", "--dogs", "30", "--readings", "30")
    for readings in ("7", "20"):  # The second time adds what is missing.
        other.manage("seed", "--dogs", "20", "--readings", readings)
    for table in ("dog", "reading"):
        assert rows(fresh.database, table)[:20] == rows(other.database, table)


def rows(database, table):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"SELECT * FROM demo_project_{table} ORDER BY id").fetchall()


@server
def test_runserver_serves_pages_and_streams_and_ends(fresh):
    fresh.prepare()
    with fresh.served(RUNSERVER) as demo:
        for path in ("/", *PAGES, "/static/demo/demo.css"):
            assert demo.get(path).status_code == 200
        with demo.events("/clock/ticks/") as events:
            ids = [int(event.id) for event in itertools.islice(events, 1, 3)]
            assert ids[1] == ids[0] + 1
        assert len(demo.get("/dogs/stream/?rows=100").text.splitlines()) == 100
        assert upload(demo, b"abc", "a.txt").status_code == 201
        assert (demo.media / "uploads" / "a.txt").read_bytes() == b"abc"
        with demo.events("/clock/ticks/"):  # An open stream keeps it from nothing.
            demo.process.terminate()
            demo.process.wait(PATIENCE)
    assert "Starting ASGI/Daphne" in fresh.log.read_text()
    assert "Traceback" not in fresh.log.read_text()


@server
def test_without_debug_the_pages_have_their_static_files(fresh):
    fresh.prepare()
    with fresh.served(DEMO_DEBUG="0") as demo:
        for path in statics(demo.get("/clock/").text):
            assert demo.get(path).status_code == 200
        assert demo.get("/nothing/").text.strip().startswith("<!doctype html>")
        assert "DEBUG = True" not in demo.get("/nothing/").text


# The pages.


@server
@pytest.mark.parametrize("path", ["/", *PAGES])
def test_a_page_has_all_the_files_it_names(demo, path):
    page = demo.get(path)
    assert page.status_code == 200
    assert statics(page.text)
    for static in statics(page.text):
        assert demo.get(static).status_code == 200


def statics(page):
    return re.findall(r'(?:src|href)="(/static/[^"]+)"', page)


@server
def test_the_index_leads_to_each_page_and_shows_its_view(demo):
    index = demo.get("/").text
    shown = html.unescape(re.sub(r"<[^>]+>", "", index))
    for path in PAGES:
        assert f'href="{path}"' in index
        module = (ROOT / "demo_project" / "pages" / f"{path.strip('/')}.py").read_text()
        views = re.findall(
            r"^class \w+\((?:\w+, )?(?:(?:Event|File|Zip)?Stream|Upload)View\):\n.*?\n\n\n",
            module,
            re.M | re.S,
        )
        assert any(view.strip() in shown for view in views)


def test_highlighting_adds_spans_and_escapes_the_rest():
    code = 'def f(a):\n    # if <b>\n    return "x & y" if a < 1_0 else `for ${a}`\n'
    marked = highlighted(code)
    assert html.unescape(re.sub(r"</?span[^>]*>", "", marked)) == code.strip()
    assert '<span class="comment"># if &lt;b&gt;</span>' in marked
    assert '<span class="string">&quot;x &amp; y&quot;</span>' in marked
    assert '<span class="keyword">return</span>' in marked
    assert '<span class="number">1_0</span>' in marked
    assert '<span class="name">f</span>' in marked


# The clock.


@server
def test_the_clock_ticks_with_an_id_for_each_second(demo):
    begun = int(time.time())
    with demo.events("/clock/ticks/") as events:
        opened, *ticks = itertools.islice(events, 4)
    assert (opened.event, opened.id, opened.json()["last_event_id"]) == ("opened", "", "")
    ids = [int(tick.id) for tick in ticks]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]
    assert begun <= ids[0] <= int(time.time())
    assert {tick.event for tick in ticks} == {"tick"}


@server
def test_the_clock_catches_up_from_the_last_event_id_at_once(demo):
    last = int(time.time()) - 20
    with demo.events("/clock/ticks/", headers={"Last-Event-ID": str(last)}) as events:
        opened, *ticks = itertools.islice(events, 21)
    assert opened.json()["last_event_id"] == str(last)
    assert [int(tick.id) for tick in ticks] == list(range(last + 1, last + 21))
    assert time.time() < last + 35  # A second for each would take longer.


@server
@pytest.mark.parametrize("last_event_id", ["garbage", "-1e9", "²", "9" * 1000, "9" * 5000, "0x10"])
def test_the_clock_begins_with_now_after_an_id_that_is_none_of_its_own(demo, last_event_id):
    headers = {"Last-Event-ID": last_event_id.encode()}
    with demo.events("/clock/ticks/", headers=headers) as events:
        opened, tick = itertools.islice(events, 2)
    assert int(tick.id) in {opened.json()["now"], opened.json()["now"] + 1}


@server
@pytest.mark.parametrize("last_event_id", ["5", "-7"])
def test_the_clock_catches_up_on_a_minute_at_most(demo, last_event_id):
    headers = {"Last-Event-ID": last_event_id}
    with demo.events("/clock/ticks/", headers=headers) as events:
        opened, tick = itertools.islice(events, 2)
    assert int(tick.id) == opened.json()["now"] - 60


@server
def test_dropping_a_connection_ends_it_and_no_other(demo):
    mine, other = (f"/clock/ticks/{uuid.uuid4()}/" for _ in range(2))
    with demo.events(mine) as events, demo.events(other) as other_events:
        assert [next(events).event, next(events).event] == ["opened", "tick"]
        assert [next(other_events).event, next(other_events).event] == ["opened", "tick"]
        assert demo.post(f"{mine}drop/", headers=demo.csrf).status_code == 204
        assert {event.event for event in events} <= {"tick"}  # It ends, without an error.
        assert next(other_events).event == "tick"
    assert demo.post(f"{mine}drop/", headers=demo.csrf).status_code == 404


@server
def test_a_browser_that_is_back_early_can_be_dropped_again(demo):
    path = f"/clock/ticks/{uuid.uuid4()}/"
    with demo.events(path) as events:
        with demo.events(path) as early:
            assert [next(early).event, next(early).event] == ["opened", "tick"]
        assert [next(events).event, next(events).event] == ["opened", "tick"]
        with demo.events(path) as late:
            assert [next(late).event, next(late).event] == ["opened", "tick"]
            assert demo.post(f"{path}drop/", headers=demo.csrf).status_code == 204
            assert {event.event for event in late} <= {"tick"}


@server
def test_only_a_post_with_the_token_drops_a_connection(demo):
    path = f"/clock/ticks/{uuid.uuid4()}/drop/"
    assert demo.get(path).status_code == 405
    assert demo.post(path).status_code == 403
    assert demo.post("/clock/ticks/nonsense/drop/", headers=demo.csrf).status_code == 404


# The tokens.

PROMPT = {"prompt": "An exception is", "length": 50}


@server
def test_tokens_come_one_at_a_time(demo):
    with demo.open("/tokens/stream/", "POST", data=PROMPT, headers=demo.csrf) as response:
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        pieces = list(response.iter_text())
    assert len(pieces) > 10
    assert 40 <= len("".join(pieces).split()) <= 50


@server
def test_a_token_is_read_while_the_generator_runs(demo):
    with demo.events("/tokens/running/") as counts:
        before = int(next(counts).data)
        with demo.open(
            "/tokens/stream/", "POST", data={**PROMPT, "length": 500}, headers=demo.csrf
        ) as response:
            assert next(response.iter_text())
            assert int(next(counts).data) == before + 1
        assert int(next(counts).data) == before


@server
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "prompt"),
        ({"prompt": "  "}, "prompt"),
        ({"prompt": "word " * 200}, "prompt"),
        ({"prompt": "a\0b"}, "prompt"),
        ({"prompt": "x", "length": "7"}, "length"),
        ({"prompt": "x", "length": "many"}, "length"),
    ],
)
def test_a_wrong_prompt_is_refused_by_field(demo, asked, field):
    response = demo.post("/tokens/stream/", data=asked, headers=demo.csrf)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [field]


@server
def test_tokens_want_a_post_with_the_token(demo):
    assert demo.get("/tokens/stream/").status_code == 405
    assert demo.post("/tokens/stream/", data=PROMPT).status_code == 403


@server
def test_a_prompt_beyond_all_measure_is_refused_and_the_next_one_answered(demo):
    response = demo.post("/tokens/stream/", data={"prompt": "x" * 3_000_000}, headers=demo.csrf)
    assert response.status_code == 400
    assert demo.post("/tokens/stream/", data=PROMPT, headers=demo.csrf).status_code == 200


# The dogs.


class Dog(msgspec.Struct):
    """What a client has to know for Postcard, and may for the others."""

    chip: int
    name: str
    breed_name: str
    origin: str
    born_on: date
    weight_kg: float | None
    is_vaccinated: bool


def seeded_dogs(demo, number):
    with closing(sqlite3.connect(demo.database)) as connection:
        found = connection.execute(
            "SELECT chip, dog.name, breed.name, origin, born_on, weight_kg, is_vaccinated "
            "FROM demo_project_dog dog JOIN demo_project_breed breed ON breed.id = breed_id "
            "ORDER BY dog.id LIMIT ?",
            [number],
        )
        return [
            Dog(*others, date.fromisoformat(born_on), weight_kg, bool(is_vaccinated))
            for *others, born_on, weight_kg, is_vaccinated in found
        ]


def decoded(format, data, type):
    """Returns the items of a whole stream, of events the data."""
    decoder = format.decoder(type)
    items = [*decoder.feed(data), *decoder.close()]
    return [item.json(type) for item in items] if format is EVENT_STREAM else items


STRUCTURED = [format for format in FORMATS if format not in (TEXT, BYTES)]


@server
@pytest.mark.parametrize("format", STRUCTURED, ids=lambda format: format.name)
def test_dogs_are_the_same_in_each_format(demo, format):
    response = demo.get("/dogs/stream/?rows=500", headers={"Accept": str(format)})
    assert response.headers["Content-Type"] == format.content_type
    assert decoded(format, response.content, Dog) == seeded_dogs(demo, 500)
    linked = demo.get(f"/dogs/stream/?rows=500&format={format.name}")
    assert linked.headers["Content-Type"] == format.content_type
    assert linked.content == response.content


@server
@pytest.mark.parametrize("format", [TEXT, BYTES], ids=lambda format: format.name)
def test_dogs_are_lines_where_a_format_has_no_structure(demo, format):
    response = demo.get(f"/dogs/stream/?rows=500&format={format.name}")
    assert response.headers["Content-Type"] == format.content_type
    assert response.text.splitlines() == [
        f"{dog.chip}: {dog.name}, {dog.breed_name}, born on {dog.born_on}"
        for dog in seeded_dogs(demo, 500)
    ]


@server
def test_the_page_links_to_dogs_in_every_format(demo):
    links = re.findall(r'href="(/dogs/stream/[^"]+)"', demo.get("/dogs/").text)
    assert len(links) == len(FORMATS)
    types = [demo.get(f"{link}&rows=1").headers["Content-Type"] for link in links]
    assert sorted(types) == sorted(format.content_type for format in FORMATS)


@server
def test_a_dog_is_read_while_the_others_are_fetched(demo):
    with demo.open("/dogs/stream/?pace=slow&rows=20000") as response:
        assert json.loads(next(response.iter_lines()))["name"]


@server
def test_without_an_accept_header_dogs_are_json_lines(demo):
    del demo.headers["Accept"]
    try:
        response = demo.get("/dogs/stream/")
    finally:
        demo.headers["Accept"] = "*/*"
    assert response.headers["Content-Type"] == "application/jsonl"
    assert len(response.text.splitlines()) == 5000


@server
def test_an_unknown_accept_is_told_what_there_is(demo):
    response = demo.get("/dogs/stream/", headers={"Accept": "image/png"})
    assert response.status_code == 406
    assert "application/jsonl, application/json-seq, application/json" in response.text


@server
def test_an_unknown_name_of_a_format_is_told_what_there_is(demo):
    response = demo.get("/dogs/stream/?format=xls")
    assert response.status_code == 406
    assert "'xls'" in response.text
    assert all(format.name in response.text for format in FORMATS)


@server
@pytest.mark.parametrize("query", ["rows=0", "rows=20001", "rows=many", "rows=-1", "pace=warp"])
def test_a_wrong_wish_for_dogs_is_refused_by_field(demo, query):
    response = demo.get(f"/dogs/stream/?{query}")
    assert response.status_code == 400
    assert list(response.json()["errors"]) == [query.partition("=")[0]]


@server
def test_a_database_that_is_not_seeded_streams_no_dogs(fresh):
    fresh.manage("migrate", "--verbosity", "0")
    with fresh.served() as demo:
        response = demo.get("/dogs/stream/")
        assert (response.status_code, response.content) == (200, b"")


# The export.


class Reading(msgspec.Struct):
    station: str
    at: datetime
    celsius: float


@server
@pytest.mark.parametrize(
    ("format", "content_type", "filename"),
    [
        (CSV, "text/csv; charset=utf-8", "readings.csv"),
        (JSONL, "application/jsonl", "readings.jsonl"),
    ],
)
def test_an_export_has_all_rows_and_a_name(demo, format, content_type, filename):
    response = demo.get(f"/export/stream/?format={format.name}")
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Content-Disposition"] == f'attachment; filename="{filename}"'
    readings = decoded(format, response.content, Reading)
    assert len(readings) == READINGS
    assert readings[0] == Reading("Bergen", datetime(2025, 1, 1, tzinfo=UTC), 3.3)
    minutes = (READINGS - 1) // 8
    assert readings[-1].at == datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    assert {reading.station for reading in readings[:8]} == {
        reading.station for reading in readings
    }


@server
def test_an_export_of_csv_begins_with_a_header(demo):
    with demo.open("/export/stream/") as response:
        lines = response.iter_lines()
        assert next(lines) == "station,at,celsius"
        assert next(lines) == "Bergen,2025-01-01T00:00:00Z,3.3"


@server
def test_an_export_in_an_unknown_format_is_refused(demo):
    assert demo.get("/export/stream/?format=pdf").status_code == 406
    assert demo.get("/export/stream/", headers={"Accept": "image/png"}).status_code == 406


@server
def test_an_export_is_counted_until_its_reader_has_left(demo):
    with demo.events("/export/vitals/") as vitals:
        numbers = (json.loads(event.data)["exports"] for event in vitals)
        assert 0 in itertools.islice(numbers, 100)  # An earlier reader may be about to leave.
        with demo.open("/export/stream/?format=jsonl") as response:
            chunks = response.iter_raw()
            assert next(chunks)
            assert 1 in itertools.islice(numbers, 100)
        assert 0 in itertools.islice(numbers, 100)


@server
def test_an_export_takes_no_memory_that_grows_with_it(demo):
    process = psutil.Process(demo.process.pid)
    demo.get("/export/stream/?format=jsonl")  # What a first export takes, it takes but once.
    before = process.memory_info().rss
    grown = size = 0
    with demo.open("/export/stream/?format=jsonl") as response:
        for chunk in response.iter_raw():
            size += len(chunk)
            grown = max(grown, process.memory_info().rss - before)
    assert size > 60 * READINGS
    assert grown < size / 4


@server
def test_an_export_of_no_readings_is_empty(fresh):
    fresh.manage("migrate", "--verbosity", "0")
    with fresh.served() as demo:
        assert demo.get("/export/").status_code == 200
        for name in ("csv", "jsonl"):
            response = demo.get(f"/export/stream/?format={name}")
            assert (response.status_code, response.content) == (200, b"")


def test_the_memory_of_the_process_is_what_the_system_says():
    assert process_memory()["now"] == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)


def test_the_memory_is_the_most_there_was_where_no_more_is_known(monkeypatch, tmp_path):
    now = process_memory()["now"]
    monkeypatch.setattr(memory, "STATM", tmp_path / "none")
    assert process_memory()["most"] > 0.9 * now
    monkeypatch.setattr(memory, "resource", None)
    assert process_memory() is None


# The upload.

MAX_SIZE = 10**9

PART = re.compile(r"\.[0-9a-f]{32}\.part")


@pytest.fixture
def folder(demo):
    """The folder of what is uploaded, empty."""
    shutil.rmtree(demo.media, ignore_errors=True)
    return demo.media / "uploads"


def upload(demo, content, filename, **headers):
    """Uploads a file as the page's script does, but for the CSRF token if it is None."""
    headers = {
        **demo.csrf,
        "Content-Type": "text/plain",
        "Content-Disposition": f"attachment; filename*=UTF-8''{filename}",
        **headers,
    }
    return demo.post("/upload/save/", content=content, headers=headers)


def token(demo):
    return {"csrfmiddlewaretoken": demo.csrf["X-CSRFToken"]}


def names(folder):
    return sorted(path.name for path in folder.glob("*"))


@server
def test_an_upload_is_saved_and_answered_with_its_digest(demo, folder):
    content = random.Random(1).randbytes(3_000_000)
    response = upload(demo, content, "r%C3%B6ntgen%20bild.txt")
    assert response.status_code == 201
    assert response.json() == {
        "files": [
            {
                "field": None,
                "filename": "röntgen bild.txt",
                "content_type": "text/plain",
                "name": "uploads/röntgen bild.txt",
                "size": len(content),
                "digest": hashlib.sha256(content).hexdigest(),
            }
        ]
    }
    assert names(folder) == ["röntgen bild.txt"]
    assert (folder / "röntgen bild.txt").read_bytes() == content


@server
def test_an_empty_file_is_an_upload_too(demo, folder):
    [saved] = upload(demo, b"", "empty.txt").json()["files"]
    assert (saved["size"], saved["digest"]) == (0, hashlib.sha256().hexdigest())
    assert names(folder) == ["empty.txt"]


@server
def test_an_upload_without_the_token_is_refused(demo, folder):
    assert upload(demo, b"abc", "a.txt", **{"X-CSRFToken": ""}).status_code == 403
    assert demo.post("/upload/save/", files={"files": ("a.txt", b"abc")}).status_code == 403
    assert demo.get("/upload/save/").status_code == 405
    assert names(folder) == []


@server
def test_a_plain_form_with_its_token_first_leads_to_a_page_that_shows_its_files(demo, folder):
    files = [("files", ("a<b.txt", b"abc")), ("files", ("c.txt", b"c" * 2_000_000))]
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    response = demo.post("/upload/save/", data=token(demo), files=files, headers=accept)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/upload/?saved=")
    page = html.unescape(demo.get(response.headers["Location"]).text)
    assert names(folder) == ["a<b.txt", "c.txt"]
    for _, (name, content) in files:
        assert f"Saved as uploads/{name}: {len(content)} bytes." in page
        assert hashlib.sha256(content).hexdigest() in page


@server
def test_what_a_form_has_saved_is_shown_only_if_the_server_says_so(demo):
    page = demo.get("/upload/").text
    assert "What the form has uploaded" not in page
    for forged in ("x", "W10:1xUoL6:Zm9yZ2Vk", ".:::", "%00"):
        response = demo.get(f"/upload/?saved={forged}")
        assert response.status_code == 200
        assert "What the form has uploaded" not in response.text


@server
def test_a_form_whose_token_stands_after_the_file_is_refused(demo, folder):
    field = f'name="csrfmiddlewaretoken"\r\n\r\n{demo.csrf["X-CSRFToken"]}'
    file = 'name="files"; filename="a.txt"\r\n\r\nabc'
    for parts, status in (((file, field), 403), ((field, file), 201)):
        body = "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts)
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        response = demo.post("/upload/save/", content=f"{body}--b--\r\n".encode(), headers=headers)
        assert response.status_code == status
        assert names(folder) == (["a.txt"] if status == 201 else [])


@server
def test_a_form_without_a_file_is_refused(demo, folder):
    response = demo.post("/upload/save/", data=token(demo), files={"files": ("", b"")})
    assert (response.status_code, response.text) == (400, "the request has no file\n")


@server
def test_a_file_that_is_too_large_is_refused_before_it_is_sent(demo, folder):
    with announced(demo, MAX_SIZE + 1) as connection:
        response = connection.getresponse()
        assert response.status == 413
        assert f"more than the {MAX_SIZE} bytes allowed" in response.read().decode()
    assert names(folder) == []


@server
def test_a_program_is_refused_and_with_it_all_that_came_along(demo, folder):
    response = upload(demo, b"MZ", "Setup.EXE")
    assert response.status_code == 415
    assert "'Setup.EXE' of type text/plain is not allowed" in response.text
    files = [("files", ("a.txt", b"abc")), ("files", ("b.bat", b"del"))]
    response = demo.post("/upload/save/", data=token(demo), files=files)
    assert response.status_code == 415
    assert names(folder) == []


@server
def test_an_upload_whose_client_leaves_midway_leaves_nothing_behind(demo, folder):
    with demo.events("/upload/folder/") as events:
        states = (event.json() for event in events)
        assert next(states) == {"arriving": 0, "parts": 0, "files": 0}
        with announced(demo, 10_000_000) as connection:
            connection.send(bytes(3_000_000))
            arriving = next(state for state in states if state["parts"])
            assert arriving == {"arriving": 1, "parts": 1, "files": 0}
            assert PART.fullmatch(*names(folder))
        left = next(state for state in states if not state["arriving"])
        assert left == {"arriving": 0, "parts": 0, "files": 0}
    assert names(folder) == []


@contextmanager
def announced(demo, size):
    """Gives a connection on which an upload of this size has been announced, and no more."""
    connection = http.client.HTTPConnection(demo.base_url.host, demo.base_url.port, PATIENCE)
    connection.putrequest("POST", "/upload/save/")
    connection.putheader("Cookie", f"csrftoken={demo.csrf['X-CSRFToken']}")
    connection.putheader("X-CSRFToken", demo.csrf["X-CSRFToken"])
    connection.putheader("Content-Disposition", 'attachment; filename="film.mkv"')
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    with closing(connection):
        yield connection


@server
def test_only_the_newest_uploads_are_kept(demo, folder):
    for n in range(MAX_FILES + 2):
        assert upload(demo, b"abc", f"{n}.txt").status_code == 201
    assert names(folder) == sorted(f"{n}.txt" for n in range(2, MAX_FILES + 2))


def test_the_oldest_uploads_are_deleted_when_there_are_too_many_bytes(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    for age, size in ((4, 7), (3, MAX_BYTES // 2), (2, MAX_BYTES // 2 - 2), (1, 1), (0, 1)):
        aged(tmp_path, f"{age}.bin", age, size)
    delete_surplus()
    assert [found.path.name for found in uploads()] == ["0.bin", "1.bin", "2.bin", "3.bin"]


def test_a_part_is_deleted_when_nobody_will_finish_it(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    delete_surplus()  # There is no folder yet.
    aged(tmp_path, ".young.part", STALE_SECONDS - 60)
    aged(tmp_path, ".old.part", STALE_SECONDS + 60)
    aged(tmp_path, "whole.part", STALE_SECONDS + 60)
    delete_surplus()
    assert [found.path.name for found in uploads()] == [".young.part", "whole.part"]


def aged(media, name, age, size=0):
    """Makes a file of that size, which takes no room, and was last written so many seconds ago."""
    path = media / "uploads" / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, size)
    changed_at = time.time() - age
    os.utime(path, (changed_at, changed_at))


# The model of text.

TEXT = """
Heading
*******

The cat sat on the mat and the dog sat on the *other* mat today [1].

The dog, however, was not a dog of the sort that sits for long.

   code = block(of="dogs")  # And there is a sentence in it which is long enough.

expr ::= "A grammar" | "of many words" and more words and more words and more.
* The item of a list is prose if it is a sentence of more than a few words.
"""


def test_prose_is_sentences_without_markup():
    assert list(prose(TEXT)) == [
        "The cat sat on the mat and the dog sat on the other mat today.",
        "The dog, however, was not a dog of the sort that sits for long.",
    ]


def test_the_same_random_makes_the_same_text():
    model = MarkovModel(prose(TEXT))
    texts = [generated(model, "The cat", seed) for seed in (1, 1, 2, 3, 4)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


@pytest.mark.parametrize("prompt", ["The cat", "I saw the CAT", "the cat\n", "the cat xyzzy"])
def test_text_continues_the_last_words_that_are_known(prompt):
    assert generated(MarkovModel(prose(TEXT)), prompt, 0).startswith(" sat on")


@pytest.mark.parametrize("prompt", ["", "xyzzy"])
def test_text_begins_a_paragraph_after_words_that_are_not_known(prompt):
    assert generated(MarkovModel(prose(TEXT)), prompt, 0).startswith(f"{PARAGRAPH}The ")


def test_a_text_has_no_end():
    assert generated(MarkovModel(["Only this."]), "only", 0, tokens=7) == (
        f" this.{PARAGRAPH}Only this.{PARAGRAPH}Only this."
    )


def test_a_model_needs_something_to_learn_from():
    with pytest.raises(ValueError, match="at least one paragraph"):
        MarkovModel([])


def generated(model, prompt, seed, tokens=30):
    return "".join(itertools.islice(model.tokens(prompt, random.Random(seed)), tokens))


# The gauge.


async def test_a_gauge_tells_each_watcher_of_each_change():
    gauge = Gauge()
    async with aclosing(gauge.values()) as first, aclosing(gauge.values()) as second:
        assert [await anext(first), await anext(second)] == [0, 0]
        with gauge.counting():
            assert [await anext(first), await anext(second)] == [1, 1]
        assert [await anext(first), await anext(second)] == [0, 0]


async def test_a_slow_watcher_of_a_gauge_sees_the_last_value_alone():
    gauge = Gauge()
    async with aclosing(gauge.values()) as values:
        assert await anext(values) == 0
        with gauge.counting(), gauge.counting():
            pass
        with gauge.counting():
            assert await anext(values) == 1
        assert await anext(values) == 0


async def test_a_gauge_tells_of_what_other_threads_count():
    gauge = Gauge()
    may_end = threading.Event()

    def count():
        with gauge.counting():
            assert may_end.wait(PATIENCE)

    async with aclosing(gauge.values()) as values, asyncio.timeout(PATIENCE):
        assert await anext(values) == 0
        thread = asyncio.create_task(asyncio.to_thread(count))
        assert await anext(values) == 1
        may_end.set()
        assert await anext(values) == 0
        await thread


async def test_a_gauge_counts_down_when_its_block_fails():
    gauge = Gauge()
    with pytest.raises(asyncio.CancelledError), gauge.counting():
        raise asyncio.CancelledError
    assert gauge.value == 0
