"""Physical quantities to hardware integers, worked by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import CONFIGS, make_events

from fpgaae.config.data import Hardware
from fpgaae.config.file import load_config
from fpgaae.data.integers import hardware_codes
from fpgaae.data.layout import HardwareFeature, code_limits, hardware_features

LEVEL1 = load_config(CONFIGS / "l1_ae.yaml").data.hardware
ONE = Hardware.model_validate(
    {"objects": [{"name": "jet", "slots": 1, "pt_bits": 11, "eta_bits": 8, "phi_bits": 8}], "eta_lsb": 0.0625}
)
PHI_LSB = 2 * math.pi / 144


def _codes(pt: float, eta: float, phi: float, hardware: Hardware = ONE) -> list[int]:
    return hardware_codes(np.array([[[pt, eta, phi]]]), hardware)[0].tolist()


@pytest.mark.parametrize(
    ("pt", "eta", "phi", "expected"),
    [
        pytest.param(100.0, 1.0, PHI_LSB * 10, [200, 16, 10], id="plain"),
        pytest.param(0.5, -1.0, -PHI_LSB * 10, [1, -16, -10], id="negative"),
        pytest.param(10.2, 0.03, PHI_LSB * 0.4, [20, 0, 0], id="rounded-down"),
        pytest.param(10.3, 0.04, PHI_LSB * 0.6, [21, 1, 1], id="rounded-up"),
        pytest.param(10.25, 0.03125, 0.0, [20, 0, 0], id="tie-to-even"),
        pytest.param(10.75, 0.09375, 0.0, [22, 2, 0], id="tie-to-even-up"),
        pytest.param(1023.5, 0, 0, [2047, 0, 0], id="largest-pt"),
        pytest.param(1024.0, 0, 0, [2047, 0, 0], id="saturated-pt"),
        pytest.param(9e4, 0, 0, [2047, 0, 0], id="far-saturated-pt"),
        pytest.param(1e25, 1e30, 0, [2047, 127, 0], id="beyond-64-bits"),
        pytest.param(3e38, -3e38, 0, [2047, -128, 0], id="largest-float32"),
        pytest.param(5, 7.9375, 0, [10, 127, 0], id="largest-eta"),
        pytest.param(5, 8.0, 0, [10, 127, 0], id="saturated-eta"),
        pytest.param(5, -8.0, 0, [10, -128, 0], id="smallest-eta"),
        pytest.param(5, -9.0, 0, [10, -128, 0], id="saturated-negative-eta"),
        pytest.param(5, 0, math.pi, [10, 0, -72], id="phi-pi-is-minus-pi"),
        pytest.param(5, 0, -math.pi, [10, 0, -72], id="phi-minus-pi"),
        pytest.param(5, 0, math.pi - PHI_LSB, [10, 0, 71], id="phi-below-pi"),
        pytest.param(5, 0, math.pi - 0.4 * PHI_LSB, [10, 0, -72], id="phi-rounds-over-pi"),
        pytest.param(5, 0, 2 * math.pi + PHI_LSB, [10, 0, 1], id="phi-one-turn"),
        pytest.param(5, 0, -3 * math.pi, [10, 0, -72], id="phi-several-turns"),
        pytest.param(0.0, 1.0, 1.0, [0, 0, 0], id="empty-slot"),
        pytest.param(0.1, 1.0, PHI_LSB, [0, 16, 1], id="soft-but-there"),
    ],
)
def test_codes_by_hand(pt: float, eta: float, phi: float, expected: list[int]) -> None:
    assert _codes(pt, eta, phi) == expected


@given(st.floats(0, 3000), st.floats(-10, 10), st.floats(-10, 10))
def test_codes_are_the_nearest_in_range(pt: float, eta: float, phi: float) -> None:
    found = _codes(pt, eta, phi)
    if pt == 0:
        assert found == [0, 0, 0]
        return
    assert found[0] == min(round(Fraction(pt) * 2), 2047)
    assert found[1] == max(-128, min(round(Fraction(eta) * 16), 127))
    assert -72 <= found[2] <= 71
    turn = (phi / PHI_LSB - found[2]) % 144
    assert min(turn, 144 - turn) <= 0.5 + 1e-9


def test_the_order_of_the_features_and_their_limits() -> None:
    features = hardware_features(LEVEL1)
    assert len(features) == 57
    assert [f.name for f in features[:6]] == [
        "met_pt", "met_eta", "met_phi", "electron_1_pt", "electron_1_eta", "electron_1_phi",
    ]  # fmt: skip
    assert features[-1] == HardwareFeature("jet_10_phi", "phi", 8)
    low, high = code_limits(features)
    assert (low[:3].tolist(), high[:3].tolist()) == ([0, 0, -128], [4095, 0, 127])
    assert (low[3:6].tolist(), high[3:6].tolist()) == ([0, -128, -128], [511, 127, 127])
    assert (low[-3:].tolist(), high[-3:].tolist()) == ([0, -128, -128], [2047, 127, 127])


def test_every_slot_is_coded_as_if_it_stood_alone() -> None:
    events = make_events(200, seed=3)
    events[:, :, 0] *= 30  # beyond the range too
    found = hardware_codes(events, LEVEL1).reshape(200, 19, 3)
    slot = 0
    for kind in LEVEL1.objects:
        alone = LEVEL1.model_copy(update={"objects": (kind.model_copy(update={"slots": 1}),)})
        for _ in range(kind.slots):
            assert np.array_equal(found[:, slot], hardware_codes(events[:, slot : slot + 1], alone)), kind.name
            slot += 1
    assert found[:, 0, 1].max() == found[:, 0, 1].min() == 0  # MET has no eta
    assert found[:, 0, 0].max() == 4095


def test_the_number_of_phi_steps_may_be_odd() -> None:
    hardware = ONE.model_copy(update={"phi_steps": 5})
    lsb = 2 * math.pi / 5
    assert [_codes(5, 0, k * lsb, hardware)[2] for k in (-3, -2, -1, 0, 1, 2, 3)] == [2, -2, -1, 0, 1, 2, -2]


def test_extra_columns_and_number_types_do_not_matter() -> None:
    events = make_events(50, seed=4)
    wanted = hardware_codes(events, LEVEL1)
    assert np.array_equal(hardware_codes(events[..., :3], LEVEL1), wanted)
    assert np.array_equal(hardware_codes(events.astype(np.float64), LEVEL1), wanted)
    assert np.array_equal(hardware_codes(events.astype(">f4"), LEVEL1), wanted)
    whole = np.array([[[7, 1, 2, 0]]], dtype=np.int32)
    assert np.array_equal(hardware_codes(whole, ONE), hardware_codes(whole.astype(np.float64), ONE))
