"""Events at the edges: hardware integers that bring the score to each threshold, and what the score reads to each code.

Real and random events hardly ever lie exactly at a threshold, and miss entries of tables that others reach. These are
found from known events by a search with the golden network: of the events that come nearest to a wanted code, some
hardware integers are changed, at random and in pairs that seem to add up; for extremes, all of them uphill. What the
search does not reach is named: apart from the rest what no hardware integers can reach, by bounds of every sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.config.model import Reads
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.cell_events import cell_events
from fpgaae.golden.extremes import extreme_event
from fpgaae.golden.reach import reachable_ends
from fpgaae.golden.scores.base import ScoreLayer
from fpgaae.golden.trigger import GoldenTrigger

EDGES_FILE = "edges.npz"
_MEMORY = 2**24  # hardware integers that are remembered, so that wide events stay few
_BUDGET = 250_000  # events that the golden network runs at most, so that large networks take their time, but end
_ROUNDS = 12  # of the search for a code
_PARENTS, _CHILDREN, _PAIRS = 32, 512, 1024  # of a round
_TRIES = 2  # rounds for a code of what the score reads
_MOST_CHANGES = 3  # of a child
_STEPS = 30  # uphill
_PROGRAMS = 16  # linear programs for extremes at most, each of seconds
_RANDOM_EVENTS = 1024
_WIDEST = 10  # bits of a value of which every code is looked for
_OF_LATENTS = frozenset({Reads.LATENTS, Reads.DISTRIBUTION})


class EdgeEvents(NamedTuple):
    """What was found, those at the thresholds first, and by name what was not."""

    hardware: Codes  # (n_events, n_features) words of the ports
    not_reached: tuple[str, ...]  # may be reached by events that the search did not try
    unreachable: tuple[str, ...] = ()  # lies outside of what `reachable_ends` bounds

    def save(self, file: Path) -> None:
        """Write them to an npz file."""
        not_reached, unreachable = (np.array(names, dtype=np.str_) for names in (self.not_reached, self.unreachable))
        np.savez_compressed(file, hardware=self.hardware, not_reached=not_reached, unreachable=unreachable)

    @classmethod
    def load(cls, file: Path) -> EdgeEvents:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        try:
            with np.load(file, allow_pickle=False) as content:
                names = (tuple(str(name) for name in content[key]) for key in ("not_reached", "unreachable"))
                return cls(content["hardware"], *names)
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise InputError(f"{file} holds no events at the edges ({error}); run the stage `convert` again") from None


def edge_events(trigger: GoldenTrigger, known: Codes, seed: int) -> EdgeEvents:
    """Look for events at each threshold, one above and one below, of extreme score, and at every code that it reads.

    Parameters
    ----------
    trigger
        Features, network and thresholds.
    known
        (n_events, n_features) words of the ports from which the search starts, such as those of training events.
    """
    search = _Search(trigger, known, seed)
    chosen: list[int] = []
    missing: list[str] = []
    impossible: list[str] = []
    for name, column, code in search.goals():
        found = search.reach(column, code)
        if found is None:
            missing.append(name)
        else:
            chosen.append(found)
    chosen += [search.extreme(0, sign) for sign in (1, -1)]
    for column, name in enumerate(search.read, start=1):
        for sign in (1, -1):
            chosen.append(search.extreme(column, sign))
        chosen += search.cover(column, chosen)
        if search.go_further(column):
            chosen += search.cover(column, chosen)
        low, high = search.bounds[column]
        unseen = search.unseen(column)
        missing += _ranges(name, [code for code in unseen if low <= code <= high])
        impossible += _ranges(name, [code for code in unseen if not low <= code <= high])
    rows = list(dict.fromkeys(chosen))
    return EdgeEvents(
        np.concatenate([search.events(rows), cell_events(trigger)]), tuple(missing), tuple(impossible)
    )  # fmt: skip


def changed_integers(parents: Codes, low: Codes, high: Codes, n: int, rng: np.random.Generator) -> Codes:
    """Change a few integers of events: by a power of two either way, or to an end of the range, or to zero.

    Parameters
    ----------
    parents
        Words of the ports (n_parents, n_features), of which each of the events comes from one.
    low, high
        The range of each (n_features,).

    Returns
    -------
    Words of n events (n, n_features).
    """
    children = parents[rng.integers(len(parents), size=n)]
    used = np.flatnonzero(high > low)
    for change in range(_MOST_CHANGES):
        rows = np.flatnonzero(rng.integers(_MOST_CHANGES, size=n) >= change)
        places = used[rng.integers(len(used), size=len(rows))]
        ends = np.stack([low[places], high[places], np.zeros_like(low[places])])
        n_bits = np.ceil(np.log2(high[places] - low[places] + 1))
        bits = n_bits * rng.random(len(rows)) ** 2  # small steps more often than large ones
        steps = np.int64(1) << bits.astype(np.int64)
        stepped = children[rows, places] + steps * rng.choice([-1, 1], size=len(rows))
        at_end = ends[rng.integers(3, size=len(rows)), np.arange(len(rows))]
        changed = np.where(rng.random(len(rows)) < 0.8, stepped, at_end)
        children[rows, places] = np.clip(changed, low[places], high[places])
    return children


def _between(start: Codes, end: Codes, rng: np.random.Generator) -> Codes:
    """Give events on a way from one to another, (n_events, n_features), that take over one integer after the other."""
    turns = np.empty(len(start), dtype=np.int64)
    turns[rng.permutation(len(start))] = np.arange(len(start))
    return np.where(turns < np.arange(len(start) + 1)[:, None], end, start)


def _ranges(name: str, codes: list[int]) -> Iterator[str]:
    """Name codes, those that follow each other in one."""
    starts = [i for i, code in enumerate(codes) if i == 0 or code != codes[i - 1] + 1]
    for start, end in zip(starts, [*starts[1:], len(codes)], strict=False):
        first, last = codes[start], codes[end - 1]
        yield f"{name}: code {first}" if first == last else f"{name}: codes {first} to {last}"


class _Search:
    """Events that were run so far, with the values that are watched: the score, what it reads, and of cells the rest.

    Where thresholds follow sums over an event, what lies at the edges is how far the score is above the threshold of
    the event's cell, and each sum.
    """

    def __init__(self, trigger: GoldenTrigger, known: Codes, seed: int) -> None:
        self._trigger = trigger
        features, network = trigger.features, trigger.network
        self._low, self._high = features.port_limits
        score = network.score
        read = score.inputs if isinstance(score, ScoreLayer) and score.score.reads in _OF_LATENTS else ()
        self._watched = [network[name] for name in read if network[name].type.width <= _WIDEST]
        self._places = [(of.name, i) for of in self._watched for i in range(of.size)]
        self.read = [f"{name}[{i}]" for name, i in self._places]
        cell = network.cell
        self._n_columns = 1 + len(self.read) + (0 if cell is None else trigger.accept.size + len(cell.sums))
        self._types = [score.type, *(of.type for of in self._watched for _ in range(of.size))]
        ends = reachable_ends(trigger)
        self.bounds = [score.ends, *(pair for of in self._watched for pair in zip(*ends[of.name], strict=True))]
        self._programs = _PROGRAMS
        self._left = min(_BUDGET, _MEMORY // len(features))
        self._events: list[Codes] = []
        self._values: list[Codes] = []
        self._ends = [0]  # number of events up to each of these parts
        self._seen: list[dict[int, int]] = [{} for _ in range(self._n_columns)]  # code -> the first event that has it
        self._rng = np.random.default_rng([seed, 1 + len(self.read)])
        random = self._rng.integers(self._low, self._high + 1, size=(_RANDOM_EVENTS, len(features)))
        pool = np.concatenate(
            [known.astype(np.int64), random, np.stack([self._low, self._high, features.middle_words])]
        )
        self._run(pool)

    def _run(self, hardware: Codes) -> Codes:
        """Give the watched values of events, and remember them."""
        tensors = self._trigger.run(hardware)
        names = [self._trigger.network.score.name, *(layer.name for layer in self._watched)]
        values = np.concatenate([*(tensors[name].codes for name in names), *self._of_cells(hardware, tensors)], axis=1)
        for column, seen in enumerate(self._seen):
            codes, first = np.unique(values[:, column], return_index=True)
            for code, event in zip(codes.tolist(), first.tolist(), strict=True):
                seen.setdefault(code, self._ends[-1] + event)
        self._events.append(hardware)
        self._values.append(values)
        self._ends.append(self._ends[-1] + len(hardware))
        self._left -= len(hardware)
        return values

    def _of_cells(self, hardware: Codes, tensors: Mapping[str, Tensor]) -> Iterator[Codes]:
        """Give how far each event is above each threshold of its cell, and its sums, where there are cells."""
        network = self._trigger.network
        if network.cell is None:
            return
        cells = tensors[network.cell.name].codes[:, 0]
        yield tensors[network.score.name].codes - self._trigger.accept.by_cell[cells]
        codes = self._trigger.features.codes_of_words(hardware)
        for of in network.cell.sums:
            yield of.sums(codes)[:, None]

    def goals(self) -> Iterator[tuple[str, int, int]]:
        """Name what is looked for around thresholds and edges: the column, and its code."""
        network, thresholds = self._trigger.network, self._trigger.thresholds
        sides = ((0, "at"), (1, "one above"), (-1, "one below"))
        if network.cell is None:
            score = network.score.type
            for index, threshold in enumerate(thresholds.tolist()):
                for step, where in sides:
                    if score.min_code <= threshold + step <= score.max_code:
                        yield f"score {where} threshold {index} (code {threshold + step})", 0, threshold + step
            return
        first = 1 + len(self.read)
        for index in range(len(thresholds)):
            for step, where in sides:
                yield f"score {where} threshold {index} of its cell", first + index, step
        first += len(thresholds)
        for index, of in enumerate(network.cell.sums):
            for edge in of.edges:
                yield f"sum {index} at its edge {edge}", first + index, edge
                yield f"sum {index} one above its edge {edge}", first + index, edge + 1

    def events(self, rows: list[int]) -> Codes:
        """Give events by their numbers."""
        parts = np.searchsorted(self._ends, rows, side="right") - 1
        return np.stack([self._events[part][row - self._ends[part]] for part, row in zip(parts, rows, strict=True)])

    def _nearest(self, column: int, code: int) -> Codes:
        """Give the events whose value is nearest to a code."""
        distance = np.abs(np.concatenate([part[:, column] for part in self._values]) - code)
        return self.events(np.argpartition(distance, min(_PARENTS, len(distance)) - 1)[:_PARENTS].tolist())

    def unseen(self, column: int) -> list[int]:
        """Give the codes of a value's type that no event has."""
        of = self._types[column]
        return [code for code in range(of.min_code, of.max_code + 1) if code not in self._seen[column]]

    def reach(self, column: int, code: int) -> int | None:
        """Give an event whose value has a code, or None."""
        for turn in range(_ROUNDS):
            if code in self._seen[column] or self._left <= 0:
                break
            parents = self._nearest(column, code)
            self._run(self._children(parents))
            self._run(self._pairs(parents[turn % len(parents)], column, code))
        return self._seen[column].get(code)

    def _pairs(self, event: Codes, column: int, code: int) -> Codes:
        """Change two integers of an event so that what each does alone adds up to what is missing, or nearly."""
        near = self._neighbours(event)
        values = self._run(near)[:, column]
        deltas, missing = values - values[0], code - int(values[0])
        place = np.argmax(near != event, axis=1)
        order = np.argsort(deltas, kind="stable")
        at = np.searchsorted(deltas[order], missing - deltas)
        found = []
        for shift in (-2, -1, 0, 1):  # the partners whose sum comes closest, from either side
            partner = order[np.clip(at + shift, 0, len(order) - 1)]
            rows = near.copy()
            rows[np.arange(len(near)), place[partner]] = near[partner, place[partner]]
            distance = np.abs(deltas + deltas[partner] - missing)
            found.append((distance[place != place[partner]], rows[place != place[partner]]))
        distances, rows = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return rows[np.argsort(distances, kind="stable")[:_PAIRS]]

    def _children(self, parents: Codes) -> Codes:
        return changed_integers(parents, self._low, self._high, _CHILDREN, self._rng)

    def extreme(self, column: int, sign: int) -> int:
        """Give the event with the largest value (or the smallest, for a sign of -1) that was found."""
        seen = self._seen[column]
        value = max(seen, key=lambda code: sign * code)
        event = self.events([seen[value]])[0]
        for _ in range(_STEPS):
            if self._left <= 0:
                break
            near = self._neighbours(event)
            gains = sign * (self._run(near)[:, column] - value)
            near = np.concatenate([near, self._all_at_once(event, near, gains)])
            gains = np.concatenate([gains, sign * (self._run(near[len(gains) :])[:, column] - value)])
            best = int(np.argmax(gains))
            if gains[best] <= 0:
                break
            event, value = near[best], value + sign * int(gains[best])
        return seen[value]

    def cover(self, column: int, chosen: list[int]) -> list[int]:
        """Give an event for each code of a value that the chosen events do not have, as far as they are found."""
        seen = self._seen[column]
        for code in range(min(seen), max(seen) + 1):
            for _ in range(_TRIES):
                if code not in seen and self._left > 0:
                    self._run(self._children(self._nearest(column, code)))
        have = set(np.concatenate(self._values)[chosen, column].tolist())
        return [event for code, event in sorted(seen.items()) if code not in have]

    def go_further(self, column: int) -> bool:
        """Run events beyond the codes of a value that were seen, and some on the way there; tell whether any is new."""
        name, place = self._places[column - 1]
        low, high = self.bounds[column]
        before = len(self._seen[column])
        for sign, bound in ((1, high), (-1, low)):
            ends = [sign * code for code in self._seen[column]]
            if max(ends) >= sign * bound or self._left <= 0 or not self._programs:
                continue
            self._programs -= 1
            event = extreme_event(self._trigger, name, place, sign)
            if event is not None:
                (from_there,) = self.events([self._seen[column][sign * max(ends)]])
                self._run(_between(from_there, event, self._rng))
        return len(self._seen[column]) > before

    def _neighbours(self, event: Codes) -> Codes:
        """Give events that differ in one integer: by a power of two either way, at an end of its range, or zero."""
        changed = [event]
        for index, (low, high) in enumerate(zip(self._low.tolist(), self._high.tolist(), strict=True)):
            here = int(event[index])
            steps = [1 << bit for bit in range(int(high - low).bit_length())]
            values = {here + step for step in steps} | {here - step for step in steps} | {low, high, 0}
            for value in sorted(v for v in values if low <= v <= high and v != here):
                row = event.copy()
                row[index] = value
                changed.append(row)
        return np.stack(changed)

    def _all_at_once(self, event: Codes, near: Codes, gains: Codes) -> Codes:
        """Give the event with the best change of each of the 2, 4, 8, ... integers that matter most."""
        place = np.argmax(near != event, axis=1)
        best = {int(place[i]): int(i) for i in np.argsort(gains, kind="stable").tolist() if gains[i] > 0}
        ordered = sorted(best.items(), key=lambda item: -int(gains[item[1]]))
        rows = [event]
        for n in (1 << bit for bit in range(1, len(ordered).bit_length() + 1)):
            row = event.copy()
            for index, change in ordered[:n]:
                row[index] = near[change, index]
            rows.append(row)
        return np.stack(rows)
