"""Finished experiments side by side: what their run folders say, and paired differences where they scored one sample.

`compare_runs` needs no config: a run folder says all. The page of it is `comparison_page`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from fpgaae.data.source import weights_of
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.evaluation.bootstrap import BootstrapSettings
from fpgaae.evaluation.comparison import FIRMWARE, FLOAT, compare
from fpgaae.files import Json, read_json, write_json, write_text
from fpgaae.hls.csim import SCORES_FILE
from fpgaae.report.tables import MetricRow, metric_rows
from fpgaae.runs.folder import of_other_files, read_manifest
from fpgaae.runs.record import as_json
from fpgaae.runs.results.base import Result
from fpgaae.runs.results.compare import Area, ComparedRun, Proof, RateOfThreshold, RunComparison
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.metrics import Estimate, MetricsBySignal, MetricsResult, SignalMetrics
from fpgaae.runs.results.reference import ImportedReference, MethodReference, ReferenceResult, SeparationOfMembers
from fpgaae.runs.results.rtl import RtlResult, TraceResult
from fpgaae.runs.results.synth import SynthResult
from fpgaae.runs.stages import STAGES
from fpgaae.statistics import Weights

_SHOWN_RATES = ("1e-02", "1e-03", "1e-04")
_LEVEL = 0.6827


class PairedSettings(NamedTuple):
    """The bootstrap of the paired differences."""

    replicas: int = 200
    seed: int = 1


_DEFAULT = PairedSettings()


def compare_runs(folders: Sequence[Path], settings: PairedSettings = _DEFAULT) -> RunComparison:
    """Read finished run folders and compare them.

    A run is paired with the first whose firmware's scores can be read, where both scored the same test events: their
    data were read from the same files, and the groups and weights of their test events are the same, one by one.

    Raises
    ------
    InputError
        If a folder holds neither an evaluation nor a float method, or an evaluation of files that are there no more, or
        two have one name.
    """
    if not folders:
        raise InputError("there is nothing to compare; give run folders, such as runs/l1_ae")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two of the run folders are called {twice}; rename one, or give each once")
    runs = tuple(_read_run(folder, name) for folder, name in zip(folders, names, strict=True))
    scored = {name: folder for name, folder, run in zip(names, folders, runs, strict=True) if FIRMWARE in run.models}
    reference, differences, unpaired = _differences(scored, settings)
    return RunComparison(
        runs=runs,
        reference=reference,
        differences=differences,
        unpaired=unpaired,
        left_out=tuple(sentence for folder in folders for sentence in _stale(folder).values()),
        replicas=settings.replicas,
        confidence_level=_LEVEL,
    )


def _stale(folder: Path) -> dict[str, str]:
    """Say by stage which results behind the evaluation were made from files that are there no more."""
    found = {
        kind.STAGE: of_other_files(folder / kind.STAGE) for kind in (CsimResult, RtlResult, TraceResult, SynthResult)
    }
    return {
        stage: f"{sentence} and is left out; run `fpgaae {stage} CONFIG --force`"
        for stage, sentence in found.items()
        if sentence is not None
    }


def _read_run(folder: Path, name: str) -> ComparedRun:
    evaluation = _result(folder, MetricsResult)
    if evaluation is None:
        return _read_method(folder, name)
    if (stale := of_other_files(folder / MetricsResult.STAGE)) is not None:
        raise InputError(f"{stale}; run `fpgaae run CONFIG --to evaluate` again, or `fpgaae evaluate CONFIG --force`")
    manifest = read_manifest(folder / MetricsResult.STAGE)
    csim, rtl = _result(folder, CsimResult), _result(folder, RtlResult)
    trace, synth = _result(folder, TraceResult), _result(folder, SynthResult)
    area = None
    if synth is not None:
        area = Area(source=synth.tool, lut=synth.lut, ff=synth.ff, dsp=synth.dsp, bram=synth.bram)
    elif trace is not None:
        area = Area(source="da4ml's estimate", lut=trace.estimated.lut, ff=trace.estimated.ff)
    return ComparedRun(
        name=name,
        config_file=str(manifest["config_file"]),
        git_commit=manifest.get("git_commit"),
        origin=_origin(folder, manifest),
        models={model: evaluation.models[model] for model in (FLOAT, FIRMWARE)},
        rates=tuple(RateOfThreshold(own.requested_rate_khz, own.rate_khz) for own in evaluation.decisions),
        area=area,
        latency_ns=None if rtl is None else rtl.latency_cycles * rtl.clock_ns,
        csim=None if csim is None else Proof(csim.passed, csim.events),
        rtl=None if rtl is None else Proof(rtl.passed, rtl.events),
    )


def _origin(folder: Path, manifest: Json) -> str:
    file = folder / ReferenceResult.STAGE / STAGES[ReferenceResult.STAGE].result_file
    if file.is_file() and ReferenceResult.form(read_json(file)) is ImportedReference:
        return "imported"
    return "student" if manifest["config"]["model"]["kind"] == "student" else "trained"


def _read_method(folder: Path, name: str) -> ComparedRun:
    file = folder / ReferenceResult.STAGE / STAGES[ReferenceResult.STAGE].result_file
    if not file.is_file() or ReferenceResult.form(read_json(file)) is not MethodReference:
        raise InputError(
            f"{folder} holds neither an evaluation nor a float method; run `fpgaae evaluate CONFIG` first, or "
            "`fpgaae reference CONFIG` of a float method"
        )
    manifest = read_manifest(file.parent)
    found = MethodReference.read(file, "run `fpgaae reference CONFIG --force`")
    return ComparedRun(
        name=name,
        config_file=str(manifest["config_file"]),
        git_commit=manifest.get("git_commit"),
        origin="float method",
        models={score: {s: _of_members(own) for s, own in signals.items()} for score, signals in found.scores.items()},
    )


def _of_members(found: SeparationOfMembers) -> SignalMetrics:
    """Give mean and spread over the members of an ensemble in the form of an estimate."""

    def estimate(mean: float, spread: float | None) -> Estimate:
        width = spread or 0.0
        return Estimate(value=mean, low=mean - width, high=mean + width)

    return SignalMetrics(
        auc=estimate(found.auc.mean, found.auc.spread),
        tpr={rate: estimate(own.mean, own.spread) for rate, own in found.tpr.items()},
    )


def _result(folder: Path, kind: type[Result]) -> Result | None:
    """Read the result of a stage; None where it is not there, or was made from files that are there no more."""
    if kind.STAGE in _stale(folder):
        return None
    file = folder / kind.STAGE / STAGES[kind.STAGE].result_file
    return kind.read(file, f"run `fpgaae {kind.STAGE} CONFIG --force`") if file.is_file() else None


class _Sample(NamedTuple):
    """What tells whether two runs scored the same events, and the firmware's scores on them."""

    files: Mapping[str, str]
    background: str
    groups: Mapping[str, NDArray[np.int64]]
    scores: Mapping[str, NDArray[np.int64]]
    weights: Weights


def _read_sample(folder: Path) -> _Sample:
    manifest = read_manifest(folder / "data")
    with np.load(folder / CsimResult.STAGE / SCORES_FILE, allow_pickle=False) as codes:
        scores = {process: codes[process].astype(np.int64) for process in codes}
    store = EventStore(folder / "data")
    groups = {process: store.groups(process, "test", limit=len(own)) for process, own in scores.items()}
    files = {name: value for name, value in manifest["inputs"].items() if name.startswith("events/")}
    weights = weights_of({name: store.columns(name, "test", limit=len(own)) for name, own in scores.items()})
    return _Sample(files, manifest["config"]["data"]["background"], groups, scores, weights)


def _differences(
    folders: Mapping[str, Path], settings: PairedSettings
) -> tuple[str | None, Mapping[str, MetricsBySignal], Mapping[str, str]]:
    """Give the first run whose scores can be read, the paired differences to it, and why some have none."""
    unpaired: dict[str, str] = {}
    samples: dict[str, _Sample] = {}
    for name, folder in folders.items():
        try:
            samples[name] = _read_sample(folder)
        except (OSError, ValueError, KeyError, BadZipFile, InputError) as error:
            unpaired[name] = f"its events or scores can't be read ({error})"
    if not samples:
        return next(iter(folders), None), {}, unpaired
    first, *others = samples
    paired = [first]
    for name in others:
        if (reason := _why_not(samples[first], samples[name])) is None:
            paired.append(name)
        else:
            unpaired[name] = f"{reason} than those of {first}"
    if len(paired) == 1:
        return first, {}, unpaired
    found = compare(
        {name: samples[name].scores for name in paired},
        samples[first].groups,
        samples[first].background,
        BootstrapSettings(settings.replicas, _LEVEL, settings.seed),
        reference=first,
        weights=samples[first].weights,
    )
    return first, found.differences, unpaired


def _why_not(first: _Sample, other: _Sample) -> str | None:
    """Say why two runs did not score the same events, or None where they did."""
    if other.files != first.files or other.background != first.background:
        return "its events come from other files"
    same = {name: own.tolist() for name, own in first.groups.items()} == {
        name: own.tolist() for name, own in other.groups.items()
    }
    if not same:
        return "its test events are others"
    own, of_other = ({name: values.tolist() for name, values in sample.weights.items()} for sample in (first, other))
    return None if own == of_other else "its test events have other weights"


def comparison_page(result: RunComparison) -> str:
    """Write the page, which needs no network and no other file."""
    environment = Environment(
        loader=PackageLoader("fpgaae.report", ""), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("comparison.html").render(
        result=result, rows=comparison_rows(result), columns=[_column(r, m) for r in result.runs for m in r.models],
        differences=difference_rows(result), lacking=lacking_signals(result),
    )  # fmt: skip


def lacking_signals(result: RunComparison) -> list[str]:
    """Name the signals that some of the experiments have and others lack: no row of the page is theirs."""
    known = [set(own) for run in result.runs for own in run.models.values()]
    return sorted(known[0].union(*known) - known[0].intersection(*known)) if known else []


def comparison_rows(result: RunComparison) -> list[MetricRow]:
    """Give AUC and TPR of every model of every run, a column each, for the signals and rates that all have."""
    columns = [run.models[model] for run in result.runs for model in run.models]
    return _common_rows(columns, signed=False)


def difference_rows(result: RunComparison) -> list[MetricRow]:
    """Give the paired differences to the first run, a column each."""
    return _common_rows(list(result.differences.values()), signed=True)


def _common_rows(columns: Sequence[MetricsBySignal], *, signed: bool) -> list[MetricRow]:
    if not columns:
        return []
    signals = [signal for signal in columns[0] if all(signal in own for own in columns)]
    if not signals:
        return []
    keys = [key for key in _SHOWN_RATES if all(key in own[signal].tpr for own in columns for signal in signals)]
    return metric_rows([{signal: own[signal] for signal in signals} for own in columns], keys, signed=signed)


def _column(run: ComparedRun, model: str) -> str:
    return f"{run.name}, {model}"


def write_comparison(result: RunComparison, folder: Path) -> Path:
    """Write `comparison.json` and the page beside it, and give the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "comparison.json", as_json(result))
    page = folder / "comparison.html"
    write_text(page, comparison_page(result))
    return page
