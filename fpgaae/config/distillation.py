"""The section of an experiment that says what a student learns, and from whom."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from fpgaae.config.model import FloatFit, Model, ModelKind
from fpgaae.section import Number, Section, Share

_WEIGHTS_OF, _SCORES = "weights_of", "scores"


class OutlierKind(str, Enum):
    """How an unusual event is made of background events."""

    MIXED = "mixed"  # each hardware integer from one of two events
    OVERLAID = "overlaid"  # the sum of two events
    SCALED = "scaled"  # some integers multiplied by up to 8
    HOT = "hot"  # one to eight integers anywhere in their range, as of hot cells


class Outliers(Section):
    """Made-up events that a student learns beside the background, so that it sees large scores; no signal is needed."""

    share: Annotated[float, Field(ge=0, le=4)] = 0.0  # of the number of background events
    kinds: Annotated[tuple[OutlierKind, ...], Field(min_length=1)] = (OutlierKind.MIXED,)
    sets: Annotated[int, Field(ge=1, le=1000)] | None = None  # that epochs take in turn; null: new ones in each epoch


class TargetKind(str, Enum):
    """What a student learns of its teacher's score s, before it is clipped and scaled."""

    LOGARITHM = "logarithm"  # log s, of scores that are never negative
    SCORE = "score"  # s itself
    RATE = "rate"  # -log of the share of the background whose score is as large: each decade of the rate counts alike


class FinishedScore(Section):
    """A score of a finished float method."""

    weights_of: str  # the method's config: config:NAME, or a path
    score: str | None = None  # null: the method's main one
    member: Annotated[int, Field(ge=0)] | Literal["mean"] = "mean"  # of its ensemble, counted from 0; mean: of all


class FinishedTeachers(Section):
    """Finished float methods, whose scores are learned: one, or the mean of several.

    The scores of several are first centred at their median over the training background, and divided by half the
    distance of its quantiles at 16 and 84 %.
    """

    scores: Annotated[tuple[FinishedScore, ...], Field(min_length=1, max_length=16)]

    @model_validator(mode="before")
    @classmethod
    def _one_is_enough(cls, given: Any) -> Any:  # noqa: ANN401
        """Take `{weights_of: ...}` for the one score."""
        return {_SCORES: [given]} if isinstance(given, dict) and _WEIGHTS_OF in given else given


def _kind_of_teacher(given: Any) -> str:  # noqa: ANN401
    is_finished = isinstance(given, FinishedTeachers) or (
        isinstance(given, dict) and bool({_WEIGHTS_OF, _SCORES} & given.keys())
    )
    return "teacher[finished]" if is_finished else "teacher[model]"


Teacher = Annotated[
    Annotated[Model, Tag("teacher[model]")] | Annotated[FinishedTeachers, Tag("teacher[finished]")],
    Discriminator(_kind_of_teacher),
]


class Distillation(Section):
    """What a student learns: the score s of a teacher in full precision that never becomes firmware.

    That is an autoencoder, trained before its student, or finished methods of the reference family. The target is
    scale (clip(t, low, high) - low) / (high - low) with t as `target` says, after CICADA, the Calorimeter Image
    Convolutional Anomaly Detection Algorithm of CMS, whose target is 32 log s between 0 and 256.
    """

    teacher: Teacher
    fit: FloatFit | None = None  # of an autoencoder; a finished method has its own
    target: TargetKind = TargetKind.LOGARITHM
    low: Number | None = None  # of t; null: the first of the quantiles
    high: Number | None = None
    quantiles: tuple[Share, Share] = (0.001, 1.0)  # of t over all that the student is trained on
    scale: Annotated[float, Field(ge=1e-3, le=1e6)] = 16.0  # the largest target
    outliers: Outliers = Outliers()

    @model_validator(mode="after")
    def _is_possible(self) -> Distillation:
        if isinstance(self.teacher, Model):
            if self.teacher.kind is not ModelKind.AUTOENCODER:
                raise ValueError(
                    f"distillation.teacher.kind: a teacher is an autoencoder, not {self.teacher.kind.value}; name a "
                    "finished method by `weights_of`"
                )
            if self.fit is None:
                raise ValueError("distillation.fit: a teacher that is trained here needs it, as in {epochs: 20}")
        elif self.fit is not None:
            raise ValueError("distillation.fit: a finished method is not trained again; set it to null")
        for name, low, high in (("high", self.low, self.high), ("quantiles", *self.quantiles)):
            if low is not None and high is not None and low >= high:
                raise ValueError(f"distillation.{name}: the upper end, {high:g}, is not above the lower, {low:g}")
        return self

    @property
    def trained_teacher(self) -> Model | None:
        """The autoencoder that is trained before its student; None: its teachers are finished."""
        return self.teacher if isinstance(self.teacher, Model) else None

    @property
    def finished_teachers(self) -> tuple[FinishedScore, ...]:
        """The scores of finished methods that are learned; none where the teacher is trained here."""
        return self.teacher.scores if isinstance(self.teacher, FinishedTeachers) else ()
