"""What one network scores on the events that judge it: areas and efficiencies, on the sample and in bootstrap replicas.

All networks of a scan are resampled alike, so that their differences may be taken replica by replica.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.source import weights_of
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import BootstrapSettings, bootstrap
from fpgaae.fixedpoint import Codes
from fpgaae.runs.run import StageRun

MEASUREMENT_FILE = "measurement.npz"
_CHUNK_EVENTS = 16_384
_ONLY = "model"


class Measurement(NamedTuple):
    """Areas and efficiencies per signal; the first axis is the signal, the last the false positive rate."""

    signals: tuple[str, ...]
    fprs: tuple[float, ...]
    auc: NDArray[np.float64]  # (n_signals,)
    tpr: NDArray[np.float64]  # (n_signals, n_fprs)
    background_above: NDArray[np.int64]  # (n_fprs,): background events above the threshold
    auc_replicas: NDArray[np.float64]  # (n_signals, n_replicas)
    tpr_replicas: NDArray[np.float64]  # (n_signals, n_replicas, n_fprs): where no scores tie
    tied: NDArray[np.bool_]  # (n_fprs,): whether several background events lie exactly at the threshold
    tied_tpr_replicas: NDArray[np.float64]  # (n_signals, n_replicas, n_fprs): where scores of a compared network tie

    def save(self, folder: Path) -> None:
        """Write everything to an npz file."""
        np.savez(folder / MEASUREMENT_FILE, **self._asdict())

    @classmethod
    def load(cls, folder: Path) -> Measurement:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If an earlier version wrote it.
        """
        with np.load(folder / MEASUREMENT_FILE, allow_pickle=False) as saved:
            if missing := [name for name in cls._fields if name not in saved]:
                raise InputError(
                    f"{folder / MEASUREMENT_FILE} has no `{missing[0]}`, which an earlier version did not write; "
                    f"delete {folder} and scan again"
                )
            arrays: dict[str, Any] = {name: saved[name] for name in cls._fields}
        arrays["signals"], arrays["fprs"] = tuple(map(str, arrays["signals"])), tuple(map(float, arrays["fprs"]))
        return cls(**arrays)

    def auc_by_signal(self) -> dict[str, float]:
        """Give the areas of the sample itself."""
        return dict(zip(self.signals, self.auc.tolist(), strict=True))

    def tpr_by_rate(self) -> dict[str, dict[str, float]]:
        """Give the efficiencies of the sample itself, by false positive rate and signal."""
        return {
            f"{fpr:.0e}": dict(zip(self.signals, self.tpr[:, i].tolist(), strict=True))
            for i, fpr in enumerate(self.fprs)
        }


def measure(run: StageRun, score: Callable[[Codes], NDArray[Any]]) -> Measurement:
    """Score every event of the split that judges (`evaluation.judged_on`), and resample them by group.

    Parameters
    ----------
    score
        Hardware codes (n, n_features) to scores (n,).

    Raises
    ------
    InputError
        If a process has no event in that split.
    """
    config, split = run.config, run.config.evaluation.judged_on
    store = EventStore(run.upstream("data"))
    if without := [name for name in config.data.files if not store.count(name, split)]:
        raise InputError(
            f"{without[0]} has no event in the {split} split, by which networks are judged; set "
            "`data.split.signal_validation` to 0.3, say, or judge by the test split"
        )
    scores = {name: _concatenated(map(score, store.chunks(name, split, _CHUNK_EVENTS))) for name in config.data.files}
    groups = {name: store.groups(name, split) for name in config.data.files}
    settings = BootstrapSettings(config.evaluation.bootstrap_replicas, seed=config.split_seed)
    weights = weights_of({name: store.columns(name, split) for name in config.data.files})
    found = bootstrap({_ONLY: scores}, groups, config.data.background, settings, weights)[_ONLY]
    first = next(iter(found.values()))
    return Measurement(
        tuple(found),
        settings.fprs,
        np.array([own.nominal.auc for own in found.values()]),
        np.array([own.nominal.tpr for own in found.values()]),
        first.nominal.background_above,
        np.array([own.auc for own in found.values()]),
        np.array([own.linear_tpr for own in found.values()]),
        first.tied,
        np.array([own.tpr for own in found.values()]),
    )


def _concatenated(parts: Iterable[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(list(parts))
