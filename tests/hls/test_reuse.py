"""What reused multipliers take, worked by hand."""

from __future__ import annotations

from collections.abc import Callable

from conftest import WrittenNetwork, autoencoder

from fpgaae.config.experiment import Firmware
from fpgaae.hls.reuse import reuse_estimate
from fpgaae.runs.results.convert import ConvertedLayer, LayerTypes, ReuseEstimate


def _layer(kind: str, weights: int, multiplications: int, reuse_factor: int | None) -> ConvertedLayer:
    return ConvertedLayer(
        name=f"{kind}_{weights}", golden=kind, kind=kind, values=1, shape=(1,),
        types=LayerTypes(result="ap_fixed<8,4>"), golden_type="ap_fixed<8,4>", weights=weights,
        nonzero_weights=weights, multiplications=multiplications, strategy="resource", reuse_factor=reuse_factor,
    )  # fmt: skip


def test_multipliers_and_clocks_by_hand() -> None:
    """640 x 80 products in 640 clocks need 80 multipliers whatever the zeros; 650 squares in 640 clocks need two."""
    layers = [
        _layer("input", 0, 0, None),
        _layer("dense", 640 * 80, 20_000, 640),
        _layer("relu", 0, 0, 1),
        _layer("dense", 80 * 8, 300, 128),
        _layer("squared_error", 0, 650, 640),
        _layer("accept", 0, 0, None),
    ]
    assert reuse_estimate(layers, 10) == ReuseEstimate(
        multipliers=80 + 5 + 2,
        latency_clocks=640 + 128 + 640,
        latency_ns=14_080,
        interval_clocks=640,
        interval_ns=6_400,
    )


def test_a_convolution_has_no_such_estimate() -> None:
    assert reuse_estimate([_layer("convolution", 9, 900, 3)], 5) is None


def test_the_score_is_told_its_multipliers(written: Callable[..., WrittenNetwork]) -> None:
    """Nine squares in three clocks need three multipliers, as hls4ml's dense layers count them."""
    made = written(autoencoder((3,), 3), 9, Firmware(strategy="resource", reuse_factor=3))
    text = (made.project / "firmware" / "parameters.h").read_text(encoding="utf-8")
    config = text.partition(": nnet::score_config {")[2].partition("};")[0]
    assert "n_in = 9;" in config
    assert "reuse_factor = 3;" in config
    assert "multiplier_limit = 3;" in config
    assert reuse_estimate(made.layers, 5) == ReuseEstimate(
        multipliers=9 + 3 + 3 + 9 + 3, latency_clocks=15, latency_ns=75, interval_clocks=3, interval_ns=15
    )
