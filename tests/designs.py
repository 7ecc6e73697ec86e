"""Written RTL projects of small networks, and how to damage them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from da4ml.cmvm.types import Pipeline

from fpgaae.config.experiment import Firmware
from fpgaae.data.features import FeatureMap
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.design import Design
from fpgaae.rtl.project import cut_into_stages, write_rtl
from fpgaae.rtl.trace import trace_trigger

_FIRMWARE = Firmware(clock_ns=3.0)


class Written(NamedTuple):
    """A small network and its RTL project."""

    network: IntegerNetwork
    features: FeatureMap
    project: Path
    design: Design
    pipeline: Pipeline


def write_design(network: IntegerNetwork, features: FeatureMap, project: Path) -> Written:
    """Trace a network and write its project."""
    traced = trace_trigger(GoldenTrigger(features, network))
    block = cut_into_stages(traced, _FIRMWARE.clock_ns, three_inputs=_FIRMWARE.three_input_adders)
    return Written(network, features, project, write_rtl(block, _FIRMWARE, project), block.pipeline)


def replace_once(file: Path, pattern: str, new: str | Callable[[re.Match[str]], str]) -> None:
    """Change the first place of a source that matches; there must be one."""
    text, count = re.subn(pattern, new, file.read_text(), count=1)
    assert count == 1, f"{file} has no {pattern}"
    file.write_text(text)
