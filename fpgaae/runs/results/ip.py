"""What `fpgaae export --ip` says of the package that it wrote."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExportedIp:
    """A package of the proven Verilog."""

    component: str  # vendor, library, name and version
    files: int  # sources and tables
    vectors: int  # golden events of its simulation
    folder: str
