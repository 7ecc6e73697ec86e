"""The report takes in what was made after it: results of RTL and synthesis, where they are current and unedited."""

from __future__ import annotations

from pathlib import Path

import pytest
from results import StandIn, stand_in
from support import small_config

from fpgaae.errors import InputError
from fpgaae.files import read_sealed, write_sealed
from fpgaae.report.stage import report_folder
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.folder import MANIFEST, changed_inputs
from fpgaae.runs.run import RunOptions, StageRun, run_stage

STAGES_BEFORE = ("data", "reference", "train", "convert", "csim", "evaluate")


def _run(experiment: Experiment, stage: str, seen: list[StandIn | None] | None = None) -> bool:
    """Run a stage that does next to nothing; tell whether it ran."""

    def work(run: StageRun) -> StandIn:
        if seen is not None:
            seen.append(run.optional_result(stand_in("rtl")))
        (run.folder / "index.html").write_text("page")
        return stand_in(stage)(passed=True, content=stage)

    return not run_stage(experiment, stand_in(stage), work, {}, RunOptions()).was_current


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    opened = open_experiment(small_config(tmp_path, n_events=60), tmp_path / "runs")
    for stage in STAGES_BEFORE:
        assert _run(opened, stage)
    return opened


def test_a_later_result_is_taken_in(experiment: Experiment) -> None:
    seen: list[StandIn | None] = []
    assert _run(experiment, "report", seen)
    assert not _run(experiment, "report", seen), "nothing changed"
    _run(experiment, "trace")
    assert not _run(experiment, "report", seen), "the trace alone is no part of it"
    _run(experiment, "rtl")
    assert _run(experiment, "report", seen)
    assert not _run(experiment, "report", seen)
    assert seen == [None, stand_in("rtl")(passed=True, content="rtl")]


def test_an_edited_result_is_named(experiment: Experiment) -> None:
    seen: list[StandIn | None] = []
    for stage in ("trace", "rtl"):
        _run(experiment, stage)
    _run(experiment, "report", seen)
    result = experiment.result_path("rtl")
    text = result.read_text()
    result.write_text(text.replace("true", "false"))
    with pytest.raises(InputError, match=r"rtl\.json is not as the stage `rtl` wrote it"):
        _run(experiment, "report", seen)
    result.write_text(text)
    (result.parent / MANIFEST).write_text("{")
    with pytest.raises(InputError, match=r"rtl/manifest\.json can't be read"):
        _run(experiment, "report", seen)
    (result.parent / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"rtl/manifest\.json is missing"):
        _run(experiment, "report", seen)
    assert len(seen) == 1


def test_a_stale_result_is_left_out_and_said(experiment: Experiment) -> None:
    for stage in ("trace", "rtl"):
        _run(experiment, stage)
    manifest = experiment.stage_folder("rtl") / MANIFEST
    write_sealed(manifest, read_sealed(manifest) | {"fingerprint": "0"})
    stale: list[bool] = []

    def work(run: StageRun) -> StandIn:
        assert run.optional_result(stand_in("rtl")) is None
        stale.extend(run.is_stale(stand_in(stage)) for stage in ("rtl", "synth"))
        return stand_in("report")(passed=True, content="report")

    run_stage(experiment, stand_in("report"), work, {}, RunOptions())
    assert stale == [True, False]


def test_a_page_of_a_folder_takes_in_nothing_that_rests_on_an_earlier_training(
    experiment: Experiment, tmp_path: Path
) -> None:
    def train(text: str) -> None:
        def work(run: StageRun) -> StandIn:
            (run.folder / "index.html").write_text(text)
            return stand_in("train")(passed=True, content=text)  # of which the JSON tells more than weights

        run_stage(experiment, stand_in("train"), work, {}, RunOptions(force=True))

    train("page")
    assert changed_inputs(experiment.stage_folder("evaluate")) == (), "the same weights"
    train("other weights")
    for stage in ("convert", "csim", "evaluate"):  # `csim` by way of `convert`
        assert changed_inputs(experiment.stage_folder(stage)) == ("train/index.html",)
    said = r"convert rests on another train/index\.html than lies beside it now; run `fpgaae convert .* --force`"
    with pytest.raises(InputError, match=said):
        report_folder(experiment.folder, tmp_path / "page.html")
    assert changed_inputs(experiment.stage_folder("reference")) == changed_inputs(tmp_path) == ()


def test_a_drift_that_is_found_later_is_taken_in(experiment: Experiment) -> None:
    assert _run(experiment, "report")
    drift = experiment.stage_folder("evaluate") / "drift.json"
    drift.write_text("{}")
    assert _run(experiment, "report")
    assert not _run(experiment, "report"), "nothing changed"
    drift.write_text("[]")
    assert _run(experiment, "report")


def test_a_folder_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished evaluation to report; give a run folder"):
        report_folder(tmp_path, tmp_path / "page.html")
