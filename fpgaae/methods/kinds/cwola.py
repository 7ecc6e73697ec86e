"""Classification without labels, CWoLa (Metodiev, Nachman & Thaler, arXiv 1708.02949).

A classifier that is taught to tell two mixed samples of different signal fraction apart orders events as one taught
with labels would: the likelihood ratio of the mixtures rises with that of signal to background. It is a weakly
supervised upper reference, since it has seen signals; `fpgaae.training.methods.mixtures` makes the samples.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from fpgaae.methods.adversarial import judge_network
from fpgaae.methods.base import Batch, Method, MethodOptions, Networks, ScoreFunction, Step, Tensor, Terms
from fpgaae.methods.reconstruction import mean_logistic_loss

_CLASSIFIER = "classifier"
_Share = Annotated[float, Field(ge=0, lt=1)]


class CwolaOptions(MethodOptions):
    """Keys of `method` for classification without labels."""

    signals: tuple[str, ...] = ()  # what is mixed in, in equal parts; none: every process but the background
    fractions: tuple[_Share, _Share] = (0.1, 0.0)  # share of signal in the two samples

    @model_validator(mode="after")
    def _they_differ(self) -> CwolaOptions:
        if self.fractions[0] <= self.fractions[1]:
            raise ValueError(
                "fractions: the first sample needs the larger share of signal, or there is nothing to learn"
            )
        return self


class ClassificationWithoutLabels(Method):
    """A classifier of the two mixed samples."""

    options_class = CwolaOptions
    options: CwolaOptions
    columns = ("mixture",)
    mixes = True

    def build(self) -> dict[str, Any]:
        """Build the classifier, with the widths of `model.encoder`."""
        return {_CLASSIFIER: judge_network(self.setting, _CLASSIFIER)}

    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the cross entropy of the mixture that an event comes from."""
        del step
        return {"cross_entropy": mean_logistic_loss(networks[_CLASSIFIER](batch["x"])[:, 0], batch["mixture"])}

    def scores(self) -> dict[str, ScoreFunction]:
        """Give the log of the odds that an event comes from the sample with more signal."""
        return {"log_odds": self._log_odds}

    def _log_odds(self, networks: Networks, batch: Batch, step: Step) -> Tensor:
        del step
        return networks[_CLASSIFIER](batch["x"])[:, 0]
