"""A student against its teacher: how much of the separation it keeps, how alike both order events, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from fpgaae.evaluation.bootstrap import BootstrapSettings, Replicas, bootstrap, percentile_interval
from fpgaae.evaluation.comparison import FIRMWARE, TEACHER
from fpgaae.golden.network import IntegerNetwork
from fpgaae.runs.results.metrics import Estimate, StudentSignal, StudentSizes
from fpgaae.statistics import NO_WEIGHTS, Weights

_CHANCE = 0.5  # area under the curve of a score that knows nothing
_SURE = 0.95

Scores = Mapping[str, Mapping[str, NDArray[Any]]]  # model -> process -> one an event
Groups = Mapping[str, NDArray[np.int64]]  # process -> one an event


def compare_with_teacher(
    scores: Scores, groups: Groups, background: str, settings: BootstrapSettings, weights: Weights = NO_WEIGHTS
) -> tuple[dict[str, StudentSignal], dict[str, float | None]]:
    """Compare the firmware's score with its teacher's.

    Of each signal, the share (AUC - 1/2) / (AUC of the teacher - 1/2) with the interval of a paired bootstrap, or a
    note where the teacher's own AUC can't be told from 1/2 (at 95 %); of each process, Spearman's rank correlation.

    Notes
    -----
    C. Spearman, Am. J. Psychol. 15 (1904) 72.
    """
    both = {model: scores[model] for model in (FIRMWARE, TEACHER)}
    replicas = bootstrap(both, groups, background, settings, weights)
    signals = {
        signal: _kept(own, replicas[TEACHER][signal], settings.confidence_level)
        for signal, own in replicas[FIRMWARE].items()
    }
    return signals, {process: _rank_correlation(scores, process) for process in groups}


def _rank_correlation(scores: Scores, process: str) -> float | None:
    """Give Spearman's coefficient, None where one of the scores is the same for all events."""
    student, teacher = scores[FIRMWARE][process], scores[TEACHER][process]
    if np.ptp(student) == 0 or np.ptp(teacher) == 0:
        return None
    return float(spearmanr(student, teacher).statistic)


def _kept(student: Replicas, teacher: Replicas, level: float) -> StudentSignal:
    sure = percentile_interval(teacher.nominal.auc, teacher.auc, _SURE)
    if sure.low <= _CHANCE:
        note = (
            f"not measurable: the teacher's AUC, {sure.value:.4f}, can't be told from 1/2 or lies below it "
            f"({sure.low:.4f} to {sure.high:.4f} at 95 %)"
        )
        kept = Estimate(value=None, low=None, high=None, note=note)
    else:
        value = (student.nominal.auc - _CHANCE) / (teacher.nominal.auc - _CHANCE)
        share = percentile_interval(value, (student.auc - _CHANCE) / (teacher.auc - _CHANCE), level)
        kept = Estimate(**share._asdict())
    return StudentSignal(student_auc=student.nominal.auc, teacher_auc=teacher.nominal.auc, kept=kept)


def sizes(network: IntegerNetwork, of_teacher: int) -> StudentSizes:
    """Compare the number of weights, biases among them.

    Parameters
    ----------
    network
        The student as it goes into the firmware.
    of_teacher
        The weights of its teacher.
    """
    arrays = [array for layer in network.weighted for array in (layer.kernel, layer.bias)]
    student = sum(array.size for array in arrays)
    return StudentSizes(
        student=student,
        student_nonzero=sum(int(np.count_nonzero(array)) for array in arrays),
        teacher=of_teacher,
        share=student / of_teacher,
    )
