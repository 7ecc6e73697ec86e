"""The layers of the traced logic on request: all equal, or the first that is not, by name."""

from __future__ import annotations

from pathlib import Path

import networks
import pytest
from conftest import Workspace
from examples import examples_of, run_examples
from typer.testing import CliRunner

from fpgaae.cli import stages
from fpgaae.cli.commands import app
from fpgaae.errors import ToolMissing
from fpgaae.files import read_json
from fpgaae.fixedpoint import FixedPointType
from fpgaae.rtl import trace
from fpgaae.rtl.arithmetic import Variable


def _stop(*_: object) -> None:
    raise ToolMissing("no simulation in this test")


@pytest.mark.slow
def test_all_layers_agree(traced: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "run_stage_command", _stop)
    done = CliRunner().invoke(app, ["rtl", "--layers", *traced.arguments])
    assert isinstance(done.exception, ToolMissing)
    assert "reconstruction_quantized" in done.stdout
    result = read_json(traced.experiment.folder / "rtl_layers.json")
    assert result["passed"]
    assert [layer["name"] for layer in result["layers"]] == [layer.name for layer in traced.network.layers]
    for layer in traced.network.layers:
        found = next(entry for entry in result["layers"] if entry["name"] == layer.name)
        assert (found["values"], found["mismatched_values"]) == (result["events"] * layer.size, 0)
    assert traced.run("trace").was_current
    run_examples(examples_of("compare_layers"), traced.folder)
    assert not list(traced.experiment.stage_folder("trace").rglob("*layers*"))  # would stand for an edit by hand


@pytest.mark.slow
def test_the_first_wrong_layer_is_named(traced: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One rounding of the tracing is wrong: that of the hidden layer."""
    copy = traced.copy(tmp_path / "copy")
    right = trace.requantize

    def requantize(x: Variable, fraction: int, to: FixedPointType) -> Variable:
        return right(x, fraction, to) if to != networks.RELU else right(x + 1, fraction, to)

    monkeypatch.setattr(trace, "requantize", requantize)
    done = CliRunner().invoke(app, ["rtl", "--layers", *copy.arguments])
    assert done.exit_code == 1
    assert "differ from the golden codes, hidden_relu first: layer hidden_relu, channel" in done.stderr
