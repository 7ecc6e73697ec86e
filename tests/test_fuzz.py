"""The fuzzer for a few cases of each kind, and what it takes for wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from support import REPOSITORY, small_config

from benchmarks import fuzz, tamper
from benchmarks.fuzz import Limits, judge, run_kind
from fpgaae import pipeline
from fpgaae.cli import commands
from fpgaae.runs import run
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.run import RunOptions

_LIMITS = Limits(3.0, 2**40)


@pytest.mark.slow
def test_nothing_that_is_sent_ends_in_a_traceback(tmp_path: Path) -> None:
    counts = ["--configs", "40", "--yaml", "40", "--events", "20", "--models", "40", "--environments", "2"]
    command = [
        sys.executable,
        "-m",
        "benchmarks.fuzz",
        *counts,
        "--seed",
        "7",
        "--keep",
        str(tmp_path),
        "--limit-s",
        "60",
    ]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found = json.loads(done.stdout)
    assert [tally["cases"] for tally in found.values()] == [40, 40, 20, 40, 2]
    assert all(set(tally["exit_codes"]) - {"0"} for tally in list(found.values())[:4])


@pytest.mark.parametrize(
    ("exit_code", "said", "peak", "has_canary", "wrong"),
    [
        (0, "fine", 1, False, ""),
        (2, "fpgaae: no", 1, False, ""),
        (2, "fpgaae: no", 1, True, "canary"),
        (1, "Traceback (most recent call last):\n", 1, False, "traceback"),
        (4, "fpgaae: a fault of fpgaae", 1, False, "traceback"),
        (-11, "", 1, False, "crash"),
        (2, " \n", 1, False, "silent"),
        (0, "", 2**41, False, "memory"),
    ],
)
def test_what_is_wrong(exit_code: int, said: str, peak: int, has_canary: bool, wrong: str) -> None:
    assert judge(exit_code, said, peak, _LIMITS, has_canary=has_canary) == wrong


def _raise() -> NoReturn:
    raise RuntimeError("nobody caught this")


def _make_canary() -> None:
    Path("canary").touch()


@pytest.mark.parametrize(
    ("main", "wrong"),
    [
        (lambda: None, ""),
        (_raise, "crash"),
        (os.abort, "crash"),
        (lambda: os.read(os.pipe()[0], 1), "hang"),
        (_make_canary, "canary"),
    ],
    ids=["nothing", "exception", "abort", "hang", "canary"],
)
def test_a_worker_that_fails_is_replaced(
    main: Callable[[], object], wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "_GRACE_S", 0.5)
    monkeypatch.setattr(commands, "main", lambda: main() if Path.cwd().name == "configs-0" else None)
    found = list(run_kind("configs", [0, 1], 1, tmp_path, _LIMITS))
    assert [outcome.wrong for outcome in found] == [wrong, ""]
    assert (tmp_path / "configs-0").is_dir() == bool(wrong)
    assert not (tmp_path / "configs-1").exists()


def test_files_are_changed_in_every_way(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "x.json").write_text('{"a": {"b": [1, 2.5]}, "c": true}')
    (folder / "data" / "y.bin").write_bytes(b"\0\1\2\3")
    seen = {}
    for case, copy in tamper.tampered(folder, tmp_path / "scratch", tamper.files_of(folder, 10)):
        file = copy / case.file
        seen[Path(case.file).name, case.change] = file.read_bytes() if file.is_file() else None
        assert (folder / "data" / "y.bin").read_bytes() == b"\0\1\2\3"
    assert seen["y.bin", "flipped"] == b"\0\1\3\3"
    assert seen["y.bin", "cut"] == b"\0\1"
    assert seen["y.bin", "removed"] is None
    assert json.loads(seen["x.json", "renumbered"] or b"") == {"a": {"b": [2, 2.5]}, "c": True}
    assert ("y.bin", "renumbered") not in seen
    assert tamper.reader_of("data") == "reference"
    assert tamper.reader_of("report") == "report"


def test_a_reader_that_is_stopped_before_its_work_names_what_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing compares the hashes, what was flipped and cut is missed; what is not there is seen all the same."""
    small_config(tmp_path, n_events=1000)
    given = [str(tmp_path / "small.yaml"), "--runs", str(tmp_path / "runs"), "--unworked", "--stages", "data"]
    pipeline.run(open_experiment(tmp_path / "small.yaml", tmp_path / "runs"), "data", RunOptions())
    assert tamper.main(given) == 0
    monkeypatch.setattr(run, "edited_files", lambda _: ())
    assert tamper.main(given) == 1
