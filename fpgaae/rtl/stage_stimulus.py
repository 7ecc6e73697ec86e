"""Inputs that bring every operation of a stage to both ends of its range, and what the stage makes of them.

Events reach only part of what a value between two registers can hold, least of all the ends of deep sums. A stage is
logic between ranges that da4ml knows, so that it can be driven alone: whatever lies in the ranges of its inputs, the
Verilog must give what da4ml's interpreter gives (needs da4ml).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from da4ml.cmvm.types import CombLogic, Pipeline
from numpy.typing import NDArray

from fpgaae.errors import CheckFailed, InputError
from fpgaae.rtl.design import PIPELINE_FILE, Design
from fpgaae.rtl.register_check import RegisterStimulus, register_stimulus
from fpgaae.rtl.stage_check import StageBits, StageStimulus, Words
from fpgaae.rtl.stage_search import Indexes, StageSearch, Values, interpretable

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
        rows, few = stage_inputs(logic, seed)
        inputs, outputs = packed_inputs(logic, rows), packed_outputs(logic, rows)
        bits = StageBits(_bits(inputs[few], logic.inp_kifs), _bits(outputs[few], logic.out_kifs))
        yield StageStimulus(f"{name}_core_stage{index}", inputs, outputs, bits)


def stage_ports(pipeline: Pipeline) -> list[tuple[int, int]]:
    """Give the bits of the inputs and outputs of each stage."""
    return [(int(own.inp_kifs.sum()), int(own.out_kifs.sum())) for own in pipeline.solutions]


def registers_driven(pipeline: Pipeline, design: Design, seed: int) -> RegisterStimulus:
    """Make what the registers between the stages and the outputs behind them are driven with."""
    *others, logic = pipeline.solutions
    rows, few = stage_inputs(logic, seed)
    rows = rows[np.concatenate([few, np.arange(len(rows))])]
    values = interpretable(logic).predict(rows, n_threads=1).reshape(len(rows), -1)
    score = values[:, 0].astype(np.int64)
    results = np.concatenate([(score[:, None] >> np.arange(design.score.width)) & 1, values[:, 1:]], axis=1)
    # Beyond its type lies what no event gives, and what the ports have no bits for. Wires put out zeros for zeros.
    fits = (score >= design.score.min_code) & (score <= design.score.max_code)
    last = _bits(packed_outputs(logic, rows), logic.out_kifs)
    last, results = (np.pad(bits[fits], ((1, 0), (0, 0))).astype(np.uint8) for bits in (last, results))
    return register_stimulus([int(own.out_kifs.sum()) for own in others], last, results, seed)


def stage_inputs(logic: CombLogic, seed: int) -> tuple[Values, Indexes]:
    """Make inputs (n, n_inputs) of a stage, each on the grid and in the range that the stage is made for.

    Rows that bring each operation to its smallest and largest value, as far as it rises or falls with each input; rows
    of ends only; rows uniform in the ranges; all zero, where that is in the ranges; and what a search finds beyond.

    Returns
    -------
    The inputs, and the places of few that reach as much, for simulators that are slow.
    """
    rng = np.random.default_rng([seed, len(logic.ops)])
    search = StageSearch(logic, rng)
    low, high, _ = search.grid
    n = _RANDOM_ROWS
    uniform = search.grid.uniform(rng, n)
    either = np.where(rng.random((n, len(low))) < rng.random((n, 1)), low, high)
    rows = [np.stack([low, high, np.clip(0.0, low, high)]), uniform, either]
    directions = list(_directions(logic))
    if directions:
        ends = rng.permutation(uniform)[np.arange(len(directions)) % n]
        for row, rising in enumerate(directions):
            for place, slope in rising.items():
                ends[row, place] = high[place] if slope > 0 else low[place]
        rows.append(ends)
    every, few = search.run(np.unique(np.concatenate(rows), axis=0))
    return every / 2.0 ** np.array(logic.inp_shifts, dtype=np.float64), few


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
    return _packed(interpretable(logic).predict(inputs, n_threads=1), np.asarray(logic.out_kifs))


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


def _bits(words: Words, kifs: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, : int(np.sum(kifs))]
