"""What a traced stage computes as an and-inverter graph, made from da4ml's operations alone.

It stands beside the Verilog and VHDL that da4ml writes of the same operations, and shares nothing with them; how each
operation is meant is what da4ml's interpreter does. A word is its bits in two's complement, the lowest first, on a grid
of 2**-fraction. A literal is twice the number of a node, and one more where it is inverted (needs da4ml).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log2
from pathlib import Path
from typing import NamedTuple, TypeAlias

from da4ml.cmvm.types import CombLogic, Op, Precision, QInterval

from fpgaae.errors import CheckFailed
from fpgaae.rtl.three_input import pairs_of

Bits: TypeAlias = list[int]
FALSE, TRUE = 0, 1
_SUBTRACT, _ADD_CONSTANT = 1, 4
_WORD = 0xFFFFFFFF


class Word(NamedTuple):
    """A value: its bits, whether the highest one counts negative, and the bits behind the binary point."""

    bits: Bits
    is_signed: bool
    fraction: int

    @property
    def sign(self) -> int:
        """The literal that is 1 where the value is negative."""
        return self.bits[-1] if self.is_signed and self.bits else FALSE

    def extended(self, bits: int) -> Bits:
        """Give the lowest bits of the value, however many."""
        return self.bits[:bits] + [self.sign] * (bits - len(self.bits))

    def on_grid(self, fraction: int) -> Word:
        """Give the value on another grid; what is finer is dropped."""
        up = fraction - self.fraction
        bits = [FALSE] * up + self.bits if up >= 0 else self.bits[-up:] or [self.sign]
        return Word(bits, self.is_signed, fraction)


class Graph:
    """Nodes that are inputs or the conjunction of two literals, each of these once.

    Parameters
    ----------
    n_inputs
        How many inputs there are; they are the nodes from 1 up.
    """

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self._nodes: list[tuple[int, int]] = []
        self._known: dict[tuple[int, int], int] = {}

    def both(self, a: int, b: int) -> int:
        """Give the conjunction of two literals."""
        if a > b:
            a, b = b, a
        if a == FALSE or a == b ^ 1:
            return FALSE
        if a in {TRUE, b}:
            return b
        found = self._known.get((a, b))
        if found is None:
            self._nodes.append((b, a))
            found = self._known[a, b] = 2 * (self.n_inputs + len(self._nodes))
        return found

    def either(self, a: int, b: int) -> int:
        """Give the disjunction of two literals."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        """Give 1 where two literals differ."""
        return self.both(self.both(a, b) ^ 1, self.either(a, b))

    def choose(self, key: int, if_one: int, if_zero: int) -> int:
        """Give one literal where the key is 1, and the other where it is not."""
        if if_one == if_zero:
            return if_one
        return self.either(self.both(key, if_one), self.both(key ^ 1, if_zero))

    def add(self, a: Bits, b: Bits, carry: int = FALSE) -> Bits:
        """Add two words of as many bits, modulo 2**bits."""
        total = []
        for x, y in zip(a, b, strict=True):
            odd = self.differ(x, y)
            total.append(self.differ(odd, carry))
            carry = self.either(self.both(x, y), self.both(odd, carry))
        return total

    def subtract(self, a: Bits, b: Bits) -> Bits:
        """Subtract the second word from the first, modulo 2**bits."""
        return self.add(a, [literal ^ 1 for literal in b], TRUE)

    def look_up(self, index: Bits, entries: Sequence[int]) -> int:
        """Give the entry of a table of zeros and ones, 2**len(index) of them."""
        found = [int(entry) for entry in entries]
        for literal in index:
            found = [self.choose(literal, found[at + 1], found[at]) for at in range(0, len(found), 2)]
        return found[0]

    def write(self, file: Path, outputs: Bits) -> None:
        """Write the graph as binary AIGER (Biere, FMV report 07/1)."""
        n = self.n_inputs + len(self._nodes)
        head = f"aig {n} {self.n_inputs} 0 {len(outputs)} {len(self._nodes)}\n"
        body = bytearray("".join((head, *(f"{literal}\n" for literal in outputs))).encode("ascii"))
        for place, (larger, smaller) in enumerate(self._nodes, self.n_inputs + 1):
            body += _compact(2 * place - larger) + _compact(larger - smaller)
        file.write_bytes(body)


def _compact(number: int) -> bytes:
    """Write a number in groups of seven bits, the lowest first, all but the last marked by their highest bit."""
    found = bytearray()
    while number >> 7 * len(found):
        found.append(number >> 7 * len(found) & 127 | 128)
    return bytes(found[:-1] + bytes([found[-1] & 127])) if found else b"\0"


def write_stage(logic: CombLogic, file: Path, *, joins_sums: bool) -> None:
    """Write what a stage puts out, in the order of `model_out`, zero wherever an input leaves its range.

    Parameters
    ----------
    joins_sums
        Whether the pairs of sums that are one adder of three values are added at once: ABC compares graphs sooner
        whose carries are the same.

    Raises
    ------
    CheckFailed
        If it has an operation that is not known here.
    """
    write_stages([logic], file, joins_sums=joins_sums)


def write_stages(stages: Sequence[CombLogic], file: Path, *, joins_sums: bool) -> None:
    """Write what stages put out one behind the other, zero wherever an input of the first leaves its range.

    Raises
    ------
    CheckFailed
        If they have an operation that is not known here.
    """
    widths = [sum(Precision.from_qint(own)) for own in stages[0].inp_qint]
    graph = Graph(max(sum(widths), 1))
    bits: Bits = [2 * place for place in range(1, sum(widths) + 1)]
    within = TRUE
    for word, interval in zip(_words(bits, stages[0].inp_qint), stages[0].inp_qint, strict=True):
        within = graph.both(within, _within(graph, word, interval))
    for logic in stages:
        inputs, values, pairs = _words(bits, logic.inp_qint), list[Word](), pairs_of(logic) if joins_sums else {}
        for place, op in enumerate(logic.ops):
            inner = pairs.get(place)
            if inner is None:
                values.append(_value(graph, logic, op, inputs, values))
            else:
                values.append(_fitted(_sum_of_three(graph, _three_terms(logic, op, inner, values)), op.qint))
        bits = list(_outputs(graph, logic, values))
    graph.write(file, [graph.both(within, literal) for literal in bits] or [FALSE])


def _words(bits: Bits, intervals: Sequence[QInterval]) -> list[Word]:
    """Part the bits of a port into its values."""
    found, low = [], 0
    for interval in intervals:
        width = sum(Precision.from_qint(interval))
        found.append(_word(bits[low : low + width], interval))
        low += width
    return found


def _word(bits: Bits, interval: QInterval) -> Word:
    is_signed, _, fraction = Precision.from_qint(interval)
    return Word(bits, bool(is_signed), fraction)


def _fitted(word: Word, interval: QInterval) -> Word:
    """Give a value in the bits of its interval."""
    fraction = Precision.from_qint(interval).fractional
    return _word(word.on_grid(fraction).extended(sum(Precision.from_qint(interval))), interval)


def _value(graph: Graph, logic: CombLogic, op: Op, inputs: Sequence[Word], values: Sequence[Word]) -> Word:
    match op.opcode:
        case -1:
            word: Word = inputs[op.id0]
            return word
        case 0 | 1 | 4:
            (first, _), (second, is_subtracted) = _terms(op, values)
            result = _sum(graph, first, second, is_difference=is_subtracted)
        case 2 | -2:
            value = _signed(graph, values[op.id0], op.opcode)
            result = Word([graph.both(value.sign ^ 1, literal) for literal in value.bits], False, value.fraction)
        case 3 | -3:
            result = _signed(graph, values[op.id0], op.opcode)
        case 5:
            result = _constant(op)
        case 6 | -6:
            key, second = values[op.data & _WORD], _signed(graph, values[op.id1], op.opcode)
            shift = (op.data >> 32) & _WORD
            shift -= (shift >> 31) << 32
            result = _switched(graph, key, values[op.id0], second._replace(fraction=second.fraction - shift))
        case 7:
            result = _product(graph, values[op.id0], values[op.id1])
        case 8:
            return _looked_up(graph, logic, op, values[op.id0])
        case _:
            raise CheckFailed(f"da4ml's operation {op.opcode} is not known to the proof of the stages; report this")
    return _fitted(result, op.qint)


def _terms(op: Op, values: Sequence[Word]) -> list[tuple[Word, bool]]:
    """Give what a sum adds, and whether it is subtracted."""
    if op.opcode == _ADD_CONSTANT:
        return [(values[op.id0], False), (_constant(op), False)]
    second = values[op.id1]
    moved = second._replace(fraction=second.fraction - op.data)
    return [(values[op.id0], False), (moved, op.opcode == _SUBTRACT)]


def _three_terms(logic: CombLogic, op: Op, inner: int, values: Sequence[Word]) -> list[tuple[Word, bool]]:
    """Give what a sum adds, with what the sum at the place `inner` adds in the place of that."""
    own = _terms(op, values)
    index = 0 if op.id0 == inner else 1
    of, negated = own.pop(index)
    up = of.fraction - values[inner].fraction
    for word, is_subtracted in _terms(logic.ops[inner], values):
        own.append((word._replace(fraction=word.fraction + up), is_subtracted != negated))
    return own


def _sum_of_three(graph: Graph, terms: Sequence[tuple[Word, bool]]) -> Word:
    """Add three values, two of which are subtracted at most: their bits to sums and carries, and these to one word."""
    fraction = max(word.fraction for word, _ in terms)
    words = [word.on_grid(fraction) for word, _ in terms]
    bits = max(len(word.bits) for word in words) + 3
    minus = [is_subtracted for _, is_subtracted in terms]
    a, b, c = ([bit ^ own for bit in word.extended(bits)] for word, own in zip(words, minus, strict=True))
    odd = [graph.differ(graph.differ(x, y), z) for x, y, z in zip(a, b, c, strict=True)]
    carries = [
        graph.either(graph.both(x, y), graph.both(graph.either(x, y), z)) for x, y, z in zip(a, b, c, strict=True)
    ]
    below = [TRUE if sum(minus) > 1 else FALSE, *carries[:-1]]
    return Word(graph.add(odd, below, TRUE if any(minus) else FALSE), True, fraction)


def _constant(op: Op) -> Word:
    code = op.data - 2**64 if op.data >= 2**63 else op.data  # as a pipeline that was cut holds negative ones
    bits = [(code >> place) & 1 for place in range(code.bit_length() + 1)]
    return Word(bits, True, round(-log2(op.qint.step)) if op.qint.step else 0)


def _aligned(a: Word, b: Word) -> tuple[Bits, Bits, int]:
    """Give two values in as many bits, with one more than either needs, and the bits behind the point."""
    fraction = max(a.fraction, b.fraction)
    a, b = a.on_grid(fraction), b.on_grid(fraction)
    bits = max(len(a.bits), len(b.bits)) + 2
    return a.extended(bits), b.extended(bits), fraction


def _sum(graph: Graph, a: Word, b: Word, *, is_difference: bool = False) -> Word:
    first, second, fraction = _aligned(a, b)
    return Word(graph.subtract(first, second) if is_difference else graph.add(first, second), True, fraction)


def _signed(graph: Graph, word: Word, opcode: int) -> Word:
    """Give a value, or its negative where the code of the operation is negative."""
    if opcode > 0:
        return word
    return _sum(graph, Word([FALSE], False, word.fraction), word, is_difference=True)


def _switched(graph: Graph, key: Word, a: Word, b: Word) -> Word:
    """Give one value where the highest bit of the key is 1, the other where it is not."""
    first, second, fraction = _aligned(a, b)
    highest = key.bits[-1] if key.bits else FALSE
    return Word([graph.choose(highest, x, y) for x, y in zip(first, second, strict=True)], True, fraction)


def _product(graph: Graph, a: Word, b: Word) -> Word:
    bits = len(a.bits) + len(b.bits) + 1
    first, total = a.extended(bits), [FALSE] * bits
    for place, literal in enumerate(b.extended(bits)):
        row = [FALSE] * place + [graph.both(literal, x) for x in first[: bits - place]]
        total = graph.add(total, row)
    return Word(total, True, a.fraction + b.fraction)


def _looked_up(graph: Graph, logic: CombLogic, op: Op, index: Word) -> Word:
    if logic.lookup_tables is None:
        raise CheckFailed("da4ml's stage looks up a table that it does not have; report this")
    table = logic.lookup_tables[op.data]
    is_signed, integers, fraction = (int(part) for part in table.spec.out_kif)
    first = round(logic.ops[op.id0].qint.min / logic.ops[op.id0].qint.step)
    entries = [0] * 2 ** len(index.bits)  # what lies beyond the table is never asked for
    for code, entry in enumerate(table.table.tolist(), first):
        entries[code % len(entries)] = entry
    columns = ([(entry >> place) & 1 for entry in entries] for place in range(is_signed + integers + fraction))
    return Word([graph.look_up(index.bits, column) for column in columns], bool(is_signed), fraction)


def _within(graph: Graph, word: Word, interval: QInterval) -> int:
    """Give 1 where a value lies in its range."""
    if not word.bits:
        return TRUE
    bits = len(word.bits) + 2
    value, ends = word.extended(bits), []
    for end in interval[:2]:
        code = round(end / interval.step)
        ends.append([(code >> place) & 1 for place in range(bits)])
    below, above = graph.subtract(value, ends[0])[-1], graph.subtract(ends[1], value)[-1]
    return graph.both(below ^ 1, above ^ 1)


def _outputs(graph: Graph, logic: CombLogic, values: Sequence[Word]) -> Iterator[int]:
    rows = zip(logic.out_idxs, logic.out_shifts, logic.out_negs, logic.out_qint, strict=True)
    for place, shift, is_negative, interval in rows:
        width = sum(Precision.from_qint(interval))
        if place < 0 or not width:
            yield from [FALSE] * width
            continue
        value = values[place]._replace(fraction=values[place].fraction - shift)
        yield from _fitted(_signed(graph, value, -1 if is_negative else 1), interval).bits
