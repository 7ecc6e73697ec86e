"""What `integer_bits: auto` stands for, worked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import small_config

from fpgaae.config.experiment import Config
from fpgaae.config.file import load_config

pytestmark = pytest.mark.usefixtures("tensorflow")


def _resolve(config: Config, weights: dict[str, Any], blocks: list[NDArray[np.float32]]) -> Any:  # noqa: ANN401
    from fpgaae.training.widths import resolve_widths  # noqa: PLC0415

    return resolve_widths(config, weights, blocks)


def _config(folder: Path, **quantization: Any) -> Config:  # noqa: ANN401
    encoder = {"kind": "variational", "encoder": [2], "latent": 1, "decoder": [2], "score": "mu_squared"}
    return load_config(small_config(folder, model=encoder, quantization=quantization))


def _weights(hidden: float, mu: float, bias: float = 0.0) -> dict[str, Any]:
    """Make a network of two inputs: hidden = relu(hidden * x), mu = mu * hidden[0] + bias."""
    return {
        "encoder_1": (np.diag([hidden, -hidden]).astype(np.float32), np.zeros(2, dtype=np.float32)),
        "mu": (np.array([[mu], [0]], dtype=np.float32), np.array([bias], dtype=np.float32)),
    }


@pytest.mark.parametrize(
    ("largest", "integer_bits"),
    [(0.3, 0), (0.998, 0), (0.9995, 1), (1.0, 1), (1.9, 1), (2.0, 2), (3.99, 2), (100.0, 6), (1e6, 6), (0.0, 0)],
)
def test_weights_take_enough_bits_for_the_largest(tmp_path: Path, largest: float, integer_bits: int) -> None:
    """8 bits with i integer bits reach up to 2**i - 2**(i - 7); one part in 1000 is left as a margin.

    A sign and one bit behind the point always stay.
    """
    widths = _resolve(_config(tmp_path), _weights(largest, 0.5), [np.ones((4, 2), dtype=np.float32)])
    assert widths.weights["encoder_1"] == (8, integer_bits)
    assert widths.weights["mu"] == (8, 0)


def test_a_bias_counts_as_a_weight(tmp_path: Path) -> None:
    widths = _resolve(_config(tmp_path), _weights(0.5, 0.5, bias=-5.0), [np.ones((4, 2), dtype=np.float32)])
    assert widths.weights["mu"] == (8, 3)


def test_hidden_activations_may_saturate_in_one_of_ten_thousand_values_and_mu_in_none(tmp_path: Path) -> None:
    block = np.full((30_000, 2), 0.75, dtype=np.float32)
    block[0, 0] = 15.5  # one of 60,000 values of the hidden layer, half of which are rectified to 0
    widths = _resolve(_config(tmp_path), _weights(1.0, 1.0), [block])
    assert widths.activations["encoder_1"] == (8, 0)
    assert widths.activations["mu"].integer_bits == 4
    block[:30, 0] = 15.5  # now 30 of 60,000
    assert _resolve(_config(tmp_path), _weights(1.0, 1.0), [block]).activations["encoder_1"] == (8, 4)


def test_the_worst_block_decides(tmp_path: Path) -> None:
    quiet, loud = np.full((50, 2), 0.5, dtype=np.float32), np.full((50, 2), 3.0, dtype=np.float32)
    for blocks in ([quiet, loud], [loud, quiet]):
        assert _resolve(_config(tmp_path), _weights(1.0, 1.0), blocks).activations["encoder_1"] == (8, 2)


def test_what_the_config_says_is_taken(tmp_path: Path) -> None:
    config = _config(
        tmp_path,
        inputs={"bits": 12, "integer_bits": 7},
        weights={"bits": 6, "integer_bits": 2},
        layers={"mu": {"activations": {"bits": 11, "integer_bits": 5}, "weights": {"bits": 5, "integer_bits": "auto"}}},
    )
    widths = _resolve(config, _weights(0.5, 1.5), [np.ones((4, 2), dtype=np.float32)])
    assert widths.inputs == (12, 7)
    assert widths.weights == {"encoder_1": (6, 2), "mu": (5, 1)}
    assert widths.activations["mu"] == (11, 5)


def test_the_reconstruction_is_coded_as_the_inputs(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path))
    rng = np.random.default_rng(1)
    sizes = {"encoder_1": (57, 8), "latent": (8, 3), "decoder_1": (3, 8), "reconstruction": (8, 57)}
    weights = {
        name: (rng.normal(size=shape).astype(np.float32), np.zeros(shape[1], dtype=np.float32))
        for name, shape in sizes.items()
    }
    widths = _resolve(config, weights, [rng.normal(size=(10, 57)).astype(np.float32)])
    assert widths.activations["reconstruction"] == widths.inputs == (10, 5)
