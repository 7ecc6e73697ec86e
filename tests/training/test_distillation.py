"""What a student gets to see: every background event with its own target, and outliers that are new in each epoch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Workspace, open_workspace, trained_workspace
from numpy.typing import NDArray
from support import merged, small_config

from fpgaae.config.distillation import Distillation, OutlierKind, Outliers
from fpgaae.data import inputs as events
from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import Split, open_split
from fpgaae.models.target import Target
from fpgaae.runs.run import StageRun
from fpgaae.training import distillation
from fpgaae.training.distillation import Lessons, prepare_lessons
from fpgaae.training.outliers import make_outliers

STUDENT: dict[str, Any] = {
    "model": {"kind": "student", "encoder": [6], "latent": 1, "decoder": [], "score": "regression"},
    "distillation": {
        "teacher": {"kind": "autoencoder", "encoder": [12], "latent": 3, "decoder": [12], "score": "squared_error"},
        "fit": {"epochs": 2, "batch_size": 128, "batch_normalization": True},
        "outliers": {"share": 0.5, "kinds": ["mixed", "overlaid"]},
    },
}
_TARGET = Target(0.0, 10.0, 5.0)


def _score(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Stand for a teacher: the sum of the codes' magnitudes, and one."""
    return 1.0 + np.abs(codes).sum(axis=1)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("student")
    small_config(folder, n_events=1500, **STUDENT)
    opened = open_workspace(folder)
    opened.run("data")
    return opened


@pytest.fixture
def split(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Split:
    """Give the training events, in several blocks."""
    monkeypatch.setattr(events, "BLOCK_EVENTS", 300)
    run = StageRun(workspace.experiment, workspace.folder, workspace.folder, {})
    return open_split(run, "train")


def _lessons(workspace: Workspace, split: Split, **outliers: Any) -> Lessons:  # noqa: ANN401
    section = workspace.experiment.config.distillation
    assert section is not None
    section = section.model_copy(update={"outliers": Outliers(**outliers)})
    codes = split.store.read(split.process, split.name, 0, split.n_events)
    lessons = Lessons(split, np.log(_score(codes)).astype(np.float32), _TARGET, section, _score)
    return lessons._replace(
        of_sets=tuple(lessons.grades_of_set(1, index) for index in range(section.outliers.sets or 0))
    )


def _codes(features: FeatureMap, x: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.rint(x * np.exp2(features.shifts)).astype(np.int64) + features.offsets


def _assert_own_targets(lessons: Lessons, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
    scores = _score(_codes(lessons.split.features, x))
    np.testing.assert_allclose(y[:, 0], 0.5 * np.clip(np.log(scores), 0, 10), rtol=1e-5)


@pytest.mark.parametrize(("share", "sets"), [(0.0, None), (0.5, None), (0.5, 2)])
def test_every_event_comes_once_an_epoch_with_its_own_target(
    workspace: Workspace, split: Split, share: float, sets: int | None
) -> None:
    lessons = _lessons(workspace, split, share=share, sets=sets)
    batches = list(lessons.epoch(1, 3))
    assert len(batches) > 1
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert len(x) == len(y) == lessons.n_events
    assert lessons.n_events == pytest.approx((1 + share) * split.n_events, abs=len(batches))
    _assert_own_targets(lessons, x, y)
    background = {row.tobytes() for row in np.concatenate(list(split.ordered_blocks()))}
    seen = [row.tobytes() for row in x]
    assert background <= set(seen), "all of the background"
    if not share:
        assert len(seen) == split.n_events
    else:
        assert any(row not in background for row in seen[: len(seen) // 4]), "outliers are spread over the epoch"


def test_an_epoch_depends_on_its_number_only(workspace: Workspace, split: Split) -> None:
    lessons = _lessons(workspace, split, share=0.5)
    first, again, other = (np.concatenate([x for x, _ in lessons.epoch(1, epoch)]) for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    rows = [{row.tobytes() for row in x} for x in (first, other)]
    assert len(rows[0] - rows[1]) > 100, "other outliers"


def test_epochs_take_the_sets_of_outliers_in_turn(workspace: Workspace, split: Split) -> None:
    lessons = _lessons(workspace, split, share=0.5, sets=2)
    epochs = [np.concatenate([x for x, _ in lessons.epoch(1, epoch)]) for epoch in range(3)]
    rows = [{row.tobytes() for row in x} for x in epochs]
    assert rows[0] == rows[2]
    assert len(rows[0] - rows[1]) > 100, "the other set"
    assert not np.array_equal(epochs[0], epochs[2]), "in another order"


def test_a_validation_is_about_the_background_in_order(workspace: Workspace, split: Split) -> None:
    lessons = _lessons(workspace, split, share=0.5)
    x, y = (np.concatenate(parts) for parts in zip(*lessons.ordered(), strict=True))
    np.testing.assert_array_equal(x, np.concatenate(list(split.ordered_blocks())))
    _assert_own_targets(lessons, x, y)


def test_the_ends_of_the_target_hold_the_outliers_too(workspace: Workspace, split: Split, tmp_path: Path) -> None:
    config = workspace.experiment.config

    def prepare(kinds: list[str], share: float) -> Target:
        section = config.distillation
        assert section is not None
        section = section.model_copy(update={"outliers": Outliers(share=share, kinds=kinds)})
        changed = config.model_copy(update={"distillation": section})
        validation = Split(split.store, split.process, "validation", split.features, split.input_type)
        return prepare_lessons(changed, _score, split, validation, tmp_path)

    background, more = prepare(["overlaid"], 0.0), prepare(["overlaid"], 1.0)
    codes = split.store.read(split.process, "train", 0, split.n_events)
    assert background.high == pytest.approx(np.log(_score(codes)).max())
    assert more.high > background.high
    with np.load(tmp_path / distillation.GRADES_FILE) as saved:
        np.testing.assert_allclose(saved["train"], np.log(_score(codes)), rtol=1e-6)
        assert set(saved) == {"train", "validation"}


def test_the_grades_of_sets_are_kept(workspace: Workspace, split: Split, tmp_path: Path) -> None:
    config = workspace.experiment.config
    assert config.distillation is not None
    section = config.distillation.model_copy(update={"outliers": Outliers(share=0.5, sets=2)})
    config = config.model_copy(update={"distillation": section})
    validation = Split(split.store, split.process, "validation", split.features, split.input_type)
    prepare_lessons(config, _score, split, validation, tmp_path)
    expected = _lessons(workspace, split, share=0.5)
    with np.load(tmp_path / distillation.GRADES_FILE) as saved:
        for index in range(2):
            own = saved[f"outliers_{index}"]
            np.testing.assert_array_equal(own, expected.grades_of_set(config.seed, index))


# ---- outliers ----


def _made(kind: OutlierKind, features: FeatureMap, codes: NDArray[np.int64], n: int = 400) -> NDArray[np.int64]:
    return make_outliers(codes, n, [kind], features, np.random.default_rng(3))


def test_outliers_are_made_of_two_events_within_the_limits(split: Split) -> None:
    features = split.features
    low, high = features.limits
    pair = np.stack([high // 3, np.minimum(high // 2 + 5, high)])
    mixed = _made(OutlierKind.MIXED, features, pair)
    assert ((mixed == pair[0]) | (mixed == pair[1])).all()
    varying = pair[0] != pair[1]
    assert ((mixed == pair[0])[:, varying].any(axis=1) & (mixed == pair[1])[:, varying].any(axis=1)).any()
    sums = {tuple(np.minimum(pair[i] + pair[j], high)) for i in (0, 1) for j in (0, 1)}
    assert {tuple(row) for row in _made(OutlierKind.OVERLAID, features, pair)} == sums
    scaled = _made(OutlierKind.SCALED, features, pair[:1])
    assert ((scaled >= pair[0]) & (scaled <= high)).all()
    assert (scaled == high).any(axis=0)[high > 4].all(), "cut off at the limits"
    assert (scaled == pair[0]).any()
    hot = _made(OutlierKind.HOT, features, pair[:1]) != pair[0]
    assert 2 < hot.sum(axis=1).mean() < 6, "one to eight of 57, where there is a range"
    for kind in OutlierKind:
        made = _made(kind, features, np.stack([low, high]))
        assert ((made >= low) & (made <= high)).all()


def test_every_kind_of_outlier_has_its_share(split: Split) -> None:
    _, high = split.features.limits
    codes = np.tile(high // 3, (2, 1))
    made = make_outliers(codes, 900, list(OutlierKind), split.features, np.random.default_rng(1))
    same, doubled = (made == codes[0]).all(axis=1), (made == np.minimum(2 * codes[0], high)).all(axis=1)
    assert 180 < same.sum() < 320, "what is mixed of the same"
    assert 180 < doubled.sum() < 270


# ---- the whole of it ----


@pytest.mark.slow
def test_the_reference_holds_a_teacher_and_its_student(
    tensorflow: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = {"training": {"reference": {"epochs": 8}, "quantized": {"mode": "post_training"}}}
    small_config(tmp_path, n_events=1500, **merged(STUDENT, merged(fit, {"pruning": {"sparsity": 0.0}})))
    opened = trained_workspace(tmp_path)
    result = opened.result("reference")
    # 57 -> 12 -> 3 -> 12 -> 57 and 57 -> 6 -> 1, with biases
    assert result["teacher"]["weights"] == (57 * 12 + 12) + (12 * 3 + 3) + (3 * 12 + 12) + (12 * 57 + 57)
    assert result["weights"] == (57 * 6 + 6) + (6 + 1)
    assert result["teacher"]["val_loss"] > 0
    assert result["val_losses"][-1] < result["val_losses"][0], "it learns"
    assert opened.result("train")["val_loss"] > 0
    assert opened.result("train")["quantization_error"].keys() == {"encoder_1_relu", "output_relu"}
    before = opened.experiment.config
    assert isinstance(before.distillation, Distillation)
    fingerprint = opened.run("reference").was_current
    assert fingerprint, "nothing changed"
    config = opened.experiment.config_file
    config.write_text(config.read_text().replace("share: 0.5", "share: 0.25"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed = open_workspace(tmp_path)
        assert not changed.run("reference").was_current, "a change of the distillation makes the reference stale"
