"""What quantization costs: a damaged network is called distinguishable, a 16-bit twin is not; and where it is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fpgaae.evaluation.ablation import ABLATIONS, ablated_scores, compare_parts
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.layer_errors import LayerErrors
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, nearest_codes
from fpgaae.golden.layers.rounding import Input, Quantize
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.partial import PartialNetwork
from fpgaae.golden.scores.squared_error import SquaredError
from fpgaae.runs.record import as_json

N_FEATURES, N_LATENT = 12, 4
RNG = np.random.default_rng(8)
BASIS = np.linalg.qr(RNG.normal(size=(N_FEATURES, N_LATENT)))[0]


def saturating(width: int, integer: int) -> FixedPointType:
    return FixedPointType(width, integer, True, Rounding.HALF_EVEN, Overflow.SATURATE)


def autoencoder(bits: int, activations: FixedPointType | None = None) -> PartialNetwork:
    """The best linear autoencoder of events in a plane: x' = V V^T x, with weights of `bits` bits in -1 .. 1."""
    of, inner, wide = saturating(bits, 1), activations or saturating(16, 5), saturating(16, 5)
    weights = {"encoder": (BASIS, np.zeros(N_LATENT)), "decoder": (BASIS.T, np.zeros(N_FEATURES))}
    coded: Any = {name: [(nearest_codes(w, of), of) for w in pair] for name, pair in weights.items()}
    x = Input("inputs", (), N_FEATURES, wide)
    encoder = Dense.of("encoder", x, *coded["encoder"])
    latent = Quantize.of("latent", encoder, inner)
    decoder = Dense.of("decoder", latent, *coded["decoder"])
    output = Quantize.of("output", decoder, wide)
    score = SquaredError.of("score", [x, output])
    return PartialNetwork(IntegerNetwork((x, encoder, latent, decoder, output, score)), weights)


def events(n: int, off_plane: float) -> NDArray[np.float64]:
    in_plane = RNG.normal(0, 2, (n, N_LATENT)) @ BASIS.T
    return in_plane + off_plane * RNG.normal(size=(n, N_FEATURES))


EVENTS = {"background": events(4000, 0.3), "signal": events(1500, 0.4)}
GROUPS = {process: np.arange(len(x)) // 2 for process, x in EVENTS.items()}


def compared(network: PartialNetwork) -> dict[str, Any]:
    found = {process: ablated_scores(network, x) for process, x in EVENTS.items()}
    scores = {name: {process: own[name] for process, own in found.items()} for name in ABLATIONS}
    return as_json(compare_parts(scores, GROUPS, "background", BootstrapSettings(100)))


def test_two_bit_weights_are_distinguishable_and_a_16_bit_twin_is_not() -> None:
    damaged, twin = compared(autoencoder(2)), compared(autoencoder(16))
    verdicts = {name: own["signal"] for name, own in damaged["verdicts"]["models"].items()}
    assert verdicts["everything"]["distinguishable"]
    assert verdicts["weights"]["distinguishable"]
    assert not any(verdicts[part]["distinguishable"] for part in ("inputs", "activations", "score"))
    assert damaged["delta"]["weights"]["signal"]["auc"]["value"] < -0.05
    for name, own in twin["verdicts"]["models"].items():
        assert not own["signal"]["distinguishable"], f"{name}: {own['signal']['sentence']}"
    assert "rounding everything and rounding nothing are distinguishable" in verdicts["everything"]["sentence"]
    assert set(damaged["models"]) == set(ABLATIONS)
    assert damaged["events"] == {"background": 4000, "signal": 1500}


def test_the_layer_that_saturates_is_seen() -> None:
    """The latents have a spread of 2; a type that ends at 2 cuts off a third of them."""
    errors = LayerErrors(autoencoder(16, saturating(10, 2)))
    for process, x in EVENTS.items():
        for block in np.array_split(x, 3):
            errors.add(process, block)
    layers = {layer.name: as_json(layer) for layer in errors.entries()}
    assert list(layers) == ["inputs", "encoder", "latent", "decoder", "output", "score"]
    latent = layers["latent"]
    assert latent["saturated"]["background"] == pytest.approx(0.3173, abs=0.01)
    exact = EVENTS["background"] @ BASIS
    per_channel = np.mean((exact >= 2 - 1.5 / 256) | (exact <= -2 + 0.5 / 256), axis=0)
    np.testing.assert_allclose(latent["saturated_channels"]["background"], per_channel, atol=0.002)
    noise = np.clip(exact, -2, 2 - 1 / 256) - exact
    expected = 10 * np.log10(np.sum(exact**2) / np.sum(noise**2))
    assert latent["sqnr_db"]["background"] == pytest.approx(expected, abs=0.1)
    assert layers["inputs"]["sqnr_db"]["background"] > 60
    assert layers["encoder"]["saturated"]["background"] == 0, "sums have a type that holds each of them"
    assert latent["type_range"] == [-2, 2 - 1 / 256]
    assert latent["range"] == pytest.approx([min(exact.min(), (EVENTS["signal"] @ BASIS).min()),
                                             max(exact.max(), (EVENTS["signal"] @ BASIS).max())], abs=1e-3)  # fmt: skip


def test_zeros_and_weights_are_counted() -> None:
    network = autoencoder(2)  # the weights are -1, -0.5, 0 or 0.5
    errors = LayerErrors(network)
    x = EVENTS["background"].copy()
    x[: len(x) // 4, 0] = 0
    errors.add("background", x)
    layers = {layer.name: as_json(layer) for layer in errors.entries()}
    assert layers["inputs"]["zero_channels"]["background"][0] == pytest.approx(0.25, abs=0.01)
    weights = layers["encoder"]["weights"]
    codes = nearest_codes(BASIS, saturating(2, 1))
    assert weights["zero"] == round(float(np.mean(codes == 0)), 6)
    assert weights["saturated"] == pytest.approx(np.mean((BASIS > 0.75) | (BASIS < -1.25)))
    assert weights["range"] == [BASIS.min(), BASIS.max()]
    assert weights["type_range"] == [-1, 0.5]
    assert "weights" not in layers["latent"]
