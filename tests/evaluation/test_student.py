"""A student against its teacher: the share of the separation by hand, rank correlations, sizes and the figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from figure_layout import layout_faults
from rational_network import whole_network

from fpgaae.config.distillation import TargetKind
from fpgaae.config.model import Score
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.metrics import auc
from fpgaae.evaluation.student import Groups, Scores, compare_with_teacher, sizes
from fpgaae.evaluation.student_figure import Pair, student_figure
from fpgaae.models.target import Target
from fpgaae.report.tables import student_sentences
from fpgaae.runs.record import as_json, plain
from fpgaae.runs.results.metrics import StudentComparison, StudentSizes

RNG = np.random.default_rng(7)
N = {"background": 3000, "zprime": 400, "hidden": 300}
SHIFT = {"background": 0.0, "zprime": 1.5, "hidden": -0.3}
TEACHER = {name: np.exp(RNG.normal(SHIFT[name], 1, n)) for name, n in N.items()}
STUDENT = {name: np.maximum(8 + 2 * np.log(own) + RNG.normal(0, 0.7, N[name]), 0) for name, own in TEACHER.items()}
GROUPS = {name: np.arange(n) for name, n in N.items()}
SETTINGS = BootstrapSettings(60)


def _compared(scores: Scores, groups: Groups = GROUPS) -> dict[str, dict[str, Any]]:
    signals, ranks = compare_with_teacher(scores, groups, "background", SETTINGS)
    return {"signals": plain(signals), "rank_correlation": ranks}


ALL = {"firmware": STUDENT, "teacher": TEACHER}


def test_the_share_that_is_kept_is_that_of_the_area_above_one_half() -> None:
    found = _compared(ALL)["signals"]["zprime"]
    own, teachers = (auc(scores["background"], scores["zprime"]) for scores in (STUDENT, TEACHER))
    assert (found["student_auc"], found["teacher_auc"]) == (own, teachers)
    kept = found["kept"]
    assert kept["value"] == pytest.approx((own - 0.5) / (teachers - 0.5))
    assert kept["low"] < kept["value"] < kept["high"]
    assert kept["high"] - kept["low"] < 0.1, "paired: both see the same events"


def test_a_student_that_orders_as_its_teacher_keeps_all_of_it() -> None:
    scores = {"firmware": {name: own**2 for name, own in TEACHER.items()}, "teacher": TEACHER}
    found = _compared(scores)
    assert found["signals"]["zprime"]["kept"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["rank_correlation"] == pytest.approx(dict.fromkeys(N, 1.0))


def test_of_a_teacher_that_separates_nothing_no_share_is_kept() -> None:
    kept = _compared(ALL)["signals"]["hidden"]["kept"]
    assert kept["value"] is None
    assert "not measurable: the teacher's AUC" in kept["note"]


def test_the_rank_correlation_is_spearmans() -> None:
    """By hand: ranks 1 2 3 4 against 1 3 2 4, rho = 1 - 6 * 2 / (4 * 15) = 0.8; a constant score has none."""
    teacher = {"background": np.array([1.0, 2, 30, 400]), "zprime": np.array([1.0, 2, 3, 4])}
    student = {"background": np.array([5.0, 7, 6, 9]), "zprime": np.full(4, 2.0)}
    groups = {name: np.arange(4) for name in teacher}
    found = _compared({"firmware": student, "teacher": teacher}, groups)
    assert found["rank_correlation"] == {"background": pytest.approx(0.8), "zprime": None}


def test_weights_are_counted_with_their_biases() -> None:
    network = whole_network(Score.REGRESSION)  # 6 -> 4 -> 1, one weight of each layer zero
    found = as_json(sizes(network, 330))
    assert found["student"] == 6 * 4 + 4 + 4 + 1 == 33
    zeros = sum(int((a == 0).sum()) for layer in network.weighted for a in (layer.kernel, layer.bias))
    assert found["student_nonzero"] == 33 - zeros < 33
    assert found["share"] == pytest.approx(0.1)


def test_the_sentences_say_what_is_kept_and_why_not() -> None:
    signals, ranks = compare_with_teacher(ALL, GROUPS, "background", SETTINGS)
    weights = StudentSizes(student=33, student_nonzero=30, teacher=330, share=0.1)
    target = Target(0.0, 1.0, 1.0).entry()
    found = StudentComparison(signals=signals, rank_correlation=ranks, weights=weights, target=target)
    size, background, zprime, hidden = student_sentences(found)
    assert "33 weights, 10.0 % of the 330" in size
    assert background.startswith("background: rank correlation of student and teacher 0.9")
    assert "kept of the teacher's AUC above 1/2: 9" in zprime
    assert "not measurable" in hidden
    assert student_sentences(None) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [TargetKind.LOGARITHM, TargetKind.RATE])
def test_the_figure_shows_the_target_and_every_event(kind: TargetKind) -> None:
    target = Target.unclipped(kind, TEACHER["background"])._replace(low=-2.0, high=3.0, scale=10.0)
    far = {name: np.append(own[1:], own.max() * 1e3) for name, own in TEACHER.items()}  # one event beyond all else
    pairs = {name: Pair(far[name], STUDENT[name], 0.9) for name in N}
    figure = student_figure(pairs, target)
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [panel.get_title(loc="left").split(",")[0] for panel in panels] == list(N)
    for panel in panels:
        mesh = panel.collections[0]
        assert float(np.ma.filled(mesh.get_array(), 0).sum()) == pytest.approx(1.0), "no event lies outside"
        line = panel.lines[0]
        x = line.get_xdata()
        grades = np.log(x) if kind is TargetKind.LOGARITHM else x
        np.testing.assert_allclose(line.get_ydata(), 2 * (np.clip(grades, -2, 3) + 2))
        drawn = panel.containers[0].lines[0].get_xdata()
        assert x[0] <= drawn.min() <= drawn.max() <= x[-1]
        assert kind is TargetKind.LOGARITHM or x[-1] <= 3 + 0.25 * 5
    assert layout_faults(figure) == []
