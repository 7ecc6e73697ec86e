"""The converted firmware, score kernels included, equals the integer network in every code of every layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import WrittenNetwork, autoencoder, random_events, variational
from simulated import compare

from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Model, Score
from fpgaae.fixedpoint import FixedPointType, Overflow
from fpgaae.golden.scores.base import score_type

pytestmark = pytest.mark.usefixtures("compiler")

SMALL_AUTOENCODER, SMALL_ENCODER = autoencoder((6, 4), 3), variational((6, 4), 2)
AUTOENCODER, ENCODER = autoencoder((32, 16), 8), variational((32, 16), 3)
Write = Callable[..., WrittenNetwork]


def _firmware(io_type: str = "io_parallel", backend: str = "Vitis", strategy: str = "latency", **more: Any) -> Firmware:  # noqa: ANN401
    return Firmware.model_validate({"io_type": io_type, "backend": backend, "strategy": strategy, **more})


def _compare(written: WrittenNetwork, build: Path) -> None:
    """Compare every code of every layer; quantizers saturate."""
    compare(written, build)
    network = written.network
    codes = network.run(random_events(network.input_type, network.layers[0].size, 400).input_codes)
    saturating = [layer for layer in network.layers if layer.type.overflow is Overflow.SATURATE]
    saturated = [layer.name for layer in saturating if codes[layer.name].codes.max() == layer.type.max_code]
    assert saturated[0] == network.layers[0].name
    assert len(saturated) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "io_type"), [(SMALL_AUTOENCODER, "io_parallel"), (SMALL_ENCODER, "io_stream")], ids=["ae", "vae_stream"]
)
def test_a_small_network_is_bit_exact(written: Write, tmp_path: Path, model: Model, io_type: str) -> None:
    _compare(written(model, 9, _firmware(io_type)), tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("production_compiler")
@pytest.mark.parametrize(
    ("model", "n_features", "strategy"),
    [(AUTOENCODER, 57, "latency"), (ENCODER, 57, "resource"), (SMALL_AUTOENCODER, 9, "distributed_arithmetic")],
    ids=["latency", "resource", "distributed_arithmetic"],
)
def test_each_strategy_is_bit_exact_as_a_user_compiles_it(
    written: Write, tmp_path: Path, model: Model, n_features: int, strategy: str
) -> None:
    _compare(written(model, n_features, _firmware(strategy=strategy)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "io_type", "strategy"),
    [
        pytest.param(AUTOENCODER, "io_stream", "resource", id="ae-io_stream-resource"),
        pytest.param(ENCODER, "io_stream", "latency", id="vae-io_stream-latency"),
    ],
)
def test_the_default_shapes_are_bit_exact(
    written: Write, tmp_path: Path, model: Model, io_type: str, strategy: str
) -> None:
    _compare(written(model, 57, _firmware(io_type, strategy=strategy)), tmp_path)


_OTHERS = [
    ("vae", "io_stream", "Vitis", "distributed_arithmetic"),
    ("ae", "io_stream", "Vivado", "latency"),
    ("vae", "io_parallel", "Vivado", "latency"),
    ("ae", "io_parallel", "Vivado", "resource"),
    ("vae", "io_stream", "Vivado", "distributed_arithmetic"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "io_type", "backend", "strategy"), _OTHERS, ids=["-".join(c) for c in _OTHERS])
def test_other_backends_and_strategies_are_bit_exact(
    written: Write, tmp_path: Path, kind: str, io_type: str, backend: str, strategy: str
) -> None:
    model = SMALL_AUTOENCODER if kind == "ae" else SMALL_ENCODER
    _compare(written(model, 9, _firmware(io_type, backend, strategy)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_a_reuse_factor_is_bit_exact(written: Write, tmp_path: Path, io_type: str) -> None:
    _compare(written(autoencoder((8,), 4), 9, _firmware(io_type, strategy="resource", reuse_factor=4)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "input_bits"), [(4, 6), (16, 16)], ids=["4_bits_some_integers", "16_bits"])
def test_other_widths_are_bit_exact(written: Write, tmp_path: Path, bits: int, input_bits: int) -> None:
    _compare(written(SMALL_AUTOENCODER, 9, _firmware(), bits=bits, input_bits=input_bits), tmp_path)


def test_hls4ml_derives_the_type_of_each_score_as_the_integer_network_does(written: Write) -> None:
    for model, io_type in ((SMALL_AUTOENCODER, "io_parallel"), (SMALL_ENCODER, "io_stream")):
        made = written(model, 9, _firmware(io_type))
        assert made.layers[-1].name == "score"
        assert made.layers[-1].types.result == str(made.network.score.type)


def test_score_types_by_hand() -> None:
    # 9 differences of at most 7.75 + 8: 9 * 63 * 63 = 35,721 sixteenths, which takes 16 bits, 4 behind the point
    kind = FixedPointType(6, 4)
    assert score_type(Score.SQUARED_ERROR, [kind, kind], 9) == FixedPointType(16, 12, signed=False)
    # 2 squares of at most (-8)^2: 128, with 4 bits behind the point 2048 = 2**11, which takes 12 bits
    assert score_type(Score.MU_SQUARED, [kind], 2) == FixedPointType(12, 8, signed=False)
