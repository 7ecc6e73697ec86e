"""The page of all result files, from the dataclasses that write and read them."""

from __future__ import annotations

import dataclasses
import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from fpgaae.runs import results
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.compare import RunComparison
from fpgaae.runs.results.drift import DriftResult
from fpgaae.runs.results.emulate import EmulateResult
from fpgaae.runs.results.ip import PackageResult
from fpgaae.runs.results.mutants import CsimMutantsResult, EmulatorMutantsResult, ProveMutantsResult, RtlMutantsResult
from fpgaae.runs.results.place import FloorPlan, PlaceFront
from fpgaae.runs.results.repeat import RepeatResult
from fpgaae.runs.results.rtl import RtlLayersResult
from fpgaae.runs.results.scan import ScanResult
from fpgaae.runs.stages import STAGES, STAGES_OF_IMPORT, STAGES_OF_METHOD, STAGES_OF_SCAN, STAGES_OF_USES
from from_code.comments import cell, field_comments, paragraphs

_HEAD = """# Result files

Every stage writes `runs/EXPERIMENT/STAGE/` with a result file, whose keys are below, and `manifest.json`: the config,
seed, SHA-256 of every input and output, versions of the packages, git commit and wall time. `--json` prints the result
file. In Python, `run.csim` and the like give the same as objects ([interface](../python.md)).

A key marked *left out* is not in the file while it has the value that is given; older files without it can be read.
"""
OTHERS: Mapping[str, type[Any]] = {  # what no stage writes alone
    "csim/mutants.json (csim --mutate)": CsimMutantsResult,
    "prove/mutants_hls.json, mutants_verilog.json (prove --mutate)": ProveMutantsResult,
    "rtl/mutants.json (rtl --mutate)": RtlMutantsResult,
    "emulator_mutants.json (export --mutate)": EmulatorMutantsResult,
    "rtl_layers.json (rtl --layers)": RtlLayersResult,
    "evaluate/drift.json (evaluate --against)": DriftResult,
    "place_front/front.json (place --front)": PlaceFront,
    "place/floor_plan.json (place)": FloorPlan,
    "package.json (export --ip)": PackageResult,
    "emulate.json (emulate)": EmulateResult,
    "comparison.json (compare)": RunComparison,
    "runs/scan/NAME/scan.json (scan)": ScanResult,
    "runs/repeat/NAME/repeat.json (repeat)": RepeatResult,
}
_SCALARS = {str: "text", bool: "true or false", int: "whole number", float: "number", NoneType: "null", Any: "any"}


def stage_results() -> dict[str, list[type[StageResult]]]:
    """Give the classes of every stage's result by the stage; of some there are several forms."""
    for module in pkgutil.iter_modules(results.__path__):
        import_module(f"{results.__name__}.{module.name}")
    found: dict[str, list[type[StageResult]]] = {}
    for kind in _below(StageResult):
        if hasattr(kind, "STAGE") and not kind.__subclasses__():
            found.setdefault(kind.STAGE, []).append(kind)
    return found


def results_page() -> str:
    """Give the page in Markdown."""
    specs = {**STAGES_OF_USES, **STAGES_OF_SCAN, **STAGES_OF_IMPORT, **STAGES_OF_METHOD, **STAGES}
    by_stage = stage_results()
    parts, waiting = [_HEAD], []
    for stage in [*STAGES, *(name for name in by_stage if name not in STAGES)]:
        file = f"{stage}/{specs[stage].result_file}"
        for kind in by_stage.get(stage, ()):
            parts.append(f"## `{file}`\n\n{_about(kind)}")
            waiting.append(kind)
    for file, kind in OTHERS.items():
        name, _, command = file.partition(" (")
        parts.append(f"## `{name}`\n\nOf `fpgaae {command.rstrip(')')}`. {_about(kind)}")
        waiting.append(kind)
    parts.append("## Objects in them\n")
    for kind in _records_within(waiting):
        parts.append(f"({_label(kind)})=\n### {kind.__name__}\n\n{_about(kind)}")
    return "\n".join(parts)


def _below(kind: type[StageResult]) -> Iterator[type[StageResult]]:
    for own in kind.__subclasses__():
        yield own
        yield from _below(own)


def _about(kind: type[Any]) -> str:
    return f"{paragraphs(kind.__doc__)}\n\n{_table(kind)}"


def _fields(kind: type[Any]) -> dict[str, Any]:
    """Give the fields with their defaults."""
    if dataclasses.is_dataclass(kind):
        return {field.name: field.default for field in dataclasses.fields(kind)}
    return {name: kind._field_defaults.get(name, dataclasses.MISSING) for name in kind._fields}


def _table(kind: type[Any]) -> str:
    comments, hints = field_comments(kind), get_type_hints(kind)
    rows = ["| key | value | meaning |", "|---|---|---|"]
    for name, default in _fields(kind).items():
        left_out = "" if default is dataclasses.MISSING else f"*left out at* `{default!r}`"
        said = ". ".join(part for part in (comments.get(name, ""), left_out) if part)
        rows.append(f"| `{name}` | {cell(_value(hints[name]))} | {cell(said)} |")
    return "\n".join(rows) + "\n"


def _is_record(kind: Any) -> bool:  # noqa: ANN401
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"))


def _value(kind: Any) -> str:  # noqa: ANN401
    if kind in _SCALARS:
        return _SCALARS[kind]
    if _is_record(kind):
        return f"[{kind.__name__}](#{_label(kind)})"
    arguments = get_args(kind)
    if get_origin(kind) in {Union, UnionType}:
        return ", or ".join(map(_value, arguments))
    if get_origin(kind) is tuple:
        if len(arguments) == 2 and arguments[1] is ...:
            return f"list of: {_value(arguments[0])}"
        return f"\\[{', '.join(map(_value, arguments))}\\]"
    return f"by name: {_value(arguments[1])}"


def _records_within(kinds: list[type[Any]]) -> list[type[Any]]:
    """Give the records that stand in others, in the order in which they are named."""
    found: dict[type[Any], None] = {}

    def look(kind: Any) -> None:  # noqa: ANN401
        for argument in get_args(kind):
            look(argument)
        if _is_record(kind) and kind not in found:
            found[kind] = None
            for hint in (get_type_hints(kind)[name] for name in _fields(kind)):
                look(hint)

    for kind in kinds:
        for name in _fields(kind):
            look(get_type_hints(kind)[name])
    return [*found]


def _label(kind: type[Any]) -> str:
    return f"record-{kind.__module__.rpartition('.')[2]}-{kind.__name__.lower()}"
