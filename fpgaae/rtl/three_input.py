"""Sums of three values: where an operand of a sum is a sum that nothing else reads, both are one adder (needs da4ml).

The operations stay as they were traced. The inner one of such a pair costs nothing of its own, by which it is known.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from math import log2
from typing import NamedTuple

from da4ml.cmvm.types import CombLogic, Op, Precision

from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import THREE_INPUT_ADDER

_ADD, _SUBTRACT, _ADD_CONSTANT = 0, 1, 4
_SUMS = frozenset((_ADD, _SUBTRACT, _ADD_CONSTANT))


class Term(NamedTuple):
    """What is added or subtracted."""

    place: int | None  # of the operation; None: a constant
    constant: int  # odd, and above zero
    exponent: int  # of two, what the lowest bit counts
    is_subtracted: bool


def choose_pairs(logic: CombLogic, apart: Collection[tuple[int, int]] = ()) -> dict[int, int]:
    """Choose pairs of sums that become one adder each so that they save the most LUTs.

    No sum is in two pairs: a matching of the largest weight, which in a forest goes from the leaves up.

    Parameters
    ----------
    apart
        Pairs, the outer sum first, that are not to become one.

    Returns
    -------
    The inner sum of each outer one.
    """
    read = logic.ref_count.tolist()
    inner_sums = {place: list(_inner_sums(logic, read, place)) for place, op in enumerate(logic.ops) if _is_sum(op)}
    alone: dict[int, int] = {}  # the most that is saved by a sum and all below it, if it takes in none of them
    best: dict[int, int] = {}
    chosen: dict[int, int] = {}
    for place, inner in inner_sums.items():
        alone[place] = best[place] = sum(best[other] for other in inner)
        for other in (other for other in inner if (place, other) not in apart):
            saved = alone[place] - best[other] + alone[other] + _saved(logic, place, other)
            if saved > best[place]:
                best[place], chosen[place] = saved, other
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for place in sorted(chosen, reverse=True):
        if place not in taken:
            pairs[place] = chosen[place]
            taken.add(chosen[place])
    return pairs


def _is_sum(op: Op) -> bool:
    return op.opcode in _SUMS


def _inner_sums(logic: CombLogic, read: Sequence[int], place: int) -> Iterator[int]:
    """Give the operands of a sum that are sums of something else that nothing else reads."""
    op = logic.ops[place]
    for inner in (op.id0, op.id1):
        if inner < 0 or read[inner] != 1 or not _is_sum(logic.ops[inner]):
            continue
        if not op.opcode == logic.ops[inner].opcode == _ADD_CONSTANT:
            yield inner


def _saved(logic: CombLogic, outer: int, inner: int) -> int:
    apart = lut_bits(logic, outer, terms(logic, outer)) + lut_bits(logic, inner, terms(logic, inner))
    return apart - lut_bits(logic, outer, terms(logic, outer, inner))


def lut_bits(logic: CombLogic, place: int, added: Sequence[Term]) -> int:
    """Count the LUTs of an adder: a bit each, but for the lowest that one value alone has, if that is added."""
    op = logic.ops[place]
    in_order = sorted(added, key=lambda term: term.exponent)
    first = in_order[0 if in_order[0].is_subtracted else 1].exponent
    width: int = sum(Precision.from_qint(op.qint))
    return max(width - (first - _exponent(op)), 0)


def terms(logic: CombLogic, place: int, inner: int | None = None) -> list[Term]:
    """Give what a sum adds, with what one of its operands adds in the place of that."""
    op = logic.ops[place]
    found = [Term(op.id0, 0, _exponent(logic.ops[op.id0]), False)]
    if op.opcode == _ADD_CONSTANT:
        code = op.data - 2**64 if op.data >= 2**63 else op.data  # as a pipeline that was cut holds negative ones
        zeros = (code & -code).bit_length() - 1
        found.append(Term(None, abs(code) >> zeros, _exponent(op) + zeros, code < 0))
    else:
        found.append(Term(op.id1, 0, _exponent(logic.ops[op.id1]) + op.data, op.opcode == _SUBTRACT))
    if inner is None:
        return found
    index = [term.place for term in found].index(inner)
    of = found[index]
    up = of.exponent - _exponent(logic.ops[inner])
    found[index : index + 1] = [
        term._replace(exponent=term.exponent + up, is_subtracted=term.is_subtracted != of.is_subtracted)
        for term in terms(logic, inner)
    ]
    return found


def _exponent(op: Op) -> int:
    return round(log2(op.qint.step)) if op.qint.step else 0


def merged(logic: CombLogic, pairs: Mapping[int, int]) -> CombLogic:
    """Let the outer sum of each pair cost what the adder of three values does, and the inner one nothing."""
    ops = list(logic.ops)
    for outer, inner in pairs.items():
        cost = float(max(lut_bits(logic, outer, terms(logic, outer, inner)), 1))
        ops[outer], ops[inner] = ops[outer]._replace(cost=cost), ops[inner]._replace(cost=0.0)
    return logic._replace(ops=ops)


def pairs_of(logic: CombLogic) -> dict[int, int]:
    """Give the pairs of some logic that became one adder each, the inner sum by the outer one."""
    read = logic.ref_count.tolist()
    return {
        place: inner
        for place, op in enumerate(logic.ops)
        if _is_sum(op) and op.cost
        for inner in _inner_sums(logic, read, place)
        if not logic.ops[inner].cost
    }


def with_three_inputs(text: str, logic: CombLogic) -> str:
    """Write the pairs of a stage as adders of three values in the place of two.

    Parameters
    ----------
    text
        The Verilog of the stage, as da4ml writes it: an operation a line.
    """
    for outer, inner in pairs_of(logic).items():
        text = _without_line(text, inner, "")
        text = _without_line(text, outer, f"    {_instance(logic, outer, inner)}\n")
    return text


def _without_line(text: str, place: int, instead: str) -> str:
    line = re.compile(rf"^ *wire \[\d+:0\] v{place}; shift_adder #.*\n", re.MULTILINE)
    text, count = line.subn(instead, text)
    if count != 1:
        raise CheckFailed(f"da4ml writes the sum v{place} of a stage {count} times; report this")
    return text


def _instance(logic: CombLogic, outer: int, inner: int) -> str:
    added = terms(logic, outer, inner)
    added.sort(key=lambda term: term.is_subtracted)  # the first one is added: two are subtracted at most
    lowest = _exponent(logic.ops[outer])
    width = sum(Precision.from_qint(logic.ops[outer].qint))
    names, widths, signs = zip(*(_input(logic, term) for term in added), strict=True)
    shifts = [term.exponent - lowest for term in added]
    subtracted = [int(term.is_subtracted) for term in added[1:]]
    numbers = ", ".join(str(number) for number in (*widths, *signs, width, *shifts, *subtracted))
    result = f"v{outer}[{width - 1}:0]"
    return f"wire [{width - 1}:0] v{outer}; {THREE_INPUT_ADDER} #({numbers}) op_{outer} ({', '.join(names)}, {result});"


def _input(logic: CombLogic, term: Term) -> tuple[str, int, int]:
    """Give what stands for a value in Verilog, its bits, and whether it has a sign."""
    if term.place is None:
        bits = term.constant.bit_length()
        return f"{bits}'b{term.constant:b}", bits, 0
    precision = Precision.from_qint(logic.ops[term.place].qint)
    width = sum(precision)
    return f"v{term.place}[{width - 1}:0]", width, int(precision.keep_negative)
