"""Hand-written sources of `firmware/rtl`, and those among them that have placeholders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from fpgaae.rtl.design import Design

_OF_LATENTS = re.compile(r"@LATENTS\{(.*?)\}@", re.DOTALL)


def port_values(design: Design) -> dict[str, object]:
    """Give what stands in the sources for the ports of a block."""
    return {
        "PROJECT": design.name,
        "INPUT_BITS": design.input_bits,
        "SCORE_BITS": design.score.width,
        "N_ACCEPT": design.n_thresholds,
        "LATENTS_BITS": design.output_bits.get("latents", 0),
        "N_LATENTS": design.n_latents,
        "LATENTS_TYPE": design.latents,
        "RESULT_BITS": design.result_bits,
        "LATENCY": design.latency_cycles,
    }


def wrapper_text(template: str, values: Mapping[str, object]) -> str:
    """Fill the placeholders of a hand-written module in `firmware/rtl`: see `filled`."""
    return filled(firmware_rtl(template).read_text(encoding="utf-8"), values)


def filled(text: str, values: Mapping[str, object]) -> str:
    """Put values in the place of `@KEYS@`; what stands in `@LATENTS{...}@` stays where N_LATENTS is more than 0."""
    text = _OF_LATENTS.sub(r"\1" if values.get("N_LATENTS") else "", text)
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def firmware_rtl(name: str) -> Path:
    """Give the path of a hand-written source."""
    return Path(str(resources.files("fpgaae_firmware") / "rtl" / name))
