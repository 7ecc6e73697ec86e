"""What the simulation is fed with: extremes, seeded random events, and input codes that are exactly rounded values."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support import small_config

from fpgaae.config.data import RESERVED_ORIGINS
from fpgaae.config.experiment import Config
from fpgaae.config.file import load_config
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import HardwareFeature
from fpgaae.data.store import EventWriter
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.golden.layers.rounding import Input, Quantize
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.scores.mu_squared import MuSquared
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.layer_stimulus import layer_codes, n_layer_rows
from fpgaae.hls.stimulus import CHUNK_EVENTS, EDGES, EXTREMES, LAYERS, MADE_UP, RANDOM, Source, Stimuli, Stimulus

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
N_EXTREMES = 5 + 2 * len(FEATURES)  # of the hardware integers, and again of the input type


def _network() -> IntegerNetwork:
    """Make a network of one dense layer with two thresholds."""
    inputs = Input("features", (), len(FEATURES), INPUT)
    weight = FixedPointType(4, 2)
    kernel = np.random.default_rng(1).integers(weight.min_code, weight.max_code + 1, size=(len(FEATURES), 2))
    mu = Dense.of("mu", inputs, (kernel, weight), (np.array([1, -3]), weight))
    quantized = Quantize.of("mu_quantized", mu, INPUT)
    return IntegerNetwork((inputs, mu, quantized, MuSquared.of("score", [quantized]))).with_thresholds(
        np.array([5, 700])
    )


NETWORK = _network()


def _values(stimulus: Stimulus) -> np.ndarray:
    """Give what the network's inputs are before they are rounded, of all events."""
    return np.concatenate([FEATURES.values(stimulus.hardware), stimulus.values])


def _exact_code(value: float, kind: FixedPointType) -> int:
    """Round half to even and saturate with rational numbers, which are exact; Python's round is half to even."""
    return min(max(round(Fraction(value) * Fraction(2) ** kind.fraction), kind.min_code), kind.max_code)


def _assert_exact(stimulus: Stimulus) -> None:
    low, high = FEATURES.limits
    assert ((low <= stimulus.hardware) & (stimulus.hardware <= high)).all(), "ports can't hold other integers"
    expected = [[_exact_code(value, INPUT) for value in event] for event in _values(stimulus).tolist()]
    np.testing.assert_array_equal(stimulus.input_codes, expected)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("config")
    return load_config(small_config(folder, csim={"random_events": 5000, "max_events_per_process": 3000}, seed=7))


@pytest.fixture
def stimuli(config: Config) -> Stimuli:
    return Stimuli(config, NOWHERE, GoldenTrigger(FEATURES, NETWORK))


@pytest.fixture
def extremes(stimuli: Stimuli) -> Stimulus:
    return stimuli.make(Source(EXTREMES, 0, 2 * N_EXTREMES))


def test_no_process_can_have_the_name_of_made_up_events() -> None:
    assert MADE_UP == RESERVED_ORIGINS


def test_extremes_hold_both_ends_of_every_feature_and_of_the_input_type(extremes: Stimulus) -> None:
    low, high = FEATURES.limits
    assert len(extremes.hardware) == len(extremes.values) == N_EXTREMES
    np.testing.assert_array_equal(extremes.hardware.min(axis=0), low)
    np.testing.assert_array_equal(extremes.hardware.max(axis=0), high)
    assert (extremes.values.min(axis=0) == INPUT.min_code * INPUT.lsb).all()
    assert (extremes.values.max(axis=0) == INPUT.max_code * INPUT.lsb).all()
    ends = {INPUT.min_code, INPUT.max_code}
    rows = extremes.input_codes[N_EXTREMES:].tolist()
    assert any(set(row) == {INPUT.min_code} for row in rows)
    assert any(set(row) == {INPUT.max_code} for row in rows)
    assert any(set(row) == ends and row[0] != row[1] == row[3] for row in rows)


def test_every_feature_is_at_each_end_alone(extremes: Stimulus) -> None:
    direct = extremes.input_codes[N_EXTREMES:]
    alone = {(int(np.flatnonzero(row)[0]), int(row.sum())) for row in direct if np.count_nonzero(row) == 1}
    assert alone == {(i, end) for i in range(len(FEATURES)) for end in (INPUT.min_code, INPUT.max_code)}
    low, high = FEATURES.limits
    usual = np.clip(FEATURES.offsets, low, high)
    for index, ends in enumerate(zip(low, high, strict=True)):
        for end in ends:
            wanted = np.where(np.arange(len(FEATURES)) == index, end, usual)
            assert (extremes.hardware == wanted).all(axis=1).any(), (index, end)


@pytest.mark.parametrize(
    "source",
    [
        Source(RANDOM, 0, 500), Source(RANDOM, 2048, 2549), Source(EXTREMES, 0, 2 * N_EXTREMES), Source(EXTREMES, 3, 9),
        Source(LAYERS, 0, 50),
    ],
    ids=str,
)  # fmt: skip
def test_input_codes_are_the_exactly_rounded_values(stimuli: Stimuli, source: Source) -> None:
    stimulus = stimuli.make(source)
    assert len(stimulus.input_codes) == source.stop - source.start
    _assert_exact(stimulus)


def _store(folder: Path, **counts: int) -> Path:
    """Write random events of some processes into their test splits."""
    rng = np.random.default_rng(3)
    with EventWriter(folder, len(FEATURES), np.int16) as writer:
        for process, count in counts.items():
            codes = rng.integers(*FEATURES.limits, endpoint=True, size=(count, len(FEATURES)))
            writer.append(process, "test", codes, np.arange(count))
    return folder


def test_real_events_enter_as_hardware_integers_alone(config: Config, tmp_path: Path) -> None:
    stimuli = Stimuli(config, _store(tmp_path, signal=300), GoldenTrigger(FEATURES, NETWORK))
    part = stimuli.make(Source("signal", 100, 250))
    np.testing.assert_array_equal(part.hardware, stimuli.make(Source("signal", 0, 300)).hardware[100:250])
    assert part.values.shape == (0, len(FEATURES))
    assert part.injected is None
    _assert_exact(part)


def test_random_events_round_saturate_and_tie(stimuli: Stimuli) -> None:
    """The random events would prove little if they did not drive the rounding and the saturation of the input."""
    stimulus = stimuli.make(Source(RANDOM, 0, 2048))
    assert len(stimulus.hardware) == len(stimulus.values) == 1024
    for values in (FEATURES.values(stimulus.hardware), stimulus.values):
        scaled = values * 2.0**INPUT.fraction
        ties = np.abs(scaled - np.trunc(scaled)) == 0.5
        assert (ties & (np.trunc(scaled) % 2 == 0)).any()
        assert (ties & (np.trunc(scaled) % 2 != 0)).any()
        assert (scaled > INPUT.max_code + 1).any()
        assert (scaled < INPUT.min_code - 1).any()
    assert len(np.unique(stimulus.input_codes)) > 0.9 * 2**INPUT.width, "nearly every input code occurs"


def test_random_events_are_seeded(config: Config, stimuli: Stimuli) -> None:
    other_seed = Stimuli(config.model_copy(update={"seed": 8}), NOWHERE, GoldenTrigger(FEATURES, NETWORK))
    source = Source(RANDOM, 0, 300)
    usual, again, other = (made.make(source) for made in (stimuli, stimuli, other_seed))
    np.testing.assert_array_equal(_values(usual), _values(again))
    for different in (other, stimuli.make(Source(RANDOM, 2048, 2348))):
        assert (usual.hardware != different.hardware).any()
        assert (usual.values != different.values).any()


def test_each_part_is_made_from_its_description_alone(stimuli: Stimuli, extremes: Stimulus) -> None:
    """Whatever process makes a part, and whatever was made before it, it is the same."""
    parts = [Source(RANDOM, 0, 100), Source(RANDOM, 2048, 2100), Source(EXTREMES, 3, 20), Source(LAYERS, 10, 30)]
    alone = [stimuli.make(part) for part in parts]
    for part, made in reversed(list(zip(parts, alone, strict=True))):
        again = stimuli.make(part)
        np.testing.assert_array_equal(_values(again), _values(made))
        for name, codes in (made.injected or {}).items():
            assert again.injected is not None
            np.testing.assert_array_equal(again.injected[name], codes)
    np.testing.assert_array_equal(_values(alone[2]), _values(extremes)[3:20])


def test_layers_get_the_codes_of_the_layer_stimulus(config: Config, stimuli: Stimuli) -> None:
    whole = layer_codes(NETWORK, config.seed)
    part = stimuli.make(Source(LAYERS, 20, 90))
    assert part.injected is not None
    assert list(part.injected) == ["features", "mu", "mu_quantized", "score"]
    for name, codes in part.injected.items():
        np.testing.assert_array_equal(codes, whole[name][20:90])
    assert len(part.hardware) == 0
    assert not part.values.any()


def test_the_plan_covers_every_event_once_and_real_ones_first(config: Config, tmp_path: Path) -> None:
    stimuli = Stimuli(config, _store(tmp_path, background=5000, signal=100), GoldenTrigger(FEATURES, NETWORK))
    plan = list(stimuli.sources())
    assert [origin for origin, start, _ in plan if start == 0] == ["background", "signal", RANDOM, EXTREMES, LAYERS]
    totals: dict[str, int] = {}
    for part in plan:
        assert part.start == totals.get(part.origin, 0), "consecutive"
        assert 0 < part.stop - part.start <= CHUNK_EVENTS
        totals[part.origin] = part.stop
    assert totals == {
        "background": 3000,
        "signal": 100,
        RANDOM: 5000,
        EXTREMES: 2 * N_EXTREMES,
        LAYERS: n_layer_rows(NETWORK),
    }


def test_a_few_events_are_the_first_of_each_origin_and_all_at_the_edges(config: Config, tmp_path: Path) -> None:
    """There may be more edges than one part of the stimulus holds, as those of a table with many entries."""
    rng = np.random.default_rng(4)
    edges = rng.integers(*FEATURES.limits, endpoint=True, size=(CHUNK_EVENTS + 50, len(FEATURES)))
    folder = _store(tmp_path, background=3000, signal=5)
    stimuli = Stimuli(config, folder, GoldenTrigger(FEATURES, NETWORK), edges)
    found = list(stimuli.few(20))
    lengths = [(source.origin, len(codes)) for source, codes in found]
    assert lengths[:2] == [("background", 20), ("signal", 5)]
    assert lengths[-2:] == [(EDGES, CHUNK_EVENTS), (EDGES, 50)]
    assert LAYERS not in dict(lengths)
    np.testing.assert_array_equal(np.concatenate([codes for source, codes in found if source.origin == EDGES]), edges)
    whole = {source.origin: len(codes) for source, codes in stimuli.few(2, whole={EXTREMES})}
    assert whole[EXTREMES] == N_EXTREMES
    assert whole[EDGES] == 2
