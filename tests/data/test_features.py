"""Hardware integers to network inputs: each type holds every value exactly, and input codes round as fractions do."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fpgaae.config.data import Data, Scaling
from fpgaae.data.features import Feature, FeatureMap, SpreadAccumulator, freeze_features
from fpgaae.data.layout import HardwareFeature
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, codes_of, parse_type
from fpgaae.runs.record import as_json
from fpgaae.runs.results.data import DataResult

INPUT = FixedPointType(10, 6, True, Rounding.HALF_EVEN, Overflow.SATURATE)
FEATURES = (
    Feature(HardwareFeature("jet_1_pt", "pt", 11), 77, 6),
    Feature(HardwareFeature("muon_1_pt", "pt", 9), 0, 3),
    Feature(HardwareFeature("jet_1_eta", "eta", 8), -3, 5),
    Feature(HardwareFeature("jet_1_phi", "phi", 8), 0, -2),  # a negative shift: values are multiples of 4
    Feature(HardwareFeature("muon_1_phi", "phi", 8), 12, 0),
    Feature(HardwareFeature("met_eta", "eta", 0), 0, 0),  # left out: always 0
    Feature(HardwareFeature("met_pt", "pt", 12), 4095, 9),  # never above its offset
)
IDS = [feature.hardware.name for feature in FEATURES]


def _all_codes(feature: Feature) -> np.ndarray:
    return np.arange(feature.hardware.min_code, feature.hardware.max_code + 1)


@pytest.mark.parametrize("feature", FEATURES, ids=IDS)
def test_the_type_holds_every_code_exactly_and_no_bit_more(feature: Feature) -> None:
    codes = _all_codes(feature)
    values = FeatureMap((feature,)).values(codes[:, None])[:, 0]
    exact = [Fraction(int(code) - feature.offset) / Fraction(2) ** feature.shift for code in codes]
    assert [Fraction(value) for value in values] == exact
    found = codes_of(values, feature.type)  # raises where a value has no code
    assert [Fraction(int(code)) / Fraction(2) ** feature.type.fraction for code in found] == exact
    if feature.type.width > 1:
        narrower = feature.type._replace(width=feature.type.width - 1, integer=feature.type.integer - 1)
        assert found.min() < narrower.min_code or found.max() > narrower.max_code


@pytest.mark.parametrize("feature", FEATURES, ids=IDS)
def test_input_codes_are_the_exact_values_rounded_half_to_even_and_saturated(feature: Feature) -> None:
    codes = _all_codes(feature)
    found = FeatureMap((feature,)).input_codes(codes[:, None], INPUT)[:, 0]
    for code, result in zip(codes.tolist(), found.tolist(), strict=True):
        exact = Fraction(code - feature.offset) / Fraction(2) ** feature.shift
        rounded = round(exact * 2**INPUT.fraction)  # Python rounds a Fraction half to even
        assert result == max(-512, min(rounded, 511)), code


def test_all_features_together_are_each_alone() -> None:
    features = FeatureMap(FEATURES)
    rng = np.random.default_rng(1)
    low, high = features.limits
    codes = rng.integers(low, high + 1, size=(100, len(features)))
    together = features.input_codes(codes, INPUT), features.values(codes)
    for index, feature in enumerate(FEATURES):
        alone = FeatureMap((feature,))
        column = codes[:, index : index + 1]
        assert np.array_equal(together[0][:, index : index + 1], alone.input_codes(column, INPUT))
        assert np.array_equal(together[1][:, index : index + 1], alone.values(column))


def test_narrow_integers_do_not_overflow() -> None:
    features = FeatureMap((Feature(HardwareFeature("pt", "pt", 15), -1, -4),))
    codes = np.array([[32767]], dtype=np.int16)
    assert features.values(codes).tolist() == [[32768 * 16.0]]
    assert features.input_codes(codes, FixedPointType(24, 24)).tolist() == [[32768 * 16]]


def test_json_round_trip_and_what_it_says() -> None:
    features = FeatureMap(FEATURES)
    entries = features.entries()
    assert FeatureMap.of(DataResult(events={}, feature_types=entries, files={})) == features
    assert as_json(entries[0]) == {
        "name": "jet_1_pt", "quantity": "pt", "bits": 11, "offset": 77, "shift": 6,
        "type": "ap_fixed<12,6>",  # -77 .. 1970 in steps of 1/64, worked by hand
    }  # fmt: skip
    for feature, entry in zip(FEATURES, entries, strict=True):
        assert parse_type(entry.type) == feature.type


@given(st.lists(st.lists(st.integers(-2048, 4095), min_size=3, max_size=3), min_size=2, max_size=50), st.integers(1, 9))
def test_the_spread_is_exact_and_independent_of_the_chunks(rows: list[list[int]], chunk: int) -> None:
    codes = np.array(rows, dtype=np.int64)
    spread = SpreadAccumulator(3)
    for start in range(0, len(codes), chunk):
        spread.add(codes[start : start + chunk])
    for column, mean, deviation in zip(zip(*rows, strict=True), spread.mean, spread.standard_deviation, strict=True):
        exact = Fraction(sum(column), len(column))
        assert mean == float(exact)
        assert deviation == math.sqrt(sum((code - exact) ** 2 for code in column) / len(column))


def _spread(columns: list[list[int]]) -> SpreadAccumulator:
    codes = np.array(columns, dtype=np.int64).T
    spread = SpreadAccumulator(codes.shape[1])
    spread.add(codes)
    return spread


HARDWARE = tuple(
    HardwareFeature(f"jet_{slot}_{quantity}", quantity, 11) for slot in (1, 2) for quantity in ("pt", "eta", "phi")
)
COLUMNS = [
    [90, 110, 90, 112],  # mean 100.5, deviation 10.04: 2**3 is nearest on the logarithmic scale
    [-20, 20, -20, 20],  # deviation 20: log2 is 4.32
    [-3, 3, -3, 3],  # deviation 3: log2 is 1.58, so 2**2
    [0, 0, 0, 0],  # never varies: the shift of jet_1_pt
    [0, 0, 0, 1],  # deviation 0.43: 2**-1
    [5, 5, 5, 5],  # never varies, offset 5: the shift of jet_1_phi
]


def test_offsets_and_shifts_by_hand() -> None:
    features = freeze_features(HARDWARE, _spread(COLUMNS), Scaling())
    assert features.shifts.tolist() == [3, 4, 2, 3, -1, 2]
    assert features.offsets.tolist() == [100, 0, 0, 0, 0, 5]  # 100.5 is rounded half to even


def test_no_offset_and_one_shift_for_all() -> None:
    features = freeze_features(HARDWARE, _spread(COLUMNS), Scaling(offset="zero", shift="common"))
    deviation = np.std(np.array(COLUMNS), axis=1)
    assert features.offsets.tolist() == [0] * 6
    assert features.shifts.tolist() == [round(math.log2(math.sqrt(np.mean(deviation**2))))] * 6


@pytest.mark.parametrize("shift", ["per_feature", "common"])
def test_events_that_are_all_the_same_have_features(shift: str) -> None:
    features = freeze_features(HARDWARE, _spread([[7, 7]] * 6), Scaling(shift=shift))
    assert features.shifts.tolist() == [0] * 6
    assert features.offsets.tolist() == [7] * 6


def test_a_scaling_that_the_config_fixes() -> None:
    fixed = Scaling(offset=(1, 2, 3, 4, 5, 6), shift=-2)
    features = freeze_features(HARDWARE, _spread(COLUMNS), fixed)
    assert features.offsets.tolist() == [1, 2, 3, 4, 5, 6]
    assert features.shifts.tolist() == [-2] * 6
    assert features.values(np.array([[1, 3, 0, 0, 0, 0]]))[0, :3].tolist() == [0, 4, -12]
    assert features.unit() == "(code - offset) * 2**-shift with offsets 1 to 6 and shifts -2"


def test_no_scaling_gives_what_a_code_stands_for() -> None:
    none = Scaling.model_validate("none")
    assert none == Scaling(offset="zero", shift="lsb")
    features = freeze_features(HARDWARE, _spread(COLUMNS), none, (0.5, 0.25, 1.0, 2.0, 0.0, 0.125))
    assert features.offsets.tolist() == [0] * 6
    assert features.shifts.tolist() == [1, 2, 0, -1, 0, 3]
    assert features.values(np.array([[7, 7, 7, 7, 0, 7]])).tolist() == [[3.5, 1.75, 7, 14, 0, 0.875]]


_ARRAY = {"name": "cell", "shape": [2, 2], "bits": 8, "lsb": 0.25, "absent": [1]}
_JETS = {"objects": [{"name": "jet", "slots": 2, "pt_bits": 11, "eta_bits": 8, "phi_bits": 0}]}


@pytest.mark.parametrize(
    ("hardware", "scaling", "said"),
    [
        ({"array": _ARRAY}, "none", None),
        ({"array": _ARRAY}, {"offset": [1, 2, 3, 4], "shift": [0, 1, 2, 3]}, None),
        ({"array": _ARRAY}, {"offset": [1, 2, 3]}, r"data\.scaling\.offset: 3 numbers for 4 features"),
        ({"array": {**_ARRAY, "lsb": 0.3}}, "none", r"data\.scaling\.shift: lsb needs steps .* one stands for 0\.3"),
        (_JETS, "none", r"one stands for 0\.0435"),
        (_JETS, {"shift": 40}, "less than or equal to 32"),
        ({**_JETS, "eta_lsb": 0.03125}, "none", None),
    ],
)
def test_a_scaling_fits_the_features(hardware: dict[str, Any], scaling: Any, said: str | None) -> None:  # noqa: ANN401
    content = {"files": {"b": "b.npz"}, "background": "b", "hardware": hardware, "scaling": scaling}
    if said is None:
        Data.model_validate(content)
        return
    with pytest.raises(ValidationError, match=said):
        Data.model_validate(content)
