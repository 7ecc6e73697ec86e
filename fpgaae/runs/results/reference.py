"""What the stage `reference` writes, `reference.json`: of a training, of weights taken elsewhere, of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fpgaae.files import Json
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.imported import ImportedFrom


class ReferenceResult(StageResult):
    """The float network; one of the forms below."""

    STAGE: ClassVar[str] = "reference"

    @classmethod
    def form(cls, content: Json) -> type[ReferenceResult]:
        """Say which form the content of a result file has."""
        telling = {"method": MethodReference, "imported": ImportedReference, "weights_of": TakenReference}
        return next((form for key, form in telling.items() if key in content), TrainedReference)


@dataclass(frozen=True, kw_only=True)
class TeacherTraining:
    """The training of a student's teacher."""

    epochs: int
    loss: tuple[float, ...]  # by epoch
    val_loss: float
    val_losses: tuple[float, ...]  # by epoch
    events_per_second: float
    weights: int


@dataclass(frozen=True, kw_only=True)
class FinishedTeacher:
    """A score of a finished float method that a student learned."""

    weights_of: str  # the method's config
    method: str
    score: str
    members: tuple[int, ...]  # of its ensemble, counted from 0, whose mean is the score
    seeds: tuple[int, ...]  # of these members
    weights: int  # of these members together
    sha256: str  # of the file that the members were read from
    centre: float = 0.0  # what is subtracted from the mean before it is divided by the unit
    unit: float = 1.0


@dataclass(frozen=True, kw_only=True)
class RateEntry:
    """-log of the share of the background whose score is as large (see `fpgaae.models.target`)."""

    scores: tuple[float, ...]
    grades: tuple[float, ...]
    slope: float  # beyond the largest score


@dataclass(frozen=True, kw_only=True)
class TargetOfScores:
    """The map from a teacher's score to what its student learns (see `fpgaae.models.target`)."""

    low: float
    high: float
    scale: float
    kind: str = "logarithm"
    rates: RateEntry | None = None


@dataclass(frozen=True, kw_only=True)
class TrainedReference(ReferenceResult):
    """A network that was trained here; of a student, with its teacher."""

    backend: str
    device: str
    epochs: int
    loss: tuple[float, ...]  # by epoch
    val_loss: float
    val_losses: tuple[float, ...]  # by epoch
    events_per_second: float
    weights: int
    teacher: TeacherTraining | None = None
    teachers: tuple[FinishedTeacher, ...] = ()  # instead of one that was trained here
    target: TargetOfScores | None = None
    embedding: str | None = None  # the float method that trained one; the losses are those of the autoencoder of it


@dataclass(frozen=True, kw_only=True)
class WeightsOf:
    """The float method whose weights were taken."""

    method: str
    folder: str
    seed: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TakenReference(ReferenceResult):
    """A network whose weights a float method was trained to."""

    backend: str
    device: str
    events_per_second: float
    epochs: int
    loss: tuple[float, ...]  # by epoch
    val_loss: float | None
    val_losses: tuple[float, ...]  # by epoch
    weights_of: WeightsOf


@dataclass(frozen=True, kw_only=True)
class ImportedReference(ReferenceResult):
    """The float network of a model file."""

    backend: str
    device: str
    epochs: int
    events_per_second: float | None
    val_loss: float | None
    imported: ImportedFrom
    mean_loss: float | None = None  # the val_loss of putting out the mean of the inputs, of a reconstruction
    input_range: tuple[float, float] | None = None  # smallest and largest input on the validation events
    unit: str | None = None  # what the inputs are made of
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How well a score of one member tells a signal from the background."""

    auc: float
    tpr: Mapping[str, float]  # by false positive rate


@dataclass(frozen=True, kw_only=True)
class MeanAndSpread:
    """Mean and standard deviation over members; one member has no spread."""

    mean: float
    spread: float | None


@dataclass(frozen=True, kw_only=True)
class SeparationOfMembers:
    """How well a score tells a signal from the background, over the members of an ensemble."""

    auc: MeanAndSpread
    tpr: Mapping[str, MeanAndSpread]  # by false positive rate


@dataclass(frozen=True, kw_only=True)
class MemberResult:
    """A member of an ensemble, and how it was trained."""

    seed: int
    point: Mapping[str, float]  # of the hyper-parameters that the ensemble spans
    loss: tuple[float, ...]  # by epoch
    terms: Mapping[str, tuple[float, ...]]  # of the loss, by epoch
    val_losses: tuple[float, ...]  # by epoch
    scores: Mapping[str, Mapping[str, Separation]]  # by score and signal


@dataclass(frozen=True, kw_only=True)
class MethodReference(ReferenceResult):
    """A float method, all members of its ensemble."""

    method: str
    backend: str
    device: str
    n_devices: int
    loop: str
    precision: str
    events_per_second: float
    epochs: int
    val_loss: float | None
    scores: Mapping[str, Mapping[str, SeparationOfMembers]]  # by score and signal
    baselines: Mapping[str, Mapping[str, SeparationOfMembers]]  # the same, of scores without a network
    members: tuple[MemberResult, ...]
    n_processes: int = 1  # that trained together
