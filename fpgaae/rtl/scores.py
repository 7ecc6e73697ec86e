"""The anomaly scores on symbolic variables, term by term as the classes of `fpgaae.golden.scores` (needs da4ml)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.scores.absolute_error import AbsoluteError
from fpgaae.golden.scores.base import ErrorScore, ScoreLayer, TableScore
from fpgaae.golden.scores.kl_divergence import KlDivergence
from fpgaae.golden.scores.masked_squared_error import MaskedSquaredError
from fpgaae.golden.scores.max_absolute_error import MaxAbsoluteError
from fpgaae.golden.scores.mu_squared import MuSquared
from fpgaae.golden.scores.mu_squared_over_variance import MuSquaredOverVariance
from fpgaae.golden.scores.regression import Regression
from fpgaae.golden.scores.squared_error import SquaredError
from fpgaae.rtl.arithmetic import Variable, absolute, constant, look_up, product, select_negative, square, total
from fpgaae.rtl.windows import largest


class Signal(NamedTuple):
    """What a layer puts out: symbolic codes and their type."""

    variables: list[Variable]
    type: FixedPointType


def trace_score(layer: ScoreLayer, inputs: Sequence[Signal]) -> Variable:
    """Give the code of a score.

    Raises
    ------
    InputError
        If it can't be traced.
    """
    tracer = SCORE_TRACERS.get(type(layer))
    if tracer is None:
        raise InputError(f"the score {layer.kind} can't be traced to RTL yet; set `model.score` to another")
    return tracer(layer, inputs)


def _differences(inputs: Sequence[Signal]) -> list[Variable]:
    x, reconstruction = inputs
    fraction = max(x.type.fraction, reconstruction.type.fraction)
    up, up_reconstruction = 2 ** (fraction - x.type.fraction), 2 ** (fraction - reconstruction.type.fraction)
    return [a * up - b * up_reconstruction for a, b in zip(x.variables, reconstruction.variables, strict=True)]


def _squared_error(layer: ErrorScore, inputs: Sequence[Signal]) -> Variable:
    del layer
    return total(square(difference) for difference in _differences(inputs))


def _masked_squared_error(layer: MaskedSquaredError, inputs: Sequence[Signal]) -> Variable:
    """Put 0 in the place of the differences of an empty slot."""
    x, differences, codes = inputs[0], _differences(inputs), layer.empty.codes
    n = len(differences) // len(codes)
    empty = [x.variables[n * slot] - (int(code) + 1) for slot, code in enumerate(codes)]
    return total(
        square(select_negative(empty[i // n], constant(0), difference)) for i, difference in enumerate(differences)
    )


def _absolute_error(layer: ErrorScore, inputs: Sequence[Signal]) -> Variable:
    del layer
    return total(absolute(difference) for difference in _differences(inputs))


def _max_absolute_error(layer: MaxAbsoluteError, inputs: Sequence[Signal]) -> Variable:
    del layer
    return largest([absolute(difference) for difference in _differences(inputs)])


def _mu_squared(layer: MuSquared, inputs: Sequence[Signal]) -> Variable:
    del layer
    return total(square(x) for x in inputs[0].variables)


def _squares_and_entries(layer: TableScore, inputs: Sequence[Signal]) -> list[tuple[Variable, Variable]]:
    mu, log_variance = inputs
    squares = [square(x) for x in mu.variables]
    return list(zip(squares, [look_up(x, layer.table.codes) for x in log_variance.variables], strict=True))


def _mu_squared_over_variance(layer: MuSquaredOverVariance, inputs: Sequence[Signal]) -> Variable:
    return total(product(a, b) for a, b in _squares_and_entries(layer, inputs))


def _kl_divergence(layer: KlDivergence, inputs: Sequence[Signal]) -> Variable:
    fraction, of_table = 2 * inputs[0].type.fraction, layer.table.type.fraction
    common = max(fraction, of_table)
    up, up_table = 2 ** (common - fraction), 2 ** (common - of_table)
    return total(term for a, b in _squares_and_entries(layer, inputs) for term in (a * up, b * up_table))


def _regression(layer: Regression, inputs: Sequence[Signal]) -> Variable:
    del layer
    return inputs[0].variables[0]


SCORE_TRACERS: dict[type, Callable[[Any, Sequence[Signal]], Variable]] = {
    SquaredError: _squared_error,
    MaskedSquaredError: _masked_squared_error,
    AbsoluteError: _absolute_error,
    MaxAbsoluteError: _max_absolute_error,
    MuSquared: _mu_squared,
    MuSquaredOverVariance: _mu_squared_over_variance,
    KlDivergence: _kl_divergence,
    Regression: _regression,
}
