from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import estimate, metrics_result, signal_metrics
from rich.console import Console
from rich.table import Table

from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.comparison import MODELS, compare
from fpgaae.report import tables
from fpgaae.report.flatness import terminal_tables
from fpgaae.report.tables import (
    NOT_MEASURABLE,
    compact_interval,
    delta_table,
    metric_rows,
    metrics_table,
    rate_sentence,
)
from fpgaae.runs.results.flatness import Flatness, FollowedEfficiency
from fpgaae.runs.results.metrics import Decision, GroupAreas, GroupMetrics, MetricsResult
from fpgaae.statistics import Interval


@pytest.mark.parametrize(
    ("value", "minus", "plus", "expected"),
    [
        # the three cases of the Particle Data Group's rule, 0.827 with each error
        (0.827, 0.119, 0.119, "0.83(12)"),
        (0.827, 0.367, 0.367, "0.8(4)"),
        (0.827, 0.954, 0.954, "0.8(10)"),
        # the edges of the rule
        (0.5, 0.0354, 0.0354, "0.500(35)"),
        (0.5, 0.0355, 0.0355, "0.50(4)"),
        (0.5, 0.0949, 0.0949, "0.50(9)"),
        (0.5, 0.0951, 0.0951, "0.50(10)"),
        (0.894, 0.003, 0.003, "0.8940(30)"),
        (0.8941, 0.0036, 0.0033, "0.894(4)"),
        (19.4, 1.0, 1.1, "19.4(11)"),
        (1.2, 0.6, 1.1, "1.2 +1.1 -0.6"),
        (0.02, 0.02, 0.15, "0.02 +0.15 -0.02"),
        (-0.0001, 0.004, 0.004, "0.000(4)"),
        (250.0, 40.0, 40.0, "250(40)"),
        (0.0, 0.0, 0.0, "0"),
        (0.25, 0.0, 0.0, "0.25"),
        (0.1 + 0.2, 0.0, 0.1, "0.30 +0.10 -0.00"),
    ],
)
def test_compact_notation(value: float, minus: float, plus: float, expected: str) -> None:
    assert compact_interval(value, value - minus, value + plus) == expected


@given(st.floats(-100, 100), st.floats(1e-6, 50), st.floats(1e-6, 50))
def test_compact_notation_tells_the_truth(value: float, minus: float, plus: float) -> None:
    text = compact_interval(value, value - minus, value + plus)
    larger = max(minus, plus)
    assert float(text.split("(")[0].split(" ")[0]) == pytest.approx(value, abs=0.15 * larger)
    if "(" in text:
        number, digits = text.rstrip(")").split("(")
        decimals = len(number.partition(".")[2])
        assert int(digits) / 10**decimals == pytest.approx(larger, rel=0.15)
        assert min(minus, plus) >= 0.7 * larger
    else:
        _, above, below = text.split(" ")
        assert float(above) == pytest.approx(plus, abs=0.15 * larger)
        assert -float(below) == pytest.approx(minus, abs=0.15 * larger)


def make_metrics(models: tuple[str, ...]) -> MetricsResult:
    rng = np.random.default_rng(0)
    events = {"background": 8000, "a_to_4l": 300, "leptoquark": 300}
    scores = {m: {name: rng.normal(name != "background", 1, n) for name, n in events.items()} for m in models}
    groups = {name: np.arange(n) for name, n in events.items()}
    found = compare(scores, groups, "background", BootstrapSettings(n_replicas=30))
    return metrics_result(
        background_events=8000,
        models=found.models,
        delta=found.differences.get("firmware"),
        delta_quantized=found.differences.get("quantized"),
    )


def printed(table: Table) -> list[str]:
    console = Console(width=100, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()


def test_six_models_fit_into_80_columns() -> None:
    metrics = make_metrics(MODELS)
    lines = printed(metrics_table(metrics))
    assert max(len(line.rstrip()) for line in lines) <= 80
    text = "\n".join(lines)
    assert "…" not in text
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in MODELS] == 2 * list(MODELS)
    assert [line.strip() for line in lines if line.strip() in metrics.models["float"]] == ["a_to_4l", "leptoquark"]
    assert text.count("TPR 1e-03") == 1
    assert text.count("on 80 events") == text.count("on 8 events") == 1, "what the numbers of a column rest on"
    assert "1e-05" not in text


def test_models_are_ordered_and_unknown_ones_last() -> None:
    metrics = make_metrics(("student", "pca", "float"))
    first = [line.split()[0] for line in printed(metrics_table(metrics)) if line.strip()]
    assert [name for name in first if name in metrics.models][:3] == ["float", "pca", "student"]


def test_what_can_not_be_measured_is_a_dash_with_its_reason() -> None:
    lines = printed(metrics_table(make_metrics(("float",))))
    row = next(line for line in lines if line.split()[:1] == ["float"])
    assert row.split()[-1] == NOT_MEASURABLE
    assert "not measurable (too few background events pass)" in " ".join(" ".join(lines).split())


def test_differences_show_their_sign() -> None:
    delta = {
        "a_to_4l": signal_metrics(estimate(0.02, 0.016, 0.024), at_1e_03=estimate(None)),
        "leptoquark": signal_metrics(estimate(-0.02, -0.024, -0.016), at_1e_03=estimate(None)),
    }
    metrics = metrics_result(delta=delta)
    rows = [line.split() for line in printed(delta_table(metrics)) if "AUC" in line]
    assert rows == [["AUC", "+0.020(4)"], ["AUC", "-0.020(4)"]]


def test_efficiencies_are_percentages() -> None:
    column = {"a": signal_metrics(estimate(0.75, 0.74, 0.76), at_1e_03=estimate(0.194, 0.188, 0.2))}
    assert [row.cells for row in metric_rows([column])] == [("0.750(10)",), ("19.4(6)",)]


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(tables) == doctest.TestResults(failed=0, attempted=1)


def test_without_models_the_tables_are_empty() -> None:
    metrics = metrics_result()
    assert metrics_table(metrics).row_count == delta_table(metrics).row_count == 0


def _whole_efficiency() -> FollowedEfficiency:
    whole = Interval(1.0, 0.9, 1.0)
    return FollowedEfficiency(followed=whole, plain=whole)


def test_names_are_not_markup() -> None:
    metrics = make_metrics(("float",))
    metrics = replace(metrics, models={"float": {"[red]x": metrics.models["float"]["a_to_4l"]}})
    metrics = replace(metrics, effective_events={"[/b]x": 5.0})
    lines = printed(metrics_table(metrics))
    assert any("[red]x" in line for line in lines)
    assert "worth 5 [/b]x events" in " ".join(" ".join(lines).split())
    area = GroupAreas(auc=Interval(0.9, 0.88, 0.92), partial_auc=Interval(0.6, 0.55, 0.65))
    groups = GroupMetrics(groups={"[/b]x": 9}, max_false_positive_rate=0.1, models={"float": {"[/b]x": area}})
    assert any("9 of [/b]x" in line for line in printed(tables.group_table(groups, metrics)))
    (table,) = terminal_tables([Flatness(cells=2, sums=(), efficiency={"[/b]x": _whole_efficiency()})])
    assert any("[/b]x" in line for line in printed(table))


def test_a_missing_signal_is_named() -> None:
    metrics = make_metrics(("float", "pca"))
    models = {"float": metrics.models["float"], "pca": {"a_to_4l": metrics.models["pca"]["a_to_4l"]}}
    with pytest.raises(InputError, match="leptoquark"):
        metrics_table(replace(metrics, models=models))


def test_scores_of_groups_are_tabulated() -> None:
    own = {"broken": GroupAreas(auc=Interval(0.9, 0.88, 0.92), partial_auc=Interval(0.6, 0.55, 0.65))}
    delta = Interval(0.01, 0.0, 0.02)
    groups = GroupMetrics(
        groups={"normal": 200, "broken": 100}, max_false_positive_rate=0.1, models={"sum_pt": own, "firmware": own},
        delta={"broken": GroupAreas(auc=delta, partial_auc=delta)},
    )  # fmt: skip
    metrics = metrics_result(background_events=4000, labels={"sum_pt": "sum of cells"}, groups=groups)
    lines = printed(tables.group_table(groups, metrics))
    shown = " ".join(" ".join(lines).split())
    assert "(200 of normal, 100 of broken); pAUC: standardised, 0.5 is chance" in shown
    assert "firmware 0.900(20) 0.60(5) sum of cells 0.900(20) 0.60(5)" in shown
    assert "firmware \N{MINUS SIGN} float +0.010(10) +0.010(10)" in shown
    assert shown.index("AUC") < shown.index("pAUC to 0.1")
    without = tables.group_rows(replace(groups, delta=None))
    assert [len(row.cells) for row in without] == [2, 2]


def test_a_rate_of_few_events_is_not_said_to_agree() -> None:
    share = Interval(1e-3, 5e-4, 2e-3)
    decision = Decision(
        code=7, value=7.0, requested_false_positive_rate=1e-3, requested_rate_khz=28.6, false_positive_rate=share,
        rate_khz=share, background_events=5000, background_events_passed=5, p_value=0.7, agrees=True, processes={},
    )  # fmt: skip
    assert "agrees (p = 0.7)" in rate_sentence(decision)
    assert rate_sentence(replace(decision, doubt="it is rare")).endswith("agrees (p = 0.7). In doubt: it is rare")
    assert "too few events to tell (p = 0.7)" in rate_sentence(replace(decision, background_events_passed=4))
    wrong = replace(decision, background_events_passed=0, agrees=False, p_value=0.01)
    assert "DISAGREES (p = 0.01)" in rate_sentence(wrong)
