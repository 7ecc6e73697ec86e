"""One self-contained page of HTML: the verdict, the metrics, the layers, and everything needed to repeat them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from fpgaae.report.tables import DELTAS, NOT_MEASURABLE, MetricRow, metric_rows, model_columns, rate_sentence


@dataclass(frozen=True)
class BitCheck:
    """Outcome of one bit-for-bit comparison with the golden codes."""

    name: str
    passed: bool
    events: int
    mismatched_events: int
    score_mismatches: int | None = None
    decision_flips: int | None = None

    @classmethod
    def from_json(cls, name: str, result: Mapping[str, Any]) -> BitCheck:
        """Take what `csim.json` or `rtl.json` says; numbers that a check does not give stay unknown."""
        return cls(
            name,
            bool(result["passed"]),
            int(result["events"]),
            int(result["mismatched_events"]),
            result.get("score_mismatches"),
            result.get("decision_flips"),
        )

    @property
    def proven(self) -> bool:
        """Whether the check passed, on at least one event, and no number of its own says otherwise."""
        wrong = self.mismatched_events or self.score_mismatches or self.decision_flips
        return self.passed and self.events > 0 and not wrong

    @property
    def sentence(self) -> str:
        """What was compared, and how much of it differs."""
        if self.events == 0:
            return f"{self.name}: no event was compared."
        text = f"{self.name}: {self.mismatched_events:,} of {self.events:,} events differ"
        parts = [
            f"{number:,} {what}"
            for number, what in ((self.score_mismatches, "scores"), (self.decision_flips, "decisions"))
            if number is not None
        ]
        text += f" ({', '.join(parts)})." if parts else "."
        return text if self.passed or self.mismatched_events else f"{text} The check itself reports a failure."


@dataclass(frozen=True)
class LayerRow:
    """One layer of the firmware; what is not known is None."""

    name: str
    fixed_point_type: str
    values: int | None = None
    multiplications: int | None = None
    nonzero_weights: int | None = None
    mismatched_values: int | None = None


@dataclass(frozen=True)
class PageFigure:
    """A figure as SVG (see `fpgaae.evaluation.figures.figure_svg`), with its title and a sentence on how to read it."""

    title: str
    caption: str
    svg: str

    @property
    def data_uri(self) -> str:
        """The figure as an address that holds the image itself."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode("ascii")


@dataclass(frozen=True)
class PageContent:
    """What the page shows; every part but the experiment's name may be missing, and the page then says so.

    `checks` are the bit checks that were run, `metrics` is the content of `metrics.json`, `firmware` holds short facts
    (latency, resources, part) ready to print, `hashes` sha256 by file, `versions` by package.
    """

    experiment: str
    checks: tuple[BitCheck, ...] = ()
    metrics: Mapping[str, Any] | None = None
    layers: tuple[LayerRow, ...] = ()
    figures: tuple[PageFigure, ...] = ()
    firmware: Mapping[str, str] = field(default_factory=dict)
    configuration: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The first line of the page; `state` is `passed`, `failed` or `unknown`."""

    state: str
    headline: str
    details: tuple[str, ...] = ()


def verdict(checks: tuple[BitCheck, ...]) -> Verdict:
    """Sum up the bit checks: passed only if there is one, and all of them are proven."""
    if not checks:
        return Verdict("unknown", "Not proven: no bit check has been run", ("Run the stage csim, then this report.",))
    details = tuple(check.sentence for check in checks)
    if all(check.proven for check in checks):
        return Verdict("passed", "Bit check passed: firmware and model agree on every bit", details)
    failed = " and ".join(check.name for check in checks if not check.proven)
    return Verdict("failed", f"Bit check failed: {failed}", details)


def render_page(content: PageContent) -> str:
    """Write the page as HTML that needs no network and no other file.

    Every text is escaped. The same content gives the same page: it carries no time of its making.

    Raises
    ------
    InputError
        If the metrics lack a signal or a false positive rate that others have.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["rate_sentence"] = rate_sentence
    environment.filters["count"] = lambda number: NOT_MEASURABLE if number is None else f"{number:,}"
    template = environment.from_string(files("fpgaae.report").joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        content=content,
        verdict=verdict(content.checks),
        metric_tables=[] if content.metrics is None else _metric_tables(content.metrics),
        notes=[] if content.metrics is None else _notes(content.metrics),
        decisions=[] if content.metrics is None else content.metrics.get("decisions", []),
    )


@dataclass(frozen=True)
class _MetricTable:
    title: str
    columns: list[str]
    signals: dict[str, list[MetricRow]]


def _metric_tables(metrics: Mapping[str, Any]) -> list[_MetricTable]:
    models = model_columns(metrics)
    rows = metric_rows([metrics["models"][model] for model in models])
    tables = [_MetricTable("AUC, and signal efficiency (TPR) in % at a false positive rate", models, _by_signal(rows))]
    deltas = [key for key in DELTAS if key in metrics]
    if deltas:
        rows = metric_rows([metrics[key] for key in deltas], signed=True)
        title = "Paired differences to the float model, TPR in percentage points"
        tables.insert(0, _MetricTable(title, [DELTAS[key] for key in deltas], _by_signal(rows)))
    return tables


def _by_signal(rows: list[MetricRow]) -> dict[str, list[MetricRow]]:
    signals: dict[str, list[MetricRow]] = {}
    for row in rows:
        signals.setdefault(row.signal, []).append(row)
    return signals


def _notes(metrics: Mapping[str, Any]) -> list[str]:
    notes = {
        estimate["note"]: None
        for model in model_columns(metrics)
        for signal in metrics["models"][model].values()
        for estimate in signal["tpr"].values()
        if "note" in estimate
    }
    return [note[0].upper() + note[1:] + "." for note in notes]
