"""Which epoch of a training with learned widths becomes the network, and what is said where none can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import merged, small_config

from fpgaae.config.file import load_config
from fpgaae.config.model import LearnedWidths
from fpgaae.errors import CheckFailed, ConfigError
from fpgaae.training.learned_front import LearnedFront, LearnedLayer

_EPOCHS = [(400, 0.5), (300, 0.3), (250, 0.4), (120, 0.35), (100, 0.9)]  # digits, validation loss


def _trained(folder: Path, most_digits: int | None = None, epochs: list[tuple[int, float]] = _EPOCHS) -> LearnedFront:
    now: dict[str, LearnedLayer] = {}
    front = LearnedFront(folder, LearnedWidths(penalty=1e-3, most_digits=most_digits), lambda: now)
    for epoch, (digits, loss) in enumerate(epochs):
        kernel = np.full((2, 2), digits, np.float32)
        now |= {
            "mu": LearnedLayer(kernel, np.zeros(2, np.float32), 10),
            "a": LearnedLayer(kernel, kernel[0], digits - 10),
        }
        front.keep(epoch, loss)
    return front


def test_the_last_epoch_is_taken_where_nothing_else_is_asked_for(tmp_path: Path) -> None:
    layers, loss, learned = _trained(tmp_path).taken(len(_EPOCHS))
    assert (layers["a"].kernel == 100).all()
    assert (loss, learned.epoch, learned.digits) == (0.9, 5, {"mu": 10, "a": 90, "whole": 100})


def test_the_front_holds_the_epochs_that_no_other_one_beats(tmp_path: Path) -> None:
    front = _trained(tmp_path).taken(len(_EPOCHS))[2].front
    assert [(own.epoch, own.digits, own.val_loss) for own in front] == [(5, 100, 0.9), (4, 120, 0.35), (2, 300, 0.3)]


@pytest.mark.parametrize(("most", "epoch"), [(1000, 2), (300, 2), (299, 4), (119, 5)])
def test_a_budget_takes_the_smallest_validation_loss_within_it(tmp_path: Path, most: int, epoch: int) -> None:
    layers, loss, learned = _trained(tmp_path, most).taken(len(_EPOCHS))
    digits, wanted = _EPOCHS[epoch - 1]
    assert (learned.epoch, loss, learned.digits["whole"]) == (epoch, wanted, digits)
    assert (layers["mu"].kernel == digits).all()


def test_a_budget_below_every_epoch_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"no epoch has at most 99 digits .* the fewest are 100; raise the `penalty`"):
        _trained(tmp_path, 99).taken(len(_EPOCHS))


def test_a_penalty_that_leaves_a_layer_no_weight_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"left a no weight in epoch 2 .*; lower `.*widths.penalty` \(0.001\)"):
        _trained(tmp_path, epochs=[(11, 1.0), (10, 1.0)])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pruning": {"sparsity": 0.5}}, "nothing else prunes; set pruning.sparsity to 0"),
        ({"quantization": {"layers": {"latent": {"sparsity": 0.5}}}}, "nothing else prunes"),
        ({"training": {"quantized": {"mode": "post_training"}}}, "nothing is trained after the reference"),
        ({"firmware": {"reloadable_weights": True}}, "weights that are ports have a multiplier each"),
        ({"training": {"quantized": {"learned_widths": {"end_epoch": 3}}}}, "3 lies behind the last of the 2 epochs"),
        (
            {"training": {"quantized": {"learned_widths": {"first_penalty": 1.0}}}},
            r"\(1\) can't be above",
        ),
        ({"training": {"quantized": {"learned_widths": {"penalty": 0}}}}, "should be greater than or equal to"),
    ],
)
def test_what_does_not_go_with_learned_widths_is_named(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    learned: dict[str, Any] = {
        "pruning": {"sparsity": 0.0}, "training": {"quantized": {"learned_widths": {"penalty": 1e-3}}}
    }  # fmt: skip
    load_config(small_config(tmp_path, **learned))
    with pytest.raises(ConfigError, match=sentence):
        load_config(small_config(tmp_path, "changed", **merged(learned, change)))
