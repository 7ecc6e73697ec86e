"""NAME_registers as cocotb drives it in Icarus: run by `benchmarks.registers`, with a file that says what to do.

The masters of both AXI4-Lite directions go on by themselves: address and data of a write are offered independently,
answers are held up, and a read may be under way with a write. Inputs change at the falling edge; what counts is what
stands on the ports at the rising one.
"""

from __future__ import annotations

import json
import os
import random
from collections import deque
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from benchmarks.register_model import Block, Follower, Operation

PLAN, FOUND = "FPGAAE_REGISTERS_PLAN", "FPGAAE_REGISTERS_FOUND"  # variables that name the files
_RESET_CLOCKS = 3
_PATIENCE = 2000  # clocks behind the last event
_SHARES = (1.0, 0.5, 0.05, 1.0)  # of clocks with an event
_STRETCH = 500  # clocks


class _Ports:
    """The ports of a block, written only where they change."""

    def __init__(self, dut: Any) -> None:  # noqa: ANN401
        self._dut = dut
        self._driven: dict[str, int] = {}

    def drive(self, **values: int) -> None:
        for name, value in values.items():
            if self._driven.get(name) != value:
                getattr(self._dut, name).value = value
                self._driven[name] = value

    def driven(self, name: str) -> int:
        return self._driven[name]

    def read(self, name: str) -> int:
        return int(getattr(self._dut, name).value)


class _Writer:
    """Writes, one after the other; the next may be offered before the answer to the one before."""

    def __init__(self, ports: _Ports, operations: list[Operation], rng: random.Random) -> None:
        self._ports, self._rng, self.left = ports, rng, deque(operations)
        self._address = self._data = False
        self._answer_waits, self._due = False, 0

    def drive(self, clock: int) -> None:
        if self.left and clock >= self.left[0].clock:
            self._address |= self._rng.random() < 0.5
            self._data |= self._rng.random() < 0.5
            own = self.left[0]
            self._ports.drive(s_axi_awaddr=own.address, s_axi_wdata=own.word, s_axi_wstrb=own.strobe)
        ready = int(self._rng.random() < 0.5)
        self._ports.drive(s_axi_awvalid=int(self._address), s_axi_wvalid=int(self._data), s_axi_bready=ready)

    def sample(self) -> Operation | None:
        """Look at the ports; give the write whose handshake is here."""
        answer = self._ports.read("s_axi_bvalid")
        assert answer == self._due, "an answer to no write, or none to one"
        if answer:
            assert self._ports.read("s_axi_bresp") == 0
            self._due -= self._ports.driven("s_axi_bready")
        taken = self._address and self._ports.read("s_axi_awready") == 1
        assert taken == (self._data and self._ports.read("s_axi_wready") == 1), "half of a write is taken"
        if not taken:
            return None
        self._due += 1
        assert self._due == 1, "a write is taken before the answer to the one before it"
        self._address = self._data = False
        return self.left.popleft()

    def reset(self) -> None:
        """Give up what is under way."""
        if self._address or self._data:
            self.left.popleft()
        self._address = self._data = False
        self._due = 0


class _Reader:
    """Reads, one after the other; the next may be offered before the word of the one before is taken."""

    def __init__(self, ports: _Ports, operations: list[Operation], rng: random.Random) -> None:
        self._ports, self._rng, self.left = ports, rng, deque(operations)
        self._address = False
        self._due: deque[tuple[int, int]] = deque()  # address and word
        self.words: dict[int, int] = {}  # the latest of each address
        self.compared = 0

    @property
    def waits(self) -> bool:
        return bool(self._due)

    def drive(self, clock: int) -> None:
        if self.left and clock >= self.left[0].clock:
            self._address |= self._rng.random() < 0.5
            self._ports.drive(s_axi_araddr=self.left[0].address)
        self._ports.drive(s_axi_arvalid=int(self._address), s_axi_rready=int(self._rng.random() < 0.5))

    def sample(self, follower: Follower) -> None:
        """Compare the word that stands there, at each clock until it is taken."""
        there = self._ports.read("s_axi_rvalid")
        assert there == len(self._due), "a word that was not asked for, or none"
        if there:
            address, expected = self._due[0]
            word = self._ports.read("s_axi_rdata")
            assert word == expected, f"0x{address:03x} reads 0x{word:08x} instead of 0x{expected:08x}"
            assert self._ports.read("s_axi_rresp") == 0
            if self._ports.driven("s_axi_rready"):
                self._due.popleft()
                self.words[address] = word
                self.compared += 1
        if self._address and self._ports.read("s_axi_arready"):
            address = self.left.popleft().address
            self._due.append((address, follower.read(address)))
            self._address = False

    def reset(self) -> None:
        """Give up what is under way."""
        if self._address:
            self.left.popleft()
        self._address = False
        self._due.clear()


@cocotb.test
async def registers_change_thresholds_in_a_running_stream(dut: Any) -> None:  # noqa: ANN401
    """Follow a stream with gaps and resets, while thresholds are loaded and put in force and counters read."""
    plan = json.loads(Path(os.environ[PLAN]).read_text(encoding="utf-8"))
    block, rng = Block(*plan["block"]), random.Random(plan["seed"])
    operations = [Operation(*entry) for entry in plan["operations"]]
    resets, n_clocks = set(plan["resets"]), plan["clocks"]
    follower, ports = Follower(block), _Ports(dut)
    writer = _Writer(ports, [own for own in operations if own.write], rng)
    reader = _Reader(ports, [own for own in operations if not own.write], rng)
    Clock(dut.aclk, 10, "ns").start()
    clock, held, share = 0, _RESET_CLOCKS, 1.0
    ports.drive(in_objects=0)
    while clock < n_clocks or writer.left or reader.left or reader.waits:
        assert clock < n_clocks + _PATIENCE, "operations do not end"
        if clock in resets:
            held = rng.randint(1, _RESET_CLOCKS)
        if held:
            writer.reset()
            reader.reset()
        if clock % _STRETCH == 0:
            share = rng.choice(_SHARES)
        event = rng.randrange(len(block.words)) if clock < n_clocks and rng.random() < share else None
        if event is not None:
            ports.drive(in_objects=block.words[event])
        ports.drive(aresetn=int(not held), in_valid=int(event is not None))
        writer.drive(-1 if held else clock)
        reader.drive(-1 if held else clock)
        await RisingEdge(dut.aclk)
        write = None
        if clock:  # before the first edge nothing is known
            is_there = ports.read("out_valid")
            out = [is_there, ports.read("out_score"), ports.read("out_accept")] if is_there else [0]
            if not held:
                write = writer.sample()
                reader.sample(follower)
            said = follower.edge(out, event, write, resets=bool(held))
            assert said is None, said
        else:
            follower.edge((), None, None, resets=True)
        held = max(held - 1, 0)
        clock += 1
        await FallingEdge(dut.aclk)
    found = {
        "clocks": clock, "events": follower.received, "accepted": follower.accepted, "saturated": follower.saturated,
        "commits": follower.commits, "words": reader.compared, "registers": reader.words,
    }  # fmt: skip
    Path(os.environ[FOUND]).write_text(json.dumps(found), encoding="utf-8")
