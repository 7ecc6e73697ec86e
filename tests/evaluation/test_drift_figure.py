"""The figure of drift draws the numbers that it is given."""

from __future__ import annotations

import numpy as np
from figure_layout import layout_faults

from fpgaae.evaluation.drift_figure import drift_figure
from fpgaae.runs.results.drift import Counts, Drift, FeatureDrift, Pair, RateDrift, SampleRate, ScoreDrift
from fpgaae.statistics import Interval


def test_the_inputs_that_moved_and_both_rates_are_drawn() -> None:
    features = tuple(
        FeatureDrift(
            name=f"jet_{i}_pt", distance=0.5 / (i + 1), p_value=0.01, mean_code=Pair(1, 2), shift_in_sigma=1.0,
            saturated=Pair(0, 0), zero=Pair(0, 0), corrected_p_value=0.02, moved=i < 2,
        )
        for i in range(30)
    )  # fmt: skip
    rates = tuple(
        RateDrift(
            code=code,
            reference=SampleRate(false_positive_rate=Interval(0.1, 0, 0.2), rate_khz=Interval(10, 8, 13), passed=5),
            other=SampleRate(false_positive_rate=Interval(0.2, 0, 0.3), rate_khz=Interval(20, 17, 24), passed=9),
            p_value=0.1,
        )
        for code in (100, 200)
    )
    score = ScoreDrift(distance=0.1, p_value=0.2, quantiles={})
    counts = Counts(10, 10)
    drift = Drift(
        sentence="x", events=counts, groups=counts, level=0.05, score=score, rates=rates, moved=(), features=features
    )
    figure = drift_figure(drift)
    inputs, of_rates = figure.axes
    assert [bar.get_width() for bar in inputs.patches] == [f.distance for f in features[:20]]
    assert len({bar.get_facecolor() for bar in inputs.patches[:2]} | {inputs.patches[2].get_facecolor()}) == 2
    for container, value in zip(of_rates.containers, (10, 20), strict=True):
        np.testing.assert_array_equal(container[0].get_ydata(), [value, value])
    assert layout_faults(figure) == []
