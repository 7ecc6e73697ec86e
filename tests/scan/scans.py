"""A scan of a tiny experiment, and trials whose results are made up in the place of trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support import small_config

from fpgaae import pipeline
from fpgaae.errors import CheckFailed
from fpgaae.evaluation.bootstrap import DEFAULT_FPRS
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.reference import ReferenceResult, TrainedReference
from fpgaae.runs.results.scan import BaselineResult, TrialResult
from fpgaae.runs.results.train import TrainResult
from fpgaae.runs.run import Outcome, RunOptions, StageRun, run_stage
from fpgaae.scan import work
from fpgaae.scan.measurement import Measurement

SIGNALS = ("signal", "other")
N_REPLICAS = 40


def write_scan(folder: Path, **keys: Any) -> Path:  # noqa: ANN401
    """Write a scan of `support.small_config`, two widths by two seeds unless told otherwise, and return its file."""
    small_config(folder)
    content = {
        "base": "small.yaml",
        "axes": {"bits": {"keys": ["quantization.weights.bits", "quantization.activations.bits"], "values": [4, 8]}},
        "seeds": [1, 2],
        **keys,
    }
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def make_measurement(auc: float, seed: int = 0, *, spread: float = 0.01, background_above: int = 10) -> Measurement:
    """Make up what a network scored: efficiencies are a tenth of the areas."""
    rng = np.random.default_rng(seed)
    areas = np.array([auc, auc - 0.1])
    replicas = areas[:, None] + spread * rng.standard_normal((2, N_REPLICAS))
    n = len(DEFAULT_FPRS)
    return Measurement(
        SIGNALS,
        DEFAULT_FPRS,
        areas,
        np.repeat(areas[:, None] / 10, n, axis=1),
        np.full(n, background_above),
        replicas,
        np.repeat(replicas[:, :, None] / 10, n, axis=2),
        np.zeros(n, dtype=bool),
        np.repeat(replicas[:, :, None] / 5, n, axis=2),
    )


_KINDS: dict[str, type[StageResult]] = {"data": DataResult, "reference": ReferenceResult, "train": TrainResult}
_RESULTS: dict[str, StageResult] = {
    "data": DataResult(events={}, feature_types=(), files={}),
    "reference": TrainedReference(
        backend="tensorflow", device="cpu", epochs=1, loss=(1.0,), val_loss=1.0, val_losses=(1.0,),
        events_per_second=1.0, weights=1,
    ),
    "train": TrainResult(
        epochs=1, loss=(1.0,), val_loss=1.0, val_losses=(1.0,), events_per_second=1.0, sparsity={"whole": 0.5},
        weights_bits={}, widths=None,
    ),
}  # fmt: skip


class FakeTrainings:
    """Takes the place of every training and measurement: more bits are better and dearer."""

    def __init__(self) -> None:
        self.run: list[str] = []  # trials, in order
        self.failing: set[str] = set()  # labels of trials whose training fails

    def stage(
        self,
        experiment: Experiment,
        stage: str,
        options: RunOptions,
        hashes: Any,  # noqa: ANN401
    ) -> Outcome[StageResult]:
        made = _RESULTS[stage]

        def train(run: StageRun) -> StageResult:
            if stage == "train" and run.experiment.name in self.failing:
                raise CheckFailed("the loss is not finite")
            return made

        return run_stage(experiment, _KINDS[stage], train, hashes, options)

    def baseline(self, run: StageRun) -> BaselineResult:
        make_measurement(0.9).save(run.folder)
        return BaselineResult(auc={}, tpr={})

    def trial(self, run: StageRun) -> TrialResult:
        self.run.append(run.experiment.name)
        bits = run.config.quantization.weights.bits
        make_measurement(0.9 - 0.4 / bits + 0.001 * run.config.seed).save(run.folder)
        return TrialResult(
            auc={}, tpr={}, lut=1000 * bits, ff=10 * bits, latency_cycles=1, latency_ns=5.0, sparsity=0.5, val_loss=1.0,
            score_type="ap_ufixed<8,4>",
        )  # fmt: skip


def fake_trainings(monkeypatch: pytest.MonkeyPatch) -> FakeTrainings:
    """Make up every result of a trial or a seed."""
    fake = FakeTrainings()
    monkeypatch.setattr("fpgaae.tensorflow_setup.prepare", lambda n_threads=None: None)
    monkeypatch.setattr(pipeline, "run", fake.stage)
    monkeypatch.setattr(work, "_baseline", fake.baseline)
    monkeypatch.setattr(work, "_trial", fake.trial)
    # There are no networks, and whoever looks for their remains in a process of many tests takes seconds a trial.
    monkeypatch.setattr(work, "_forget_models", lambda: None)
    return fake
