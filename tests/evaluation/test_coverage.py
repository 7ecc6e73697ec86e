"""Do the intervals hold the truth as often as they say? Toys whose areas and efficiencies are known by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from fpgaae.evaluation.bootstrap import BootstrapSettings, bootstrap
from fpgaae.evaluation.comparison import difference, metrics
from fpgaae.evaluation.delong import two_sided_p_value
from fpgaae.runs.results.metrics import SignalMetrics, fpr_key

N_TOYS, N_BACKGROUND, N_SIGNAL = 500, 2000, 1000
DISTANCE, NOISE, CORRELATION = 1.0, 0.3, 0.5
FPRS = (0.1, 0.01, 0.0025)  # on 200, 20 and 5 background events
KEYS = tuple(map(fpr_key, FPRS))
LEVELS = (0.6827, 0.95)
GROUPS = {"background": np.arange(N_BACKGROUND) // 2, "signal": np.arange(N_SIGNAL) // 2}

Toy = dict[str, dict[str, NDArray[np.float64]]]


def pairs(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Normal scores; the two events of a group are correlated."""
    own, common = rng.normal(size=n), np.repeat(rng.normal(size=n // 2), 2)
    return np.sqrt(CORRELATION) * common + np.sqrt(1 - CORRELATION) * own


def toys() -> Iterator[tuple[Toy, int]]:
    """The firmware's score is the float one with noise."""
    rng = np.random.default_rng(11)
    for seed in range(N_TOYS):
        exact = {"background": pairs(rng, N_BACKGROUND), "signal": pairs(rng, N_SIGNAL) + DISTANCE}
        yield {"float": exact, "firmware": {p: x + NOISE * rng.normal(size=x.size) for p, x in exact.items()}}, seed


def truth(model: str) -> dict[str, float]:
    """Binormal: AUC = Phi(d / (s sqrt 2)) and TPR = 1 - Phi(z - d / s), with s the spread and z that of the rate."""
    spread = np.sqrt(1 + NOISE**2) if model == "firmware" else 1.0
    tpr = norm.sf(norm.isf(FPRS) - DISTANCE / spread)
    return {"auc": float(norm.cdf(DISTANCE / spread / np.sqrt(2))), **dict(zip(KEYS, map(float, tpr), strict=True))}


def held(found: SignalMetrics, true: dict[str, float]) -> dict[str, bool]:
    estimates = {"auc": found.auc, **found.tpr}
    intervals = {key: estimate.interval for key, estimate in estimates.items() if estimate.interval is not None}
    return {key: interval.low <= true[key] <= interval.high for key, interval in intervals.items()}


@pytest.mark.slow
def test_intervals_of_areas_efficiencies_and_paired_differences_cover_as_often_as_they_say() -> None:
    true = {model: truth(model) for model in ("float", "firmware")}
    true["delta"] = {key: true["firmware"][key] - true["float"][key] for key in true["float"]}
    counts: dict[tuple[str, str, float], list[bool]] = defaultdict(list)
    for scores, seed in toys():
        drawn = bootstrap(scores, GROUPS, "background", BootstrapSettings(200, seed=seed, fprs=FPRS))
        own = {model: replicas["signal"] for model, replicas in drawn.items()}
        for level in LEVELS:
            settings = BootstrapSettings(200, level, seed, FPRS)
            found = {model: metrics(replicas, N_BACKGROUND, settings) for model, replicas in own.items()}
            found["delta"] = difference(own["firmware"], own["float"], N_BACKGROUND, settings)
            for what, estimates in found.items():
                for key, holds in held(estimates, true[what]).items():
                    counts[what, key, level].append(holds)
    assert len(counts) == 3 * 4 * 2
    for (what, key, level), holds in counts.items():
        error = np.sqrt(level * (1 - level) / len(holds))
        assert len(holds) > 0.95 * N_TOYS, f"{what} {key}: the others are not measurable"
        # 24 figures are looked at: four binomial errors
        assert np.mean(holds) == pytest.approx(level, abs=4 * error), f"{what}, {key}, {level}"


@pytest.mark.slow
def test_models_that_are_equally_good_are_called_distinguishable_as_rarely_as_the_level_says() -> None:
    rng = np.random.default_rng(12)
    wrong: dict[str, list[bool]] = defaultdict(list)
    for seed in range(N_TOYS):
        exact = {"background": pairs(rng, N_BACKGROUND), "signal": pairs(rng, N_SIGNAL) + DISTANCE}
        scores = {m: {p: x + NOISE * rng.normal(size=x.size) for p, x in exact.items()} for m in ("float", "firmware")}
        drawn = bootstrap(scores, GROUPS, "background", BootstrapSettings(60, seed=seed, fprs=FPRS))
        found = difference(
            drawn["firmware"]["signal"], drawn["float"]["signal"], N_BACKGROUND, BootstrapSettings(60, fprs=FPRS)
        )
        for key, estimate in {"auc": found.auc, **found.tpr}.items():
            if estimate.value is not None and estimate.standard_error is not None:
                p_value = two_sided_p_value(estimate.value, estimate.standard_error)
                wrong[key].append(p_value < 0.05)
    assert set(wrong) == {"auc", *KEYS}
    for key, found_wrong in wrong.items():
        # the other side is not held: where few events decide, the test is cautious
        assert np.mean(found_wrong) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / len(found_wrong)), key
