"""Two samples of events: the feature that was moved is the one that is named, and nothing is where nothing moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import RandomNetwork, random_hardware, small_model
from results import threshold
from support import trigger_objects

from fpgaae.config.experiment import Trigger
from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.evaluation.drift import DriftSettings, compare_samples, take_sample
from fpgaae.fixedpoint import Codes
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.runs.record import as_json

FEATURES = trigger_objects(9).features
THRESHOLD = 3


@pytest.fixture(scope="module")
def network(random_network: Callable[..., RandomNetwork]) -> IntegerNetwork:
    return random_network(small_model(Score.SQUARED_ERROR), FEATURES).network


def compared(network: IntegerNetwork, reference: Codes, other: Codes, events_a_group: int = 1) -> dict[str, Any]:
    samples = []
    for codes in (reference, other):
        groups = np.arange(len(codes)) // events_a_group
        samples.append(
            take_sample(
                zip(np.array_split(codes, 3), np.array_split(groups, 3), strict=True), GoldenTrigger(FEATURES, network)
            )
        )
    code = int(np.sort(samples[0].score_codes)[-40 * events_a_group])
    settings = DriftSettings([threshold(code=code)], Trigger(bunch_crossing_rate_khz=100.0), 0.6827)
    return as_json(compare_samples(samples[0], samples[1], FEATURES, network.score.type.fraction, settings))


def test_what_did_not_move_is_not_named(network: IntegerNetwork) -> None:
    found = compared(network, random_hardware(FEATURES, 3000, 1), random_hardware(FEATURES, 3000, 2))
    assert found["moved"] == []
    assert "none of 9 features moved" in found["sentence"]
    assert found["score"]["p_value"] > 0.01
    rate = found["rates"][0]
    assert rate["reference"]["passed"] == 39
    assert rate["reference"]["rate_khz"]["value"] == 100 * 39 / 3000


def test_the_rate_in_khz_is_of_the_crossings_that_each_sample_stands_for(network: IntegerNetwork) -> None:
    codes = random_hardware(FEATURES, 3000, 1)
    sample = take_sample([(codes, np.arange(3000))], GoldenTrigger(FEATURES, network))
    kept, half = (Trigger(bunch_crossing_rate_khz=rate) for rate in (100.0, 50.0))
    settings = DriftSettings([threshold(code=THRESHOLD)], kept, 0.6827, half)
    (rate,) = compare_samples(sample, sample, FEATURES, network.score.type.fraction, settings).rates
    assert rate.other.passed == rate.reference.passed > 0
    assert rate.other.rate_khz.value == rate.reference.rate_khz.value / 2


def test_files_of_which_no_event_is_kept_are_refused(network: IntegerNetwork) -> None:
    nothing = random_hardware(FEATURES, 3000, 1)[:0]
    with pytest.raises(InputError, match="no events to compare"):
        take_sample([(nothing, np.arange(0))], GoldenTrigger(FEATURES, network))


def test_the_feature_that_moved_is_named_with_its_saturation(network: IntegerNetwork) -> None:
    reference, other = random_hardware(FEATURES, 3000, 1), random_hardware(FEATURES, 3000, 2)
    top = FEATURES.features[3].hardware.max_code
    other[:600, 3] = top
    found = compared(network, reference, other)
    assert found["moved"] == [FEATURES.features[3].hardware.name]
    first = found["features"][0]
    assert first["saturated"]["reference"] == np.mean(reference[:, 3] == top)
    assert first["saturated"]["other"] == np.mean(other[:, 3] == top) > 0.2
    assert first["mean_code"]["other"] == pytest.approx(other[:, 3].mean())
    assert first["shift_in_sigma"] == pytest.approx(
        (other[:, 3].mean() - reference[:, 3].mean()) / reference[:, 3].std()
    )
    assert first["name"] in found["sentence"]
    below = [np.sort(codes[:, 3]) for codes in (reference, other)]
    grid = np.unique(np.concatenate(below))
    ranks = [np.searchsorted(own, grid, side="right") / 3000 for own in below]
    assert first["distance"] == pytest.approx(np.abs(ranks[0] - ranks[1]).max())


def test_groups_count_and_not_events(network: IntegerNetwork) -> None:
    """The same distances are no evidence when twenty events share a group."""
    reference, other = random_hardware(FEATURES, 3000, 1), random_hardware(FEATURES, 3000, 2)
    other[:200, 3] = FEATURES.features[3].hardware.max_code
    assert compared(network, reference, other)["moved"]
    assert compared(network, reference, other, 20)["moved"] == []


def test_twenty_copies_of_an_event_say_no_more_of_a_rate_than_one(network: IntegerNetwork) -> None:
    reference, other = random_hardware(FEATURES, 3000, 1), random_hardware(FEATURES, 3000, 2)
    once = compared(network, reference, other)["rates"][0]
    copied = compared(network, np.repeat(reference, 20, axis=0), np.repeat(other, 20, axis=0), 20)["rates"][0]
    assert copied["code"] == once["code"]
    assert copied["other"]["passed"] == 20 * once["other"]["passed"]
    assert copied["p_value"] == pytest.approx(once["p_value"])
    assert copied["other"]["rate_khz"] == pytest.approx(once["other"]["rate_khz"])


def test_unequal_groups_say_less_than_their_number(network: IntegerNetwork) -> None:
    """One group of 90 events and ten of one: an event lies in one of 8110 / 100 events on average."""
    groups = np.concatenate([np.zeros(90, dtype=np.int64), np.arange(1, 11)])
    sample = take_sample([(random_hardware(FEATURES, 100, 1), groups)], GoldenTrigger(FEATURES, network))
    assert sample.groups.n_groups == 11
    assert sample.n_independent == pytest.approx(100 / 81.1)


def test_no_events_are_refused(network: IntegerNetwork) -> None:
    with pytest.raises(InputError, match="no events"):
        take_sample([], GoldenTrigger(FEATURES, network))
