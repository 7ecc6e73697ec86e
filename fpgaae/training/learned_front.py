"""The epochs of a training that learns its widths: their weights are kept, so that any of them can be the network.

They are kept beside the checkpoint of the training, so that one that was killed ends with the same epochs (no
TensorFlow).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import LearnedWidths
from fpgaae.errors import CheckFailed
from fpgaae.runs.results.train import WHOLE, FrontEpoch, LearnedDigits

_KEY = "training.quantized.learned_widths"


class LearnedLayer(NamedTuple):
    """A layer's weights as they go into the firmware."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    digits: int  # non-zero signed digits of the kernel


Layers = Mapping[str, LearnedLayer]


class LearnedFront:
    """What the epochs of a training came to.

    Parameters
    ----------
    folder
        For a file an epoch.
    layers
        Gives the layers as they are now.
    """

    def __init__(self, folder: Path, widths: LearnedWidths, layers: Callable[[], Layers]) -> None:
        self._folder, self._widths, self._layers = folder, widths, layers
        folder.mkdir(exist_ok=True)

    def keep(self, epoch: int, val_loss: float) -> None:
        """Keep an epoch, 0 the first.

        Raises
        ------
        CheckFailed
            If the penalty has left a layer no weight.
        """
        layers = self._layers()
        for name, layer in layers.items():
            if not layer.digits:
                raise CheckFailed(
                    f"the penalty has left {name} no weight in epoch {epoch + 1} of the quantized training; lower "
                    f"`{_KEY}.penalty` ({self._widths.penalty:g})"
                )
        arrays = {f"{name}/{key}": value for name, layer in layers.items() for key, value in layer._asdict().items()}
        partial = self._folder / ".partial"
        with partial.open("wb") as stream:
            np.savez(stream, val_loss=val_loss, **arrays)
        partial.replace(self._file(epoch))

    def taken(self, n_epochs: int) -> tuple[Layers, float, LearnedDigits]:
        """Give the epoch that the config asks for: its layers, its validation loss, and what the result tells of all.

        Raises
        ------
        CheckFailed
            If all have more digits than it allows.
        """
        epochs = [_read(self._file(epoch)) for epoch in range(n_epochs)]
        figures = [
            FrontEpoch(epoch=index, val_loss=val_loss, digits=sum(layer.digits for layer in layers.values()))
            for index, (layers, val_loss) in enumerate(epochs, 1)
        ]
        chosen = self._chosen(figures)
        layers, val_loss = epochs[chosen.epoch - 1]
        digits = {**{name: layer.digits for name, layer in layers.items()}, WHOLE: chosen.digits}
        return layers, val_loss, LearnedDigits(epoch=chosen.epoch, digits=digits, front=tuple(_front(figures)))

    def _chosen(self, epochs: list[FrontEpoch]) -> FrontEpoch:
        most = self._widths.most_digits
        if most is None:
            return epochs[-1]
        allowed = [epoch for epoch in epochs if epoch.digits <= most]
        if not allowed:
            fewest = min(epoch.digits for epoch in epochs)
            raise CheckFailed(
                f"no epoch has at most {most:,} digits (`{_KEY}.most_digits`), the fewest are {fewest:,}; raise the "
                f"`penalty` ({self._widths.penalty:g})"
            )
        return min(allowed, key=lambda epoch: (epoch.val_loss, epoch.digits))

    def _file(self, epoch: int) -> Path:
        return self._folder / f"{epoch}.npz"


def _read(file: Path) -> tuple[dict[str, LearnedLayer], float]:
    with np.load(file, allow_pickle=False) as saved:
        names = dict.fromkeys(key.partition("/")[0] for key in saved.files if "/" in key)
        layers = {
            name: LearnedLayer(saved[f"{name}/kernel"], saved[f"{name}/bias"], int(saved[f"{name}/digits"]))
            for name in names
        }
        return layers, float(saved["val_loss"])


def _front(epochs: list[FrontEpoch]) -> Iterator[FrontEpoch]:
    """Give the epochs that no other one beats, from few digits to many."""
    least = float("inf")
    for epoch in sorted(epochs, key=lambda own: (own.digits, own.val_loss)):
        if epoch.val_loss < least:
            least = epoch.val_loss
            yield epoch
