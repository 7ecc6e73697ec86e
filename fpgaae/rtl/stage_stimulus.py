"""Inputs that bring every operation of a stage to both ends of its range, and what the stage makes of them.

Events reach only part of what a value between two registers can hold, least of all the ends of deep sums. A stage is
logic between ranges that da4ml knows, so that it can be driven alone: whatever lies in the ranges of its inputs, the
Verilog must give what da4ml's interpreter gives (needs da4ml).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from da4ml.cmvm.types import CombLogic, Pipeline, QInterval
from numpy.typing import NDArray

from fpgaae.errors import CheckFailed, InputError
from fpgaae.rtl.design import PIPELINE_FILE
from fpgaae.rtl.stage_check import StageStimulus, Words

Values = NDArray[np.float64]  # exact: no value of da4ml is wider than a float's mantissa
_Slopes = dict[int, float]  # by input, how steeply a value rises with it; without those that it doesn't follow

_RANDOM_ROWS = 2_000


def load_pipeline(folder: Path) -> Pipeline:
    """Read what `trace` left in its folder.

    Raises
    ------
    InputError
        If it is not there, as in folders of earlier versions, or damaged.
    """
    file = folder / PIPELINE_FILE
    if not file.is_file():
        raise InputError(f"{file} is missing; run the stage `trace` with --force")
    try:
        return Pipeline.load(str(file))
    except (ValueError, TypeError, KeyError, IndexError, AssertionError):
        raise InputError(f"{file} is damaged; run the stage `trace` with --force") from None


def stage_stimuli(name: str, pipeline: Pipeline, seed: int) -> Iterator[StageStimulus]:
    """Make for each stage of a project called `name` what it is driven with."""
    for index, logic in enumerate(pipeline.solutions):
        inputs = stage_inputs(logic, seed)
        module = f"{name}_core_stage{index}"
        yield StageStimulus(module, packed_inputs(logic, inputs), packed_outputs(logic, inputs))


def stage_inputs(logic: CombLogic, seed: int) -> Values:
    """Make inputs (n, n_inputs) of a stage, each on the grid and in the range that the stage is made for.

    Rows that bring each operation to its smallest and largest value, as far as it rises or falls with each input; rows
    of ends only; rows uniform in the ranges.
    """
    ranges = [interval if interval.step else QInterval(0.0, 0.0, 1.0) for interval in logic.inp_qint]
    low, high, step = (np.array([getattr(own, name) for own in ranges]) for name in ("min", "max", "step"))
    rng = np.random.default_rng([seed, len(logic.ops)])
    n = _RANDOM_ROWS
    uniform = low + np.floor(rng.random((n, len(low))) * ((high - low) / step + 1)) * step
    either = np.where(rng.random((n, len(low))) < rng.random((n, 1)), low, high)
    rows = [np.stack([low, high]), uniform, either]
    directions = list(_directions(logic))
    if directions:
        ends = rng.permutation(uniform)[np.arange(len(directions)) % n]
        for row, rising in enumerate(directions):
            for place, slope in rising.items():
                ends[row, place] = high[place] if slope > 0 else low[place]
        rows.append(ends)
    shifts = 2.0 ** np.array(logic.inp_shifts, dtype=np.float64)
    return np.unique(np.concatenate(rows), axis=0) / shifts


def _directions(logic: CombLogic) -> Iterator[_Slopes]:
    """Give for each operation which inputs must rise and fall to bring it up, and down."""
    known: list[_Slopes] = []
    for op in logic.ops:
        slopes: _Slopes = {}
        match op.opcode:
            case -1:
                slopes = {op.id0: 1.0}
            case 0 | 1:
                slopes = _sum(known[op.id0], known[op.id1], 2.0**op.data * (1 - 2 * op.opcode))
            case 2 | 3 | 4 | 8:
                slopes = known[op.id0]
            case -2 | -3:
                slopes = _sum({}, known[op.id0], -1.0)
            case 6 | -6:
                second = _sum({}, known[op.id1], op.opcode / 6)
                slopes = _sum(known[op.id0], second, 1.0)
                key = known[op.data & 0xFFFFFFFF]
                for taken, sign in ((known[op.id0], -1.0), (second, 1.0)):
                    for end in (1.0, -1.0):
                        yield _sum({}, taken, end) | _sum({}, key, sign)
            case 7:
                slopes = _sum(known[op.id0], known[op.id1], 1.0)
                yield from (_sum({}, known[op.id0], sign) | _sum({}, known[op.id1], -sign) for sign in (1.0, -1.0))
        known.append(slopes)
        if slopes and op.opcode != -1:
            yield slopes
            yield _sum({}, slopes, -1.0)


def _sum(first: _Slopes, second: _Slopes, factor: float) -> _Slopes:
    """Give the slopes of the first value plus a factor times the second."""
    total = dict(first)
    for place, slope in second.items():
        total[place] = total.get(place, 0.0) + factor * slope
        if not total[place]:
            del total[place]
    return total


def packed_inputs(logic: CombLogic, inputs: Values) -> Words:
    """Give inputs as `model_inp` carries them, (n, n_words) of 32 bits."""
    return _packed(inputs * 2.0 ** np.array(logic.inp_shifts, dtype=np.float64), np.asarray(logic.inp_kifs))


def packed_outputs(logic: CombLogic, inputs: Values) -> Words:
    """Give what da4ml's interpreter makes of inputs, as `model_out` carries it, (n, n_words) of 32 bits."""
    return _packed(_for_interpreter(logic).predict(inputs, n_threads=1), np.asarray(logic.out_kifs))


def _for_interpreter(logic: CombLogic) -> CombLogic:
    """Write a stage that was cut as the interpreter reads it: the data of operations signed, and no empty tables."""
    return logic._replace(
        ops=[op._replace(data=op.data - 2**64) if op.data >= 2**63 else op for op in logic.ops],
        lookup_tables=logic.lookup_tables or None,
    )


def _packed(values: Values, kifs: NDArray[np.int64]) -> Words:
    widths = kifs.sum(axis=0).astype(int)
    scaled = values * 2.0 ** kifs[2]
    codes = scaled.astype(np.int64)
    if (codes != scaled).any():
        raise CheckFailed("da4ml's interpreter gives a value that lies off its grid; report this with the config")
    bits = np.zeros((len(values), max(-(-int(widths.sum()) // 32), 1) * 32), dtype=np.uint8)
    low = 0
    for place, width in enumerate(widths.tolist()):
        bits[:, low : low + width] = (codes[:, place, None] >> np.arange(width)) & 1
        low += width
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint32)
