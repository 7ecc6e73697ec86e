"""C simulation, RTL, da4ml's interpreter and emulator against the golden codes, on the same 100,000 events and more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.measure import Bench, epochs, new_bench
from benchmarks.result import Goal, Result, Settings
from fpgaae.emulator.agreement import compare_forms
from fpgaae.runs.experiment import open_experiment

NAME = "agreement"
_EVENTS = 100_000
_BASE = "l1_vae"
_QUICK: dict[str, Any] = {"csim": {"max_events_per_process": 1000}}


def run(settings: Settings) -> Result:
    """Compare every form of the default variational autoencoder, whose RTL is the smaller one."""
    result = Result(NAME, ("form", "events", "differing"))
    with new_bench() as bench:
        changes = {**epochs(1, 1), **(_QUICK if settings.quick else {})}
        _add(result, bench, bench.config(_BASE, changes, base=_BASE))
    return result


def _add(result: Result, bench: Bench, config: Path) -> None:
    for stage in ("data", "reference", "train", "convert", "csim", "rtl"):
        bench.stage(stage, config)
    scratch = bench.folder / "emulator"
    scratch.mkdir()
    found = compare_forms(open_experiment(config, bench.runs), scratch)
    result.rows += [(form, float(found.events), float(differing)) for form, differing in found.differing.items()]
    equal = found.events - max(found.differing.values())
    result.goals += [
        Goal("events on which all forms agree", equal, found.events, "events", at_least=True),
        Goal("events compared", found.events, _EVENTS, "events", at_least=True),
    ]
