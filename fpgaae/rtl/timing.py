"""What a simulation showed of time: the clocks of the design, whether events were lost, and seconds of this machine."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes


@dataclass
class Timing:
    """What was seen so far."""

    latency_cycles: set[int] = field(default_factory=set)
    most_clocks_between: int = 1
    lost_events: int = 0
    seconds: float = 0.0

    def add(self, n_events: int, clocks: Codes) -> None:
        """Add events that went in on consecutive clocks, and the clocks behind which their results came.

        Raises
        ------
        CheckFailed
            If nothing came out.
        """
        self.lost_events += n_events - len(clocks)
        if not len(clocks):
            raise CheckFailed(
                "the simulated design gave no result at all; correct the sources in the project of `trace`"
            )
        self.latency_cycles.add(int(clocks[0]))
        self.most_clocks_between = max(self.most_clocks_between, int(np.diff(clocks).max(initial=1)))

    def merge(self, other: Timing) -> None:
        """Add what was seen of other events."""
        self.latency_cycles |= other.latency_cycles
        self.most_clocks_between = max(self.most_clocks_between, other.most_clocks_between)
        self.lost_events += other.lost_events
        self.seconds += other.seconds

    def failure(self, settling: int | None) -> str | None:
        """Say what is wrong, or None.

        Parameters
        ----------
        settling
            The latency of the data, where it could be measured.
        """
        latencies = sorted(self.latency_cycles)
        if self.lost_events:
            return f"{self.lost_events:,} events went into the design and did not come out; correct its valid bit"
        if len(latencies) != 1:
            return f"the latency of the design is not always the same: {latencies} clocks"
        if settling not in {None, latencies[0]}:
            return f"the valid bit takes {latencies[0]} clocks through the design, its data {settling}"
        if self.most_clocks_between > 1:
            return f"results come up to {self.most_clocks_between} clocks apart, although an event a clock went in"
        return None
