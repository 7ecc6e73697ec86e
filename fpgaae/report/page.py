"""One self-contained page of HTML: the verdict, the metrics, the layers, and everything needed to repeat them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fpgaae.report.flatness import cost_rows, flat_tables
from fpgaae.report.sections import (
    ResourceRow,
    ablation_table,
    anomalous_rows,
    correlation_rows,
    menu_rows,
    metric_tables,
    notes,
    rate_chart,
    verdict_rows,
)
from fpgaae.report.tables import NOT_MEASURABLE, rate_sentence, student_sentences
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.drift import Drift
from fpgaae.runs.results.ip import RegisterEntry
from fpgaae.runs.results.metrics import MetricsResult
from fpgaae.runs.results.place import PlaceResult
from fpgaae.runs.results.prove import ProveResult
from fpgaae.runs.results.review import Review
from fpgaae.runs.results.rtl import RtlResult

_SECTIONS = ("physics", "losses", "rates")  # those with figures


@dataclass(frozen=True)
class BitCheck:
    """Outcome of one bit-for-bit comparison with the golden codes."""

    name: str
    passed: bool
    events: int
    mismatched_events: int
    score_mismatches: int | None = None
    decision_flips: int | None = None
    latent_mismatches: int | None = None

    @classmethod
    def of(cls, name: str, result: CsimResult | RtlResult | PlaceResult) -> BitCheck:
        """Take what `csim.json`, `rtl.json` or `place.json` says."""
        return cls(
            name,
            result.passed,
            result.events,
            result.mismatched_events,
            result.score_mismatches,
            result.decision_flips,
            None if isinstance(result, CsimResult) else result.latent_mismatches,
        )

    @property
    def proven(self) -> bool:
        """Whether the check passed, on at least one event, and no number of its own says otherwise."""
        wrong = self.mismatched_events or self.score_mismatches or self.decision_flips or self.latent_mismatches
        return self.passed and self.events > 0 and not wrong

    @property
    def sentence(self) -> str:
        """What was compared, and how much of it differs."""
        if self.events == 0:
            return f"{self.name}: no event was compared."
        text = f"{self.name}: {self.mismatched_events:,} of {self.events:,} events differ"
        parts = [
            f"{number:,} {what}"
            for number, what in (
                (self.score_mismatches, "scores"),
                (self.decision_flips, "decisions"),
                (self.latent_mismatches, "latents"),
            )
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
    weights: int | None = None
    weight_type: str | None = None
    compared: int | None = None  # values that the bit check compared
    sqnr_db: float | None = None  # of the background
    saturated: float | None = None  # the largest share of a process
    zero: float | None = None  # of the background
    ranges: tuple[tuple[float, float], ...] = ()  # of the unrounded values, and of the type

    @property
    def sparsity(self) -> float | None:
        """The share of the weights that are zero."""
        if not self.weights or self.nonzero_weights is None:
            return None
        return 1 - self.nonzero_weights / self.weights


@dataclass(frozen=True)
class PageFigure:
    """A figure as SVG (see `fpgaae.evaluation.figure_files.figure_svg`), its title, and how to read it."""

    title: str
    caption: str
    svg: str
    section: str = "physics"  # "physics", "inputs", "losses", "events", "rates", "drift", "placed" or "front"

    @property
    def data_uri(self) -> str:
        """The figure as an address that holds the image itself."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode("ascii")


@dataclass(frozen=True)
class PageContent:
    """What the page shows; every part but the experiment's name may be missing, and the page then says so.

    `checks` are the bit checks that were run, `metrics` what `evaluate` found, `firmware` holds short facts
    (latency, part) ready to print, `ports` what each carries where words are declared, `hashes` sha256 by file,
    `versions` by package.
    """

    experiment: str
    checks: tuple[BitCheck, ...] = ()
    metrics: MetricsResult | None = None
    review: Review | None = None
    drift: Drift | None = None
    layers: tuple[LayerRow, ...] = ()
    figures: tuple[PageFigure, ...] = ()
    firmware: Mapping[str, str] = field(default_factory=dict)
    resources: tuple[ResourceRow, ...] = ()
    placed: Mapping[str, str] = field(default_factory=dict)  # facts of the routed chip
    package: Mapping[str, str] = field(default_factory=dict)  # facts of the package that was written last
    registers: tuple[RegisterEntry, ...] = ()  # of the block in it
    proof: ProveResult | None = None
    ports: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()  # which results there are besides, and why they are not shown
    commands: Mapping[str, str] = field(default_factory=dict)  # by stage
    configuration: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    finished: str | None = None  # when the evaluation was, None of earlier versions
    headings: tuple[str, ...] = ()  # the experiment and its energy


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


def _policy(style: str, script: str) -> str:
    """Write the page's Content-Security-Policy: its own style and script by their hashes, images within it, no network.

    https://www.w3.org/TR/CSP3/
    """
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") for text in (style, script)
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )


def render_page(content: PageContent) -> str:
    """Write the page as HTML that needs no network and no other file.

    Every text is escaped. The same content gives the same page: it carries no time of its making.

    Raises
    ------
    InputError
        If the metrics lack a signal or a false positive rate that others have.
    """
    environment = Environment(
        loader=PackageLoader("fpgaae.report", ""), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["rate_sentence"] = rate_sentence
    environment.filters["count"] = lambda number: NOT_MEASURABLE if number is None else f"{number:,}"
    environment.filters["percent"] = lambda share: NOT_MEASURABLE if share is None else f"{100 * share:.3g} %"
    metrics = content.metrics
    style, script = (Markup("\n" + environment.get_template(f"page.{kind}").render()) for kind in ("css", "js"))
    return environment.get_template("page.html").render(
        content=content,
        policy=_policy(style, script),
        style=style,
        script=script,
        verdict=verdict(content.checks),
        verdict_rows=[] if metrics is None else verdict_rows(metrics),
        metric_tables=[] if metrics is None else metric_tables(metrics),
        student=[] if metrics is None else student_sentences(metrics.distillation),
        ablation=None if metrics is None else ablation_table(metrics.ablation),
        correlations=[] if metrics is None else correlation_rows(metrics.correlation),
        chart=None if metrics is None else rate_chart(metrics),
        labels={} if metrics is None else metrics.labels,
        anomalous=[] if content.review is None else anomalous_rows(content.review.anomalous),
        menu=[] if content.review is None else menu_rows(content.review.menu),
        notes=[] if metrics is None else notes(metrics),
        decisions=[] if metrics is None else metrics.decisions,
        flatness=[]
        if metrics is None
        else [
            {"tables": flat_tables(own, index), "costs": cost_rows(own)} for index, own in enumerate(metrics.flatness)
        ],
        figures={
            figure.section: [f for f in content.figures if f.section == figure.section] for figure in content.figures
        },
    )
