"""The tasks of dev.py: each readies the virtual environment `.venv`, then runs its tool there.

Rules: the standard library only; a task runs in the project's root, whatever the folder it was
called from; the tool's exit code is the task's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent
EXTRAS = ("cbor", "channels", "demo", "metrics", "redis", "zip")
PIP = "pip>=25.1"  # the first that installs dependency groups (PEP 735)
ON_WINDOWS = os.name == "nt"

Command = tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One tool to run, which gets the extra arguments, and what goes with it."""

    summary: str
    tool: Command
    before: tuple[Command, ...] = ()
    """Run first; each has to succeed."""
    after: tuple[Command, ...] = ()
    """Run in any case, so that one run tells everything there is to mend."""


TASKS = {
    "demo": Task(
        "serve the demo on http://127.0.0.1:8000 (arguments go to uvicorn: --port 9000)",
        before=(
            ("python", "manage.py", "migrate", "--verbosity", "0"),
            ("python", "manage.py", "seed"),
        ),
        # The address is uvicorn's default, and uvicorn prints it once it listens. Without a limit
        # on its patience, a stream that is open would keep it from ending on Ctrl-C.
        tool=("uvicorn", "demo_project.asgi:application", "--timeout-graceful-shutdown", "3"),
    ),
    "test": Task("run the tests (arguments go to pytest)", tool=("pytest",)),
    "lint": Task(
        "check style, types and import contracts (arguments go to ruff check: --fix)",
        tool=("ruff", "check"),
        after=(("ruff", "format", "--check"), ("mypy",), ("lint-imports", "--no-logo")),
    ),
    "bench": Task(
        "measure against other libraries (arguments go to the benchmarks)",
        tool=("python", "-m", "benchmarks"),
    ),
    "soak": Task(
        "look for what many clients leave behind, for ten minutes (or --seconds 60)",
        tool=("python", "-m", "benchmarks.soak"),
    ),
    "docs": Task(
        "build the documentation in docs/_build (arguments go to sphinx-build)",
        tool=("sphinx-build", "-W", "--keep-going", "docs", "docs/_build"),
    ),
}


class Refusal(Exception):
    """What keeps a task from running, in one line for the person who called it."""


class Environment:
    """The virtual environment in `.venv`: made when it is missing, renewed when it is out of date.

    A stamp, written last, holds what the environment was made from. So one that was interrupted
    half-way has no stamp, and a later run that finds the stamp it expects has nothing to do.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.path = root / ".venv"
        self.scripts = self.path / ("Scripts" if ON_WINDOWS else "bin")
        self.python = self.scripts / ("python.exe" if ON_WINDOWS else "python")
        self.stamp = self.path / "made-from.json"

    def ready(self) -> None:
        """Makes, or renews, the environment if that is needed."""
        made_from, wanted = self.read_stamp(), self.describe()
        if made_from == wanted and self.python.exists():
            return
        if made_from.get("place") != wanted["place"] or not self.python.exists():
            self.make()
        self.stamp.unlink(missing_ok=True)
        self.install()
        self.stamp.write_text(json.dumps(wanted, indent=2), encoding="utf-8")

    def describe(self) -> dict[str, str]:
        """Returns what an environment made now would be made from.

        Another place (the Python, or the folder that its scripts name) calls for a new environment;
        other requirements only for another installation in the one that is there.
        """
        project = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))
        requirements = [
            project.get(table) for table in ("build-system", "project", "dependency-groups")
        ]
        return {
            "place": f"{self.path}: Python {sys.version} in {sys.base_prefix}",
            "requirements": hashlib.sha256(json.dumps(requirements).encode()).hexdigest(),
        }

    def read_stamp(self) -> dict[str, str]:
        """Returns what the environment was made from; empty when that is not known."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def make(self) -> None:
        """Makes the environment anew, with pip in it and nothing else."""
        if Path(sys.prefix) == self.path:
            raise Refusal(f"{self.path} must be made anew: leave it first, with 'deactivate'.")
        if importlib.util.find_spec("pip") is None:
            raise Refusal(
                f"{sys.executable} has no pip. Install it first: 'apt install python3-pip' on "
                f"Debian and Ubuntu, '{sys.executable} -m ensurepip' elsewhere."
            )
        say(f"Making {self.path} with Python {platform.python_version()} ...")
        # Debian packs ensurepip apart, and forbids its pip to install outside of an environment:
        # the environment is made without pip, and the pip that runs here installs one in there.
        venv.create(self.path, clear=True, symlinks=not ON_WINDOWS)
        pip = (sys.executable, "-m", "pip", "--python", str(self.python))
        self.call_pip((*pip, "install", "--quiet", "--disable-pip-version-check", PIP))

    def install(self) -> None:
        """Installs the project, editable, with its extras and all that it is worked on with."""
        say("Installing the project and what it is worked on with ...")
        project = f".[{','.join(EXTRAS)}]"
        pip = (str(self.python), "-m", "pip", "install", "--quiet")
        self.call_pip((*pip, "--editable", project, "--group", "dev"))

    def call_pip(self, command: Command) -> None:
        if subprocess.run(command, cwd=self.root, check=False).returncode != 0:
            raise Refusal("The installation failed; pip says above why.")

    def run(self, command: Command) -> int:
        """Runs a command of the environment to its end and returns its exit code."""
        say(f"$ {' '.join(command)}")
        code = subprocess.run(
            self.resolve(command), cwd=self.root, env=self.variables(), check=False
        ).returncode
        # A negative code is a signal's number; shells report it so.
        return 128 - code if code < 0 else code

    def become(self, command: Command) -> int:
        """Runs a command in place of this process, so that signals and exit code are its own.

        Returns only where a process cannot be replaced.
        """
        if not ON_WINDOWS:
            say(f"$ {' '.join(command)}")
            os.chdir(self.root)
            resolved = self.resolve(command)
            os.execve(resolved[0], resolved, self.variables())
        return self.run(command)

    def resolve(self, command: Command) -> Command:
        """Returns the command with its program's place in the environment."""
        program = shutil.which(command[0], path=self.scripts)
        if program is None:
            raise Refusal(f"{self.path} has no {command[0]}: delete the folder and try again.")
        return (program, *command[1:])

    def variables(self) -> Mapping[str, str]:
        """Returns the environment variables that activating the environment would set."""
        path = os.pathsep.join(filter(None, (str(self.scripts), os.environ.get("PATH"))))
        return {**os.environ, "VIRTUAL_ENV": str(self.path), "PATH": path}


def perform(task: Task, arguments: Sequence[str], environment: Environment) -> int:
    """Runs what the task names, in order, and returns the first exit code that is not 0."""
    for command in task.before:
        if code := environment.run(command):
            return code
    tool = (*task.tool, *arguments)
    if not task.after:
        return environment.become(tool)
    codes = [environment.run(command) for command in (tool, *task.after)]
    return next(filter(None, codes), 0)


def main(arguments: Sequence[str], environment: Environment | None = None) -> int:
    """Runs the task that the arguments name; returns the exit code for the shell."""
    name, *rest = arguments or ["--help"]
    if name in {"-h", "--help"}:
        print(usage())
        return 0
    if name not in TASKS:
        print(f"dev.py: there is no task {name!r}.\n\n{usage()}", file=sys.stderr)
        return 2
    environment = environment or Environment()
    try:
        environment.ready()
        return perform(TASKS[name], rest, environment)
    except Refusal as refusal:
        print(f"dev.py: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def usage() -> str:
    """Returns the help text: how to call dev.py, and a line per task."""
    tasks = (f"  {name:5}  {task.summary}" for name, task in TASKS.items())
    return "\n".join(("usage: python3 dev.py TASK [argument ...]", "", *tasks))


def say(line: str) -> None:
    """Prints a line ahead of what the next command prints."""
    print(line, flush=True)
