"""Weights with learned bits: what they are rounded to, what they cost, and in which direction their bits move."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Workspace, open_workspace
from support import small_config

from fpgaae.errors import CheckFailed

pytestmark = pytest.mark.usefixtures("tensorflow")

_BITS, _FRACTION = 8, 6  # of quantized_bits(8, 1)


@pytest.fixture(autouse=True)
def _keras_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _signed_digits(code: int) -> int:
    """Count the non-zero digits of the non-adjacent form, one after another."""
    n, left = 0, abs(code)
    while left:
        if left % 2:
            left -= 2 - left % 4
            n += 1
        left //= 2
    return n


def _layer(kernel: Any, dropped: float) -> Any:  # noqa: ANN401
    import qkeras  # noqa: PLC0415

    from fpgaae.training.learned_widths import LearnedBits  # noqa: PLC0415

    kernel = np.atleast_2d(np.asarray(kernel, np.float32))
    quantizer = f"quantized_bits({_BITS},{_BITS - 1 - _FRACTION},0,alpha=1)"
    layer = LearnedBits(
        qkeras.QDense(kernel.shape[1], kernel_quantizer=quantizer, bias_quantizer=quantizer, name="dense")
    )
    layer.build((None, kernel.shape[0]))
    layer.layer.kernel.assign(kernel)
    layer._dropped.assign(np.full(kernel.shape, dropped / 8, np.float32))
    return layer


_CODES = np.arange(-(2 ** (_BITS - 1)), 2 ** (_BITS - 1))


def test_without_a_bit_dropped_every_code_is_itself_and_costs_its_signed_digits() -> None:
    layer = _layer(_CODES / 2**_FRACTION, 0)
    np.testing.assert_array_equal(layer.rounded_kernel() * 2**_FRACTION, _CODES[None])
    assert layer.n_digits() == sum(map(_signed_digits, _CODES.tolist()))


@pytest.mark.parametrize("dropped", range(_BITS + 1))
def test_dropped_bits_are_zeros_at_the_end_of_the_nearest_code(dropped: int) -> None:
    step = 2**dropped
    largest = max(2 ** (_BITS - 1) // step - 1, 0)
    wanted = np.clip(np.round(_CODES / step), -(2 ** (_BITS - 1)) / step, largest) * step
    layer = _layer(_CODES / 2**_FRACTION, dropped)
    np.testing.assert_array_equal(layer.rounded_kernel()[0] * 2**_FRACTION, wanted)
    assert layer.n_digits() == sum(_signed_digits(int(code)) for code in wanted)
    assert dropped < _BITS or not wanted.any()


def test_bits_follow_the_rounding_error_and_the_digits_that_they_save() -> None:
    import tensorflow as tf  # noqa: PLC0415

    codes = np.array([5.4, -5.4, 0.2, 12.0])  # with two bits dropped: 4, -4, 0, 12
    layer = _layer(codes / 2**_FRACTION, 2)
    with tf.GradientTape(persistent=True) as tape:
        weights, cost = tf.reduce_sum(layer._rounded(layer.layer.kernel)), layer.cost()
    per_bit = -tape.gradient(weights, layer._dropped).numpy()[0] / 8
    np.testing.assert_allclose(per_bit, np.log(2) * np.array([1.4, -1.4, 0.2, 0.0]) / 2**_FRACTION, rtol=1e-5)
    np.testing.assert_allclose(-tape.gradient(cost, layer._dropped).numpy()[0] / 8, [1, 1, 0, 2 / 2], rtol=1e-6)
    np.testing.assert_array_equal(tape.gradient(weights, layer.layer.kernel), np.ones((1, 4)))


def _workspace(folder: Path, penalty: float, rate: float) -> Workspace:
    fit = {"epochs": 4, "batch_size": 32, "learning_rate": rate, "learned_widths": {"penalty": penalty, "end_epoch": 1}}
    small_config(folder, n_events=600, pruning={"sparsity": 0.0}, training={"quantized": fit})
    workspace = open_workspace(folder)
    for stage in ("data", "reference"):
        workspace.run(stage)
    return workspace


@pytest.mark.slow
def test_a_trained_network_has_the_digits_that_its_result_states(tmp_path: Path) -> None:
    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.quantized import load_quantized  # noqa: PLC0415

    workspace = _workspace(tmp_path, 3e-4, 0.04)
    workspace.run("train")
    result = workspace.result("train")
    network = extract_network(load_quantized(str(workspace.experiment.stage_folder("train") / "model.h5")))
    found = {layer.name: sum(map(_signed_digits, layer.kernel.ravel().tolist())) for layer in network.weighted}
    stated = result["learned"]["digits"]
    assert stated.pop("whole") == sum(found.values())
    assert stated == found
    n_weights = sum(layer.kernel.size for layer in network.weighted)
    assert sum(found.values()) < 1.4 * n_weights, "the penalty takes digits away: without it there are two a weight"
    assert {layer.kernel_type.width for layer in network.weighted} == {_BITS}, "the types stay those of the config"


@pytest.mark.slow
def test_a_penalty_that_leaves_no_weight_says_so_and_writes_no_network(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, 100.0, 0.1)
    with pytest.raises(CheckFailed, match=r"the penalty has left \w+ no weight in epoch \d of the quantized training"):
        workspace.run("train")
    assert not workspace.experiment.result_path("train").exists()
