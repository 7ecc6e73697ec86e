"""Programs that hang are ended with all that they started, in one sentence."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fpgaae.errors import CheckFailed
from fpgaae.processes import run_program

_PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(60)"
_CHILD = "import os, pathlib, sys, time; pathlib.Path('child').write_text(str(os.getpid())); time.sleep(60)"


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(CheckFailed, match="compiling x did not end within 3 s and was stopped"):
        run_program([sys.executable, "-c", _PARENT, _CHILD], "compiling x", folder=tmp_path, limit_s=3)
    assert time.monotonic() - started < 20
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    pytest.fail("the child is still running")


def test_what_it_is_given_and_what_it_says() -> None:
    code = "import sys; print(sys.stdin.read()); sys.stderr.write('x'); sys.exit(3)"
    done = run_program([sys.executable, "-c", code], "it", given="abc")
    assert (done.returncode, done.stdout, done.stderr) == (3, "abc\n", "x")
    assert run_program([sys.executable, "-c", code], "it", is_one_stream=True).stdout in {"\nx", "x\n"}
    assert isinstance(done, subprocess.CompletedProcess)
