"""The report takes in what was made after it: results of RTL and synthesis, where they are current and unedited."""

from __future__ import annotations

from pathlib import Path

import pytest
from results import StandIn, stand_in
from support import small_config

from fpgaae.errors import InputError
from fpgaae.report.stage import report_folder
from fpgaae.runs.experiment import Experiment, open_experiment
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


def test_an_edited_result_is_left_out(experiment: Experiment) -> None:
    seen: list[StandIn | None] = []
    for stage in ("trace", "rtl"):
        _run(experiment, stage)
    _run(experiment, "report", seen)
    result = experiment.result_path("rtl")
    result.write_text(result.read_text().replace("true", "false"))
    assert _run(experiment, "report", seen)
    assert seen[1] is None


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
