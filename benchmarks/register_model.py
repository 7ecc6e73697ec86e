"""What the registers of a deployed block hold and what comes out of it, clock by clock; and operations at random.

Written from `docs/deploy.md`, not from the Verilog, which is compared with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.design import Design
from fpgaae.rtl.registers import (
    CLEAR,
    COMMIT,
    CONTROL,
    COUNTERS,
    ENABLE,
    HASH,
    IN_FORCE,
    MAP_VERSION,
    SNAPSHOT,
    THRESHOLDS,
    register_map,
)

NETWORK_HASH = "0123456789abcdef" * 4
_NO_REGISTER = 0xFFC
_ENABLED = 0.9  # share of the writes to CONTROL
_N_BEFORE_ACCEPTS = 3  # counters of events, saturated scores, saturated inputs


class Operation(NamedTuple):
    """A write, or a read (write = 0), that begins at a clock or later."""

    write: int
    address: int
    word: int = 0
    strobe: int = 15
    clock: int = 0


class Block(NamedTuple):
    """What must be known of a block to follow it: by event of a pool its words as one number, and the golden answer."""

    words: tuple[int, ...]  # in_objects
    scores: tuple[int, ...]
    saturated: tuple[bool, ...]  # whether an input of it is
    trained: tuple[int, ...]  # thresholds
    score_bits: int
    latency: int  # of the block without registers, in clocks


def block_of(trigger: GoldenTrigger, design: Design, events: Codes) -> Block:
    """Give what the golden network says of a pool of events, (n_events, n_features) words."""
    packed, low = np.zeros(len(events), dtype=object), 0
    for place, kind in enumerate(design.inputs):
        packed += (events[:, place].astype(object) & ((1 << kind.width) - 1)) * (1 << low)
        low += kind.width
    return Block(
        tuple(packed.tolist()), tuple(trigger.scores(events).tolist()),
        tuple(trigger.saturated_inputs(events).tolist()), tuple(trigger.thresholds_for_all("the block")),
        design.score.width, design.latency_cycles,
    )  # fmt: skip


def random_operations(rng: np.random.Generator, block: Block, n: int, n_clocks: int) -> list[Operation]:
    """Give loads of thresholds, whole or in part, commits, counters, and reads of every register."""
    n_thresholds, scores = len(block.trained), np.array(block.scores)
    addresses = [register.address for register in register_map(n_thresholds)]
    found = []
    for clock in np.sort(rng.integers(0, n_clocks - 200, n)).tolist():
        kind = rng.integers(6)
        if kind == 0:
            address = THRESHOLDS + 8 * int(rng.integers(n_thresholds))
            code = max(int(rng.choice(scores)) + int(rng.integers(-1, 2)), 0)
            found.append(Operation(1, address, code & 0xFFFFFFFF, 15, clock))
        elif kind == 1:
            word, strobe = int(rng.choice([int(rng.choice(scores)), int(rng.integers(1 << 32))])), int(rng.integers(16))
            found.append(Operation(1, int(rng.choice(addresses)), word & 0xFFFFFFFF, strobe, clock))
        elif kind == 2:
            bits = int(rng.choice([COMMIT, SNAPSHOT, CLEAR, SNAPSHOT | CLEAR, COMMIT | SNAPSHOT | CLEAR]))
            found.append(Operation(1, CONTROL, bits | (ENABLE if rng.random() < _ENABLED else 0), 15, clock))
        elif kind == 3:
            counter = int(rng.integers(_N_BEFORE_ACCEPTS + n_thresholds))
            found.append(Operation(0, COUNTERS + 8 * counter, clock=clock))
        else:
            found.append(Operation(0, int(rng.choice([*addresses, _NO_REGISTER])), clock=clock))
    return found


class Registers:
    """What the registers hold, clock by clock."""

    def __init__(self, block: Block) -> None:
        self._trained, self._largest = list(block.trained), (1 << block.score_bits) - 1
        self._sizes = (block.latency + 1) << 24 | block.score_bits << 16 | len(block.trained)
        self.reset()

    def reset(self) -> None:
        """Take the trained thresholds, and count from 0."""
        self.enable, self.loaded, self.in_force = 1, list(self._trained), list(self._trained)
        self.counters = [0] * (_N_BEFORE_ACCEPTS + len(self._trained))
        self.snapshot = list(self.counters)

    def read(self, address: int) -> int:
        """Give the word at an address."""
        if HASH <= address < HASH + 32:
            return int(NETWORK_HASH, 16) >> 8 * (address - HASH) & 0xFFFFFFFF
        for base, values in ((COUNTERS, self.snapshot), (THRESHOLDS, self.loaded), (IN_FORCE, self.in_force)):
            if base <= address < base + 8 * len(values):
                return values[(address - base) // 8] >> 32 * (address % 8 // 4) & 0xFFFFFFFF
        return {0: 0x46504145, 4: MAP_VERSION, CONTROL: self.enable, 12: self._sizes}.get(address, 0)

    def step(self, score: int | None, saturated: bool, write: Operation | None) -> list[int]:
        """Go on by a clock edge; give the accept bits of an event that is there."""
        above = [int(score is not None and score > code) for code in self.in_force]
        accept = [bit & self.enable for bit in above]
        counts = score is not None and self.enable == 1
        control = write.word if write and write.address == CONTROL and write.strobe & 1 else None
        if control is not None and control & SNAPSHOT:
            self.snapshot = list(self.counters)
        if control is not None and control & CLEAR:
            self.counters = [0] * len(self.counters)
        if counts:
            for place, one in enumerate([1, int(score == self._largest), int(saturated), *above]):
                self.counters[place] += one
        if control is not None:
            self.in_force = list(self.loaded) if control & COMMIT else self.in_force
            self.enable = control & ENABLE
        if write and THRESHOLDS <= write.address < THRESHOLDS + 8 * len(self.loaded):
            self._load(write)
        return accept

    def _load(self, write: Operation) -> None:
        place, high = (write.address - THRESHOLDS) // 8, 32 * (write.address % 8 // 4)
        mask = sum(0xFF << 8 * byte for byte in range(4) if write.strobe >> byte & 1) << high
        self.loaded[place] = self.loaded[place] & ~mask | (write.word << high) & mask


class Follower:
    """Follows a block at each rising edge, and says what differs first."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self.registers = Registers(block)
        self._under_way: deque[int | None] = deque([None] * block.latency)
        self._due: tuple[int, list[int]] | None = None
        self._is_known = False  # what comes out: only behind the first reset
        self.clock = self.received = self.commits = self.accepted = self.saturated = 0

    def read(self, address: int) -> int:
        """Give the word that a read gets whose handshake is at this edge; to be asked before `edge`."""
        return self.registers.read(address)

    def edge(self, out: Sequence[int], event: int | None, write: Operation | None, *, resets: bool) -> str | None:
        """Go on by a clock edge; give what is wrong in front of it, or None.

        Parameters
        ----------
        out
            out_valid, out_score, out_accept as they stand in front of the edge.
        event
            The one of the pool that goes in at it.
        write
            Whose handshake is at it.
        """
        said = self._differs(out) if self._is_known else None
        self.clock += 1
        if resets:
            self.registers.reset()
            self._under_way = deque([None] * self._block.latency)
            self._due, self._is_known = None, True
            return said
        there = self._under_way.popleft()
        self._under_way.append(event)
        score = None if there is None else self._block.scores[there]
        saturated = there is not None and self._block.saturated[there]
        accept = self.registers.step(score, saturated, write)
        self._due = None if score is None else (score, accept)
        self.saturated += saturated
        self.commits += bool(write and write.address == CONTROL and write.strobe & 1 and write.word & COMMIT)
        return said

    def _differs(self, out: Sequence[int]) -> str | None:
        if self._due is None:
            return f"clock {self.clock}: a result, where none is due" if out[0] else None
        score, accept = self._due
        expected = (1, score, sum(bit << place for place, bit in enumerate(accept)))
        if tuple(out) != expected:
            return f"clock {self.clock}: (valid, score, accept) is {tuple(out)} instead of {expected}"
        self.received += 1
        self.accepted += any(accept)
        return None
