"""What `fpgaae export --ip` says of the package that it wrote, and what the run folder keeps of it."""

from __future__ import annotations

from dataclasses import dataclass

PACKAGE_FILE = "package.json"  # in the run folder, of the package that was written last


@dataclass(frozen=True, kw_only=True)
class ExportedIp:
    """A package of the proven Verilog."""

    component: str  # vendor, library, name and version
    files: int  # sources and tables
    vectors: int  # golden events of its simulation
    folder: str


@dataclass(frozen=True, kw_only=True)
class RegisterEntry:
    """A word of the register map."""

    address: str  # in bytes, hexadecimal
    name: str
    writable: bool
    meaning: str


@dataclass(frozen=True, kw_only=True)
class PackageResult:
    """The content of `package.json`: the package that was written last, and its registers."""

    component: str  # vendor, library, name and version
    files: int  # sources and tables
    vectors: int  # golden events of its simulation
    network: str  # hash of network, types and thresholds
    golden: str  # SHA-256 of the golden network that it was made of
    manifest: str  # SHA-256 of the package's manifest.json, which has those of all its files
    registers: tuple[RegisterEntry, ...]
