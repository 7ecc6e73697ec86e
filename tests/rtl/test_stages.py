"""The stages `trace`, `rtl` and `synth` of an experiment whose golden network has random weights."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import networks
import numpy as np
import pytest
from conftest import Workspace
from results import rtl_result

from fpgaae.data.features import FeatureMap
from fpgaae.data.readers import event_hashes
from fpgaae.errors import CheckFailed, InputError
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.comparison import failure_sentence
from fpgaae.rtl import simulate
from fpgaae.rtl.project import cut_into_stages, write_rtl
from fpgaae.rtl.trace import trace_trigger
from fpgaae.runs.folder import edited_files
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.rtl import RtlResult, StageProof
from fpgaae.runs.run import RunOptions, run_stage

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def copy(traced: Workspace, tmp_path: Path) -> Workspace:
    return traced.copy(tmp_path / "copy")


class _NoProof:
    """Stands in for the prover, and finds no proof."""

    def __init__(self, *_: object) -> None:
        pass

    def prove(self, project: Path, language: str, build: Path, modules: Iterable[str]) -> Iterator[StageProof]:
        del project, language, build
        return (StageProof(module=module, proven=False, failure=f"{module}: no proof") for module in modules)


def _verilog(workspace: Workspace) -> Path:
    return workspace.experiment.stage_folder("trace") / "project" / "verilog"


@pytest.mark.slow
def test_the_rtl_is_proven_and_synthesized(traced: Workspace) -> None:
    networks.need("verilator")
    result = traced.run("rtl").result.to_json()
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
    assert result["events_by_origin"]["extremes"] > 30
    assert result["events_by_origin"]["edges"] > 2
    assert result["events"] == real + 32 + sum(result["events_by_origin"][made] for made in ("extremes", "edges"))
    assert [wrapper["file"] for wrapper in result["wrappers"]] == ["autoencoder_valid.v", "autoencoder_axis.v"]
    for wrapper in result["wrappers"]:
        assert (wrapper["mismatched_events"], wrapper["failure"]) == (0, None)
        assert 100 < wrapper["forgotten_events"] < wrapper["events"] - 100
    assert result["latency_cycles"] == result["settling_cycles"] == result["designed_latency_cycles"]
    assert result["initiation_interval"] == 1
    networks.need("yosys")
    for proofs in (result["stages"], result["vhdl_stages"]):
        assert [proof["proven"] for proof in proofs] == [True] * traced.result("trace")["stages"]
    assert traced.run("rtl").was_current
    networks.need("yosys")
    synthesized = traced.run("synth").result.to_json()
    assert synthesized["dsp"] == synthesized["bram"] == 0
    assert 0.4 < synthesized["lut"] / result["estimated"]["lut"] < 2
    assert [row["name"] for row in synthesized["comparison"]] == ["da4ml's estimate", "Yosys"]


@pytest.mark.usefixtures("without_proofs")
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


@pytest.mark.slow
def test_thresholds_one_lower_in_the_verilog_are_found_at_the_edges(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2: no other event has a score exactly at a threshold. A stage that is not proven is a failure by itself."""
    monkeypatch.setattr(simulate, "abc_program", lambda: "abc")
    monkeypatch.setattr(simulate, "StageProver", _NoProof)
    networks.need("verilator")
    features = FeatureMap.of(copy.experiment.result(DataResult))
    trained = GoldenTrigger.load(copy.experiment.stage_folder("convert"), features)
    without = GoldenTrigger(features, IntegerNetwork(trained.network.layers[:-1]))
    lower = without.with_thresholds(np.maximum(trained.thresholds - 1, 0))
    firmware, project = copy.experiment.config.firmware, _verilog(copy).parent
    shutil.rmtree(project)
    project.mkdir()
    write_rtl(cut_into_stages(trace_trigger(lower), firmware.clock_ns, three_inputs=True), firmware, project)
    result = copy.run("rtl").result
    assert (result.passed, result.score_mismatches) == (False, 0)
    assert 0 < result.decision_flips <= result.events_by_origin["edges"]
    assert (result.first_mismatch.layer, result.first_mismatch.origin) == ("accept", "edges")
    assert result.failure == "autoencoder_core_stage0: no proof"
    assert not any(proof.proven for proof in result.stages)


@pytest.mark.parametrize("abc", ["abc", None])
def test_primitives_are_simulated_where_no_proof_reads_them(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch, abc: str | None
) -> None:
    def compiled(*_: object, cells: bool) -> None:
        raise CheckFailed(f"cells: {cells}")

    networks.need("verilator")
    monkeypatch.setattr(simulate, "abc_program", lambda: abc)
    monkeypatch.setattr(simulate, "compile_rtl", compiled)
    shutil.rmtree(copy.experiment.stage_folder("rtl"), ignore_errors=True)
    with pytest.raises(CheckFailed, match=f"cells: {abc is None}"):
        copy.run("rtl")


_IGNORED_RESET = {"if (reset) under_way <= 0;\n        else": ""}
_FOUR_WAYS = {
    "aresetn && !promised[DEPTH_BITS]": "aresetn",
    "last <= (last << 1)": "last <= last",
    "taken     <= 0;\n": "\n",
    "assign m_axis_tvalid = written != taken": "assign m_axis_tvalid = written[0] && written != taken",
}


@pytest.mark.usefixtures("without_proofs")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "damage"), [("autoencoder_valid.v", _IGNORED_RESET), ("autoencoder_axis.v", _FOUR_WAYS)], ids=["M3", "M4"]
)
def test_a_broken_wrapper_is_named(file: str, damage: dict[str, str], copy: Workspace) -> None:
    networks.need("verilator")
    source = _verilog(copy) / file
    text = source.read_text()
    for old, new in damage.items():
        assert old in text
        text = text.replace(old, new)
    source.write_text(text)
    result = copy.run("rtl").result
    assert result.passed is False
    assert result.mismatched_events == result.lost_events == 0  # an event a clock goes through
    wrong = {wrapper.file: wrapper for wrapper in result.wrappers if wrapper.failure}
    assert list(wrong) == [file]
    assert wrong[file].mismatched_events > 10
    assert failure_sentence(result).startswith(f"{file}: {wrong[file].mismatched_events:,} of ")


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["rtl", "synth"])
def test_a_missing_tool_is_one_sentence_and_exit_code_3(stage: str, copy: Workspace, run_process: Cli) -> None:
    if stage == "synth":
        experiment = copy.experiment
        hashes = event_hashes(experiment.config, experiment.config_file)
        run_stage(experiment, RtlResult, lambda _: rtl_result(), hashes, RunOptions(force=True))
    program = {"rtl": "verilator", "synth": "yosys"}[stage]
    done = run_process(stage, *copy.arguments, "--force", PATH=os.devnull)
    assert done.returncode == 3, done.stderr
    assert f"{program} is not on the PATH" in done.stderr
    assert f"apt-get install {program}" in done.stderr
    assert "Traceback" not in done.stderr
