"""A real PostgreSQL for tests: a cluster of its own, on a socket of its own, and always stopped.

    with postgresql() as database:
        DATABASES["default"] = database

It writes to one temporary folder, listens on no port, and leaves alone what else runs on the
machine. It refuses to run as root: then it runs as the user of its Debian package.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from .servers import START_SECONDS, STOP_SECONDS

USER = "postgres"
OBSERVER = "tests"
"""The name of the application that tests are to the database."""

SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "16MB",
    # The data goes with the tests: nothing has to survive a crash.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


@contextmanager
def postgresql():
    """Starts it, and stops it in the end; gives its one database as an entry of DATABASES."""
    programs = _programs()
    # Not in pytest's folders: nobody but their owner may look into them, and a socket's path has at
    # most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        directory = Path(name)
        if os.geteuid() == 0:
            shutil.chown(directory, USER, USER)
        data = directory / "data"
        initdb = [programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "--no-sync"]
        subprocess.run(
            [*initdb, "-E", "UTF8", "--locale", "C"],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=START_SECONDS,
            **_as_somebody(directory),
        )
        with _running(programs, directory, data):
            yield {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": "postgres",
                "USER": USER,
                "HOST": str(directory),
            }


def _programs():
    """Returns the folder of the newest version: Debian has several, and none of them on PATH."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    versions = {int(folder.parent.name): folder for folder in folders if _is_server(folder)}
    if versions:
        return versions[max(versions)]
    if (program := shutil.which("postgres")) and _is_server(Path(program).resolve().parent):
        return Path(program).resolve().parent
    pytest.skip("PostgreSQL is not installed; get it by: apt-get install postgresql")


def _is_server(folder):
    return (folder / "postgres").exists() and (folder / "initdb").exists()


def _as_somebody(directory):
    """Returns how a program is run as a user that PostgreSQL accepts."""
    user = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    return {"cwd": directory, **user}


@contextmanager
def _running(programs, directory, data):
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    log = directory / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", directory, *settings],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            **_as_somebody(directory),
        )
    try:
        _wait(process, [programs / "pg_isready", "-q", "-h", directory, "-U", USER], log)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # Does not wait for those who are connected.
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)  # Unlike SIGKILL, it takes its children along.
            process.wait(STOP_SECONDS)


def _wait(process, is_ready, log):
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        if subprocess.run(is_ready).returncode == 0:
            return
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}")


# Once a session.

_CLUSTER = pytest.StashKey()


def new_database(request, name, **entry):
    """Returns a new database of the session's PostgreSQL, which starts for the first that asks."""
    stash = request.config.stash
    if _CLUSTER not in stash:
        stack = ExitStack()
        stash[_CLUSTER] = stack.enter_context(postgresql())
        # In the end, after the servers that use it.
        request.config.add_cleanup(stack.close)
    database = stash[_CLUSTER]
    with connected(database) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return {**database, "NAME": name, **entry}


@contextmanager
def connected(database):
    """Connects, without Django and without a transaction."""
    with psycopg.connect(
        host=database["HOST"],
        user=USER,
        dbname=database["NAME"],
        application_name=OBSERVER,
        autocommit=True,
    ) as connection:
        yield connection


def clients(database):
    """Returns the process ids of the connections to a database, without the tests' own.

    Of those the last one, which was closed a moment ago, may still be seen.
    """
    with connected(database) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND application_name <> %s",
            [OBSERVER],
        )
        return {pid for (pid,) in rows}
