"""When each operation of traced logic is done, in da4ml's units of delay, and the stages between registers that follow.

da4ml takes an adder of two values for one unit. One of three values is a LUT deeper, which is taken for half of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor

from da4ml.cmvm.types import CombLogic, Op, Pipeline
from da4ml.trace import to_pipeline

from fpgaae.rtl.three_input import choose_pairs, merged

THREE_INPUT_DELAY = 1.5
_STEP = 0.5  # between the depths that stages are tried with
_CLOSE = 1e-6
_INPUT, _CONSTANT, _MUX = -1, 5, 6
_WORD = 0xFFFFFFFF


def cut(logic: CombLogic, depth: float, *, three_inputs: bool) -> Pipeline:
    """Put registers so that no stage is deeper than asked for, and as evenly as that number of stages allows.

    Parameters
    ----------
    depth
        Units of delay between two registers.
    three_inputs
        Whether sums of sums become adders of three values, as many as cost no stage.
    """
    apart = _Schedule(logic, {})
    stages, pairs = apart.stages(depth), {}
    if three_inputs and depth >= THREE_INPUT_DELAY:
        pairs = _pairs_in_time(logic, apart, depth)
    schedule = _Schedule(merged(logic, pairs), pairs)
    while depth - _STEP >= 1 and schedule.stages(depth - _STEP) <= stages:
        depth -= _STEP
    return to_pipeline(schedule.timed(depth), depth, retiming=False, verbose=False)


def _pairs_in_time(logic: CombLogic, apart: _Schedule, depth: float) -> dict[int, int]:
    """Choose pairs with which the logic takes no more stages: those that would be done too late stay apart."""
    latest = apart.latest(depth)
    refused: set[tuple[int, int]] = set()
    while True:
        pairs = choose_pairs(logic, refused)
        late = _Schedule(logic, pairs).late(depth, apart, latest)
        if not late:
            return pairs
        refused |= late


class _Schedule:
    """When operations are done where some pairs of sums are one adder each: as early as they can.

    Parameters
    ----------
    pairs
        The inner sum of each outer one.
    """

    def __init__(self, logic: CombLogic, pairs: Mapping[int, int]) -> None:
        self._logic = logic
        self._pairs = pairs
        self._operands = [self._operands_of(place) for place in range(len(logic.ops))]
        self._delays = [self._delay_of(place) for place in range(len(logic.ops))]

    def stages(self, depth: float) -> int:
        """Count the stages of a depth."""
        times = self._times(depth)
        last: float = max(times[place] for place in self._logic.out_idxs if place >= 0)
        return max(ceil(last / depth - _CLOSE), 1)

    def latest(self, depth: float) -> list[float]:
        """Give when each operation must be done so that there are no more stages."""
        times = [depth * self.stages(depth)] * len(self._operands)
        for place in reversed(range(len(times))):
            begin = _latest_begin(times[place], self._delays[place], depth)
            for operand in self._operands[place]:
                times[operand] = min(times[operand], begin)
        return times

    def late(self, depth: float, apart: _Schedule, latest: Sequence[float]) -> set[tuple[int, int]]:
        """Give the pairs, the outer sum first, that are done later than they must be.

        Parameters
        ----------
        apart
            The same logic without pairs, which the late ones are taken for.
        """
        times, late = [0.0] * len(self._operands), set()
        for place in range(len(times)):
            times[place] = self._end(place, times, depth)
            inner = self._pairs.get(place)
            if inner is not None and times[place] > latest[place] + _CLOSE:
                late.add((place, inner))
                for own in (inner, place):
                    times[own] = apart._end(own, times, depth)
        return late

    def timed(self, depth: float) -> CombLogic:
        """Give the logic with the times as latencies, in their order; a constant is there when it is first read."""
        logic, times = self._logic, self._times(depth)
        for inner, outer in ((inner, outer) for outer, inner in self._pairs.items()):
            times[inner] = times[outer]
        read: dict[int, float] = {}
        for place, op in enumerate(logic.ops):
            for operand in _places(op):
                read[operand] = min(read.get(operand, times[place]), times[place])
        for place, op in enumerate(logic.ops):
            if op.opcode == _CONSTANT:
                times[place] = read.get(place, 0.0)
        order = sorted(range(len(times)), key=lambda place: (times[place], place))
        new = {old: place for place, old in enumerate(order)} | {-1: -1}
        ops = [_renumbered(logic.ops[old], new)._replace(latency=times[old]) for old in order]
        return logic._replace(ops=ops, out_idxs=[new[place] for place in logic.out_idxs])

    def _operands_of(self, place: int) -> list[int]:
        """Give what an operation waits for: constants are always there."""
        inner = self._pairs.get(place)
        ops = self._logic.ops
        found = _places(ops[place]) if inner is None else [*_places(ops[place]), *_places(ops[inner])]
        return [operand for operand in found if operand != inner and ops[operand].opcode != _CONSTANT]

    def _delay_of(self, place: int) -> float:
        inner = self._pairs.get(place)
        own = _delay(self._logic, place)
        return own if inner is None else min(own + _delay(self._logic, inner), THREE_INPUT_DELAY)

    def _times(self, depth: float) -> list[float]:
        times = [0.0] * len(self._operands)
        for place in range(len(times)):
            times[place] = self._end(place, times, depth)
        return times

    def _end(self, place: int, times: Sequence[float], depth: float) -> float:
        """Give when an operation is done: in one stage, if it fits into one."""
        ready, delay = max((times[operand] for operand in self._operands[place]), default=0.0), self._delays[place]
        end = (floor(ready / depth + _CLOSE) + 1) * depth  # of the stage that it would begin in
        return delay + (end if delay <= depth and ready + delay > end + _CLOSE else ready)


def _latest_begin(end: float, delay: float, depth: float) -> float:
    """Give when an operation must begin to be done in time, in one stage, if it fits into one."""
    first = (ceil(end / depth - _CLOSE) - 1) * depth  # when the stage begins that the time is in
    return min(end, first) - delay if delay <= depth and end - delay < first - _CLOSE else end - delay


def _delay(logic: CombLogic, place: int) -> float:
    """Give what da4ml counts for one operation."""
    op, ops = logic.ops[place], logic.ops
    ready = [ops[operand].latency for operand in _places(op) if ops[operand].opcode != _CONSTANT]
    return op.latency - max(ready) if ready else 0.0


def _places(op: Op) -> list[int]:
    """Give the operations that one reads."""
    if op.opcode in (_INPUT, _CONSTANT):
        return []
    found = [place for place in (op.id0, op.id1) if place >= 0]
    return [*found, op.data & _WORD] if abs(op.opcode) == _MUX else found


def _renumbered(op: Op, new: Mapping[int, int]) -> Op:
    """Give an operation of operands that have other numbers."""
    if op.opcode in (_INPUT, _CONSTANT):
        return op
    data = op.data & ~_WORD | new[op.data & _WORD] if abs(op.opcode) == _MUX else op.data
    return op._replace(id0=new[op.id0], id1=new[op.id1], data=data)
