"""The table of a scan, a row a point: for people, and as CSV with every figure."""

from __future__ import annotations

import csv
import io
from typing import Any

from fpgaae.report.tables import NOT_MEASURABLE
from fpgaae.runs.results.scan import AxisValue, PointEntry, ScannedMetric, ScanPoints
from fpgaae.statistics import Interval

DIFFERS = "\N{NOT EQUAL TO}"  # behind a ratio whose difference from the float reference is more than chance
METRICS = ("auc", "tpr")
_COSTS = ("lut", "ff", "latency_ns")
_NAMES = {"mean_auc": "mean AUC", "mean_tpr": "mean TPR, %"}


def header(result: ScanPoints) -> list[str]:
    """Name the columns of `rows`."""
    ratios = [f"{signal} {metric.upper()}" for signal in result.signals for metric in measured(result)]
    return [*result.axes, _NAMES[result.performance], *ratios, "LUT", "FF", "ns", "front"]


def measured(result: ScanPoints) -> tuple[str, ...]:
    """Name the metrics that the signals of some point have: efficiencies need enough background events."""
    return tuple(
        metric for metric in METRICS if any(metric in own for p in result.points for own in p.signals.values())
    )


def rows(result: ScanPoints) -> list[list[str]]:
    """Give a row a point, as text; metrics of a signal are ratios to the float reference."""
    return [_row(result, point) for point in result.points]


def _row(result: ScanPoints, point: PointEntry) -> list[str]:
    scale, digits = (100, 2) if result.performance == "mean_tpr" else (1, 4)
    performance, error = scale * point.performance.value, scale * point.performance.standard_error
    return [
        *(_text(point.values[name]) for name in result.axes),
        f"{performance:.{digits}f} \N{PLUS-MINUS SIGN} {error:.{digits}f}",
        *(_ratio(point.signals[signal].get(metric)) for signal in result.signals for metric in measured(result)),
        *(f"{point.cost(cost).value:,.0f}" for cost in _COSTS),
        "*" if point.on_front else "",
    ]


def _text(value: AxisValue) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _ratio(estimate: ScannedMetric | None) -> str:
    if estimate is None:
        return NOT_MEASURABLE
    ratio = "" if estimate.ratio is None else f"{estimate.ratio.value:.3f}"
    return f"{ratio} {DIFFERS if estimate.distinguishable else '='}"


def legend(result: ScanPoints) -> str:
    """Say what the marks of the table mean."""
    return (
        f"AUC and TPR (at a false positive rate of {result.false_positive_rate:g}) are ratios to the float "
        f"reference, {DIFFERS} where the two can be told apart and = where not (paired bootstrap, margin "
        f"{result.margin:g}, corrected for all {result.tests} tests after Holm, level {result.significance:g})"
        f", {NOT_MEASURABLE} where too few background events pass; judged by the {result.judged_on} split"
        f"{'' if result.judged_on == 'validation' else ', so that the best value is somewhat optimistic'}"
    )


def as_markdown(result: ScanPoints) -> str:
    """Give the table for people."""
    names = header(result)
    lines = [[cell.replace("|", r"\|") for cell in line] for line in (names, ["---"] * len(names), *rows(result))]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{table}\n{legend(result)}.\n"


def as_csv(result: ScanPoints) -> str:
    """Give every figure of every point, a row each."""
    table = [_figures(point) for point in result.points]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(dict.fromkeys(name for row in table for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()


def _figures(point: PointEntry) -> dict[str, Any]:
    row: dict[str, Any] = {name: _text(value) for name, value in point.values.items()}
    row |= {"on_front": point.on_front, "performance": point.performance.value}
    row |= {"performance_standard_error": point.performance.standard_error, "sparsity": point.sparsity}
    for cost in _COSTS:
        row |= _named(cost, point.cost(cost))
    for signal, own in point.signals.items():
        for metric, estimate in own.items():
            name = f"{signal}_{metric}"
            row |= _named(name, Interval(estimate.value, estimate.low, estimate.high))
            row |= _named(f"{name}_difference", estimate.difference)
            row |= {} if estimate.ratio is None else _named(f"{name}_ratio", estimate.ratio)
            row |= {f"{name}_p_value": estimate.p_value, f"{name}_corrected_p_value": estimate.corrected_p_value}
            row |= {f"{name}_distinguishable": estimate.distinguishable}
    return row


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_{end}": value for end, value in interval._asdict().items()}
