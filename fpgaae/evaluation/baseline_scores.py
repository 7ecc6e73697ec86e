"""The scores without a network as functions of an event's hardware codes, fitted on the training events if need be."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.inputs import Split
from fpgaae.data.layout import AMOUNT, LEVEL, is_pt_of_object
from fpgaae.evaluation.baselines import PcaBaseline, n_objects, sum_pt
from fpgaae.evaluation.comparison import BASELINES
from fpgaae.fixedpoint import Codes
from fpgaae.runs.run import StageRun

Score = Callable[[Codes], NDArray[np.float64]]


def baseline_scorers(run: StageRun, split: Split) -> dict[str, Score]:
    """Give the function from hardware codes (n, n_features) to scores (n,) of each baseline.

    Parameters
    ----------
    split
        The training events of the background.
    """
    return dict(zip(BASELINES, _scorers(run, split), strict=True))


def _scorers(run: StageRun, split: Split) -> Iterator[Score]:
    """Give the scores without a network: sum of pT (of all cells), number of objects, PCA.

    Of an array the cells above 0 are counted, or, where they have either sign, those above their mean in training.
    """
    names = [feature.hardware for feature in split.features.features]
    objects = [i for i, f in enumerate(names) if f.quantity in {AMOUNT, LEVEL} or is_pt_of_object(f)]
    yield lambda codes: sum_pt(codes[:, objects]).astype(np.float64)
    empty = np.array([f.offset if f.hardware.quantity == LEVEL else 0 for f in split.features.features])[objects]
    yield lambda codes: n_objects(codes[:, objects] - empty).astype(np.float64)
    components = min(run.config.evaluation.pca_components, len(split.features))
    pca = PcaBaseline.fit((split.clipped(block) for block in split.ordered_blocks()), components)
    yield lambda codes: pca.score(split.clipped(split.features.values(codes).astype(np.float32)))
