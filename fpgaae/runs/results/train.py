"""What the stage `train` writes, `train.json`: of a training, of rounding the reference, of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.imported import ImportedFrom

WHOLE = "whole"  # network, among the layers of `sparsity`


@dataclass(frozen=True, kw_only=True)
class WidthEntry:
    """The width of a quantizer; integer bits without the sign."""

    bits: int
    integer_bits: int


@dataclass(frozen=True, kw_only=True)
class WidthEntries:
    """Every quantizer of a network, by layer name."""

    inputs: WidthEntry
    weights: Mapping[str, WidthEntry]
    activations: Mapping[str, WidthEntry]
    score_table_fraction_bits: int
    biases: Mapping[str, WidthEntry] | None = None  # where they are not those of the weights


@dataclass(frozen=True, kw_only=True)
class RoundingError:
    """How far a quantizer's values are from those that it stands for."""

    type: str
    rms: float
    sqnr_db: float | None  # None where there is no noise, or no signal
    saturated: float


@dataclass(frozen=True, kw_only=True)
class EmbeddingTraining:
    """The quantized training of an embedding, before that of its autoencoder."""

    loss: tuple[float, ...]  # by epoch: the mean squared difference from the float embedding
    val_losses: tuple[float, ...]  # by epoch


@dataclass(frozen=True, kw_only=True)
class FrontEpoch:
    """An epoch of a training that learns its widths which no earlier or later one beats in both figures."""

    epoch: int  # 1 the first
    val_loss: float
    digits: int  # non-zero signed digits of all weights, each about an adder


@dataclass(frozen=True, kw_only=True)
class LearnedDigits:
    """What a training that learns the bits of every weight gave."""

    epoch: int  # that was taken, 1 the first
    digits: Mapping[str, int]  # of it, by layer, and of the whole
    front: tuple[FrontEpoch, ...]  # from few digits to many


@dataclass(frozen=True, kw_only=True)
class TrainResult(StageResult):
    """The quantized network."""

    STAGE: ClassVar[str] = "train"

    epochs: int
    loss: tuple[float, ...]  # by epoch
    val_loss: float
    val_losses: tuple[float, ...]  # by epoch
    events_per_second: float | None
    sparsity: Mapping[str, float]  # by layer, and of the whole
    weights_bits: Mapping[str, int]  # by layer
    widths: WidthEntries | None  # None of a model that was taken as it is
    imported: ImportedFrom | None = None
    quantization_error: Mapping[str, RoundingError] | None = None  # by quantizer, where it was not trained
    warnings: tuple[str, ...] = ()
    embedding: EmbeddingTraining | None = None  # of a model with an embedding; the losses above are its autoencoder's
    learned: LearnedDigits | None = None  # of a training that learns its widths

    @property
    def whole_sparsity(self) -> float:
        """The share of the weights that are zero."""
        return self.sparsity[WHOLE]
