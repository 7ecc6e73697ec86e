"""The few pins of the placed block: how events go in over them and results come out, clock by clock."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.fixedpoint import Codes
from fpgaae.rtl.design import Design
from fpgaae.rtl.templates import port_values, wrapper_text

Pins = NDArray[np.uint8]  # (n_clocks,)


class Schedule(NamedTuple):
    """What the pins have at each rising edge, and behind which edge the first group of each result is out."""

    inputs: Pins
    load: Pins
    results: Codes  # (n_events,) clocks


def harness_text(design: Design, lanes: int) -> str:
    """Write `harness.v` for a block."""
    return wrapper_text("harness.v", port_values(design) | {"LANES": lanes})


class Harness:
    """The protocol of `harness.v` for a block.

    Parameters
    ----------
    lanes
        Pins over which events come in, and as many over which results go out.
    """

    def __init__(self, design: Design, lanes: int) -> None:
        self._design = design
        self._lanes = lanes
        self._n_in = -(-design.input_bits // lanes)
        self._n_out = -(-design.result_bits // lanes)

    def schedule(self, hardware: Codes) -> Schedule:
        """Say what the pins must have for events, (n_events, n_features) words of the ports."""
        n, period = len(hardware), max(self._n_in, self._n_out)
        bits = np.zeros((n, period * self._lanes), dtype=np.uint8)  # the lowest first
        low = 0
        for place, kind in enumerate(self._design.inputs):
            at = np.arange(kind.width)
            bits[:, low : low + kind.width] = (hardware[:, place, None] >> at) & 1
            low += kind.width
        groups = np.packbits(bits.reshape(n, period, self._lanes), axis=2, bitorder="little")[:, ::-1, 0]
        complete = period * np.arange(1, n + 1) - 1  # the edge that takes the last group of an event
        results = complete + self._design.latency_cycles + 1
        n_clocks = int(results[-1]) + self._n_out if n else 0
        inputs, load = np.zeros(n_clocks, dtype=np.uint8), np.zeros(n_clocks, dtype=np.uint8)
        inputs[: n * period] = groups.reshape(-1)
        load[results] = 1
        return Schedule(inputs, load, results)

    def codes(self, outputs: Pins, results: Codes) -> Codes:
        """Give (n_events, n_results): the codes of score, decisions, and latents of a port."""
        groups = outputs[results[:, None] + np.arange(self._n_out)][:, ::-1]
        bits = np.unpackbits(groups[..., None], axis=2, bitorder="little")[..., : self._lanes].reshape(len(groups), -1)
        codes, low = np.zeros((len(groups), len(self._design.results)), dtype=np.int64), 0
        for place, kind in enumerate(self._design.results):
            weights = 1 << np.arange(kind.width, dtype=np.int64)
            if kind.signed:
                weights[-1] *= -1
            codes[:, place] = bits[:, low : low + kind.width].astype(np.int64) @ weights
            low += kind.width
        return codes
