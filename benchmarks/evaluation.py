"""Time and memory of the evaluation of millions of scores: metrics, intervals, verdicts, rates and correlations.

As a module of its own, `python -m benchmarks.evaluation N`, it evaluates N background scores of each network: float,
quantized and firmware, and of the three scores without a network, against four signals.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.measure import CONFIGS, Usage, new_bench, run_measured
from benchmarks.result import Goal, Result, Settings
from fpgaae.config.file import load_config
from fpgaae.evaluation.comparison import BASELINES, FIRMWARE, FLOAT, QUANTIZED
from fpgaae.evaluation.results import evaluate_scores
from fpgaae.runs.results.convert import Threshold
from fpgaae.runs.results.metrics import ScoreMetrics
from fpgaae.statistics import Interval

NAME = "evaluation"
_SECONDS = 60
_MEMORY_MIB = 4 * 1024
_QUICK_EVENTS = 200_000
_SIGNAL_EVENTS = 10_000
_SIGNALS = ("ato4l", "leptoquark", "hto2tau", "hchtotaunu")


def run(settings: Settings) -> Result:
    """Evaluate the scores in a process of its own."""
    result = Result(NAME, ("background events", "scores", "seconds", "CPU s", "peak MiB", "other cores"))
    wanted = _QUICK_EVENTS if settings.quick else settings.events
    models = 3 + len(BASELINES)
    usages = {n_events: _measured(n_events) for n_events in (wanted // models, wanted)}  # scores, and events
    for n_events, usage in usages.items():
        figures = (usage.seconds, usage.cpu_seconds, usage.tree_peak_mib, usage.other_cores)
        result.rows.append((n_events, models * (n_events + len(_SIGNALS) * _SIGNAL_EVENTS), *figures))
    usage = usages[wanted // models]
    result.goals += [
        Goal(f"{wanted:,} background scores of {models} models, time", usage.seconds, _SECONDS, "s"),
        Goal("the same, peak memory", usage.tree_peak_mib, _MEMORY_MIB, "MiB"),
    ]
    return result


def _measured(n_events: int) -> Usage:
    with new_bench() as bench:
        return run_measured([sys.executable, "-m", "benchmarks.evaluation", str(n_events)], bench.folder / "log")


def evaluate(n_events: int) -> ScoreMetrics:
    """Evaluate made-up scores as the stage does, two events a group."""
    rng = np.random.default_rng(1)
    config = load_config(CONFIGS / "l1_ae.yaml")
    sizes = {config.data.background: n_events, **dict.fromkeys(_SIGNALS, _SIGNAL_EVENTS)}
    exact = {process: rng.gamma(2, 10, n) * (1 + (process in _SIGNALS)) for process, n in sizes.items()}
    rounded = {
        process: np.rint(scores * rng.normal(1, 0.03, scores.size) * 16) / 16 for process, scores in exact.items()
    }
    scores = {FLOAT: exact, QUANTIZED: rounded, FIRMWARE: rounded}
    for name, levels in zip(BASELINES, (2000, 12, 10**6), strict=True):
        scores[name] = {process: np.rint(own / 100 * levels) for process, own in exact.items()}
    groups = {process: np.arange(n) // 2 for process, n in sizes.items()}
    threshold = float(np.quantile(rounded[config.data.background], 1 - 1e-3))
    nothing = Interval(0.0, 0.0, 0.0)  # the rates on the events of the choice, which no result depends on
    points = [
        Threshold(
            code=int(threshold * 16), fraction=4, value=threshold, requested_false_positive_rate=1e-3,
            requested_rate_khz=28.6, false_positive_rate=nothing, rate_khz=nothing, events=n_events,
            events_passed=n_events // 1000, events_at_threshold=1,
        )
    ]  # fmt: skip
    return evaluate_scores(scores, groups, {process: {} for process in sizes}, points, config)


if __name__ == "__main__":
    evaluate(int(sys.argv[1]))
