"""The anomaly scores on symbolic variables, term by term as `fpgaae.golden.scores.base` (needs da4ml)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.scores.base import Table
from fpgaae.rtl.arithmetic import Variable, absolute, constant, look_up, product, select_negative, square, total


class Signal(NamedTuple):
    """What a layer puts out: symbolic codes and their type."""

    variables: list[Variable]
    type: FixedPointType


def trace_score(score: Score, inputs: Sequence[Signal], table: Table | None) -> Variable:
    """Give the code of a score.

    Parameters
    ----------
    inputs
        As in `fpgaae.golden.scores.base.score_codes`.

    Raises
    ------
    InputError
        If the score lacks the table or the layer that it reads.
    """
    if score.of_reconstruction:
        return _error(score, inputs, table)
    if score is Score.REGRESSION:
        return inputs[0].variables[0]
    mu = inputs[0]
    squares = [square(x) for x in mu.variables]
    if not score.needs_variance:
        return total(squares)
    if table is None or len(inputs) < 2:
        raise InputError(f"the score {score.value} of the golden network has no table; run the stage `convert` again")
    entries = [look_up(x, table.codes) for x in inputs[1].variables]
    if score is Score.MU_SQUARED_OVER_VARIANCE:
        return total(product(a, b) for a, b in zip(squares, entries, strict=True))
    fraction, common = 2 * mu.type.fraction, max(2 * mu.type.fraction, table.type.fraction)
    up, up_table = 2 ** (common - fraction), 2 ** (common - table.type.fraction)
    return total(term for a, b in zip(squares, entries, strict=True) for term in (a * up, b * up_table))


def _error(score: Score, inputs: Sequence[Signal], table: Table | None) -> Variable:
    x, reconstruction = inputs
    fraction = max(x.type.fraction, reconstruction.type.fraction)
    up, up_reconstruction = 2 ** (fraction - x.type.fraction), 2 ** (fraction - reconstruction.type.fraction)
    differences = [a * up - b * up_reconstruction for a, b in zip(x.variables, reconstruction.variables, strict=True)]
    if score is Score.ABSOLUTE_ERROR:
        return total(absolute(difference) for difference in differences)
    if score is Score.MASKED_SQUARED_ERROR:
        differences = _masked(differences, x, table)
    return total(square(difference) for difference in differences)


def _masked(differences: list[Variable], x: Signal, table: Table | None) -> list[Variable]:
    """Put 0 in the place of the differences of an empty slot."""
    if table is None:
        raise InputError("the masked score of the golden network has no table; run the stage `convert` again")
    n = len(differences) // len(table.codes)
    empty = [x.variables[n * slot] - (int(code) + 1) for slot, code in enumerate(table.codes)]
    return [select_negative(empty[i // n], constant(0), difference) for i, difference in enumerate(differences)]
