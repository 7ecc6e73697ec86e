"""The numbers of the review against truths that are known: turn-ons, inputs, slots that drive a score, menu bits."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from figure_layout import layout_faults
from results import NO_RATES

from fpgaae.config.data import Data
from fpgaae.config.experiment import Trigger
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import hardware_features
from fpgaae.data.source import trigger_columns, unpack_bits
from fpgaae.evaluation.rates import RateSettings, rate_curve
from fpgaae.evaluation.review.anomalous import describe, largest
from fpgaae.evaluation.review.figures import anomalous_figure, latents_figure, trainings_figure, turn_on_figure
from fpgaae.evaluation.review.inputs import InputCounts
from fpgaae.evaluation.review.menu import menu_table
from fpgaae.evaluation.review.precision import latents_of, profile
from fpgaae.evaluation.review.quantities import EventQuantities
from fpgaae.evaluation.review.turn_ons import improvements, shared_edges, turn_on
from fpgaae.evaluation.review.type_figures import input_figure, network_input_figure, type_figure
from fpgaae.fixedpoint import parse_type
from fpgaae.runs.results.review import Losses
from fpgaae.statistics import EventGroups, clopper_pearson

DATA = Data.model_validate(
    {
        "files": {"background": "b.h5"},
        "hardware": {
            "pt_lsb_gev": 0.5, "eta_lsb": 0.1, "phi_steps": 8,
            "objects": [
                {"name": "met", "slots": 1, "pt_bits": 12, "eta_bits": 0, "phi_bits": 4},
                {"name": "jet", "slots": 2, "pt_bits": 9, "eta_bits": 6, "phi_bits": 4},
            ],
        },
    }
)  # fmt: skip
FEATURES = FeatureMap(tuple(Feature(f, 0, 2) for f in hardware_features(DATA.hardware)))
QUANTITIES = EventQuantities(DATA, FEATURES)
CODES = np.array([[100, 0, 3, 10, -20, 1, 30, 5, -2], [7, 0, 0, 0, 0, 0, 0, 0, 0]])


def test_quantities_are_those_of_the_hardest_object() -> None:
    found = QUANTITIES.of(CODES)
    assert {name: values[0] for name, values in found.items()} == pytest.approx(
        {"ht": 20, "multiplicity": 2, "met": 50, "jet_pt": 15, "jet_eta": 0.5, "jet_phi": -np.pi / 2}
    )
    assert [found[name][1] for name in ("ht", "multiplicity", "met")] == [0, 0, 3.5]
    assert all(np.isnan(found[name][1]) for name in ("jet_pt", "jet_eta", "jet_phi"))
    assert list(QUANTITIES.units) == list(found)


def test_a_turn_on_gives_the_truth() -> None:
    """A sharp cut at 50 passes nothing below and everything above; a flat one passes a tenth everywhere."""
    rng = np.random.default_rng(1)
    ht = {"background": rng.uniform(0, 100, 4000), "signal": np.append(rng.uniform(0, 100, 2000), np.nan)}
    groups = {process: np.arange(len(values)) for process, values in ht.items()}
    accepted = {
        process: [{"firmware": values > 50, "float": np.arange(len(values)) % 10 == 0}]
        for process, values in ht.items()
    }
    found = turn_on(ht, groups, accepted, "GeV", 0.6827)
    assert found.without == {"background": 0, "signal": 1}
    for process, values in ht.items():
        own = found.thresholds[0][process]["firmware"]
        assert sum(own.events) == len(values) - found.without[process]
        for low, high, n, k, share in zip(
            found.edges[:-1], found.edges[1:], own.events, own.passed, own.efficiency, strict=True
        ):
            inside = (values >= low) & ((values < high) | ((high == found.edges[-1]) & (values == high)))
            assert (n, k) == (np.count_nonzero(inside), np.count_nonzero(inside & (values > 50)))
            assert share == clopper_pearson(k, n)
            assert share.value == (0 if high <= 50 else 1 if low >= 50 else share.value)
        flat = found.thresholds[0][process]["float"]
        assert np.array([e.value for e in flat.efficiency if e]) == pytest.approx(0.1, abs=0.06)
    figure = turn_on_figure({"ht": found}, str, "background")
    (points,) = [c for c in figure.axes[0].containers if c.get_label() == "background"]
    np.testing.assert_array_equal(
        points[0].get_ydata(), [e.value for e in found.thresholds[0]["background"]["firmware"].efficiency if e]
    )
    assert layout_faults(figure) == []


def test_groups_widen_a_turn_on_and_a_bin_of_one_group_stands_alone() -> None:
    values, flags = {"background": np.repeat([1.5, 2.5], 100) + np.tile([0.0, 0.1], 100)}, np.arange(200) % 20 < 10
    accepted = {"background": [{"firmware": flags}]}
    alone, tens, one = (
        turn_on(values, {"background": labels}, accepted, "", 0.9).thresholds[0]["background"]["firmware"].efficiency
        for labels in (np.arange(200), np.arange(200) // 10, np.arange(200) // 100)
    )
    assert alone == one
    assert all(b.low < a.low < a.high < b.high for a, b in zip(alone, tens, strict=True) if a and b)


def test_edges_are_filled_by_every_process_alike() -> None:
    edges = shared_edges({"background": np.linspace(0, 10, 10_000), "signal": np.linspace(90, 100, 10)}, 4)
    assert (edges[0], edges[-1]) == (0, 100)
    assert edges[1] < 10, "half of the bins lie among the background, however many events it has"
    assert edges[3] > 90
    np.testing.assert_array_equal(shared_edges({"a": np.array([1.0, 3.0])}), [0.5, 1.5, 2.5, 3.5])
    np.testing.assert_array_equal(shared_edges({"a": np.array([2.25, 2.25])}), [2.25, 3.25])
    np.testing.assert_array_equal(shared_edges({"a": np.array([0.0, 4e9])}), [-0.5, 2e9, 4e9 + 0.5], "no bin a number")


def test_the_significance_is_tpr_over_the_root_of_fpr() -> None:
    scores = {"background": np.arange(10_000.0), "signal": np.arange(9000.0, 10_000.0)}
    groups = {process: EventGroups(np.arange(len(values))) for process, values in scores.items()}
    curve = rate_curve(scores, groups, {"background": {}}, RateSettings("background", Trigger(), 0.6827))
    rates = replace(NO_RATES, models={"float": curve}, bunch_crossing_rate_khz=Trigger().bunch_crossing_rate_khz)
    found = improvements(rates)["signal"]["float"]
    fpr = np.array(found.false_positive_rate)
    assert min(found.background_passed) == 5
    np.testing.assert_allclose(found.value, np.minimum(fpr * 10, 1) / np.sqrt(fpr), rtol=1e-3)
    assert all(low < value < high for low, value, high in zip(found.low, found.value, found.high, strict=True) if low)


def test_inputs_are_counted_with_the_shares_at_their_ends() -> None:
    jet_pt = np.array([0, 0, 0, 1, 511, 511, 40, 128])
    codes = np.zeros((8, 9), dtype=np.int64)
    codes[:, 3] = jet_pt
    types = (parse_type("ap_fixed<8,6,AP_RND_CONV,AP_SAT>"),) * 9  # ends at 31.75, a code of 127 for a shift of 2
    counts = InputCounts(DATA, FEATURES, types)
    for half in (codes[:4], codes[4:]):
        counts.add("background", half)
    entries = {entry.name: entry for entry in counts.entries()}
    assert "met_eta" not in entries, "no bits, no input"
    found = entries["jet_1_pt"]
    own = found.processes["background"]
    assert (own.zero, own.smallest_code, own.largest_code, own.saturated_high) == (3 / 8, 3 / 8, 2 / 8, 3 / 8)
    assert (found.lsb, found.unit, found.shift) == (0.5, "GeV", 2)
    edges = found.first_code + found.codes_a_bin * np.arange(len(own.counts) + 1)
    np.testing.assert_array_equal(own.counts, np.histogram(jet_pt, edges)[0])
    assert sum(own.counts) == own.events == 8
    assert own.quantiles[2] == 1 / 4, "the fourth of eight codes is 1, a quarter as network input"
    for figure in (
        input_figure(counts.entries(), "background"),
        network_input_figure(counts.entries(), "background", (-32, 31.75)),
    ):
        assert layout_faults(figure) == []


def test_values_are_held_against_their_type() -> None:
    to = parse_type("ap_fixed<4,2,AP_RND,AP_SAT>")  # -2 to 1.75 in steps of 0.25
    found = profile("dense", "weights", np.array([0, 0.1, -0.5, 1, 3, -2.2, 1.8, 0.3]), to)
    assert (found.lsb, found.largest) == (0.25, 2.0)
    assert (found.zero, found.below_lsb, found.beyond) == (1 / 8, 1 / 8, 2 / 8)
    assert found.quantiles is not None
    assert (found.quantiles[0], found.quantiles[3], found.quantiles[-1]) == (0.1, 1, 3)
    assert profile("dense", "biases", np.zeros(3), to).quantiles is None
    figure = type_figure([found, replace(found, part="values")])
    assert len(figure.axes[0].get_yticklabels()) == 2


def test_latents_are_described_by_process() -> None:
    rng = np.random.default_rng(2)
    layer: Any = SimpleNamespace(name="latent_quantized", type=parse_type("ap_fixed<8,6>"))
    values = {"background": rng.normal(size=(500, 2)), "signal": rng.normal(3, 1, size=(100, 2))}
    found = latents_of(layer, values)
    assert found.events == {"background": 500, "signal": 100}
    for index, latent in enumerate(found.latents):
        for process, own in latent.items():
            assert sum(own.counts) == found.events[process]
            assert own.mean == values[process][:, index].mean()
    assert layout_faults(latents_figure(found, str, "background")) == []
    assert layout_faults(trainings_figure({"float": Losses(loss=(2.0, 1.0, 0.5), val_loss=(2.0, 1.5, 0.4))})) == []


class _SumOfPt:
    """A golden trigger whose score is the sum of the jets' pT codes."""

    network = SimpleNamespace(score=SimpleNamespace(type=parse_type("ap_ufixed<16,15>")))

    @staticmethod
    def scores(codes: Any) -> Any:  # noqa: ANN401
        return codes[:, 3] + codes[:, 6]


def test_the_slots_that_drive_a_score_are_those_without_which_it_falls() -> None:
    golden: Any = _SumOfPt()
    found = describe(np.array([41, 7]), CODES, np.array([5, 6]), golden, QUANTITIES)
    assert found.slots == ("met", "jet_1", "jet_2")
    first, second = found.events
    assert (first.event, first.group, first.score_code, first.score) == (41, 5, 40, 20.0)
    assert first.shares == (0, 0.25, 0.75)
    assert [slot.name for slot in first.driving] == ["jet_2", "jet_1"], "the missing momentum drives nothing"
    assert first.driving[0].values == pytest.approx({"pt": 15, "eta": 0.5, "phi": -np.pi / 2})
    assert second.shares == (0, 0, 0), "a score of 0 is made by nothing"
    assert second.driving == ()
    assert "jet_pt" not in second.quantities
    assert anomalous_figure(found).axes


def test_the_largest_scores_come_first_and_of_equals_the_first() -> None:
    np.testing.assert_array_equal(largest(np.array([1.0, 5, 2, 5, 4]), 3), [1, 3, 4])


@pytest.mark.parametrize("n_bits", [1, 3, 32, 33, 70])
def test_trigger_bits_come_back_as_they_were(n_bits: int) -> None:
    bits = np.random.default_rng(n_bits).random((50, n_bits)) < 0.3
    packed = trigger_columns(bits.astype(np.uint8), "existing_trigger")
    np.testing.assert_array_equal(packed["existing_trigger"], bits.any(axis=1))
    found = unpack_bits(dict(reversed(packed.items())))
    np.testing.assert_array_equal(found, bits)
    assert unpack_bits(trigger_columns(bits[:, 0], "existing_trigger")) is None, "one number an event has no bits"


def test_an_overlap_of_menu_bits_counted_by_hand() -> None:
    bits = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]])
    firmware = np.array([1, 0, 1, 1, 0, 0], dtype=bool)
    groups = {"background": EventGroups(np.arange(6)), "signal": EventGroups(np.arange(2))}
    columns = {
        "background": trigger_columns(bits, "existing_trigger"),
        "signal": trigger_columns(bits[:2, :2], "existing_trigger"),
    }
    found = menu_table(columns, {"background": firmware}, groups, "background", 600, 0.6827)
    assert found is not None
    assert (found.events, found.taken, found.firmware, found.firmware_unique) == (6, 4, 3, 1)
    assert [(b.passed, b.unique, b.shared) for b in found.bits] == [(3, 1, 1), (2, 0, 1), (0, 0, 0)]
    assert [b.rate_khz.value for b in found.bits] == pytest.approx([300, 200, 0])
    assert found.bits[0].signals == {"signal": clopper_pearson(2, 2)}
    assert found.bits[2].signals == {"signal": None}
    nothing = {"background": trigger_columns(bits[:, 0], "existing_trigger")}
    assert menu_table(nothing, {"background": firmware}, groups, "background", 600, 0.6827) is None
