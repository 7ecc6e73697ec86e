"""Lets numba compile what da4ml runs, and keep it: `conftest.py` starts this beside the workers of a whole run.

In a fresh environment that takes a core minutes, which each worker would spend by itself at its first traced network.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import networks
import numpy as np
from designs import write_design

from fpgaae.config.model import Score
from fpgaae.rtl.pipeline import interpretable


def main() -> None:
    """Trace, cut, write and interpret a small network."""
    features = networks.feature_map()
    with tempfile.TemporaryDirectory() as folder:
        written = write_design(networks.random_network(Score.SQUARED_ERROR, features), features, Path(folder))
    for logic in written.pipeline.solutions:
        interpretable(logic).predict(np.zeros((1, logic.shape[0])), n_threads=1)


if __name__ == "__main__":
    main()
