"""What the stage `import` writes, `import.json`, and what the stages behind it say of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpgaae.runs.results.base import StageResult


@dataclass(frozen=True, kw_only=True)
class ImportedFrom:
    """The model file that a result was made from."""

    file: str
    sha256: str
    kind: str  # "qkeras", "float", "qonnx" (with Quant nodes) or "onnx"
    taken_as_it_is: bool


@dataclass(frozen=True, kw_only=True)
class ImportedLayer:
    """A layer of the model file."""

    name: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class ImportedTwin:
    """How far the network that was rebuilt is from what Keras (or ONNX) computes with the file itself."""

    events: int  # real, random and extreme ones
    largest_difference: float
    largest_value: float
    layers: tuple[str, ...]  # of the file, that were compared


@dataclass(frozen=True, kw_only=True)
class ImportResult(StageResult):
    """A model file that was checked and copied."""

    STAGE: ClassVar[str] = "import"

    file: str
    sha256: str
    quantize: bool
    kind: str  # "qkeras", "float", "qonnx" (with Quant nodes) or "onnx"
    taken_as_it_is: bool
    layers: tuple[ImportedLayer, ...]
    replaces: str | None  # the file that was imported before
    twin: ImportedTwin | None = None  # None in results of older versions
    encoder: bool = False  # cut at the bottleneck
    outputs: tuple[str, ...] = ()  # the layers that it was cut behind
    keep_db: float | None = None  # signal to noise for which the smallest widths are searched
    weights: str | None = None  # the file with the weights of an architecture
    weights_sha256: str | None = None
