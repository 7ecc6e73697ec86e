"""The figures of rates, correlations and losses draw the numbers that they are given, and no text is cut or covered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure_layout import layout_faults
from matplotlib.figure import Figure
from results import NO_ABLATION, NO_RATES, estimate, signal_metrics

from fpgaae.config.experiment import Labels, Trigger
from fpgaae.evaluation.correlation import correlations
from fpgaae.evaluation.figure_files import figure_svg
from fpgaae.evaluation.rate_figures import column_figure, layer_figure, loss_figure, profile_figure, rate_figure
from fpgaae.evaluation.rates import RateSettings, rate_curve, rates_by_column
from fpgaae.runs.results.metrics import LayerLoss
from fpgaae.statistics import EventGroups

RNG = np.random.default_rng(5)
SETTINGS = RateSettings("background", Trigger(), 0.6827)
SCORES = {"background": RNG.gamma(2, 10, 3000), "signal": RNG.gamma(4, 20, 300)}
GROUPS = {process: EventGroups(np.arange(len(scores))) for process, scores in SCORES.items()}
TAKEN = {"existing_trigger": (RNG.random(3000) < 0.3).astype(float)}


def test_rates_are_drawn_raw_and_pure() -> None:
    curve = rate_curve(SCORES, GROUPS, {"background": TAKEN}, SETTINGS)
    figure = rate_figure(replace(NO_RATES, models={"float": curve, "firmware": curve}), [50.0, 70.0])
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert {"float", "firmware", "float, pure", "firmware, pure"} <= set(lines)
    np.testing.assert_array_equal(lines["firmware"].get_ydata(), curve.rate_khz.value)
    assert curve.pure_rate_khz is not None
    drawn = np.array(lines["firmware, pure"].get_ydata())
    np.testing.assert_array_equal(np.nan_to_num(drawn), curve.pure_rate_khz.value)
    assert (np.isnan(drawn) == (np.array(curve.pure_rate_khz.value) == 0)).all()
    assert sorted(line.get_xdata()[0] for line in axes.lines if line.get_color() == "black") == [50, 70]
    assert layout_faults(figure) == []


def test_an_interval_of_hardly_any_event_does_not_stretch_the_axis() -> None:
    curve = rate_curve(SCORES, GROUPS, {}, SETTINGS)
    rate = replace(curve.rate_khz, low=(*curve.rate_khz.low[:-1], 1e-118))
    figure = rate_figure(replace(NO_RATES, models={"firmware": replace(curve, rate_khz=rate)}), [50.0])
    low, high = figure.axes[0].get_ylim()
    assert low == pytest.approx(min(v for v in rate.value if v > 0) / 30)
    assert high == pytest.approx(2 * max(rate.high))


def test_a_rate_of_nothing_is_marked_at_the_upper_end_of_its_interval() -> None:
    taken = {"existing_trigger": np.asarray(SCORES["background"] > 60, dtype=float)}
    curve = rate_curve(SCORES, GROUPS, {"background": taken}, SETTINGS)
    figure = rate_figure(replace(NO_RATES, models={"firmware": curve}), [50.0])
    assert curve.pure_rate_khz is not None
    none = np.array(curve.pure_rate_khz.value) == 0
    (marked,) = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    np.testing.assert_array_equal(marked.get_xdata(), np.array(curve.threshold)[none])
    np.testing.assert_array_equal(marked.get_ydata(), np.array(curve.pure_rate_khz.high)[none])
    assert none.any()
    assert SCORES["background"][SCORES["background"] > curve.threshold[none.argmax()]].min() > 60


@pytest.mark.slow
@pytest.mark.parametrize("columns", [("pileup", "run"), ("run",)], ids=["both", "run"])
def test_rates_are_drawn_against_pileup_and_run(columns: tuple[str, ...]) -> None:
    known = {"pileup": RNG.poisson(45, 3000).astype(float), "run": 362_000 + np.arange(3000) // 100.0}
    accepted = [SCORES["background"] > cut for cut in (50, 70)]
    found = rates_by_column(accepted, np.arange(3000), {name: known[name] for name in columns} | TAKEN, SETTINGS)
    figure = column_figure(found, [0.25, 10])
    assert figure.axes[0].get_legend_handles_labels()[1][0] == "for 0.25 kHz"
    assert [axes.get_xlabel() for axes in figure.axes] == [{"pileup": "Pile-up", "run": "Run"}[c] for c in columns]
    drawn = figure.axes[-1].containers[0][0].get_ydata()
    np.testing.assert_array_equal(drawn, [b.rate_khz.value for b in found[columns[-1]][0].bins])
    assert len(figure.axes[0].containers) == 4, "two thresholds, raw and pure"
    assert layout_faults(figure) == []


@pytest.mark.slow
def test_profiles_stand_side_by_side() -> None:
    scores = dict.fromkeys(("float", "firmware"), SCORES["background"])
    quantities = {"ht_gev": RNG.gamma(3, 40, 3000), "multiplicity": RNG.poisson(4, 3000)}
    figure = profile_figure(correlations(quantities, scores, np.arange(3000), [1e-2], 1))
    assert [axes.get_xlabel() for axes in figure.axes] == ["$H_T$ [GeV]", "Number of objects"]
    assert all("firmware 0.0" in axes.get_title(loc="left") for axes in figure.axes)
    assert layout_faults(figure) == []


def test_losses_and_layers_are_drawn() -> None:
    parts = ("inputs", "weights", "activations", "score", "everything")
    signals = dict.fromkeys(("a_to_4l", "leptoquark"), signal_metrics(estimate(-0.001, -0.002, 0.0005)))
    figure = loss_figure(replace(NO_ABLATION, delta=dict.fromkeys(parts, signals)))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(parts)
    assert axes.get_xlabel().endswith("network")
    small = dict.fromkeys(("a_to_4l",), signal_metrics(estimate(-3e-5, -6e-5, 0.5e-5)))
    (of_small,) = loss_figure(replace(NO_ABLATION, delta=dict.fromkeys(parts, small))).axes
    assert of_small.get_xlabel().endswith("network [$10^{-5}$]")
    np.testing.assert_allclose(of_small.containers[0][0].get_xdata(), -3.0)
    assert len(axes.containers) == 2
    assert layout_faults(figure) == []
    ratio: dict[str, Any] = {"background": 30.0, "a_to_4l": None}
    layers = [
        LayerLoss(
            name=f"layer_{i}", kind="dense", type="ap_fixed<8,4>", sqnr_db=ratio, rms={}, range=(0, 1),
            type_range=(0, 1), saturated={"background": 0.0, "a_to_4l": 0.01}, saturated_channels={}, zero={},
            zero_channels={},
        )
        for i in range(9)
    ]  # fmt: skip
    drawn = layer_figure(layers, lambda process: process.replace("a_to_4l", r"a \$ 4l"))
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["background", r"a \$ 4l"]
    left, right = drawn.axes
    assert [label.get_text() for label in left.get_yticklabels()] == [f"layer_{i}" for i in range(9)]
    assert np.isnan(left.lines[1].get_xdata()).all(), "no noise has no ratio"
    assert right.lines[1].get_xdata()[0] == 0.01
    assert layout_faults(drawn) == []


def test_layers_of_which_none_saturates_are_drawn() -> None:
    layers = [
        LayerLoss(
            name=name, kind="dense", type="ap_fixed<16,9>", sqnr_db={"background": 40.0, "signal": 38.0}, rms={},
            range=(0, 1), type_range=(0, 1), saturated={"background": 0.0, "signal": 0.0}, saturated_channels={},
            zero={}, zero_channels={},
        )
        for name in ("features", "latent")
    ]  # fmt: skip
    drawn = layer_figure(layers)
    assert figure_svg(drawn).startswith("<?xml")
    assert layout_faults(drawn) == []


def test_no_figure_loses_the_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from fpgaae.evaluation.stage import _draw  # noqa: PLC0415 - imports TensorFlow

    def fail() -> Figure:
        raise ValueError("no\npositive values")

    assert _draw(fail, tmp_path, "layers", Labels()) == "ValueError: no positive values"
    assert _draw(lambda: Figure(figsize=(1, 1)), tmp_path, "empty", Labels()) is None
    assert (tmp_path / "empty.svg").is_file()
