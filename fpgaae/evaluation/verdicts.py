"""What the differences mean: per signal, whether the firmware can be told from the float model, and at what level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fpgaae.evaluation.comparison import FLOAT
from fpgaae.evaluation.delong import two_sided_p_value
from fpgaae.runs.results.metrics import (
    Estimate,
    MetricsBySignal,
    SignalMetrics,
    SignalVerdict,
    TestedMetric,
    Verdicts,
)
from fpgaae.statistics import holm

LEVEL = 0.05  # of one false "distinguishable" among all signals and working points of a model
MARGIN = 1e-4  # of area and efficiency: the same events tell even rounding at 16 bits apart, which is no loss
_AUC = "auc"


class _Test(NamedTuple):
    signal: str
    metric: str  # "auc", or a false positive rate as in `tpr`
    difference: float
    estimate: Estimate
    p_value: float


def verdicts(deltas: Mapping[str, MetricsBySignal], pair: str = f"{{}} and {FLOAT}") -> Verdicts:
    """Say for each model and signal whether it differs from the float model, or another reference.

    Every area and every measurable efficiency is tested: is the difference larger than the margin, by more than the
    bootstrap's standard error explains? The p-values of all signals and metrics of a model are
    corrected together, after Holm.

    Parameters
    ----------
    deltas
        By model: `delta` of `metrics.json`, whose estimates have a `standard_error` and an interval at 95 %.
    pair
        What is compared, in words, with a place for the model.

    Returns
    -------
    The content of `verdicts` in `metrics.json`.
    """
    return Verdicts(
        level=LEVEL,
        margin=MARGIN,
        correction="holm",
        models={model: _verdicts_of(pair.format(model), delta) for model, delta in deltas.items()},
    )


def _verdicts_of(pair: str, delta: MetricsBySignal) -> dict[str, SignalVerdict]:
    tests = [test for signal, entry in delta.items() for test in _tests(signal, entry)]
    corrected = holm([test.p_value for test in tests])
    result = {}
    for signal in delta:
        own = [(test, float(p)) for test, p in zip(tests, corrected, strict=True) if test.signal == signal]
        result[signal] = SignalVerdict(
            distinguishable=any(p < LEVEL for _, p in own),
            p_value=min(p for _, p in own),
            tests_of_the_model=len(tests),
            metrics={test.metric: TestedMetric(p_value=test.p_value, corrected_p_value=p) for test, p in own},
            sentence=_sentence(pair, own),
        )
    return result


def _tests(signal: str, entry: SignalMetrics) -> Iterator[_Test]:
    for metric, estimate in ((_AUC, entry.auc), *entry.tpr.items()):
        if (value := estimate.value) is not None:
            if estimate.standard_error is None:
                raise ValueError(f"the estimate of {metric} on {signal} is of no difference: it has no standard error")
            yield _Test(signal, metric, value, estimate, two_sided_p_value(value, estimate.standard_error, MARGIN))


def _sentence(pair: str, tests: list[tuple[_Test, float]]) -> str:
    """Name what differs, or what would have been seen."""
    found = [(test, p) for test, p in tests if p < LEVEL]
    level = f"at the {100 * LEVEL:g} % level"
    if found:
        parts = "; ".join(f"{_difference(test)}, p = {p:.2g}" for test, p in found)
        return f"{pair} are distinguishable {level}: {parts}"
    if all(test.difference == 0 and test.estimate.standard_error == 0 for test, _ in tests):
        return f"{pair} separate these events equally well, in every replica; no difference can be measured"
    test, p = min(tests, key=lambda pair: pair[1])
    sentence = f"{pair} are not distinguishable {level}: the smallest p is {p:.2g} ({_difference(test)})"
    if (area := tests[0][0].estimate.interval_95) is None:
        return sentence
    return f"{sentence} and the AUC differs by {_signed(area.low)} to {_signed(area.high)} (95 %)"


def _difference(test: _Test) -> str:
    if test.metric == _AUC:
        return f"AUC {_signed(test.difference)}"
    return f"TPR at {test.metric} {100 * test.difference:+.2f} percentage points"


def _signed(value: float) -> str:
    return f"{value:+.4f}" if value == 0 or abs(value) >= MARGIN else f"{value:+.1e}"
