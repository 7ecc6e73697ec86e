"""The stage `reference` of an imported model: the float network, and how well it reconstructs.

This module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.features import FeatureMap
from fpgaae.data.hdf5_writing import save_by_keras
from fpgaae.data.inputs import open_split
from fpgaae.models.float_output import IMPORTED_FLOAT_FILE
from fpgaae.models.rebuild import rebuild
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.reference import ImportedReference
from fpgaae.runs.run import StageRun
from fpgaae.training.imported_network import (
    flat,
    float_inputs,
    imported_from,
    mean_squared_difference,
    open_imported,
    shaped,
)


def run_imported_reference(run: StageRun) -> ImportedReference:
    """Write the float network: the model itself, or a QKeras model without its quantizers."""
    prepared = open_imported(run)
    model = rebuild(prepared.twin)
    save_by_keras(model.save, run.folder / IMPORTED_FLOAT_FILE, save_format="h5")
    is_reconstruction = run.config.model.score.of_reconstruction
    spread, pairs = _Spread(), []
    for x in float_inputs(open_split(run, "validation")):
        spread.add(x)
        if is_reconstruction:
            pairs.append((x, flat(model.predict_on_batch(shaped(model, x)))))
    loss, mean_loss = (mean_squared_difference(pairs), spread.variance) if is_reconstruction else (None, None)
    unit = FeatureMap.of(run.result(DataResult)).unit()
    return ImportedReference(
        backend="tensorflow",
        device="cpu",
        epochs=0,
        events_per_second=None,
        val_loss=loss,
        imported=imported_from(run),
        mean_loss=mean_loss,
        input_range=(spread.low, spread.high),
        unit=unit,
        warnings=tuple(_warnings(loss, mean_loss, unit)),
    )


class _Spread:
    """The range of the inputs, and their variance around the mean of each feature, from chunks."""

    def __init__(self) -> None:
        self.low, self.high, self._n = math.inf, -math.inf, 0
        self._sum: Any = 0.0
        self._squares: Any = 0.0

    def add(self, x: NDArray[np.float32]) -> None:
        """Take in a chunk, (n_events, n_features)."""
        wide = x.astype(np.float64)
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))
        self._n, self._sum = self._n + len(x), self._sum + wide.sum(axis=0)
        self._squares = self._squares + np.square(wide).sum(axis=0)

    @property
    def variance(self) -> float:
        """Mean over the features of the variance of each."""
        return float(np.mean(self._squares / self._n - np.square(self._sum / self._n)))


def _warnings(loss: float | None, mean_loss: float | None, unit: str) -> Iterator[str]:
    """Say what makes no sense of a reconstruction, which most often comes of another unit than in training."""
    if loss is not None and mean_loss is not None and not loss < mean_loss:
        yield (
            f"the reconstruction is worse than the mean of the inputs (mean squared error {loss:.4g} against "
            f"{mean_loss:.4g}): the model may have been trained on inputs in another unit than {unit}; give it in "
            "`data.scaling` (`none`, or a fixed offset and shift)"
        )
