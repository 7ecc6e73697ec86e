"""The section `place`: the chip on which open tools place and route the block, and the clock that is wanted there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fpgaae.section import Section


class Place(Section):
    """Place and route on a Lattice ECP5."""

    device: Literal["25k", "45k", "85k"] = "85k"  # thousands of LUTs
    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")] | None = None  # None: the largest of the device
    speed: Literal[6, 7, 8] = 8  # 8 is the fastest grade
    clock_mhz: Annotated[float, Field(ge=1, le=400)] = 60.12  # bunch crossings, 40.08 MHz, and half as much again
    seed: Annotated[int, Field(ge=1, lt=2**31)] = 1  # of the placer
    lanes: Annotated[int, Field(ge=1, le=8)] = 8  # pins over which events come in, and as many over which results go
    events: Annotated[int, Field(ge=1, le=10**7)] = 10_000  # that the routed netlist is compared on
