"""What the simulation is fed with: extremes, seeded random events, and input codes that are exactly rounded values."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support import small_config

from fpgaae.config import Config, load_config
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import HardwareFeature
from fpgaae.data.store import EventWriter
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.hls.stimulus import CHUNK_EVENTS, EXTREMES, RANDOM, Source, Stimulus, make_stimulus, sources

INPUT = FixedPointType(8, 5, True, Rounding.HALF_EVEN, Overflow.SATURATE)
FEATURES = FeatureMap(
    (
        Feature(HardwareFeature("jet_pt", "pt", 11), offset=37, shift=6),
        Feature(HardwareFeature("jet_eta", "eta", 8), offset=-3, shift=5),
        Feature(HardwareFeature("jet_phi", "phi", 8), offset=0, shift=0),
        Feature(HardwareFeature("met_eta", "eta", 0), offset=0, shift=0),
    )
)
NOWHERE = Path("nowhere")


def _make(source: Source, seed: int = 7, features: FeatureMap = FEATURES) -> Stimulus:
    return make_stimulus(source, NOWHERE, features, INPUT, seed)


def _all_extremes() -> Stimulus:
    n = 2 * (5 + 2 * len(FEATURES))
    return _make(Source(EXTREMES, 0, n))


def _exact_code(value: float, kind: FixedPointType) -> int:
    """Round half to even and saturate with rational numbers, which are exact; Python's round is half to even."""
    return min(max(round(Fraction(value) * Fraction(2) ** kind.fraction), kind.min_code), kind.max_code)


def _assert_exact(stimulus: Stimulus) -> None:
    expected = [[_exact_code(value, INPUT) for value in event] for event in stimulus.values.tolist()]
    np.testing.assert_array_equal(stimulus.input_codes, expected)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(small_config(tmp_path, csim={"random_events": 5000, "max_events_per_process": 3000}))


def test_extremes_hold_both_ends_of_every_feature_and_of_the_input_type() -> None:
    values = _all_extremes().values
    hardware, direct = np.split(values, 2)
    for index, feature in enumerate(FEATURES.features):
        low = (feature.hardware.min_code - feature.offset) * 2.0**-feature.shift
        high = (feature.hardware.max_code - feature.offset) * 2.0**-feature.shift
        assert (hardware[:, index].min(), hardware[:, index].max()) == (low, high)
    assert (direct.min(axis=0) == INPUT.min_code * INPUT.lsb).all()
    assert (direct.max(axis=0) == INPUT.max_code * INPUT.lsb).all()
    ends = {INPUT.min_code, INPUT.max_code}
    assert any(set(row) == {INPUT.min_code} for row in _all_extremes().input_codes.tolist())
    assert any(set(row) == {INPUT.max_code} for row in _all_extremes().input_codes.tolist())
    assert any(set(row) == ends and row[0] != row[1] == row[3] for row in _all_extremes().input_codes.tolist())


def test_every_feature_is_at_each_end_alone() -> None:
    direct = _all_extremes().input_codes[5 + 2 * len(FEATURES) :]
    alone = {(int(np.flatnonzero(row)[0]), int(row.sum())) for row in direct if np.count_nonzero(row) == 1}
    assert alone == {(i, end) for i in range(len(FEATURES)) for end in (INPUT.min_code, INPUT.max_code)}


def test_the_plan_covers_all_extremes(config: Config) -> None:
    (plan,) = [s for s in sources(config, {}, len(FEATURES)) if s.origin == EXTREMES]
    assert (plan.start, plan.stop) == (0, len(_all_extremes().values))


@pytest.mark.parametrize(
    "source", [Source(RANDOM, 0, 500), Source(RANDOM, 2048, 2549), Source(EXTREMES, 0, 26)], ids=str
)
def test_input_codes_are_the_exactly_rounded_values(source: Source) -> None:
    _assert_exact(_make(source))


def test_input_codes_of_real_events_are_the_exactly_rounded_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    codes = rng.integers(*FEATURES.limits, endpoint=True, size=(300, len(FEATURES)))
    with EventWriter(tmp_path, len(FEATURES), np.int16) as writer:
        writer.append("signal", "test", codes, np.arange(len(codes)))
    part = make_stimulus(Source("signal", 100, 250), tmp_path, FEATURES, INPUT, 7)
    np.testing.assert_array_equal(part.values, FEATURES.values(codes[100:250]))
    _assert_exact(part)


def test_random_events_round_saturate_and_tie() -> None:
    """The random events would prove little if they did not drive the rounding and the saturation of the input."""
    stimulus = _make(Source(RANDOM, 0, 2048))
    scaled = stimulus.values * 2.0**INPUT.fraction
    ties = np.abs(scaled - np.trunc(scaled)) == 0.5
    assert (ties & (np.trunc(scaled) % 2 == 0)).any()
    assert (ties & (np.trunc(scaled) % 2 != 0)).any()
    assert (scaled > INPUT.max_code + 1).any()
    assert (scaled < INPUT.min_code - 1).any()
    assert len(np.unique(stimulus.input_codes)) > 0.9 * 2**INPUT.width, "nearly every input code occurs"


def test_random_events_are_seeded() -> None:
    source = Source(RANDOM, 0, 300)
    np.testing.assert_array_equal(_make(source).values, _make(source).values)
    assert (_make(source).values != _make(source, seed=8).values).any()
    assert (_make(source).values != _make(Source(RANDOM, 2048, 2348)).values).any()


def test_each_part_is_made_from_its_description_alone() -> None:
    """Whatever process makes a part, and whatever was made before it, it is the same."""
    parts = [Source(RANDOM, 0, 100), Source(RANDOM, 2048, 2100), Source(EXTREMES, 3, 20)]
    alone = [_make(part).values for part in parts]
    for part, values in reversed(list(zip(parts, alone, strict=True))):
        np.testing.assert_array_equal(_make(part).values, values)
    np.testing.assert_array_equal(alone[2], _all_extremes().values[3:20])


def test_the_plan_covers_every_event_once_and_real_ones_first(config: Config) -> None:
    events = {"background": {"train": 9999, "validation": 1, "test": 5000}, "signal": {"test": 100}}
    plan = list(sources(config, events, 57))
    assert [origin for origin, start, _ in plan if start == 0] == ["background", "signal", RANDOM, EXTREMES]
    totals: dict[str, int] = {}
    for part in plan:
        assert part.start == totals.get(part.origin, 0), "consecutive"
        assert 0 < part.stop - part.start <= CHUNK_EVENTS
        totals[part.origin] = part.stop
    assert totals == {"background": 3000, "signal": 100, RANDOM: 5000, EXTREMES: 238}
