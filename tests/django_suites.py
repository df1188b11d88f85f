"""Runs suites of Django's own tests with our ASGI handler in place of Django's.

    python tests/django_suites.py                  those of SUITES
    python tests/django_suites.py generic_views    others

The tests are those of the Django that is installed, which comes without them. So pip downloads the
source distribution of that very version, from wherever its configuration says. `.django_suites`
keeps the tests: only the first run needs the network. `django_suites_runner.py` then puts our
handler in place and runs them, in a process of its own, whose exit code is the script's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITES = (
    "asgi",
    "file_uploads",
    "csrf_tests",
    "requests_tests",
    "handlers",
    "responses",
    "httpwrappers",
    "middleware",
)
CACHE = Path(__file__).resolve().parent.parent / ".django_suites"
RUNNER = Path(__file__).with_name("django_suites_runner.py")


class Refusal(Exception):
    """What keeps the suites from running, in one line."""


def main(suites: Sequence[str]) -> int:
    """Runs the suites and returns the exit code for the shell."""
    try:
        tests = fetch_tests(django.__version__)
    except Refusal as refusal:
        say(f"django_suites.py: {refusal}")
        return 1
    return run(tests, suites or SUITES)


def fetch_tests(version: str) -> Path:
    """Returns the folder of that Django's tests, from the cache or else from pip."""
    kept = CACHE / version
    if not kept.is_dir():
        CACHE.mkdir(exist_ok=True)
        # Renamed when it is complete: a run that is interrupted leaves nothing that looks so.
        with TemporaryDirectory(dir=CACHE) as folder:
            archive = download(version, Path(folder))
            unpack_tests(archive, Path(folder, "unpacked")).rename(kept)
    say(f"Django {version}'s tests are in {kept}")
    return kept


def download(version: str, folder: Path) -> Path:
    """Returns the source distribution, whose hash, name and version pip has checked."""
    say(f"Downloading the source distribution of Django {version} ...")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
    # All of it is not wanted as a wheel; what its metadata is built with may be one.
    options = ("--no-deps", "--no-binary", "django", "--dest", str(folder))
    if subprocess.run((*pip, *options, f"django=={version}")).returncode != 0:
        raise Refusal("The download failed; pip says above why.")
    return choose_archive(folder, version)


def choose_archive(folder: Path, version: str) -> Path:
    """Returns the one archive of that version; some were called `Django`, some `django`."""
    wanted = f"django-{version}.tar.gz"
    found = sorted(path.name for path in folder.iterdir())
    chosen = [name for name in found if name.lower() == wanted]
    if len(chosen) != 1:
        raise Refusal(f"pip downloaded {found}; {wanted!r} was expected.")
    return folder / chosen[0]


def unpack_tests(archive: Path, folder: Path) -> Path:
    """Writes the plain files of the archive's tests; returns the folder in which they are.

    Django's own package stays behind: what is tested is the one that is installed. `tarfile` would
    do this with a filter, but the Python 3.11.2 of Debian 12 has none.
    """
    with tarfile.open(archive) as members:
        for member in members:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise Refusal(f"{archive.name} has {member.name!r}, which would lie outside of it.")
            content = members.extractfile(member) if member.isfile() else None
            if content is not None and path.parts[1:2] == ("tests",):
                place = folder.joinpath(*path.parts[1:])
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content.read())
    if not (folder / "tests" / "runtests.py").is_file():
        raise Refusal(f"{archive.name} has no tests/runtests.py.")
    return folder / "tests"


def run(tests: Path, suites: Sequence[str]) -> int:
    """Runs the suites to their end and returns their exit code."""
    say(f"Running {', '.join(suites)} with our handler ...")
    # Without -P, our tests/asgi.py would be found before Django's tests/asgi/.
    command = (sys.executable, "-P", str(RUNNER), str(tests), *suites)
    return subprocess.run((*heeding_permissions(), *command)).returncode


def heeding_permissions() -> tuple[str, ...]:
    """Returns what makes a command of root's heed the permissions of files.

    One of Django's tests wants to be refused a folder without write permission, and root is refused
    none. With one capability less it is, so that the test need not be left out.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.geteuid() != 0:
        return ()
    return (setpriv, "--inh-caps=-dac_override", "--bounding-set=-dac_override")


def say(line: str) -> None:
    """Prints a line ahead of what the next process prints."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
