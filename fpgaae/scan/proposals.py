"""Points of a scan that Optuna proposes from what others gave (needs Optuna)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna

from fpgaae.scan.plan import Axis, ScanConfig, Value, Values
from fpgaae.scan.search import Tried


class OptunaSearch:
    """Points that Optuna proposes from what others gave.

    Parameters
    ----------
    tried
        Points of an earlier process: finished ones are known from the start, the others come first.
    """

    all_at_once = False

    def __init__(self, settings: ScanConfig, tried: Sequence[Tried]) -> None:
        wanted = settings.optuna
        if wanted is None:
            raise ValueError("the scan is a grid")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.n_points = wanted.trials
        self._axes = settings.axes
        self._distributions = {name: _distribution(axis) for name, axis in settings.axes.items()}
        finished = [point for point in tried if point.objectives is not None]
        self._study = optuna.create_study(
            directions=["maximize" if objective.is_performance else "minimize" for objective in settings.objectives],
            sampler=_sampler(wanted.sampler, wanted.seed + len(finished)),
        )
        for point in tried:
            self._know(point)
        self._n_asked = 0
        self._open: dict[tuple[tuple[str, Value], ...], list[optuna.Trial]] = {}
        self._n_left = wanted.trials - len(finished)

    def _know(self, point: Tried) -> None:
        parameters = {name: _encode(axis, point.values[name]) for name, axis in self._axes.items()}
        if point.objectives is None:
            self._study.enqueue_trial(parameters)
            return
        self._study.add_trial(
            optuna.create_trial(
                params=parameters, distributions=self._distributions, values=[float(v) for v in point.objectives]
            )
        )

    def ask(self) -> Values | None:
        """Give the point that Optuna proposes next."""
        if self._n_asked >= self._n_left:
            return None
        self._n_asked += 1
        trial = self._study.ask(self._distributions)
        values = {name: _decode(axis, trial.params[name]) for name, axis in self._axes.items()}
        self._open.setdefault(tuple(values.items()), []).append(trial)
        return values

    def tell(self, values: Values, objectives: Sequence[float] | None) -> None:
        """Let Optuna learn from a point."""
        for trial in self._open.pop(tuple(values.items())):
            if objectives is None:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, [float(value) for value in objectives])


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed) if name == "tpe" else optuna.samplers.RandomSampler(seed=seed)


def _is_ordered(axis: Axis) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in axis.choices)


def _distribution(axis: Axis) -> optuna.distributions.BaseDistribution:
    """Give Optuna the place of a value among the choices, so that their spacing does not matter."""
    if axis.is_continuous:
        return optuna.distributions.FloatDistribution(float(axis.low or 0), float(axis.high or 0))
    last = len(axis.choices) - 1
    if _is_ordered(axis):
        return optuna.distributions.IntDistribution(0, last)
    return optuna.distributions.CategoricalDistribution(tuple(range(last + 1)))


def _encode(axis: Axis, value: Value) -> Any:  # noqa: ANN401
    return float(value) if axis.is_continuous and isinstance(value, int | float) else axis.choices.index(value)


def _decode(axis: Axis, parameter: Any) -> Value:  # noqa: ANN401
    if not axis.is_continuous:
        return axis.choices[int(parameter)]
    low, high = (float(end or 0) for end in (axis.low, axis.high))
    return min(max(float(f"{parameter:.4g}"), low), high)  # rounding may lead out of a range that has more digits
