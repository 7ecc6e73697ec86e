"""The protocols of the stream wrappers, as cocotb drives them in Icarus: run by `test_wrappers.py`, not by pytest.

The trigger block behind the wrapper is a stand-in: what comes out is what went in and 3, LATENCY clocks later. Inputs
change at the falling edge; what counts is what stands on the ports at the rising one.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

_CLOCKS = 1200
_RESET_EVERY, _RESET_CLOCKS = 250, 6


def _expected(objects: int) -> int:
    """Give the result of an event as the ports carry it: score in 14 bits, then two decisions."""
    return ((objects & 3) << 14) | ((objects + 3) & 0x3FFF)


async def _start(clock: Any, reset: Any, active: int) -> None:  # noqa: ANN401
    """Start the clock and hold the reset for some clocks."""
    Clock(clock, 10, "ns").start()
    reset.value = active
    for _ in range(4):
        await FallingEdge(clock)
    reset.value = 1 - active


class _Stream:
    """Drives an AXI wrapper at random and compares what comes out with a queue of what went in."""

    def __init__(self, dut: Any, seed: int) -> None:  # noqa: ANN401
        self.dut = dut
        self.random = random.Random(seed)
        self.queue: deque[tuple[int, int]] = deque()
        self.received = self.taken = self.counter = 0
        self.offer: tuple[int, int] | None = None  # that waits for the receiver

    def drive(self, share_in: float, share_out: float) -> None:
        """Set the inputs for the next rising edge; an event that was offered and not taken stays as it is."""
        dut = self.dut
        if not (int(dut.s_axis_tvalid.value) and not self.was_taken):
            dut.s_axis_tvalid.value = int(self.random.random() < share_in)
            self.counter = (self.counter + 1) % (1 << 13)
            dut.s_axis_tdata.value = self.counter | (5 << 13)  # the bits above are not part of the event
            dut.s_axis_tlast.value = self.random.getrandbits(1)
        dut.m_axis_tready.value = int(self.random.random() < share_out)

    def sample(self) -> None:
        """Look at the ports at a rising edge."""
        dut = self.dut
        offered, result = int(dut.m_axis_tvalid.value), None
        if offered:
            result = int(dut.m_axis_tdata.value), int(dut.m_axis_tlast.value)
        assert self.offer in {None, result}, "an offer was changed or taken back"
        if offered and int(dut.m_axis_tready.value):
            assert self.queue, "a result that no event asked for"
            assert result == self.queue.popleft(), "a wrong result, or one out of order"
            self.received += 1
            self.offer = None
        else:
            self.offer = result
        self.was_taken = bool(int(dut.s_axis_tvalid.value) and int(dut.s_axis_tready.value))
        if self.was_taken:
            objects = int(dut.s_axis_tdata.value) & 0x1FFF
            self.queue.append((_expected(objects), int(dut.s_axis_tlast.value)))
            self.taken += 1

    async def start(self) -> None:
        """Reset, with nothing offered."""
        self.was_taken = True
        self.dut.s_axis_tvalid.value = 0
        self.dut.s_axis_tdata.value = 0
        self.dut.s_axis_tlast.value = 0
        self.dut.m_axis_tready.value = 0
        await _start(self.dut.aclk, self.dut.aresetn, 0)

    async def run(self, clocks: int, share_in: float, share_out: float) -> None:
        """Go on for some clocks."""
        for _ in range(clocks):
            self.drive(share_in, share_out)
            await RisingEdge(self.dut.aclk)
            self.sample()
            await FallingEdge(self.dut.aclk)

    async def drain(self) -> None:
        """Take all that is still to come."""
        await self.run(40, 0, 1)
        assert not self.queue, f"{len(self.queue)} events were lost"
        assert self.received == self.taken

    async def reset(self) -> None:
        """Forget every event under way; nothing may be taken or offered meanwhile."""
        self.dut.aresetn.value = 0
        for clock in range(_RESET_CLOCKS):
            await RisingEdge(self.dut.aclk)
            assert not int(self.dut.s_axis_tready.value), "an event is taken in reset"
            assert not (clock and int(self.dut.m_axis_tvalid.value)), "a result is offered in reset"
            await FallingEdge(self.dut.aclk)
        self.dut.aresetn.value = 1
        self.received = self.taken = 0
        self.queue.clear()
        self.offer, self.was_taken = None, False


@cocotb.test
@cocotb.parametrize(rates=[(1.0, 1.0, 0.98), (0.4, 1.0, 0.36), (1.0, 0.4, 0.36), (0.6, 0.6, 0.5), (0.95, 0.05, 0.03)])
async def axis_keeps_every_event_in_order(dut: Any, rates: tuple[float, float, float]) -> None:  # noqa: ANN401
    """An event a clock, gaps, back-pressure, both, and a receiver that hardly ever takes one."""
    share_in, share_out, least = rates
    stream = _Stream(dut, seed=1)
    await stream.start()
    await stream.run(_CLOCKS, share_in, share_out)
    assert stream.received > least * _CLOCKS - 20, f"{stream.received} results in {_CLOCKS} clocks"
    await stream.drain()


@cocotb.test
async def axis_takes_no_more_than_it_can_hold(dut: Any) -> None:  # noqa: ANN401
    """While nothing is taken out, as many events go in as there are places; none of them is lost."""
    stream = _Stream(dut, seed=2)
    await stream.start()
    await stream.run(60, 1, 0)
    assert stream.taken == 1 << int(dut.DEPTH_BITS.value)
    assert not int(dut.s_axis_tready.value)
    await stream.drain()


@cocotb.test
async def axis_forgets_events_under_way_in_a_reset(dut: Any) -> None:  # noqa: ANN401
    """Resets in mid-stream; behind each, nothing old comes out and all places are free again."""
    stream = _Stream(dut, seed=3)
    await stream.start()
    for _ in range(5):
        await stream.run(_RESET_EVERY, 0.9, 0.6)
        await stream.reset()
        await stream.run(60, 1, 0)
        assert stream.taken == 1 << int(dut.DEPTH_BITS.value), "places are still promised to events before the reset"
    await stream.drain()


@cocotb.test
@cocotb.parametrize(share_in=[1.0, 0.4], with_reset=[False, True])
async def valid_goes_with_its_event(dut: Any, share_in: float, with_reset: bool) -> None:  # noqa: ANN401
    """Each event comes out LATENCY clocks after the edge that takes it, but for those that a reset forgets."""
    latency = int(dut.LATENCY.value)
    source = random.Random(4)
    under_way: deque[int | None] = deque([None] * latency)
    dut.in_valid.value = 0
    dut.in_objects.value = 0
    await _start(dut.clk, dut.reset, 1)
    for clock in range(_CLOCKS):
        resets = with_reset and clock % _RESET_EVERY >= _RESET_EVERY - _RESET_CLOCKS
        valid, objects = source.random() < share_in, source.getrandbits(13)
        dut.reset.value, dut.in_valid.value, dut.in_objects.value = int(resets), int(valid), objects
        await RisingEdge(dut.clk)
        due = under_way.popleft()
        assert int(dut.out_valid.value) == (due is not None), f"clock {clock}: valid is wrong"
        if due is not None:
            found = (int(dut.out_accept.value) << 14) | int(dut.out_score.value)
            assert found == _expected(due), f"clock {clock}: a wrong result"
        under_way.append(objects if valid else None)
        if resets:
            under_way = deque([None] * latency)
        await FallingEdge(dut.clk)
