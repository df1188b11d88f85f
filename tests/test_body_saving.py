"""`body.saving`: a stream becomes a file of any storage, or nothing at all."""

import asyncio
import gc
import hashlib
import io
import logging
import os
import resource
import stat
import sys
import threading
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.core.exceptions import RequestAborted, SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage, default_storage
from django.db import connection
from django.test import override_settings

from django_streams.body import saving, stored
from django_streams.body.saving import BLOCK_BYTES, Saved, save
from tests.kennel.models import Owner

BLOCK = bytes(range(256)) * (BLOCK_BYTES // 256)


class PlainStorage(Storage):
    """No more than a storage has to have; what it holds is there while it grows."""

    def __init__(self):
        self.files = {}

    def _save(self, name, content):
        self.files[name] = b""
        for piece in self.pieces(content):
            self.files[name] += piece
        return name

    def pieces(self, content):
        return content.chunks()

    def _open(self, name, mode="rb"):
        return ContentFile(self.files[name])

    def exists(self, name):
        return name in self.files

    def delete(self, name):
        del self.files[name]


class ReadingStorage(PlainStorage):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def pieces(self, content):
        return iter(lambda: content.read(self.size), b"")


class FullStorage(PlainStorage):
    """Has room for no more than a block."""

    def pieces(self, content):
        yield next(content.chunks())
        raise OSError(28, "No space left on device")


class RefusingStorage(PlainStorage):
    def _save(self, name, content):
        raise OSError("refused")


class SlowStorage(PlainStorage):
    """Takes a block each time that it may."""

    def __init__(self):
        super().__init__()
        self.may_take = threading.Semaphore(0)
        self.taken = 0

    def pieces(self, content):
        chunks = content.chunks()
        while self.may_take.acquire(timeout=10):
            piece = next(chunks, b"")
            if not piece:
                return
            self.taken += 1
            yield piece


async def stream(*chunks):
    for chunk in chunks:
        yield chunk


async def failing(*chunks, error=RequestAborted):
    for chunk in chunks:
        yield chunk
    raise error


class Waiting:
    """Yields some chunks, says when it is asked for more, and has no more."""

    def __init__(self, *chunks):
        self.chunks = chunks
        self.is_asked = asyncio.Event()

    async def __aiter__(self):
        for chunk in self.chunks:
            yield chunk
        self.is_asked.set()
        await asyncio.Event().wait()


@asynccontextmanager
async def saving_task(*args, **kwargs):
    task = asyncio.create_task(save(*args, **kwargs))
    try:
        async with asyncio.timeout(10):
            yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def read(storage, name):
    with storage.open(name) as file:
        return file.read()


def all_files(directory):
    return sorted(
        path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()
    )


def saving_threads():
    return [thread for thread in threading.enumerate() if thread.name == "django-streams-save"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not saving_threads()


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "media"


@pytest.fixture
def files(directory):
    return FileSystemStorage(directory)


# Any storage

STORAGES = {
    "file system": FileSystemStorage,
    "memory": lambda path: InMemoryStorage(),
    "chunks": lambda path: PlainStorage(),
    "read(n)": lambda path: ReadingStorage(1000),
    "read(more than a block)": lambda path: ReadingStorage(3 * BLOCK_BYTES + 1),
    "read()": lambda path: ReadingStorage(-1),
}


@pytest.fixture(params=STORAGES)
def storage(request, directory):
    return STORAGES[request.param](directory)


@pytest.mark.parametrize(
    "chunks",
    [
        [b"abc"],
        [b"", b"a", b"", b"b"],
        [b"x" * 999] * 5000,
        [BLOCK],
        [BLOCK, BLOCK * 2, b"end"],
        [b"start", BLOCK * 3],
    ],
    ids=["one", "empty chunks", "small", "block", "large", "small then large"],
)
async def test_a_stream_becomes_a_file_with_its_name_size_and_digest(storage, chunks):
    whole = b"".join(chunks)
    saved = await save(stream(*chunks), "dogs/rex.bin", storage=storage, digest="sha256")
    assert saved == Saved("dogs/rex.bin", len(whole), hashlib.sha256(whole).hexdigest())
    assert read(storage, "dogs/rex.bin") == whole


async def test_an_empty_stream_becomes_an_empty_file(storage):
    saved = await save(stream(), "nothing", storage=storage, digest="md5")
    assert saved == Saved("nothing", 0, hashlib.md5().hexdigest())
    assert len(read(storage, "nothing")) == 0


async def test_a_name_that_is_taken_is_changed_as_the_storage_changes_it(storage):
    storage.save("rex.tar.gz", ContentFile(b"the first"))
    saved = await save(stream(b"the second"), "rex.tar.gz", storage=storage)
    assert saved.name.startswith("rex_")
    assert saved.name.endswith(".tar.gz")
    assert read(storage, saved.name) == b"the second"
    assert read(storage, "rex.tar.gz") == b"the first"


async def test_max_length_shortens_the_name(storage):
    saved = await save(stream(b"x"), "n" * 100 + ".txt", storage=storage, max_length=30)
    assert len(saved.name) == 30
    assert saved.name.endswith(".txt")
    assert storage.exists(saved.name)


async def test_a_max_length_that_leaves_no_name_is_refused(storage, directory):
    with pytest.raises(SuspiciousFileOperation, match="max_length"):
        await save(stream(b"x"), "a" * 5 + "." + "e" * 100, storage=storage, max_length=20)
    assert not directory.exists() or all_files(directory) == []


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "a/../../out",
        "a/../b",
        "/etc/passwd",
        "..\\..\\out",
        "a\\..\\b",
        "",
        ".",
        "..",
        "a/",
        "a/..",
    ],
)
async def test_a_bad_name_is_refused_exactly_as_the_storages_own_save_refuses_it(storage, name):
    with pytest.raises(SuspiciousFileOperation) as theirs:
        storage.save(name, ContentFile(b"x"))
    asked = []

    async def chunks():
        asked.append(True)
        yield b"x"

    with pytest.raises(SuspiciousFileOperation) as ours:
        await save(chunks(), name, storage=storage)
    assert str(ours.value) == str(theirs.value)
    assert not asked


async def test_the_default_storage_is_the_default(directory):
    with override_settings(MEDIA_ROOT=directory):
        assert stored._is_plain_directory(default_storage)
        assert (await save(stream(b"abc"), "a.txt")).name == "a.txt"
    assert (directory / "a.txt").read_bytes() == b"abc"


@pytest.mark.parametrize("first", [b"", b"x", BLOCK * 4], ids=["at once", "early", "midway"])
@pytest.mark.parametrize("error", [RequestAborted, OSError, StopAsyncIteration])
async def test_a_stream_that_breaks_off_leaves_nothing_and_its_error_goes_on(
    storage, directory, first, error
):
    raised = error("gone")
    with pytest.raises(RuntimeError if error is StopAsyncIteration else error) as caught:
        await save(failing(first, error=raised), "rex.bin", storage=storage)
    assert raised in (caught.value, caught.value.__cause__)
    assert not storage.exists("rex.bin")
    assert not directory.exists() or all_files(directory) == []


async def test_another_ones_file_of_that_name_survives_an_upload_that_breaks_off(storage):
    storage.save("rex.bin", ContentFile(b"the first"))
    with pytest.raises(RequestAborted):
        await save(failing(BLOCK * 4), "rex.bin", storage=storage)
    assert read(storage, "rex.bin") == b"the first"
    assert len(storage.files if isinstance(storage, PlainStorage) else storage.listdir("")[1]) == 1


async def test_a_cancelled_task_leaves_nothing_while_the_client_is_waited_for(storage, directory):
    chunks = Waiting(*[BLOCK] * 5)
    async with saving_task(chunks, "rex.bin", storage=storage) as task:
        await chunks.is_asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not saving_threads()
    assert not storage.exists("rex.bin")
    assert not directory.exists() or all_files(directory) == []


async def test_two_uploads_of_one_name_at_one_time_get_a_file_each(files, directory):
    both_are_there = asyncio.Barrier(2)

    async def chunks(content):
        yield content * 3 * BLOCK_BYTES
        await both_are_there.wait()
        yield content

    first, second = await asyncio.gather(
        save(chunks(b"1"), "rex", storage=files), save(chunks(b"2"), "rex", storage=files)
    )
    assert {first.name, second.name} > {"rex"}
    assert first.name != second.name
    assert set(read(files, first.name)) == {ord("1")}
    assert set(read(files, second.name)) == {ord("2")}
    assert all_files(directory) == sorted([first.name, second.name])


async def test_many_uploads_of_one_name_never_overwrite_each_other(files, directory):
    contents = [bytes([n]) * 100 for n in range(40)]
    saved = await asyncio.gather(*[save(stream(c), "rex", storage=files) for c in contents])
    assert len({each.name for each in saved}) == 40
    assert [read(files, each.name) for each in saved] == contents
    assert len(all_files(directory)) == 40


# The file system


async def test_a_local_file_grows_under_another_name_in_its_own_directory(files, directory):
    chunks = Waiting(*[BLOCK] * 5)
    async with saving_task(chunks, "deep/down/rex.bin", storage=files):
        await chunks.is_asked.wait()
        assert not files.exists("deep/down/rex.bin")
        (part,) = (directory / "deep/down").iterdir()
        assert part.name.startswith(".")
        assert part.name.endswith(".part")
        assert part.stat().st_size >= 2 * BLOCK_BYTES  # One block waits, one is written.
    assert all_files(directory) == []


async def test_permissions_are_those_of_the_storage(directory):
    before = os.umask(0o027)
    try:
        umasked = FileSystemStorage(directory)
        with override_settings(FILE_UPLOAD_PERMISSIONS=None):
            await save(stream(b"x"), "c/umask", storage=umasked)
        modes = FileSystemStorage(
            directory, file_permissions_mode=0o444, directory_permissions_mode=0o751
        )
        await save(stream(b"x"), "a/b/fixed", storage=modes)
        modes.save("a/b/django", ContentFile(b"x"))
    finally:
        os.umask(before)

    def mode(name):
        return stat.S_IMODE((directory / name).stat().st_mode)

    assert mode("a/b/fixed") == mode("a/b/django") == 0o444
    assert mode("a") == mode("a/b") == 0o751
    assert mode("c/umask") == 0o640


async def test_a_storage_that_overwrites_replaces_the_file_when_the_new_one_is_whole(directory):
    files = FileSystemStorage(directory, allow_overwrite=True)
    files.save("rex", ContentFile(b"the first"))
    chunks = Waiting(*[BLOCK] * 5)
    async with saving_task(chunks, "rex", storage=files):
        await chunks.is_asked.wait()
        assert read(files, "rex") == b"the first"
    assert read(files, "rex") == b"the first"
    assert (await save(stream(b"2nd"), "rex", storage=files)).name == "rex"
    assert read(files, "rex") == b"2nd"
    assert all_files(directory) == ["rex"]


async def test_a_file_system_without_links_is_written_as_safely(files, directory, monkeypatch):
    def link(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    saved = await asyncio.gather(*[save(stream(b"%d" % n), "rex", storage=files) for n in range(9)])
    assert [read(files, each.name) for each in saved] == [b"%d" % n for n in range(9)]
    assert len(all_files(directory)) == 9


async def test_a_file_that_cannot_get_its_name_leaves_nothing(files, directory, monkeypatch):
    def refuse(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        await save(stream(b"x"), "rex", storage=files)
    assert all_files(directory) == []


async def test_a_name_that_is_taken_meanwhile_is_not_overwritten(files, directory):
    async def chunks():
        yield BLOCK * 3
        await asyncio.to_thread(files.save, "rex", ContentFile(b"somebody else's"))
        yield b"end"

    saved = await save(chunks(), "rex", storage=files)
    assert saved.name != "rex"
    assert read(files, "rex") == b"somebody else's"
    assert read(files, saved.name) == BLOCK * 3 + b"end"
    assert len(all_files(directory)) == 2


async def test_a_storage_that_insists_on_a_taken_name_is_not_asked_for_ever(
    files, directory, monkeypatch
):
    files.save("rex", ContentFile(b"the first"))
    monkeypatch.setattr(files, "is_name_available", lambda name, max_length=None: True)
    with pytest.raises(FileExistsError, match="no free name for 'rex'"):
        await save(stream(b"x"), "rex", storage=files)
    assert all_files(directory) == ["rex"]
    assert read(files, "rex") == b"the first"


async def test_the_name_is_tried_again_when_another_upload_is_faster(files, directory, monkeypatch):
    monkeypatch.setattr(files, "exists", lambda name: False)
    names = iter(["rex", "rex", "rex_2"])
    monkeypatch.setattr(
        FileSystemStorage, "get_available_name", lambda *args, **kwargs: next(names)
    )
    (directory).mkdir()
    (directory / "rex").write_bytes(b"somebody else's")
    assert (await save(stream(b"x"), "rex", storage=files)).name == "rex_2"
    assert all_files(directory) == ["rex", "rex_2"]


async def test_the_name_that_is_returned_is_relative_to_the_root(files):
    assert (await save(stream(b"x"), "a//./b.txt", storage=files)).name == "a/b.txt"
    assert (await save(stream(b"x"), "a\\c.txt", storage=files)).name == "a/c.txt"


async def test_a_directory_that_is_a_file_is_refused(files, directory):
    files.save("a", ContentFile(b"x"))
    with pytest.raises(FileExistsError, match="not a directory"):
        await save(stream(b"x"), "a/b", storage=files)
    assert all_files(directory) == ["a"]


async def test_a_subclass_with_rules_of_its_own_is_asked_to_write_itself(directory):
    class Lowercase(FileSystemStorage):
        def _save(self, name, content):
            return super()._save(name.lower(), content)

    files = Lowercase(directory)
    assert not stored._is_plain_directory(files)
    assert (await save(stream(b"x"), "REX", storage=files)).name == "rex"
    with pytest.raises(RequestAborted):
        await save(failing(BLOCK * 3), "fido", storage=files)
    assert all_files(directory) == ["rex"]


# What a storage may do with what it is given


async def test_the_content_behaves_as_a_file_that_is_read_once(caplog):
    seen = {}

    class Curious(PlainStorage):
        def pieces(self, content):
            seen.update(name=content.name, size=content.size, many=content.multiple_chunks())
            with content.open() as file:
                seen.update(
                    is_readable=file.readable(), is_seekable=file.seekable(), mode=file.mode
                )
                yield file.read(2)
                yield file.file.read1(1)
                seen["tell"] = file.tell()
                with pytest.raises(io.UnsupportedOperation, match="passes by once"):
                    file.seek(0)
                with pytest.raises(io.UnsupportedOperation):
                    file.write(b"x")
                buffer = bytearray(3)
                seen["into"] = file.readinto(buffer)
                yield bytes(buffer)
                yield file.readline()
                yield from file.chunks(4)
                seen["end"] = file.read(5), file.read()

    storage = Curious()
    await save(stream(b"0123", b"456\n789", b"abcdef"), "x", storage=storage, size=17)
    assert storage.files["x"] == b"0123456\n789abcdef"
    assert seen == {
        "name": "x",
        "size": 17,
        "many": True,
        "is_readable": True,
        "is_seekable": False,
        "mode": "rb",
        "tell": 3,
        "into": 3,
        "end": (b"", b""),
    }


async def test_a_size_that_is_not_given_is_none():
    sizes = []

    class Sized(PlainStorage):
        def pieces(self, content):
            sizes.append(content.size)
            return content.chunks()

    await save(stream(b"x"), "x", storage=Sized())
    assert sizes == [None]


async def test_what_a_storage_does_not_read_counts_all_the_same():
    class Head(PlainStorage):
        def pieces(self, content):
            return [content.read(10)]

    whole = BLOCK * 4
    saved = await save(stream(*[BLOCK] * 4), "x", storage=Head(), digest="sha1")
    assert saved == Saved("x", len(whole), hashlib.sha1(whole).hexdigest())


async def test_a_storage_that_has_read_enough_loses_the_file_if_the_stream_breaks_off_then():
    class Head(PlainStorage):
        def pieces(self, content):
            return [content.read(10)]

    storage = Head()
    with pytest.raises(RequestAborted):
        await save(failing(*[BLOCK] * 4), "x", storage=storage)
    assert storage.files == {}


async def test_a_storage_that_swallows_the_end_of_an_upload_does_not_keep_it():
    class Forgiving(PlainStorage):
        def pieces(self, content):
            with suppress(Exception):
                yield from content.chunks()

    storage = Forgiving()
    with pytest.raises(RequestAborted):
        await save(failing(*[BLOCK] * 4), "x", storage=storage)
    assert storage.files == {}


async def test_a_storage_with_a_save_of_its_own_is_asked_for_that(caplog):
    class Dated(PlainStorage):
        def save(self, name, content, max_length=None):
            return super().save(f"2024/{name}", content, max_length)

    storage = Dated()
    assert (await save(stream(b"x"), "rex", storage=storage)).name == "2024/rex"
    assert storage.files == {"2024/rex": b"x"}
    with pytest.raises(RequestAborted):
        await save(failing(BLOCK * 3), "fido", storage=storage)
    assert "may have left a part as 'fido'" in caplog.text


async def test_a_file_that_an_overwriting_storage_may_not_have_touched_is_not_deleted(caplog):
    class Atomic(PlainStorage):
        """As S3: a file changes when the new one is whole."""

        def get_available_name(self, name, max_length=None):
            return name

        def _save(self, name, content):
            self.files[name] = content.read()
            return name

    storage = Atomic()
    storage.files["rex"] = b"the first"
    with pytest.raises(RequestAborted):
        await save(failing(BLOCK * 3), "rex", storage=storage)
    assert storage.files == {"rex": b"the first"}
    assert "may have left a part as 'rex'" in caplog.text


async def test_a_storage_that_fails_ends_the_upload_and_leaves_nothing():
    pulled = []

    async def endless():
        while True:
            pulled.append(1)
            yield BLOCK

    storage = FullStorage()
    with pytest.raises(OSError, match="No space left"):
        async with asyncio.timeout(10):
            await save(endless(), "rex", storage=storage)
    assert len(pulled) <= 4
    assert storage.files == {}
    assert not saving_threads()


async def test_a_storage_that_fails_is_heard_at_the_next_chunk_however_small():
    pulled = []

    async def slow_client():
        yield BLOCK
        for thread in saving_threads():
            await asyncio.to_thread(thread.join, 10)
        yield b"x"
        pulled.append("more")
        yield b"y"

    with pytest.raises(OSError, match="refused"):
        await save(slow_client(), "rex", storage=RefusingStorage())
    assert pulled == []


async def test_a_file_that_the_operating_system_stops_leaves_nothing(files, directory):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * BLOCK_BYTES, hard))  # As a disk that is full.
    try:
        with pytest.raises(OSError, match="File too large"):
            await save(stream(*[BLOCK] * 9), "a/rex", storage=files)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert all_files(directory) == []


async def test_a_storage_that_fails_with_the_last_block_is_heard():
    class Picky(PlainStorage):
        def pieces(self, content):
            yield from content.chunks()
            raise OSError("refused")

    storage = Picky()
    with pytest.raises(OSError, match="refused"):
        await save(stream(b"x"), "rex", storage=storage)
    assert storage.files == {}


async def test_a_file_that_cannot_be_deleted_is_logged_and_does_not_hide_the_error(caplog):
    class Stubborn(PlainStorage):
        def delete(self, name):
            raise PermissionError("not yours")

    with pytest.raises(RequestAborted):
        await save(failing(BLOCK * 3), "rex", storage=Stubborn())
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "'rex'" in record.getMessage()
    assert record.exc_info[0] is PermissionError


# Backpressure, threads and cancellation


async def test_a_slow_storage_holds_the_stream_back():
    pulled = 0
    more = asyncio.Condition()
    storage = SlowStorage()

    async def chunks():
        nonlocal pulled
        for _ in range(20):
            async with more:
                pulled += 1
                more.notify_all()
            yield BLOCK

    async with saving_task(chunks(), "rex", storage=storage) as task:
        for allowed in range(10):
            # One waits for the thread to take it, and one for its place.
            async with more:
                await more.wait_for(lambda allowed=allowed: pulled == allowed + 2)
            done, _ = await asyncio.wait([task], timeout=0)
            assert not done
            assert storage.taken <= allowed
            assert pulled == allowed + 2
            storage.may_take.release()
        storage.may_take.release(11)
        assert (await task).size == 20 * BLOCK_BYTES


async def test_small_chunks_are_gathered_and_large_ones_go_as_they_are():
    pieces = []

    class Listening(PlainStorage):
        def pieces(self, content):
            for piece in content.chunks():
                pieces.append(piece)
                yield piece

    large = BLOCK * 2
    small = b"x" * (BLOCK_BYTES // 16)
    await save(stream(*[small] * 40, large, large, b"end"), "x", storage=Listening())
    assert [len(piece) for piece in pieces[:2]] == [BLOCK_BYTES] * 2
    assert len(pieces[2]) == 8 * len(small) + len(large)
    assert pieces[3] is large
    assert pieces[4] == b"end"


async def test_a_small_file_takes_a_thread_only_when_all_of_it_is_there(files):
    chunks = Waiting(b"a few bytes")
    async with saving_task(chunks, "rex", storage=files):
        await chunks.is_asked.wait()
        assert not saving_threads()


async def test_other_synchronous_code_of_the_request_runs_meanwhile():
    storage = SlowStorage()
    threads = set()

    async def chunks():
        for _ in range(5):
            threads.add(await sync_to_async(threading.get_ident)())
            storage.may_take.release()
            yield BLOCK
        storage.may_take.release()

    async with ThreadSensitiveContext(), asyncio.timeout(10):
        threads.add(await sync_to_async(threading.get_ident)())
        await save(chunks(), "rex", storage=storage)
    assert len(threads) == 1


async def test_the_storage_runs_in_a_thread_of_its_own_with_the_tasks_context():
    tenant = ContextVar("tenant", default="nobody")
    seen = []

    class Curious(PlainStorage):
        def pieces(self, content):
            seen.append((tenant.get(), threading.current_thread().name))
            return content.chunks()

    tenant.set("Ada")
    await save(stream(b"x"), "rex", storage=Curious())
    assert seen == [("Ada", "django-streams-save")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("breaks_off", [False, True])
async def test_a_storage_that_uses_the_database_leaves_no_connection(breaks_off):
    used = []

    class InTheDatabase(PlainStorage):
        def _save(self, name, content):
            Owner.objects.create(name=name)
            used.append(connection.connection)
            return super()._save(name, content)

    chunks = failing(BLOCK * 2) if breaks_off else stream(b"x")
    with suppress(RequestAborted):
        await save(chunks, "Ada", storage=InTheDatabase())
    assert await Owner.objects.filter(name="Ada").aexists()
    with pytest.raises(Exception, match="closed database"):
        used[0].total_changes  # noqa: B018


async def test_a_cancelled_task_waits_for_a_storage_that_is_busy_and_leaves_nothing():
    storage = SlowStorage()
    chunks = stream(*[BLOCK] * 20)
    async with saving_task(chunks, "rex", storage=storage) as task:
        while not saving_threads():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=0)
        assert not task.done()  # Nobody can interrupt a thread.
        storage.may_take.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not saving_threads()
    assert storage.files == {}


async def test_a_second_cancellation_does_not_wait_and_the_file_is_deleted_all_the_same():
    storage = SlowStorage()
    async with saving_task(stream(*[BLOCK] * 20), "rex", storage=storage) as task:
        while not saving_threads():
            await asyncio.sleep(0)
        (thread,) = saving_threads()
        for _ in range(2):
            task.cancel()
            await asyncio.wait([task], timeout=0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert thread.is_alive()
    storage.may_take.release()
    await asyncio.to_thread(thread.join, 10)
    assert storage.files == {}


async def test_a_task_that_is_cancelled_when_the_file_is_already_whole_leaves_nothing(
    files, directory, monkeypatch
):
    is_whole, go_on = threading.Event(), threading.Event()
    write = stored._PlainFile.write

    def write_and_wait(self, content):
        name = write(self, content)
        is_whole.set()
        assert go_on.wait(10)
        return name

    monkeypatch.setattr(stored._PlainFile, "write", write_and_wait)
    async with saving_task(stream(b"x"), "rex", storage=files) as task:
        await asyncio.to_thread(is_whole.wait, 10)
        assert all_files(directory) == ["rex"]
        task.cancel()
        await asyncio.wait([task], timeout=0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert all_files(directory) == []


async def test_a_task_that_is_cancelled_as_it_hears_of_the_saved_file_leaves_nothing(
    files, directory, monkeypatch
):
    tell = saving._Upload._tell

    def cancel_first(self, news):
        if self._name and not self._is_broken_off:  # The news that the file is whole.
            self._loop.call_soon_threadsafe(task.cancel)
        tell(self, news)

    monkeypatch.setattr(saving._Upload, "_tell", cancel_first)
    async with saving_task(stream(b"x"), "rex", storage=files) as task:
        with pytest.raises(asyncio.CancelledError):
            await task
    assert all_files(directory) == []


def test_a_loop_that_ends_without_cancelling_leaves_no_thread(directory, caplog):
    files = FileSystemStorage(directory)
    loop = asyncio.new_event_loop()

    async def begin():
        chunks = Waiting(*[BLOCK] * 4)
        task = asyncio.ensure_future(save(chunks, "rex", storage=files))
        await chunks.is_asked.wait()
        return task

    task = loop.run_until_complete(begin())
    (thread,) = saving_threads()
    loop.close()
    task._log_destroy_pending = False
    task.get_coro().close()
    thread.join(10)
    assert all_files(directory) == []


async def test_a_thread_that_cannot_start_leaves_nothing(files, directory, monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start"):
        await save(stream(BLOCK), "rex", storage=files)
    assert not directory.exists()


async def test_nothing_holds_the_blocks_when_the_file_is_saved(files):
    block = bytes(BLOCK_BYTES)
    before = sys.getrefcount(block)
    await save(stream(block), "rex", storage=files)
    gc.collect()
    assert sys.getrefcount(block) == before


def test_synchronous_code_saves_a_stream_too(files):
    assert async_to_sync(save)(stream(BLOCK * 3), "rex", storage=files).size == 3 * BLOCK_BYTES
    assert read(files, "rex") == BLOCK * 3


# Digests


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha256", "sha3_512", "blake2b", "SHA256"])
async def test_the_digest_is_hashlibs(files, digest):
    saved = await save(stream(BLOCK, b"x" * 1000), "rex", storage=files, digest=digest)
    assert saved.digest == hashlib.new(digest, BLOCK + b"x" * 1000).hexdigest()


async def test_no_digest_is_computed_unless_one_is_asked_for(files):
    assert (await save(stream(b"x"), "rex", storage=files)).digest is None


@pytest.mark.parametrize("digest", ["nonsense", "", "shake_128", "shake_256"])
async def test_an_unknown_digest_is_refused_before_a_byte_is_read(files, directory, digest):
    chunks = Waiting()
    with pytest.raises(ValueError, match=f"digest is '{digest}'.*sha256"):
        await save(chunks, "rex", storage=files, digest=digest)
    assert not chunks.is_asked.is_set()
    assert not directory.exists()


async def test_the_end_of_a_process_waits_for_what_is_deleted_in_a_thread(tmp_path):
    storage, may_delete = FileSystemStorage(tmp_path), threading.Event()
    delete = storage.delete

    def delete_late(name):
        may_delete.wait(5)
        delete(name)

    storage.delete = delete_late

    async def chunks():
        yield bytes(BLOCK_BYTES)
        await asyncio.Event().wait()

    task = asyncio.ensure_future(save(chunks(), "a.bin", storage=storage))
    while not list(tmp_path.iterdir()):
        await asyncio.sleep(0.001)
    for _ in range(2):  # The second time, it does not wait for the storage.
        task.cancel()
        await asyncio.wait([task], timeout=0.01)
    assert list(tmp_path.iterdir())
    asyncio.get_running_loop().call_later(0.01, may_delete.set)
    await saving.finish_saving(5)
    assert not list(tmp_path.iterdir())
