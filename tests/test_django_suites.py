"""The script that runs Django's own suites, without pip and without Django's tests."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.django_suites import Refusal, choose_archive, unpack_tests
from tests.django_suites_runner import Tally

if TYPE_CHECKING:
    from pathlib import Path


def pack(folder: Path, *names: str, link: str | None = None) -> Path:
    """Writes an archive of files that hold their own names, and perhaps of a link."""
    path = folder / "django-5.2.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
        if link is not None:
            member = tarfile.TarInfo(link)
            member.type = tarfile.SYMTYPE
            member.linkname = "/"
            archive.addfile(member)
    return path


@pytest.mark.parametrize("name", ["django-5.2.tar.gz", "Django-5.2.tar.gz"])
def test_the_archive_of_the_version_is_chosen(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert choose_archive(tmp_path, "5.2") == tmp_path / name


@pytest.mark.parametrize("name", ["django-5.2.1.tar.gz", "django-5.2-py3-none-any.whl"])
def test_another_archive_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(Refusal, match=r"'django-5\.2\.tar\.gz' was expected"):
        choose_archive(tmp_path, "5.2")


def test_only_the_plain_files_of_the_tests_are_unpacked(tmp_path: Path) -> None:
    names = ["django-5.2/django/__init__.py", "django-5.2/tests/asgi/tests.py"]
    archive = pack(tmp_path, *names, "django-5.2/tests/runtests.py", link="django-5.2/tests/link")
    tests = unpack_tests(archive, tmp_path / "unpacked")
    files = {str(path.relative_to(tmp_path)) for path in (tmp_path / "unpacked").rglob("*.*")}
    assert files == {"unpacked/tests/asgi/tests.py", "unpacked/tests/runtests.py"}
    assert (tests / "asgi" / "tests.py").read_text() == names[1]
    assert not (tests / "link").is_symlink()


@pytest.mark.parametrize("name", ["django-5.2/tests/../../../evil", "/tmp/tests/evil"])
def test_a_file_outside_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    archive = pack(tmp_path, name)
    with pytest.raises(Refusal, match="outside"):
        unpack_tests(archive, tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def test_an_archive_without_tests_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path, "django-5.2/django/__init__.py")
    with pytest.raises(Refusal, match=r"no tests/runtests\.py"):
        unpack_tests(archive, tmp_path / "unpacked")


def test_a_suite_that_did_not_ask_our_handler_is_found() -> None:
    tally = Tally()
    tally.answers["asgi"] = 1
    assert tally.find_unanswered(["asgi.tests", "httpwrappers"]) == []
    assert tally.find_unanswered(["file_uploads.tests", "asgi"]) == ["file_uploads"]
