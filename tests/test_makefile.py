"""The Makefile, .ci/run and constraints.txt, tried in a folder whose .venv is made of stubs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from support import CONFIGS

from fpgaae.runs.experiment import open_experiment

ROOT = Path(__file__).resolve().parents[1]
PIP_INSTALL = (
    "pip install --quiet --no-input --disable-pip-version-check --use-pep517 --no-compile -c constraints.txt "
    "-e .[all,dev,docs]"
)
PIP = f"venv-python -m {PIP_INSTALL}"
COMPILED = "venv-python -W ignore -m compileall -qq -j 0 .venv/lib"
STAGES = [
    "data",
    "reference",
    "train",
    "convert",
    "csim",
    "prove",
    "trace",
    "rtl",
    "synth",
    "place",
    "evaluate",
    "report",
]
REPORTED = [stage for stage in STAGES if stage not in {"prove", "trace", "rtl", "synth", "place"}]

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None and not os.environ.get("FPGAAE_REQUIRE_TOOLS"), reason="needs make"
)

# Each stub adds a line to calls.log: what was run, and with what.
FPGAAE_STUB = f"""#!/bin/sh
if [ -e slow ]; then exec "{sys.executable}" slow "$@"; fi
echo "fpgaae $*" >> calls.log
case "$*" in *broken*) exit 1;; esac
"""
VENV_PYTHON_STUB = """#!/bin/sh
echo "venv-python $*" >> calls.log
case "$*" in *"pip install"*)
    if [ -e pip_fails ]; then exit 1; fi
    cp fpgaae-stub .venv/bin/fpgaae;;
esac
"""
PYTHON_STUB = f"""#!/bin/sh
if [ "$1" = -c ]; then exec "{sys.executable}" -c "import sys; sys.version_info = (${{VERSION:-3, 11, 7}}); $2"; fi
echo "python $*" >> calls.log
for folder in "$@"; do :; done
rm -rf "$folder" && mkdir -p "$folder/bin" && cp venv-python-stub "$folder/bin/python"
"""


class Checkout:
    """A copy of the build files, with stubs in the place of every Python."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        self.folder = folder.resolve()
        self.script("fpgaae-stub", FPGAAE_STUB)
        self.script("venv-python-stub", VENV_PYTHON_STUB)
        self.script("python-stub", PYTHON_STUB)

    def script(self, name: str, text: str) -> None:
        """Write an executable file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def environment(self, **variables: str) -> dict[str, str]:
        """Only what is named here: the `make` that runs these tests exports its own flags and variables."""
        return {"PATH": os.environ["PATH"], **variables}

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run make with the stub Python."""
        return subprocess.run(
            ["make", "PYTHON=./python-stub", *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What the stubs wrote since the last look."""
        log = self.folder / "calls.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def bare(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def ready(bare: Checkout) -> Checkout:
    assert bare.make("setup").returncode == 0
    bare.calls()
    return bare


def test_help_is_the_default_names_every_target_and_installs_nothing(bare: Checkout) -> None:
    shown = bare.make()
    assert shown.returncode == 0
    assert shown.stdout == bare.make("help").stdout
    listed = re.findall(r"^  ([a-z]+) +\S", shown.stdout, flags=re.MULTILINE)
    assert listed == ["help", "setup", "lint", *STAGES, "explore", "scan", "test", "check", "docs", "bench", "clean"]
    assert bare.calls() == []


@pytest.mark.parametrize("jobs", ["-j1", "-j4"])
@pytest.mark.parametrize("goals", [["train", "convert", "csim"], ["csim", "convert", "train"], ["csim"]], ids=" ".join)
def test_each_stage_runs_once_in_order(ready: Checkout, jobs: str, goals: list[str]) -> None:
    assert ready.make(jobs, *goals).returncode == 0
    assert [call.split()[1] for call in ready.calls()] == STAGES[:5]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_needs_what_fpgaae_run_makes_for_it(ready: Checkout, stage: str) -> None:
    experiment = open_experiment(CONFIGS / "l1_ae.yaml", ready.folder / "runs")
    assert ready.make(stage).returncode == 0
    made = [call.split()[1] for call in ready.calls()]
    needed = list(experiment.stages_up_to(stage))
    if "rtl" in needed:
        needed.remove("trace")  # `fpgaae rtl` traces if need be
    assert made == needed


def test_the_report_needs_every_stage(ready: Checkout) -> None:
    assert ready.make("report").returncode == 0
    assert ready.calls() == [f"fpgaae {stage} configs/l1_ae.yaml" for stage in REPORTED]


@pytest.mark.parametrize(
    ("goals", "kept"),
    [(["csim"], True), (["train", "convert", "csim"], True), (["convert"], False), (["report"], False)],
)
def test_an_edited_project_is_kept_only_where_csim_is_asked_for(ready: Checkout, goals: list[str], kept: bool) -> None:
    ready.make(*goals)
    with_flag = [call for call in ready.calls() if "--keep-edited" in call]
    assert with_flag == (["fpgaae convert configs/l1_ae.yaml --keep-edited"] if kept else [])


def test_several_experiments(ready: Checkout) -> None:
    assert ready.make("-j4", "reference", "CONFIG=a.yaml b.yaml").returncode == 0
    assert ready.calls() == [
        "fpgaae data a.yaml",
        "fpgaae data b.yaml",
        "fpgaae reference a.yaml",
        "fpgaae reference b.yaml",
    ]


@pytest.mark.parametrize("name", ["my config.yaml", "a'b;touch canary;$HOME `pwd`.yaml"])
def test_a_config_of_any_name_reaches_the_command_as_it_is(ready: Checkout, name: str) -> None:
    (ready.folder / name).touch()
    assert ready.make("data", f"CONFIG={name.replace('$', '$$')}").returncode == 0
    assert ready.calls() == [f"fpgaae data {name}"]
    assert not (ready.folder / "canary").exists()


def test_no_shell_reads_what_is_no_file(ready: Checkout) -> None:
    ready.make("data", "CONFIG=$$(touch canary) ;touch canary *")
    assert ready.calls() == [f"fpgaae data {word}" for word in ("$(touch", "canary)", ";touch", "canary", "*")]
    assert not (ready.folder / "canary").exists()


def test_the_first_failure_stops(ready: Checkout) -> None:
    failed = ready.make("-j4", "csim", "CONFIG=a.yaml broken.yaml c.yaml")
    assert failed.returncode != 0
    assert ready.calls() == ["fpgaae data a.yaml", "fpgaae data broken.yaml"]


@pytest.mark.parametrize("given", ["command line", "environment", "nowhere"])
def test_a_scan_has_a_config_of_its_own(ready: Checkout, given: str) -> None:
    arguments = ["CONFIG=mine.yaml"] if given == "command line" else []
    environment = {"CONFIG": "mine.yaml"} if given == "environment" else {}
    assert ready.make("scan", *arguments, "ARGS=--workers 2", **environment).returncode == 0
    config = "configs/scan/post_training.yaml" if given == "nowhere" else "mine.yaml"
    assert ready.calls() == [f"fpgaae scan {config} --workers 2"]


def test_no_experiment_is_an_error(ready: Checkout) -> None:
    failed = ready.make("train", "CONFIG=")
    assert failed.returncode != 0
    assert "CONFIG is empty" in failed.stderr


def test_arguments_go_to_the_named_stages_only(ready: Checkout) -> None:
    ready.make("reference", "ARGS=--force --json")
    assert ready.calls() == [
        "fpgaae data configs/l1_ae.yaml",
        "fpgaae reference configs/l1_ae.yaml --force --json",
    ]


# Logs from the process that is to be interrupted: a shell may lose the signal while it starts a program.
SLOW_STAGE = """
import pathlib, sys, time
pathlib.Path("log.new").write_text("fpgaae " + " ".join(sys.argv[1:]))
pathlib.Path("log.new").rename("calls.log")
time.sleep(20)
"""
# A job that was started in the background ignores SIGINT, and what it starts inherits that.
WITH_SIGINT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
)


def test_interrupting_a_stage_ends_make_with_an_error(ready: Checkout) -> None:
    (ready.folder / "slow").write_text(SLOW_STAGE)
    running = subprocess.Popen(
        [sys.executable, "-c", WITH_SIGINT, "make", "PYTHON=./python-stub", "train"],
        cwd=ready.folder,
        env=ready.environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 10
        while not (ready.folder / "calls.log").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGINT)  # what Ctrl-C sends: to make and to everything it started
        assert running.wait(timeout=10) != 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert ready.calls() == ["fpgaae data configs/l1_ae.yaml"]


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("test", ["venv-python -m pytest -n 2 --dist worksteal"]),
        ("bench", ["venv-python -m benchmarks.main"]),
        ("docs", ["venv-python -m sphinx -W --keep-going -q -b html docs docs/_build/html"]),
        (
            "check",
            [
                "venv-python -m ruff format --check",
                "venv-python -m ruff check",
                "venv-python -m mypy",
                "venv-python -m pytest -n 2 --dist worksteal -m not slow",
            ],
        ),
    ],
)
def test_the_other_targets(ready: Checkout, goal: str, expected: list[str]) -> None:
    assert ready.make(goal).returncode == 0
    assert ready.calls() == expected


def test_clean_removes_results_and_caches_and_needs_no_venv(bare: Checkout) -> None:
    kept = [".venv/lib/__pycache__/a.pyc", "fpgaae/a.py"]
    gone = ["runs/x/data.json", ".mypy_cache/a", "fpgaae/sub/__pycache__/a.pyc"]
    for name in kept + gone:
        bare.script(name, "")
    assert bare.make("clean").returncode == 0
    assert bare.calls() == []
    assert all((bare.folder / name).exists() for name in kept)
    assert not any((bare.folder / name).exists() for name in gone)


def test_clean_comes_first_under_j(ready: Checkout) -> None:
    ready.script("runs/old", "")
    ready.script(".venv/bin/fpgaae", '#!/bin/sh\ntest ! -e runs/old || echo "not clean" >> calls.log\n')
    ready.make("-j4", "clean", "data")
    assert ready.calls() == []


def test_the_first_goal_installs_and_the_second_does_not(bare: Checkout) -> None:
    assert bare.make("-j4", "data", "test").returncode == 0
    assert bare.calls() == [
        "python -m venv --clear .venv",
        PIP,
        COMPILED,
        "fpgaae data configs/l1_ae.yaml",
        "venv-python -m pytest -n 2 --dist worksteal",
    ]
    bare.make("data")
    assert bare.calls() == ["fpgaae data configs/l1_ae.yaml"]


def test_a_half_installed_environment_is_made_anew(bare: Checkout) -> None:
    (bare.folder / "pip_fails").touch()
    assert bare.make("data").returncode != 0
    assert bare.calls() == ["python -m venv --clear .venv", PIP]
    (bare.folder / "pip_fails").unlink()
    assert bare.make("data").returncode == 0
    assert bare.calls() == ["python -m venv --clear .venv", PIP, COMPILED, "fpgaae data configs/l1_ae.yaml"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_requirement_is_installed_into_the_same_environment(ready: Checkout, name: str) -> None:
    later = time.time() + 60
    os.utime(ready.folder / name, (later, later))
    (ready.folder / "pip_fails").touch()
    assert ready.make("setup").returncode != 0
    assert ready.calls() == [PIP]
    (ready.folder / "pip_fails").unlink()
    ready.make("setup")
    # an upgrade that broke off counts as half installed
    assert ready.calls() == ["python -m venv --clear .venv", PIP, COMPILED]


@pytest.mark.parametrize("program", ["python", "fpgaae"])
def test_an_environment_that_lost_a_program_is_made_anew(ready: Checkout, program: str) -> None:
    path = ready.folder / ".venv/bin" / program
    path.unlink()
    path.symlink_to("python-that-was-removed")
    ready.make("setup")
    assert ready.calls() == ["python -m venv --clear .venv", PIP, COMPILED]


def test_a_copied_checkout_does_not_use_the_environment_of_the_old_one(ready: Checkout, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ready.folder, copy)
    ready.folder = copy
    ready.make("setup")
    assert ready.calls() == ["python -m venv --clear .venv", PIP, COMPILED]


@pytest.mark.parametrize("version", ["3.9.18", "3.10.0", "3.13.9", "3.14.0"])
def test_the_supported_pythons_are_those_of_pyproject(bare: Checkout, version: str) -> None:
    (supported,) = re.findall(r'^requires-python = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    done = bare.make("setup", VERSION=version.replace(".", ", "))
    if SpecifierSet(supported).contains(version):
        assert done.returncode == 0
    else:
        assert done.returncode != 0
        assert "PYTHON=./python-stub is not a Python from 3.10 to 3.13: name one" in done.stderr
        assert not (bare.folder / ".venv").exists()


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_every_requirement_is_pinned_once_within_its_range(python: str) -> None:
    toml = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = toml.loads((ROOT / "pyproject.toml").read_text())["project"]
    situation = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pins: dict[str, str] = {}
    for pin in map(Requirement, lines):
        if pin.marker is None or pin.marker.evaluate(situation):
            assert canonicalize_name(pin.name) not in pins, pin
            (specifier,) = pin.specifier
            assert specifier.operator == "=="
            pins[canonicalize_name(pin.name)] = specifier.version
    extras = project["optional-dependencies"]
    (everything,) = map(Requirement, extras["all"])
    installed = [line for extra in ("dev", "docs", *everything.extras) for line in extras[extra]]
    for required in map(Requirement, project["dependencies"] + installed):
        if required.marker is not None and not required.marker.evaluate(situation):
            continue
        assert required.specifier.contains(pins[canonicalize_name(required.name)]), required


CI_PROGRAMS = ("bash", "env", "dirname", "id", "chmod", "cp")
APT_STUB = """#!/bin/sh
echo "apt-get $*" >> calls.log
case "$1" in
    update) : > updated;;
    install)
        [ -e updated ] || exit 100
        for name in make g++ ccache tclsh verilator yosys iverilog ghdl chromium; do cp make-stub "bin/$name"; done;;
esac
"""
MAKE_STUB = '#!/bin/sh\necho "make $* CI=$CI FPGAAE_REQUIRE_TOOLS=$FPGAAE_REQUIRE_TOOLS" >> calls.log\n'
MAKE_TEST = "make test CI=true FPGAAE_REQUIRE_TOOLS=1"


@pytest.mark.parametrize("installed", [True, False])
def test_ci_run_installs_what_is_missing_and_calls_make_test(bare: Checkout, installed: bool) -> None:
    (bare.folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", bare.folder / ".ci/run")
    bare.script("bin/sudo", '#!/bin/sh\nshift\nexec "$@"\n')
    bare.script("bin/apt-get", APT_STUB)
    bare.script("make-stub", MAKE_STUB)
    for name in CI_PROGRAMS:
        (bare.folder / "bin" / name).symlink_to(str(shutil.which(name)))
    if installed:
        for name in ("make", "g++", "ccache", "tclsh", "verilator", "yosys", "iverilog", "ghdl", "chromium"):
            bare.script(f"bin/{name}", MAKE_STUB)
    subprocess.run(
        [bare.folder / ".ci/run"], cwd="/", env={"PATH": str(bare.folder / "bin")}, check=True, capture_output=True
    )
    install = "apt-get install -y --no-install-recommends g++ make ccache tcl verilator yosys iverilog ghdl chromium"
    assert bare.calls() == ([MAKE_TEST] if installed else [install, "apt-get update", install, MAKE_TEST])
