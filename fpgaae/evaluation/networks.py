"""The trained networks as functions from hardware codes to scores: float, quantized, and a teacher.

The firmware, and scores without a network, do not belong here. This module imports TensorFlow (Keras 2 for the
quantized model, Keras 3 for the float one).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import Split
from fpgaae.evaluation.baseline_scores import Score
from fpgaae.evaluation.comparison import FLOAT, QUANTIZED, TEACHER
from fpgaae.fixedpoint import Codes
from fpgaae.golden.scores.base import score_class
from fpgaae.models.float_output import open_float_output
from fpgaae.models.quantized import MODEL_FILE, load_quantized
from fpgaae.models.teacher import find_taught, open_teacher
from fpgaae.runs.run import StageRun

_BATCH = 8192


def open_networks(run: StageRun, split: Split) -> dict[str, Score]:
    """Open every network but the firmware as a function from hardware codes (n, n_features) to scores (n,)."""
    models: dict[str, Score] = {FLOAT: float_scorer(run, split), QUANTIZED: _quantized(run, split.features)}
    if find_taught(run) is not None:
        models[TEACHER] = open_teacher(run.upstream("reference"), run.config, split)
    return models


def float_scorer(run: StageRun, split: Split) -> Score:
    """Give the function from hardware codes (n, n_features) to the scores (n,) of the float reference."""
    model = run.config.model
    output = open_float_output(run.upstream("reference"), run.config)

    def score(codes: Codes) -> NDArray[np.float64]:
        x = split.clipped(split.features.values(codes).astype(np.float32))
        compared, found = x, output(x)
        if model.compared_layer is not None:
            compared, found = np.split(found, 2, axis=1)
        return score_class(model.score).float_value(compared, found, split.features.empty_slot_values())

    return score


def _quantized(run: StageRun, features: FeatureMap) -> Score:
    """Give the score as the Keras model itself predicts it, in float32."""
    model = load_quantized(str(run.upstream("train") / MODEL_FILE))

    def score(codes: Codes) -> NDArray[np.float64]:
        x = features.values(codes).astype(np.float32).reshape(-1, *model.input_shape[1:])
        return np.asarray(model.predict(x, batch_size=_BATCH, verbose=0)[:, 0], dtype=np.float64)

    return score
