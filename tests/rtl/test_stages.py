"""The stages `trace`, `rtl` and `synth` of an experiment whose golden network has random weights."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import networks
import pytest
from conftest import Workspace

from fpgaae.data.readers import event_hashes
from fpgaae.errors import InputError
from fpgaae.runs.folder import edited_files
from fpgaae.runs.run import RunOptions, run_stage

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def copy(traced: Workspace, tmp_path: Path) -> Workspace:
    return traced.copy(tmp_path / "copy")


def _verilog(workspace: Workspace) -> Path:
    return workspace.experiment.stage_folder("trace") / "project" / "verilog"


@pytest.mark.slow
def test_the_rtl_is_proven_and_synthesized(traced: Workspace) -> None:
    networks.need("verilator")
    result = traced.run("rtl").result
    assert result["passed"]
    assert result["failure"] is None
    for key in ("mismatched_events", "score_mismatches", "decision_flips", "lost_events"):
        assert result[key] == 0
    assert result["interpreter"] == {"passed": True, "events": result["events"], "mismatched_events": 0}
    networks.need("ghdl")
    assert result["vhdl"] == {
        "passed": True, "events": result["vhdl"]["events"], "mismatched_events": 0, "score_mismatches": 0,
        "decision_flips": 0,
    }  # fmt: skip
    assert result["vhdl"]["events"] > 60
    real = sum(splits["test"] for splits in traced.result("data")["events"].values())
    assert result["events_by_origin"]["random"] == 32
    assert result["events_by_origin"]["extremes"] > 100
    assert result["events"] == real + 32 + result["events_by_origin"]["extremes"]
    assert result["latency_cycles"] == result["settling_cycles"] == result["designed_latency_cycles"]
    assert result["initiation_interval"] == 1
    assert traced.run("rtl").was_current
    networks.need("yosys")
    synthesized = traced.run("synth").result
    assert synthesized["dsp"] == synthesized["bram"] == 0
    assert 0.4 < synthesized["lut"] / result["estimated"]["lut"] < 2
    assert [row["name"] for row in synthesized["comparison"]] == ["da4ml's estimate", "Yosys"]


@pytest.mark.slow
def test_edited_verilog_is_compared_and_named_and_a_wrong_bit_exits_1(copy: Workspace, run_cli: Cli) -> None:
    networks.need("verilator")
    top = _verilog(copy) / "autoencoder_trigger.v"
    text = top.read_text()
    top.write_text(text + "// harmless\n")
    done = run_cli("rtl", *copy.arguments)
    assert done.returncode == 0, done.stderr
    assert copy.result("rtl")["edited_files"] == ["trace/project/verilog/autoencoder_trigger.v"]
    assert "edited by hand: trace/project/verilog/autoencoder_trigger.v" in done.stdout
    top.write_text(text.replace("assign accept[0] = ", "assign accept[0] = ~"))
    done = run_cli("rtl", *copy.arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    result = copy.result("rtl")
    assert (result["passed"], result["score_mismatches"]) == (False, 0)
    assert result["decision_flips"] == result["events"]
    assert result["first_mismatch"]["layer"] == "accept"
    with pytest.raises(InputError, match="the check did not pass"):
        copy.run("synth")
    assert edited_files(copy.experiment.stage_folder("trace"))  # the user's edit is still there


@pytest.mark.parametrize("stage", ["rtl", "synth"])
def test_a_missing_tool_is_one_sentence_and_exit_code_3(stage: str, copy: Workspace, run_process: Cli) -> None:
    if stage == "synth":
        experiment = copy.experiment
        hashes = event_hashes(experiment.config, experiment.config_file)
        proven = {"passed": True, "estimated": {"lut": 1, "ff": 1}, "latency_cycles": 1}
        run_stage(experiment, "rtl", lambda _: proven, hashes, RunOptions(force=True))
    program = {"rtl": "verilator", "synth": "yosys"}[stage]
    done = run_process(stage, *copy.arguments, "--force", PATH=os.devnull)
    assert done.returncode == 3, done.stderr
    assert f"{program} is not on the PATH" in done.stderr
    assert f"apt-get install {program}" in done.stderr
    assert "Traceback" not in done.stderr
