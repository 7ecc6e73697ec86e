"""The traced logic, stage by stage, over polynomials of the words on the ports (needs da4ml).

How each operation is meant is what da4ml's interpreter does: a result takes the bits of its range, what is finer is
dropped and what is larger wraps. Where neither can happen, the polynomial stays; else it becomes a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log2
from typing import NamedTuple

import numpy as np
from da4ml.cmvm.types import CombLogic, Op, Pipeline, Precision, QInterval

from fpgaae.fixedpoint import Codes
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.prove.algebra import Algebra, NotFollowed, Polynomial, Range
from fpgaae.prove.golden_forms import GoldenForms

_WORD = 0xFFFFFFFF


class Value(NamedTuple):
    """What an operation gives, in units of 2**-fraction of the evaluation, and between which ends it lies."""

    polynomial: Polynomial
    codes: Range

    def scaled(self, by: int) -> Value:
        """Multiply by an integer."""
        ends = self.codes[0] * by, self.codes[1] * by
        return Value(self.polynomial.scaled(by), (min(ends), max(ends)))


class _Bits(NamedTuple):
    """The bits that a range takes: the step of the lowest one, and the ends of what all of them hold."""

    step: int
    low: int
    high: int


class TracedLogic:
    """Evaluates the stages one behind the other.

    Parameters
    ----------
    algebra
        In which the ports were made.
    fraction
        Bits behind the point of everything, as many as any operation has: see `most_fraction`.
    """

    def __init__(self, algebra: Algebra, fraction: int) -> None:
        self._algebra = algebra
        self._fraction = fraction

    def run(self, pipeline: Pipeline, ports: Sequence[Value]) -> list[Value]:
        """Give what the last stage puts out.

        Raises
        ------
        NotFollowed
            If an operation can't be followed, or a stage can get an input outside of the range that it was made for.
        """
        values = list(ports)
        for place, (value, interval) in enumerate(zip(values, pipeline.solutions[0].inp_qint, strict=True)):
            values[place] = self._fitted(value, interval)  # the block takes these bits of its port
        for index, logic in enumerate(pipeline.solutions):
            for place, (value, interval) in enumerate(zip(values, logic.inp_qint, strict=True)):
                self._require_range(value, interval, f"input {place} of stage {index}")
            values = list(self._stage(logic, values))
        return values

    def _require_range(self, value: Value, interval: QInterval, what: str) -> None:
        low, high, step = (self._code(float(end)) for end in interval)
        inside = low <= value.codes[0] and value.codes[1] <= high
        if not inside or (step and not self._lies_on(value.polynomial, step)):
            raise NotFollowed(f"{what} may leave the range that the stage was made for")

    def _stage(self, logic: CombLogic, inputs: Sequence[Value]) -> Iterator[Value]:
        values: list[Value] = []
        for op in logic.ops:
            values.append(self._value(logic, op, inputs, values))
        rows = zip(logic.out_idxs, logic.out_shifts, logic.out_negs, logic.out_qint, strict=True)
        for place, shift, is_negative, interval in rows:
            if place < 0:
                yield Value(Polynomial(0, {}), (0, 0))
            else:
                yield self._fitted(self._shifted(values[place], shift).scaled(-1 if is_negative else 1), interval)

    def _value(self, logic: CombLogic, op: Op, inputs: Sequence[Value], values: Sequence[Value]) -> Value:
        sign = -1 if op.opcode < 0 else 1
        match op.opcode:
            case -1:
                result: Value = inputs[op.id0]
                return result
            case 0 | 1:
                second = self._shifted(values[op.id1], op.data).scaled(-1 if op.opcode else 1)
                result = self._sum(values[op.id0], second)
            case 2 | -2:
                result = self._select(values[op.id0].scaled(sign), _ZERO, values[op.id0].scaled(sign))
            case 3 | -3:
                result = values[op.id0].scaled(sign)
            case 4:
                result = self._sum(values[op.id0], self._constant(op))
            case 5:
                result = self._constant(op)
            case 6 | -6:
                shift = (op.data >> 32) & _WORD
                shift -= (shift >> 31) << 32
                second = self._shifted(values[op.id1].scaled(sign), shift)
                result = self._select(self._highest_bit(logic, op.data & _WORD, values), values[op.id0], second)
            case 7:
                result = self._product(values[op.id0], values[op.id1])
            case 8:
                result = self._looked_up(logic, op, values[op.id0])
            case _:
                raise NotFollowed(f"da4ml's operation {op.opcode} is not known")
        return self._fitted(result, op.qint)

    def _code(self, value: float) -> int:
        return int(value * 2**self._fraction)

    def _constant(self, op: Op) -> Value:
        code = op.data - 2**64 if op.data >= 2**63 else op.data  # as a pipeline that was cut holds negative ones
        code <<= self._fraction - (round(-log2(op.qint.step)) if op.qint.step else 0)
        return Value(Polynomial(code, {}), (code, code))

    def _shifted(self, value: Value, up: int) -> Value:
        if up >= 0:
            return value.scaled(1 << up)
        if not self._lies_on(value.polynomial, 1 << -up):
            raise NotFollowed("a shift leaves the grid of the evaluation")
        constant, terms = value.polynomial.constant >> -up, value.polynomial.terms
        moved = Polynomial(constant, {term: c >> -up for term, c in terms.items()})
        return Value(moved, (-(-value.codes[0] >> -up), value.codes[1] >> -up))

    @staticmethod
    def _lies_on(polynomial: Polynomial, step: int) -> bool:
        return not polynomial.constant % step and not any(c % step for c in polynomial.terms.values())

    def _sum(self, a: Value, b: Value) -> Value:
        total = self._algebra.sum(((a.polynomial, 1), (b.polynomial, 1)))
        return self._within(total, (a.codes[0] + b.codes[0], a.codes[1] + b.codes[1]))

    def _product(self, a: Value, b: Value) -> Value:
        found = self._algebra.product(a.polynomial, b.polynomial)
        corners = [x * y for x in a.codes for y in b.codes]
        return self._shifted(self._within(found, (min(corners), max(corners))), -self._fraction)

    def _select(self, key: Value, if_negative: Value, otherwise: Value) -> Value:
        if key.codes[0] >= 0 or key.codes[1] < 0:
            return if_negative if key.codes[1] < 0 else otherwise
        found = self._algebra.select(key.polynomial, if_negative.polynomial, otherwise.polynomial)
        ends = [*if_negative.codes, *otherwise.codes]
        return self._within(found, (min(ends), max(ends)))

    def _within(self, polynomial: Polynomial, known: Range) -> Value:
        low, high = self._algebra.codes(polynomial)
        return Value(polynomial, (max(low, known[0]), min(high, known[1])))

    def _highest_bit(self, logic: CombLogic, place: int, values: Sequence[Value]) -> Value:
        """Give a value that is negative where the highest bit of another one is 1."""
        bits = self._bits(logic.ops[place].qint)
        if bits is None or bits.low < 0:
            return values[place]
        below = ((bits.high + bits.step) >> 1) - bits.step  # the largest value whose highest bit is 0
        negative = values[place].scaled(-1)
        return self._sum(negative, Value(Polynomial(below, {}), (below, below)))

    def _looked_up(self, logic: CombLogic, op: Op, argument: Value) -> Value:
        if logic.lookup_tables is None:
            raise NotFollowed("a table is missing")
        table = logic.lookup_tables[op.data]
        of = logic.ops[op.id0].qint
        bits = self._bits(of)
        entries, step = table.table.astype(np.int64), 0 if bits is None else bits.step
        if not step:
            raise NotFollowed("a table looks nothing up")
        first, up = round(of.min / of.step), self._fraction - int(table.spec.out_kif[2])
        size = (bits.high - bits.low) // step + 1 if bits is not None else 1
        whole = np.zeros(size, dtype=np.int64)  # what lies beyond the table is never asked for
        whole[(np.arange(len(entries)) + first) % size] = entries
        if up < 0:
            raise NotFollowed("a table is finer than what reads it")
        whole <<= up

        def look_up(codes: Codes) -> Codes:
            return np.asarray(whole[codes // step % size])

        found = self._algebra.apply(look_up, argument.polynomial)
        ends = int(whole.min()), int(whole.max())
        return self._within(found, ends)

    def _bits(self, interval: QInterval) -> _Bits | None:
        is_signed, integers, fraction = (int(part) for part in Precision.from_qint(interval))
        width = is_signed + integers + fraction
        if width <= 0:
            return None
        step = self._code(2.0**-fraction)
        low = -(step << (width - 1)) if is_signed else 0
        return _Bits(step, low, low + (step << width) - step)

    def _fitted(self, value: Value, interval: QInterval) -> Value:
        """Give a value in the bits of a range."""
        bits = self._bits(interval)
        if bits is None:
            return _ZERO
        step, low, high = bits
        inside = low <= value.codes[0] and value.codes[1] <= high + step - 1
        if inside and self._lies_on(value.polynomial, step):
            return value
        span = high + step - low

        def fit(codes: Codes) -> Codes:
            return np.asarray((codes // step * step - low) % span + low)

        found = self._algebra.apply(fit, value.polynomial)
        ends = (value.codes[0] // step * step, value.codes[1] // step * step) if inside else (low, high)
        return self._within(found, ends)


_ZERO = Value(Polynomial(0, {}), (0, 0))


def traced_differs(trigger: GoldenTrigger, pipeline: Pipeline) -> str | None:
    """Say where the traced stages, one behind the other, are not the golden network for some words; None: nowhere.

    Raises
    ------
    NotFollowed
        If something of either can't be followed, or both are functions that can't be compared.
    """
    algebra, fraction = Algebra(), most_fraction(pipeline)
    ends = [(int(low), int(high)) for low, high in zip(*trigger.features.port_limits, strict=True)]
    ports = [algebra.port(codes) for codes in ends]
    golden = GoldenForms(algebra, trigger, ports).layers()
    words = [
        Value(port.scaled(1 << fraction), (low << fraction, high << fraction))
        for port, (low, high) in zip(ports, ends, strict=True)
    ]
    found = TracedLogic(algebra, fraction).run(pipeline, words)
    names = [_said_of(trigger, layer, place) for layer in trigger.outputs for place in range(layer.size)]
    expected = [form for layer in trigger.outputs for form in golden[layer.name]]
    if len(found) != len(expected):
        return f"{len(found)} values are traced where the model has {len(expected)}"
    for place, (own, right) in enumerate(zip(found, expected, strict=True)):
        rest = algebra.difference(own.polynomial, right.scaled(1 << fraction))
        if not rest.is_zero:
            what = names[place]
            if not rest.terms:
                return f"{what} is {rest.constant / 2**fraction:g} off"
            return f"{what} is not found equal: {len(rest.terms)} terms differ"
    return None


def most_fraction(pipeline: Pipeline) -> int:
    """Give the bits behind the point that hold every value of all stages."""
    steps = [float(q.step) for own in pipeline.solutions for q in (*own.inp_qint, *own.out_qint)]
    steps += [float(op.qint.step) for own in pipeline.solutions for op in own.ops]
    return max(0, *(round(-log2(step)) for step in steps if step))


def _said_of(trigger: GoldenTrigger, layer: Layer, place: int) -> str:
    if layer is trigger.network.score:
        return "the score"
    return f"decision {place}" if layer is trigger.accept else f"{layer.name}, value {place}"
