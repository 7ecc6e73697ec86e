"""The table of a scan, a row a point: for people, and as CSV with every figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from fpgaae.artifacts import Json

_FRONT = "front"
_COSTS = ("lut", "ff", "latency_ns")
_NAMES = {"mean_auc": "mean AUC", "mean_tpr": "mean TPR, %"}


def header(result: Json) -> list[str]:
    """Name the columns of `rows`."""
    metric = ratio_metric(result)
    ratios = [f"{signal} {metric.upper()} ratio" for signal in result["signals"]]
    return [*result["axes"], _NAMES[result["performance"]], *ratios, "LUT", "FF", "ns", "differs from float", _FRONT]


def ratio_metric(result: Json) -> str:
    """Say which metric of the signals belongs to the objective: `auc` or `tpr`."""
    return "auc" if result["performance"] == "mean_auc" else "tpr"


def rows(result: Json) -> list[list[str]]:
    """Give a row a point, as text."""
    return [_row(result, point) for point in result["points"]]


def _row(result: Json, point: Mapping[str, Any]) -> list[str]:
    scale, digits = (100, 2) if result["performance"] == "mean_tpr" else (1, 4)
    performance = point["performance"]
    metric = ratio_metric(result)
    return [
        *(_text(point["values"][name]) for name in result["axes"]),
        f"{scale * performance['value']:.{digits}f} ± {scale * performance['standard_error']:.{digits}f}",
        *(_ratio(point["signals"][signal][metric]["ratio"]) for signal in result["signals"]),
        *(f"{point[cost]['value']:,.0f}" for cost in _COSTS),
        differs(point),
        "*" if point["on_front"] else "",
    ]


def _text(value: Any) -> str:  # noqa: ANN401
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _ratio(ratio: Mapping[str, float] | None) -> str:
    return "" if ratio is None else f"{ratio['value']:.3f}"


def differs(point: Mapping[str, Any]) -> str:
    """Say in which metrics of which signals a point can be told from the float reference."""
    found = {
        signal: [metric.upper() for metric, estimate in own.items() if estimate["distinguishable"]]
        for signal, own in point["signals"].items()
    }
    return ", ".join(f"{signal} {'+'.join(metrics)}" for signal, metrics in found.items() if metrics) or "no"


def as_markdown(result: Json) -> str:
    """Give the table for people."""
    names = header(result)
    lines = [names, ["---"] * len(names), *rows(result)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_csv(result: Json) -> str:
    """Give every figure of every point, a row each."""
    table = [_figures(point) for point in result["points"]]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(dict.fromkeys(name for row in table for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()


def _figures(point: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: _text(value) for name, value in point["values"].items()}
    row |= {"on_front": point["on_front"], "performance": point["performance"]["value"]}
    row |= {"performance_standard_error": point["performance"]["standard_error"], "sparsity": point["sparsity"]}
    for cost in _COSTS:
        row |= {f"{cost}_{end}": value for end, value in point[cost].items()}
    for signal, own in point["signals"].items():
        for metric, estimate in own.items():
            name = f"{signal}_{metric}"
            row |= {f"{name}_{end}": estimate[end] for end in ("value", "low", "high")}
            for kind in ("difference", "ratio"):
                row |= {f"{name}_{kind}_{end}": value for end, value in (estimate[kind] or {}).items()}
            row |= {f"{name}_{key}": estimate[key] for key in ("p_value", "corrected_p_value", "distinguishable")}
    return row
