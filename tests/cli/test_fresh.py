"""`fpgaae run` goes on in a fresh process where the rest needs no Keras."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from support import small_config
from typer.testing import CliRunner

from fpgaae import api
from fpgaae.cli import fresh, stages
from fpgaae.cli.commands import app
from fpgaae.cli.fresh import Program

_WORDS = ("-m", "fpgaae", "run", "small.yaml")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Give the programs that this process would have become."""
    found: list[list[str]] = []
    monkeypatch.setattr(fresh, "become", found.append)
    return found


@pytest.mark.parametrize(
    ("loaded", "left", "becomes"),
    [
        (True, ("csim",), True),
        (True, ("trace", "rtl", "synth"), True),
        (True, ("csim", "evaluate"), False),  # which needs Keras again
        (True, (), False),
        (False, ("csim",), False),  # nothing was trained
    ],
)
def test_it_becomes_a_fresh_process_where_keras_is_loaded_and_not_needed(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, loaded: bool, left: tuple[str, ...], becomes: bool
) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    if loaded:
        monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    Program(_WORDS).go_on("convert", left)
    assert started == ([[sys.executable, *_WORDS, "--shown", "convert"]] if becomes else [])


def test_what_was_shown_is_not_shown_again_unless_it_had_to_run(tmp_path: Path) -> None:
    words = ["run", str(small_config(tmp_path)), "--to", "data", "--runs", str(tmp_path / "runs"), "--shown", "data"]
    first, second = (CliRunner().invoke(app, words) for _ in range(2))
    assert "data of small done" in first.output
    assert second.exit_code == 0
    assert "data of small" not in second.output


@pytest.mark.parametrize(("to", "becomes"), [("csim", True), ("evaluate", False), ("convert", False)])
def test_run_goes_on_in_it_behind_convert(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, to: str, becomes: bool
) -> None:
    def run(*_: object, on_result: Callable[[str, SimpleNamespace], None], **__: object) -> None:
        for stage in ("train", "convert"):
            on_result(stage, SimpleNamespace(result=None))

    monkeypatch.setattr(api, "run", run)
    monkeypatch.setattr(stages, "print_json", lambda _: None)
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    words = ["run", str(small_config(tmp_path)), "--to", to, "--json"]
    assert CliRunner().invoke(app, words, obj=Program(_WORDS)).exit_code == 0
    assert started == ([[sys.executable, *_WORDS, "--shown", "convert"]] if becomes else [])
