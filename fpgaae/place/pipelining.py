"""The traced logic cut into stages of so many adders, and each placed and routed in the harness (needs da4ml)."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from da4ml.cmvm.types import CombLogic, Pipeline

from fpgaae.config.experiment import Config
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.place.harness import harness_text
from fpgaae.place.layers import layers_of_operations
from fpgaae.place.programs import Programs
from fpgaae.place.route import HARNESS_FILE, LayerOf, Routed, route
from fpgaae.rtl.design import LOGIC_FILE, VERILOG_FOLDER, Design
from fpgaae.rtl.project import cut_into_stages, write_rtl
from fpgaae.rtl.trace import Traced
from fpgaae.runs.results.place import Attempt


@dataclass(frozen=True)
class Placed:
    """A project that was placed and routed."""

    project: Path
    design: Design
    routed: Routed
    depth: int  # adders, at most, between two registers
    seconds: float
    layer_of: LayerOf

    @property
    def attempt(self) -> Attempt:
        """What it reached."""
        return Attempt(
            depth=self.depth,
            stages=self.design.stages,
            latency_cycles=self.design.latency_cycles,
            latency_ns=round(1000 * self.design.latency_cycles / self.routed.clock_mhz, 1),
            clock_mhz=self.routed.clock_mhz,
            lut=self.routed.lut,
            ff=self.routed.ff,
            seconds=self.seconds,
        )


class Placer:
    """Places and routes a traced block.

    Parameters
    ----------
    trace
        The folder of the stage `trace`.
    """

    def __init__(self, config: Config, programs: Programs, trigger: GoldenTrigger, trace: Path) -> None:
        self._config, self._programs, self._trigger = config, programs, trigger
        self._traced = Traced.of(CombLogic.load(trace / LOGIC_FILE), trigger)

    def place(self, depth: int, project: Path, clock_mhz: float) -> Placed:
        """Cut, write, place and route into a folder, which is emptied before.

        Raises
        ------
        CheckFailed
            If a program fails: the design does not fit the chip.
        """
        started = time.perf_counter()
        shutil.rmtree(project, ignore_errors=True)
        project.mkdir(parents=True)
        block = cut_into_stages(self._traced, depth, three_inputs=False)  # an ECP5 has no adders of three values
        design = write_rtl(block, self._config.firmware, project)
        place = self._config.place.model_copy(update={"clock_mhz": clock_mhz})
        (project / VERILOG_FOLDER / HARNESS_FILE).write_text(harness_text(design, place.lanes), encoding="utf-8")
        layer_of = _namer(self._trigger, block.pipeline)
        routed = route(self._programs, project, top_of(design), place, layer_of)
        return Placed(project, design, routed, depth, round(time.perf_counter() - started, 1), layer_of)


def top_of(design: Design) -> str:
    """Name the module that is placed."""
    return f"{design.name}_harness"


def _namer(trigger: GoldenTrigger, pipeline: Pipeline) -> LayerOf:
    """Give what names the layer of an operation of a stage."""
    layers = layers_of_operations(trigger, pipeline)

    def layer_of(stage: int, operation: int) -> str | None:
        return layers[stage][operation]

    return layer_of
