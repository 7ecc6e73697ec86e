"""A killed training ends with the weights of one that was never killed, and the same seed gives the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import Workspace, open_workspace
from numpy.typing import NDArray
from support import merged, small_config

from fpgaae.data import inputs as events

pytestmark = pytest.mark.usefixtures("tensorflow")

Before = Callable[[str, str], Workspace]

_WEIGHTS = {"reference": "float.weights.h5", "train": "model.h5"}
_MODELS: dict[str, dict[str, Any]] = {
    "ae": {},
    "vae": {"model": {"kind": "variational", "encoder": [8], "latent": 3, "decoder": [8], "score": "mu_squared"}},
    "pruned": {"training": {"quantized": {"mode": "post_training"}}},
    "learned": {
        "pruning": {"sparsity": 0.0},
        "training": {"quantized": {"learned_widths": {"penalty": 1e-3, "end_epoch": 2, "most_digits": 10_000}}},
    },
    "student": {
        "model": {"kind": "student", "encoder": [8], "latent": 1, "decoder": [], "score": "regression"},
        "distillation": {
            "teacher": {"encoder": [8], "latent": 3, "decoder": [8], "score": "squared_error"},
            "fit": {"epochs": 2, "batch_size": 128, "batch_normalization": True},
            "outliers": {"share": 0.3},
        },
    },
}
_FIT = {
    "training": {
        "reference": {"epochs": 3, "batch_size": 128, "batch_normalization": True},
        "quantized": {"epochs": 3, "batch_size": 128},
    },
    "pruning": {"end_epoch": 2},
}


class _Killed(Exception):
    """Stands for a kill."""


class KillAfter:
    """Shows nothing, and kills the training after an epoch."""

    def __init__(self, epochs: int) -> None:
        self._left = epochs

    @contextmanager
    def task(self, description: str, total: float | None) -> Iterator[KillAfter]:
        del description, total
        yield self

    def advance(self, amount: float = 1) -> None:
        """Go on."""

    def note(self, text: str) -> None:
        """Count an epoch."""
        del text
        self._left -= 1
        if self._left == 0:
            raise _Killed


@pytest.fixture(autouse=True)
def several_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let an epoch have several blocks, as with millions of events, and Keras warn about what is its own."""
    monkeypatch.setattr(events, "BLOCK_EVENTS", 500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield monkeypatch


def _workspace(folder: Path, kind: str) -> Workspace:
    small_config(folder, n_events=1500, **merged(_MODELS[kind], _FIT))
    workspace = open_workspace(folder)
    workspace.run("data")
    return workspace


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item)

    with h5py.File(file) as opened:
        opened.visititems(collect)
    return found


def _assert_same_weights(a: Workspace, b: Workspace, stage: str) -> None:
    first, second = (_arrays(w.experiment.stage_folder(stage) / _WEIGHTS[stage]) for w in (a, b))
    assert first.keys() == second.keys()
    assert len(first) >= 4
    for name, weights in first.items():
        np.testing.assert_array_equal(weights, second[name], err_msg=name)
    for key in ("loss", "val_losses", "epochs", "sparsity", "learned"):
        assert a.result(stage).get(key) == b.result(stage).get(key)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Workspace]:
    """Give a function that gives an experiment of a kind as it is before a stage; tests work on copies."""
    known: dict[tuple[str, str], Workspace] = {}

    def make(kind: str, stage: str) -> Workspace:
        if (kind, stage) not in known:
            folder = tmp_path_factory.mktemp("before") / stage
            if stage == "reference":
                known[kind, stage] = _workspace(folder, kind)
            else:
                last = {"train": "reference", "convert": "train"}[stage]
                known[kind, stage] = make(kind, last).copy(folder)
                known[kind, stage].run(last)
        return known[kind, stage]

    return make


def _assert_resumes(before: Before, folder: Path, kind: str, stage: str, killed_after: int) -> None:
    whole = before(kind, {"reference": "train", "train": "convert"}[stage])
    killed = before(kind, stage).copy(folder / "killed")
    with pytest.raises(_Killed):
        killed.run(stage, progress=KillAfter(killed_after))
    assert not killed.experiment.result_path(stage).exists()
    (checkpoint,) = killed.experiment.folder.glob(f".scratch/{stage}-*/checkpoint.npz")
    teacher = checkpoint.parent / "teacher" / "checkpoint.npz"
    assert teacher.is_file() == (stage == "reference" and kind == "student")
    with np.load(checkpoint) as saved:
        assert len(saved["loss"]) == killed_after - (2 if teacher.is_file() else 0)
    killed.run(stage)
    _assert_same_weights(whole, killed, stage)
    assert not checkpoint.exists(), "a finished training leaves no checkpoint"


@pytest.mark.slow
def test_a_killed_float_training_resumes_exactly(before: Before, tmp_path: Path) -> None:
    _assert_resumes(before, tmp_path, "vae", "reference", 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "stage", "killed_after"),
    [
        ("pruned", "reference", 1),
        ("ae", "train", 2),
        ("vae", "train", 1),
        ("learned", "train", 2),
        ("student", "reference", 3),
        ("student", "train", 1),
    ],
)
def test_a_killed_training_resumes_exactly(
    before: Before, tmp_path: Path, kind: str, stage: str, killed_after: int
) -> None:
    _assert_resumes(before, tmp_path, kind, stage, killed_after)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(before: Before, tmp_path: Path) -> None:
    again = before("ae", "reference").copy(tmp_path / "again")
    for stage in ("reference", "train"):
        again.run(stage)
        _assert_same_weights(before("ae", "convert"), again, stage)


@pytest.mark.slow
def test_another_seed_gives_other_weights(before: Before, tmp_path: Path) -> None:
    other = before("ae", "reference").copy(tmp_path / "other")
    config = other.experiment.config_file
    config.write_text(config.read_text().replace("seed: 42", "seed: 43"))
    other = open_workspace(other.folder)
    for stage in ("data", "reference"):
        other.run(stage)
    first, second = (
        _arrays(workspace.experiment.stage_folder("reference") / "float.weights.h5")
        for workspace in (before("ae", "train"), other)
    )
    assert any((first[name] != second[name]).any() for name in first)


@pytest.mark.slow
def test_a_training_ended_by_sigkill_resumes_exactly(
    before: Before, tmp_path: Path, several_blocks: pytest.MonkeyPatch
) -> None:
    """The kill may come at any moment, also while a checkpoint is written."""
    whole, killed = (before("ae", "reference").copy(tmp_path / name) for name in ("whole", "killed"))
    several_blocks.undo()  # a process of its own has one
    whole.run("reference")
    command = [sys.executable, "-m", "fpgaae", "reference"]
    process = subprocess.Popen([*command, *killed.arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(killed.experiment.folder.glob(".scratch/reference-*/checkpoint.npz")):
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not killed.experiment.result_path("reference").exists()
    subprocess.run([*command, *killed.arguments], check=True, capture_output=True, timeout=300)
    _assert_same_weights(whole, killed, "reference")
