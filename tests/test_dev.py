"""dev.py and its tasks, without the network: nothing here is downloaded or installed."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import dev_tasks
from dev_tasks import ROOT, TASKS, Environment, Refusal, Task, main, perform

PYPROJECT = """
[project]
name = "example"
version = "1"

[tool.ruff]
line-length = 100
"""


class RecordingEnvironment(Environment):
    """Makes and installs nothing, runs nothing, and remembers what it was asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[str] = []
        self.exit_codes: dict[str, int] = {}

    def make(self) -> None:
        self.asked.append("make")
        self.scripts.mkdir(parents=True, exist_ok=True)
        self.python.unlink(missing_ok=True)
        self.python.touch()

    def install(self) -> None:
        self.asked.append("install")

    def run(self, command: tuple[str, ...]) -> int:
        self.asked.append(f"run {' '.join(command)}")
        return self.exit_codes.get(command[0], 0)

    def become(self, command: tuple[str, ...]) -> int:
        self.asked.append(f"become {' '.join(command)}")
        return self.exit_codes.get(command[0], 0)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path


@pytest.fixture
def environment(project):
    return RecordingEnvironment(project)


@pytest.fixture
def ready_environment(environment):
    environment.ready()
    environment.asked.clear()
    return environment


# Being refused by an old Python


def old_pythons():
    """Yields one interpreter of each version that is too old for dev.py, on PATH or in pyenv."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in ("2.7", "3.6", "3.8", "3.10"):
        on_path = shutil.which(f"python{version}")
        in_pyenv = (str(path) for path in versions.glob(f"{version}.*/bin/python"))
        # pyenv's shims are on PATH for versions that are not enabled too: those do not run.
        found = next(filter(runs, filter(None, (*in_pyenv, on_path))), None)
        missing = pytest.mark.skipif(found is None, reason=f"no Python {version} found")
        yield pytest.param(found, id=version, marks=missing)


def runs(python):
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


@pytest.mark.parametrize("python", [*old_pythons()])
def test_an_old_python_is_refused_in_one_line(python):
    result = subprocess.run([python, "dev.py", "test"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("dev.py needs Python 3.11 or newer; ")
    assert result.stderr.count("\n") == 1


def test_the_front_door_has_no_syntax_that_python_2_cannot_read():
    source = (ROOT / "dev.py").read_bytes()
    assert source.isascii()
    newer = (
        *(ast.AnnAssign, ast.AsyncFunctionDef, ast.Await, ast.JoinedStr, ast.Match),
        *(ast.NamedExpr, ast.Nonlocal, ast.Starred, ast.YieldFrom, ast.arg),
    )
    nodes = list(ast.walk(ast.parse(source)))
    assert [ast.unparse(node) for node in nodes if isinstance(node, newer)] == []


def test_the_version_is_checked_before_the_tasks_are_imported():
    statements = ast.parse((ROOT / "dev.py").read_text()).body
    check, tasks = (
        next(n for n, statement in enumerate(statements) if ast.unparse(statement).startswith(text))
        for text in ("if sys.version_info", "from dev_tasks")
    )
    assert check < tasks


# Making the environment


def test_a_bare_checkout_gets_an_environment(environment):
    environment.ready()
    assert environment.asked == ["make", "install"]


def test_an_environment_that_is_up_to_date_is_left_alone(ready_environment):
    ready_environment.ready()
    assert ready_environment.asked == []


def test_changed_requirements_are_installed_in_the_same_environment(ready_environment):
    pyproject = ready_environment.root / "pyproject.toml"
    pyproject.write_text(PYPROJECT + '[dependency-groups]\ntest = ["pytest"]\n')
    ready_environment.ready()
    assert ready_environment.asked == ["install"]


def test_changed_tool_settings_install_nothing(ready_environment):
    pyproject = ready_environment.root / "pyproject.toml"
    pyproject.write_text(PYPROJECT.replace("100", "80"))
    ready_environment.ready()
    assert ready_environment.asked == []


def test_another_python_gets_a_new_environment(ready_environment, monkeypatch):
    monkeypatch.setattr(sys, "version", "3.99.0")
    ready_environment.ready()
    assert ready_environment.asked == ["make", "install"]


def test_a_moved_checkout_gets_a_new_environment(ready_environment, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "project"
    moved = RecordingEnvironment(ready_environment.root.rename(elsewhere))
    moved.ready()
    assert moved.asked == ["make", "install"]


def test_an_environment_whose_python_is_gone_is_made_anew(ready_environment):
    ready_environment.python.unlink()
    ready_environment.python.symlink_to(ready_environment.root / "uninstalled")
    ready_environment.ready()
    assert ready_environment.asked == ["make", "install"]


@pytest.mark.parametrize("stamp", ["", "{", "[]", "{}", '{"requirements": "x"}'])
def test_an_environment_with_a_broken_stamp_is_made_anew(ready_environment, stamp):
    ready_environment.stamp.write_text(stamp)
    ready_environment.ready()
    assert ready_environment.asked == ["make", "install"]


@pytest.mark.parametrize("step", ["make", "install"])
def test_an_interrupted_installation_is_made_anew(environment, monkeypatch, step):
    def interrupt():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment, step, interrupt)
        assert main(["test"], environment) == 130
    environment.asked.clear()
    environment.ready()
    assert environment.asked == ["make", "install"]


def test_an_interrupted_renewal_is_made_anew(ready_environment, monkeypatch):
    def fail():
        raise Refusal("no network")

    pyproject = ready_environment.root / "pyproject.toml"
    pyproject.write_text(PYPROJECT.replace('"1"', '"2"'))
    with monkeypatch.context() as patch:
        patch.setattr(ready_environment, "install", fail)
        assert main(["test"], ready_environment) == 1
    ready_environment.asked.clear()
    ready_environment.ready()
    assert ready_environment.asked == ["make", "install"]


# The commands of the installation


@pytest.fixture
def commands(monkeypatch):
    """The commands that would have been run; each of them succeeds."""
    called = []

    def run(command, **options):
        called.append((command, options))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return called


def test_the_running_pip_installs_a_pip_into_an_environment_made_without(project, commands):
    environment = Environment(project)
    environment.make()
    assert environment.python.exists()
    assert not list(environment.path.glob("lib*/**/site-packages/pip"))
    [(command, _)] = commands
    assert command[:5] == (sys.executable, "-m", "pip", "--python", str(environment.python))
    assert command[-1] == "pip>=25.1"


def test_what_a_half_made_environment_left_is_cleared(project, commands):
    environment = Environment(project)
    environment.path.mkdir()
    left = environment.path / "left"
    left.touch()
    environment.make()
    assert not left.exists()


def test_the_project_is_installed_editable_with_its_extras_and_the_dev_group(project, commands):
    environment = Environment(project)
    environment.install()
    [(command, options)] = commands
    assert command[0] == str(environment.python)
    assert command[-4:] == (
        "--editable",
        ".[cbor,channels,demo,metrics,redis,zip]",
        "--group",
        "dev",
    )
    assert options["cwd"] == project


def test_the_extras_that_are_installed_are_all_there_are():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sorted(project["optional-dependencies"]) == sorted(dev_tasks.EXTRAS)


def test_a_failed_installation_is_told_in_one_line(project, monkeypatch, capsys):
    def fail(command, **options):
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", fail)
    assert main(["test"], Environment(project)) == 1
    assert capsys.readouterr().err == "dev.py: The installation failed; pip says above why.\n"
    assert not Environment(project).stamp.exists()


def test_a_python_without_pip_is_told_what_to_install(project, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["test"], Environment(project)) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "apt install python3-pip" in error
    assert not (project / ".venv").exists()


def test_an_environment_does_not_saw_off_the_branch_it_runs_on(project, monkeypatch, capsys):
    monkeypatch.setattr(sys, "prefix", str(project / ".venv"))
    assert main(["test"], Environment(project)) == 1
    assert "deactivate" in capsys.readouterr().err


# The tasks


def test_the_tests_get_the_extra_arguments(ready_environment):
    assert main(["test", "-k", "heartbeat", "--lf"], ready_environment) == 0
    assert ready_environment.asked == ["become pytest -k heartbeat --lf"]


def test_the_demo_prepares_its_database_and_then_serves(ready_environment):
    main(["demo", "--port", "9000"], ready_environment)
    assert ready_environment.asked == [
        "run python manage.py migrate --verbosity 0",
        "run python manage.py seed",
        "become uvicorn demo_project.asgi:application --timeout-graceful-shutdown 3 --port 9000",
    ]


def test_the_demo_is_not_served_when_its_database_cannot_be_prepared(ready_environment):
    ready_environment.exit_codes["python"] = 3
    assert main(["demo"], ready_environment) == 3
    assert ready_environment.asked == ["run python manage.py migrate --verbosity 0"]


def test_lint_tells_everything_there_is_to_mend(ready_environment):
    ready_environment.exit_codes |= {"ruff": 0, "mypy": 2, "lint-imports": 1}
    assert main(["lint", "--fix"], ready_environment) == 2
    assert ready_environment.asked == [
        "run ruff check --fix",
        "run ruff format --check",
        "run mypy",
        "run lint-imports --no-logo",
    ]


def test_the_benchmarks_get_the_extra_arguments(ready_environment):
    main(["bench", "--quick"], ready_environment)
    assert ready_environment.asked == ["become python -m benchmarks --quick"]


def test_the_soak_gets_the_extra_arguments(ready_environment):
    main(["soak", "--seconds", "60"], ready_environment)
    assert ready_environment.asked == ["become python -m benchmarks.soak --seconds 60"]


def test_a_warning_fails_the_documentation(ready_environment):
    main(["docs"], ready_environment)
    assert ready_environment.asked == ["become sphinx-build -W --keep-going docs docs/_build"]


def test_tox_runs_the_same_commands():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    for section, task in (("testenv", "test"), ("testenv:lint", "lint"), ("testenv:docs", "docs")):
        commands = tox[section]["commands"].replace(" {posargs}", "").strip().splitlines()
        expected = [" ".join(command) for command in (TASKS[task].tool, *TASKS[task].after)]
        if task == "test":
            expected.append("python tests/django_suites.py")
        assert commands == expected, section


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_lists_every_task_and_makes_no_environment(environment, capsys, arguments):
    assert main(arguments, environment) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(TASKS)
    assert environment.asked == []


def test_an_unknown_task_is_named_and_makes_no_environment(environment, capsys):
    assert main(["tset"], environment) == 2
    assert capsys.readouterr().err.startswith("dev.py: there is no task 'tset'.\n")
    assert environment.asked == []


def test_dev_py_passes_its_arguments_and_exit_code_on():
    result = subprocess.run([sys.executable, "dev.py", "tset"], cwd=ROOT, capture_output=True)
    assert result.returncode == 2


# Running a command


@pytest.fixture
def borrowed_environment(project):
    """An environment whose programs are those of the Python that runs the tests."""
    environment = Environment(project)
    environment.scripts = Path(sys.executable).parent
    return environment


@pytest.mark.parametrize("code", [0, 1, 5])
def test_a_command_hands_on_its_exit_code(borrowed_environment, code):
    name = Path(sys.executable).name
    assert borrowed_environment.run((name, "-c", f"raise SystemExit({code})")) == code


def test_a_tool_that_is_gone_is_told_in_one_line(borrowed_environment):
    with pytest.raises(Refusal, match=r"has no vanished: delete the folder and try again\.$"):
        borrowed_environment.run(("vanished",))


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_command_that_a_signal_ended_hands_on_the_shell_code(borrowed_environment):
    end = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert borrowed_environment.run((Path(sys.executable).name, "-c", end)) == 128 + 15


def test_a_command_runs_in_the_projects_root_with_the_environment_activated(borrowed_environment):
    look = (
        "import os; open('seen', 'w').write("
        "os.environ['VIRTUAL_ENV'] + '\\n' + os.environ['PATH'].split(os.pathsep)[0])"
    )
    borrowed_environment.run((Path(sys.executable).name, "-c", look))
    seen = (borrowed_environment.root / "seen").read_text().splitlines()
    assert seen == [str(borrowed_environment.path), str(borrowed_environment.scripts)]


@pytest.mark.skipif(os.name == "nt", reason="a process cannot be replaced there")
def test_the_last_command_takes_the_place_of_dev_py(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from dev_tasks import Environment\n"
        "environment = Environment(Path(sys.argv[1]))\n"
        "environment.scripts = Path(sys.executable).parent\n"
        "print(os.getpid(), flush=True)\n"
        "show = 'import os, sys; print(os.getpid()); sys.exit(7)'\n"
        "environment.become((Path(sys.executable).name, '-c', show))\n"
    )
    result = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    before, *_, after = result.stdout.split()
    assert before == after
    assert result.returncode == 7


def test_a_tool_alone_becomes_the_process(ready_environment):
    ready_environment.exit_codes["tool"] = 4
    assert perform(Task("", tool=("tool",)), ["x"], ready_environment) == 4
    assert ready_environment.asked == ["become tool x"]
