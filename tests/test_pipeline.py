"""`run_up_to`: the stages that a result needs, in one process, and where it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from results import StandIn, stand_in
from support import small_config

from fpgaae import pipeline
from fpgaae.errors import InputError
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.run import RunOptions, StageRun
from fpgaae.runs.stages import PROJECT_FOLDER, STAGES

Cli = Callable[..., CompletedProcess[str]]


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return open_experiment(small_config(tmp_path, n_events=8), tmp_path / "runs")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put stand-ins in the place of all work, and give the names of the stages whose work was done."""
    done: list[str] = []

    def work(run: StageRun, stage: str) -> StandIn:
        done.append(stage)
        (run.folder / PROJECT_FOLDER).mkdir()
        (run.folder / PROJECT_FOLDER / "file.txt").write_text(stage)
        return stand_in(stage)(passed=not (run.experiment.folder / f"{stage}-fails").exists(), content=None)

    def failure(result: StandIn) -> str | None:
        return None if result.passed else f"{result.STAGE} found a bit that differs"

    made = {stage: pipeline._Stage(stand_in(stage), lambda run, stage=stage: work(run, stage)) for stage in STAGES}
    monkeypatch.setattr(pipeline, "_STAGES", made)
    monkeypatch.setattr(pipeline, "failure_of", failure)
    return done


def _run(experiment: Experiment, stage: str, **options: bool) -> list[tuple[str, bool]]:
    return [(name, own.was_current) for name, own in pipeline.run_up_to(experiment, stage, RunOptions(**options))]


@pytest.mark.parametrize(
    ("stage", "needs"),
    [
        ("data", []),
        ("csim", ["data", "reference", "train", "convert"]),
        ("synth", ["data", "reference", "train", "convert", "trace", "rtl"]),
        ("report", ["data", "reference", "train", "convert", "csim", "evaluate"]),
    ],
)
def test_what_is_missing_is_run_in_order(
    experiment: Experiment, ran: list[str], stage: str, needs: list[str]
) -> None:  # fmt: skip
    assert _run(experiment, stage) == [(name, False) for name in [*needs, stage]]
    assert ran == [*needs, stage]


def test_what_is_current_is_left_and_force_is_for_the_last(experiment: Experiment, ran: list[str]) -> None:
    _run(experiment, "convert")
    del ran[:]
    assert _run(experiment, "csim") == [(n, n != "csim") for n in ("data", "reference", "train", "convert", "csim")]
    _run(experiment, "train", force=True)
    assert ran == ["csim", "train"]


def test_a_check_that_does_not_pass_is_the_last(experiment: Experiment, ran: list[str]) -> None:
    experiment.folder.mkdir(parents=True)
    (experiment.folder / "csim-fails").touch()
    assert [name for name, _ in _run(experiment, "report")][-1] == "csim"
    (experiment.folder / "csim-fails").unlink()
    del ran[:]
    _run(experiment, "report")
    assert ran == ["csim", "evaluate", "report"]


def test_an_edited_project_is_left_for_the_check_that_compares_it_only(experiment: Experiment, ran: list[str]) -> None:
    _run(experiment, "convert")
    edited = experiment.stage_folder("convert") / PROJECT_FOLDER / "file.txt"
    edited.write_text("by hand")
    del ran[:]
    _run(experiment, "csim")
    assert (ran, edited.read_text()) == (["csim"], "by hand")
    with pytest.raises(InputError, match=r"file.txt is not as the stage `convert` wrote it"):
        _run(experiment, "evaluate")


def test_what_can_not_be_is_refused_before_anything_is_run(
    experiment: Experiment, ran: list[str], tmp_path: Path
) -> None:  # fmt: skip
    with pytest.raises(InputError, match=r"there is no stage synt; there are data, reference, .*, report"):
        _run(experiment, "synt")
    method = open_experiment(small_config(tmp_path, method={"kind": "pca"}), tmp_path / "runs")
    with pytest.raises(InputError, match="no quantized twin for `csim`"):
        _run(method, "csim")
    assert ran == []
    assert (pipeline.last_stage(experiment), pipeline.last_stage(method)) == ("csim", "reference")


def test_the_command_says_each_result_and_exits_as_the_stage_does(tmp_path: Path, run_cli: Cli) -> None:
    experiment = open_experiment(small_config(tmp_path), tmp_path / "runs")
    arguments = experiment.config_file, "--runs", experiment.folder.parent
    done = run_cli("run", *arguments, "--to", "data")
    assert (done.returncode, done.stderr.count("fpgaae:")) == (0, 0)
    assert done.stdout.startswith("data of small done: ")
    as_json = run_cli("run", *arguments, "--to", "data", "--json")
    assert json.loads(as_json.stdout) == json.loads(experiment.result_path("data").read_text())
    refused = run_cli("run", *arguments, "--to", "dat")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("fpgaae: there is no stage dat; ")


@pytest.mark.parametrize("stage", ["trace", "rtl", "synth", "place"])
def test_weights_that_are_loaded_are_refused_by_the_verilog_before_anything_is_trained(
    stage: str, tmp_path: Path, ran: list[str]
) -> None:
    firmware = {"strategy": "latency", "reloadable_weights": True}
    experiment = open_experiment(small_config(tmp_path, n_events=8, firmware=firmware), tmp_path / "runs")
    with pytest.raises(InputError, match=r"can't be traced: .* set firmware\.reloadable_weights to false, or synth"):
        _run(experiment, stage)
    assert ran == []
    assert [name for name, _ in _run(experiment, "csim")][-1] == "csim"
