"""The widths that are found keep what is wanted, and none of them can lose a bit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from support import CONFIGS

from fpgaae.config.file import load_config
from fpgaae.errors import InputError
from fpgaae.models.calibrate import quantizer_sites
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.training.width_search import ACTIVATIONS, WEIGHTS, Choice, choices_of, smallest_bits, with_bits

_A, _B, _TABLE = Choice("a", WEIGHTS), Choice("b", ACTIVATIONS), Choice("t", ACTIVATIONS, 5)


def _six_a_bit(bits: Mapping[Choice, int]) -> dict[str, float]:
    """Give each layer 6 dB a bit, the second 12 dB less, of which the third needs none."""
    return {"a": 6.0 * bits[_A], "b": 6.0 * min(bits[_A] + 3, bits[_B]) - 12}


def test_every_width_is_the_smallest_that_does() -> None:
    assert smallest_bits((_A, _B, _TABLE), _six_a_bit, 29.9) == {_A: 6, _B: 8, _TABLE: 3}


def test_what_no_width_keeps_is_named_with_what_it_keeps() -> None:
    with pytest.raises(InputError, match=re.escape("up to 16 bits keep 90 dB: b keeps 84.0 dB; ask for less")):
        smallest_bits((_A, _B), _six_a_bit, 90)


def _network() -> NetworkDescription:
    rng = np.random.default_rng(0)

    def dense(name: str, source: str, n_in: int, n_out: int) -> LayerDescription:
        weights = {"kernel": rng.normal(size=(n_in, n_out)) / 3, "bias": rng.normal(size=n_out)}
        return LayerDescription(name, "Dense", (source,), {"units": n_out, "use_bias": True}, weights)

    start = LayerDescription("x", "InputLayer", (), {"shape": (6,)})
    rectified = LayerDescription("a_relu", "ReLU", ("a",), {})
    return NetworkDescription((start, dense("a", "x", 6, 4), rectified, dense("b", "a_relu", 4, 6)), ("b",))


def test_what_the_config_names_is_not_searched() -> None:
    config, network = load_config(CONFIGS / "l1_ae.yaml"), _network()
    sites = quantizer_sites(network)
    searched = choices_of(config, network, sites)  # of the reconstruction only the weights
    assert searched == (Choice("a", WEIGHTS), Choice("b", WEIGHTS), Choice("a", ACTIVATIONS))
    given = with_bits(config, {Choice("a", WEIGHTS): 5})
    assert given.weight_width("a").bits == 5
    assert given.weight_width("b") == config.quantization.weights
    assert choices_of(given, network, sites) == searched[1:]


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_the_trial_computes_what_the_deployed_model_does() -> None:
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.calibrate import Quantizers, quantized  # noqa: PLC0415
    from fpgaae.models.rebuild import rebuild  # noqa: PLC0415
    from fpgaae.models.resolved_widths import ResolvedWidth  # noqa: PLC0415
    from fpgaae.training.width_search import Trial  # noqa: PLC0415

    network = _network()
    sites = quantizer_sites(network)
    wide, narrow = ResolvedWidth(9, 3), ResolvedWidth(5, 1)
    types = Quantizers(
        wide.signed(), {s.quantizer: narrow.signed() if s.signed else narrow.rectified() for s in sites},
        {"a": narrow.signed(), "b": wide.signed()}, {"a": wide.signed(), "b": wide.signed()},
    )  # fmt: skip
    x = np.random.default_rng(1).normal(size=(200, 6)).astype(np.float32)
    deployed = rebuild(quantized(network, sites, types))

    def ratio(name: str, of: Any) -> float:  # noqa: ANN401
        exact, found = (tf_keras.Model(m.input, m.get_layer(n).output)(x).numpy().astype(np.float64)
                        for m, n in ((rebuild(network), name), (deployed, of)))  # fmt: skip
        return float(10 * np.log10(np.square(exact).sum() / np.square(found - exact).sum()))

    decibels = Trial(network, sites, rebuild(network), x).decibels(types)
    assert decibels["a"] == pytest.approx(ratio("a_relu", "a_relu"), abs=1e-3)
    assert decibels["b"] == pytest.approx(ratio("b", "b_quantized"), abs=1e-3)
