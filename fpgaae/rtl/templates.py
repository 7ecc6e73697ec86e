"""Hand-written sources of `firmware/rtl`, and those among them that have placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path


def wrapper_text(template: str, values: Mapping[str, object]) -> str:
    """Fill the placeholders of a hand-written module in `firmware/rtl`."""
    text = firmware_rtl(template).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def firmware_rtl(name: str) -> Path:
    """Give the path of a hand-written source."""
    return Path(str(resources.files("fpgaae_firmware") / "rtl" / name))
