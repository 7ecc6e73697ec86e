"""A scan of a tiny experiment, and trials whose results are made up in the place of trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from support import small_config

from fpgaae.errors import CheckFailed
from fpgaae.evaluation.bootstrap import DEFAULT_FPRS
from fpgaae.files import Json
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.run import Outcome, RunOptions, StageRun, run_stage
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


class FakeTrainings:
    """Takes the place of every training and measurement: more bits are better and dearer."""

    def __init__(self) -> None:
        self.run: list[str] = []  # trials, in order
        self.failing: set[str] = set()  # labels of trials whose training fails

    def stage(self, experiment: Experiment, stage: str, options: RunOptions, hashes: Any) -> Outcome:  # noqa: ANN401
        def train(run: StageRun) -> Json:
            if stage == "train" and run.experiment.name in self.failing:
                raise CheckFailed("the loss is not finite")
            return {"val_loss": 1.0, "sparsity": {"whole": 0.5}}

        return run_stage(experiment, stage, train, hashes, options)

    def baseline(self, run: StageRun) -> Json:
        make_measurement(0.9).save(run.folder)
        return {}

    def trial(self, run: StageRun) -> Json:
        self.run.append(run.experiment.name)
        bits = run.config.quantization.weights.bits
        make_measurement(0.9 - 0.4 / bits + 0.001 * run.config.seed).save(run.folder)
        return {"lut": 1000 * bits, "ff": 10 * bits, "latency_ns": 5.0, "sparsity": 0.5}
