"""Programs that hang are ended with all that they started, in one sentence."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support import REPOSITORY

from fpgaae import processes
from fpgaae.errors import CheckFailed, InputError
from fpgaae.processes import programs_limited, run_program
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import RunOptions, StageRun, run_stage

_PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(60)"
_CHILD = "import os, pathlib, sys, time; pathlib.Path('child').write_text(str(os.getpid())); time.sleep(60)"


def _child_ends(folder: Path) -> bool:
    child = int((folder / "child").read_text())
    for _ in range(50):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(CheckFailed, match="compiling x did not end within 3 s and was stopped"):
        run_program([sys.executable, "-c", _PARENT, _CHILD], "compiling x", folder=tmp_path, limit_s=3)
    assert time.monotonic() - started < 20
    assert _child_ends(tmp_path)


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_killed_process_leaves_no_program_and_none_of_its_children(tmp_path: Path, ended_by: signal.Signals) -> None:
    # what ignores SIGHUP, as nohup does, has its children ignore it
    code = "import sys; from signal import SIG_DFL, SIGHUP, signal; from fpgaae.processes import run_program; "
    code += "signal(SIGHUP, SIG_DFL); run_program(sys.argv[1:], 'it')"
    command = [sys.executable, "-c", code, sys.executable, "-c", _PARENT, _CHILD]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / "child").is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.05)  # its number is written
        process.send_signal(ended_by)
        assert process.wait(timeout=20) == -ended_by
    assert _child_ends(tmp_path)


def test_programs_are_started_in_one_place() -> None:
    sources = {file: file.read_text(encoding="utf-8") for file in (REPOSITORY / "fpgaae").rglob("*.py")}
    starting = re.compile(r"subprocess\.(run|Popen|call|check_call|check_output)\(|os\.(system|popen|exec|spawn)")
    assert [file.name for file, text in sources.items() if starting.search(text)] == ["processes.py"]


def test_the_limit_is_that_of_the_config(tmp_path: Path) -> None:
    with programs_limited(0.3):
        with pytest.raises(CheckFailed, match=r"within 0.3 s .* or raise `tools.limit_s` in the config"):
            run_program(["sleep", "20"], "it")
        assert not run_program(["sleep", "0.4"], "it", limit_s=5).returncode
    assert not run_program(
        ["sh", "-c", "test $LIMITED = yes && test -n $PATH"], "it", environment={"LIMITED": "yes"}
    ).returncode
    asked: list[float] = []

    def work(_: StageRun) -> DataResult:
        asked.append(processes._limits_s[-1])
        raise InputError("enough")

    (tmp_path / "x.yaml").write_text("extends: config:l1_ae_small\ntools: {limit_s: 77}\n")
    with pytest.raises(InputError, match="enough"):
        run_stage(open_experiment(tmp_path / "x.yaml", tmp_path / "runs"), DataResult, work, {}, RunOptions())
    assert asked == [77]
    assert processes._limits_s == [processes.LIMIT_S]


def test_what_it_is_given_and_what_it_says() -> None:
    code = "import sys; print(sys.stdin.read()); sys.stderr.write('x'); sys.exit(3)"
    done = run_program([sys.executable, "-c", code], "it", given="abc")
    assert (done.returncode, done.stdout, done.stderr) == (3, "abc\n", "x")
    assert run_program([sys.executable, "-c", code], "it", is_one_stream=True).stdout in {"\nx", "x\n"}
    assert isinstance(done, subprocess.CompletedProcess)
