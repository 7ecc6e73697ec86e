"""What hls4ml is told besides the model: the settings that `convert` passes on and `lint` judges.

They stand here once, so that the rules look at what is truly used. Nothing here imports hls4ml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fpgaae.config.experiment import Firmware


@dataclass(frozen=True)
class Conversion:
    """The settings of one conversion; all but those of `Firmware` have the values that give zero mismatches."""

    backend: str = "Vitis"
    io_type: str = "io_parallel"
    strategy: str = "latency"
    reuse_factor: int = 1
    bit_exact: bool | None = True  # None leaves the choice to hls4ml, which leaves the flow out for QKeras
    granularity: str = "name"
    max_precision: str | None = None  # widest type that hls4ml may infer
    reloadable_weights: bool = False
    accumulators: Mapping[str, str] = field(default_factory=dict)  # layer -> type of its sums, instead of the derived

    @classmethod
    def of(cls, firmware: Firmware) -> Conversion:
        """Give the settings for the firmware section of an experiment."""
        return cls(
            firmware.backend, firmware.io_type, firmware.strategy, firmware.reuse_factor,
            reloadable_weights=firmware.reloadable_weights,
        )  # fmt: skip

    @property
    def is_stream(self) -> bool:
        """Whether values come one after another."""
        return self.io_type == "io_stream"
