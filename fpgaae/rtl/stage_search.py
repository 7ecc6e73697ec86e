"""Inputs that bring the values of a stage where no formula says how: found by search, generation by generation.

What is aimed at is both ends of each value, both ends of what each rounding drops, and both sides of each switch (a
sign or highest bit that chooses between two values or rectifies). Of each aim the row is kept that comes nearest; its
inputs, as far as the aim depends on them, are changed a few at a time (needs da4ml).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from da4ml.cmvm.types import CombLogic, Precision, QInterval
from numpy.typing import NDArray

Values = NDArray[np.float64]  # exact: no value of da4ml is wider than a float's mantissa
Indexes = NDArray[np.int64]

_GENERATIONS = 8
_CHILDREN = 400  # of a generation
_MOST_CHANGED = 4  # inputs of a child
_CELLS = 2**20  # values that are held at a time, which bounds the memory
_LINEAR, _CONSTANT, _INPUT, _RECTIFIED, _QUANTIZED, _CHOSEN = frozenset({0, 1, 7}), 5, -1, 2, 3, 6


class Grid(NamedTuple):
    """The inputs of a stage: smallest, largest and step of each."""

    low: Values
    high: Values
    step: Values

    @classmethod
    def of(cls, logic: CombLogic) -> Grid:
        """Read the grid of a stage; an input without bits is zero."""
        ranges = [own if own.step else QInterval(0.0, 0.0, 1.0) for own in logic.inp_qint]
        return cls(*(np.array([getattr(own, name) for own in ranges]) for name in ("min", "max", "step")))

    def uniform(self, rng: np.random.Generator, n: int) -> Values:
        """Draw rows (n, n_inputs), uniform in the ranges."""
        steps = np.floor((self.high - self.low) / self.step) + 1
        drawn: Values = self.low + np.floor(rng.random((n, len(self.low))) * steps) * self.step
        return drawn


class _Aim(NamedTuple):
    """A value that shall be as large as can be (or as small, with a sign of -1), and on one side of a switch."""

    op: int
    sign: int
    modulus: float  # what is aimed at is what is left of it, 0 for the value itself
    side: float | None  # below which it must stay (or not fall, with a sign of -1)
    goal: float  # beyond which it can't come, times the sign


def interpretable(logic: CombLogic) -> CombLogic:
    """Write a stage that was cut as the interpreter reads it: the data of operations signed, and no empty tables."""
    return logic._replace(
        ops=[op._replace(data=op.data - 2**64) if op.data >= 2**63 else op for op in logic.ops],
        lookup_tables=logic.lookup_tables or None,
    )


def with_every_value(logic: CombLogic) -> CombLogic:
    """Give the logic with the value of every operation as an output, for the interpreter."""
    n = len(logic.ops)
    return interpretable(logic)._replace(
        shape=(logic.shape[0], n), out_idxs=list(range(n)), out_shifts=[0] * n, out_negs=[False] * n
    )


class StageSearch:
    """The search for one stage.

    Parameters
    ----------
    rng
        Draws parents and children.
    """

    def __init__(self, logic: CombLogic, rng: np.random.Generator) -> None:
        self.grid = Grid.of(logic)
        self._rng = rng
        self._shifts = 2.0 ** np.array(logic.inp_shifts, dtype=np.float64)
        self._every_value = with_every_value(logic)
        self._aims = list(_aims(logic))
        self._reads = _reads(logic)[[aim.op for aim in self._aims]]
        self._best = np.full(len(self._aims), -np.inf)
        self._rows = np.tile(self.grid.low, (len(self._aims), 1))  # also of aims that no row comes near

    def run(self, rows: Values) -> tuple[Values, Indexes]:
        """Search on from rows (n, n_inputs) of the grid.

        Returns
        -------
        The rows with those that came nearest to an aim, each once, and the places of some that reach as much as all.
        """
        self._take(rows)
        for _ in range(_GENERATIONS):
            if not len(children := self._children()):
                break
            self._take(children)
        every = np.unique(np.concatenate([rows, self._rows]), axis=0)
        return every, self._few(every)

    def _children(self) -> Values:
        goals = np.array([aim.goal for aim in self._aims])
        open_aims = np.flatnonzero((self._best < goals) & self._reads.any(axis=1))
        chosen = self._rng.permutation(open_aims)[:_CHILDREN]
        if not len(chosen):
            return np.zeros((0, len(self.grid.low)))
        chosen = np.resize(chosen, _CHILDREN)
        children: Values = self._rows[chosen]
        # Of the inputs that count, those with the smallest draws are changed.
        draws = np.where(self._reads[chosen], self._rng.random(children.shape), 2.0)
        places = np.argsort(draws, axis=1)[:, :_MOST_CHANGED]
        n_changed = self._rng.integers(1, _MOST_CHANGED + 1, len(chosen))
        for rank in range(places.shape[1]):
            own = np.flatnonzero((n_changed > rank) & (draws[np.arange(len(chosen)), places[:, rank]] < 1))
            self._change(children, own, places[own, rank])
        return children

    def _change(self, children: Values, rows: Indexes, places: Indexes) -> None:
        """Bring inputs to an end of their ranges, anywhere, or by a power of two of steps away."""
        low, high, step = (of[places] for of in self.grid)
        anywhere = low + np.floor(self._rng.random(len(rows)) * ((high - low) / step + 1)) * step
        bits = np.log2((high - low) / step + 1)
        away = step * 2.0 ** np.floor(self._rng.random(len(rows)) * bits) * self._rng.choice([-1, 1], len(rows))
        near = np.clip(children[rows, places] + away, low, high)
        children[rows, places] = np.choose(self._rng.integers(5, size=len(rows)), [low, high, anywhere, near, near])

    def _take(self, rows: Values) -> None:
        """Keep of rows those that come nearer to an aim."""
        for part, reached in self._reached(rows):
            first = reached.argmax(axis=0)
            best = reached[first, np.arange(reached.shape[1])]
            nearer = np.flatnonzero(best > self._best)
            self._best[nearer] = best[nearer]
            self._rows[nearer] = part[first[nearer]]

    def _few(self, rows: Values) -> Indexes:
        """Choose rows, each time the one that reaches most of the aims that are left."""
        reaches = np.concatenate([reached == self._best for _, reached in self._reached(rows)])
        left = np.isfinite(self._best)
        few: list[int] = []
        gains = reaches[:, left].sum(axis=1)
        while gains.any():
            few.append(int(gains.argmax()))
            now = left & reaches[few[-1]]
            gains = gains - reaches[:, now].sum(axis=1)
            left &= ~now
        return np.array(few, dtype=np.int64)

    def _reached(self, rows: Values) -> Iterator[tuple[Values, Values]]:
        """Give parts of rows and how near they come to each aim, the larger the nearer."""
        ops = np.array([aim.op for aim in self._aims], dtype=np.int64)
        signs = np.array([aim.sign for aim in self._aims], dtype=np.float64)
        moduli = np.array([aim.modulus for aim in self._aims])
        sides = np.array([np.inf if aim.side is None else aim.side for aim in self._aims])
        left_over, switched = np.flatnonzero(moduli), np.flatnonzero(np.isfinite(sides))
        n = max(_CELLS // max(len(self._aims), 1), 1)
        for start in range(0, len(rows), n):
            part = rows[start : start + n]
            reached = self._every_value.predict(part / self._shifts, n_threads=1).reshape(len(part), -1)[:, ops]
            reached[:, left_over] %= moduli[left_over]
            below = reached[:, switched] < sides[switched]
            reached *= signs
            reached[:, switched] = np.where(below == (signs[switched] > 0), reached[:, switched], -np.inf)
            yield part, reached


def _aims(logic: CombLogic) -> Iterator[_Aim]:
    """Give what is aimed at: operations that are used, with those that read them."""
    used = logic.ref_count
    switches: set[int] = set()
    drops: set[tuple[int, float]] = set()
    for op in logic.ops:
        if abs(op.opcode) in {_RECTIFIED, _QUANTIZED} and op.qint.step > logic.ops[op.id0].qint.step:
            drops.add((op.id0, op.qint.step))
        if abs(op.opcode) == _RECTIFIED:
            switches.add(op.id0)
        elif abs(op.opcode) == _CHOSEN:
            switches.add(op.data & 0xFFFFFFFF)
    for index, op in enumerate(logic.ops):
        if used[index] and op.opcode not in {_CONSTANT, _INPUT} and op.qint.step:
            yield _Aim(index, 1, 0.0, None, op.qint.max)
            yield _Aim(index, -1, 0.0, None, -op.qint.min)
    for index, step in sorted(drops):
        yield _Aim(index, 1, step, None, step - logic.ops[index].qint.step)
        yield _Aim(index, -1, step, None, 0.0)
    for index in sorted(switches):
        if (interval := logic.ops[index].qint).step:
            side = _switch(interval)
            yield _Aim(index, 1, 0.0, side, side - interval.step)
            yield _Aim(index, -1, 0.0, side, -side)


def _switch(interval: QInterval) -> float:
    """Give where the highest bit of a value changes."""
    return 0.0 if interval.min < 0 else float(2.0 ** (Precision.from_qint(interval).integers - 1))


def _reads(logic: CombLogic) -> NDArray[np.bool_]:
    """Tell of each operation which inputs it depends on."""
    reads = np.zeros((len(logic.ops), logic.shape[0]), dtype=bool)
    for index, op in enumerate(logic.ops):
        if op.opcode == _INPUT:
            reads[index, op.id0] = True
            continue
        for operand in _operands(op.opcode, op.id0, op.id1, op.data):
            reads[index] |= reads[operand]
    return reads


def _operands(opcode: int, id0: int, id1: int, data: int) -> Sequence[int]:
    if opcode == _CONSTANT:
        return ()
    if abs(opcode) == _CHOSEN:
        return id0, id1, data & 0xFFFFFFFF
    return (id0, id1) if opcode in _LINEAR else (id0,)
