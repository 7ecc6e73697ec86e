"""Mixed samples: no event that was trained on is tested with; and the quantities of events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Workspace, open_workspace
from support import small_config

from fpgaae.config.data import Hardware
from fpgaae.data.layout import hardware_features
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.methods.registry import method_class
from fpgaae.runs.run import StageRun
from fpgaae.training.methods.mixtures import training_columns, unseen_columns
from fpgaae.training.methods.quantities import measure, nuisance_column

CWOLA = method_class("cwola")


def _workspace(folder: Path, **method: object) -> tuple[Workspace, StageRun]:
    small_config(folder, n_events=1200, method={"kind": "cwola", "fractions": [0.1, 0.02], **method})
    workspace = open_workspace(folder)
    workspace.run("data")
    return workspace, StageRun(workspace.experiment, folder / "out", folder / "scratch", {})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StageRun:
    return _workspace(tmp_path_factory.mktemp("mixtures"))[1]


def test_mixtures_hold_the_shares_of_signal_that_are_asked_for(run: StageRun) -> None:
    columns = training_columns(run, "train", CWOLA)
    background = EventStore(run.upstream("data")).count("background", "train")
    x, mixture = columns["x"], columns["mixture"]
    assert len(x) == len(mixture)
    for label, share in ((1, 0.1), (0, 0.02)):
        own = int((mixture == label).sum())
        assert (own - background / 2) / own == pytest.approx(share, abs=0.005)


def test_no_signal_event_is_both_trained_on_and_tested_with(run: StageRun) -> None:
    trained = {row.tobytes() for split in ("train", "validation") for row in training_columns(run, split, CWOLA)["x"]}
    tested = unseen_columns(run, "signal", CWOLA)["x"]
    assert len(tested) > 50
    assert not trained & {row.tobytes() for row in tested}
    assert len(unseen_columns(run, "signal", method_class("dense"))["x"]) > len(tested)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"signals": ["nothing"]}, "method.signals: `data.files` has no signal `nothing`; it has signal"),
        ({"fractions": [0.9, 0.0]}, "signal has too few events in the groups for the train split: a share of 0.9"),
    ],
    ids=["unknown", "too-few"],
)
def test_mixtures_that_cannot_be_made_are_refused(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        training_columns(_workspace(tmp_path, **options)[1], "train", CWOLA)


def test_quantities_are_those_of_the_objects(run: StageRun) -> None:
    hardware: Hardware = run.config.data.hardware
    codes = EventStore(run.upstream("data")).read("background", "test", 0, 50)
    names = [feature.name for feature in hardware_features(hardware)]
    pt = codes[:, [i for i, name in enumerate(names) if name.endswith("_pt") and name != "met_pt"]]
    np.testing.assert_allclose(measure(run, "background", "test", "ht", 50), pt.sum(axis=1) * 0.5)
    np.testing.assert_array_equal(measure(run, "background", "test", "multiplicity", 50), (pt > 0).sum(axis=1))
    with pytest.raises(InputError, match="have no `mean`; choose one of ht, multiplicity"):
        measure(run, "background", "test", "mean")


def test_the_nuisance_has_unit_spread_in_training(tmp_path: Path) -> None:
    small_config(tmp_path, n_events=1200, method={"kind": "decorrelated", "nuisance": "ht"})
    workspace = open_workspace(tmp_path)
    workspace.run("data")
    column = nuisance_column(StageRun(workspace.experiment, tmp_path, tmp_path, {}), "background", "train")
    assert column.std() == pytest.approx(1, abs=1e-4)
    assert column.mean() == pytest.approx(0, abs=1e-4)
