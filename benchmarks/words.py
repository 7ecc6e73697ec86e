"""Raw trigger words: C simulation, Verilog, interpreter and emulator against the golden codes, on a million events.

`python -m benchmarks.words --events N` runs it alone, with any number of events.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.measure import Bench, epochs, new_bench
from benchmarks.result import Goal, Result, Settings
from fpgaae.data.cms_shards import ZERO_BIAS, ShardSettings, write_shards
from fpgaae.emulator.agreement import compare_raw_events
from fpgaae.runs.experiment import open_experiment

NAME = "words"
_EVENTS, _QUICK_EVENTS = 1_000_000, 20_000
_TRAINED_ON = 30_000
_EMPTY_SHARE = 0.01
_NETWORK: dict[str, Any] = {"encoder": [16], "latent": 3, "decoder": [16]}  # its Verilog compiles in minutes


def run(settings: Settings) -> Result:
    """Train for an epoch on a few made-up events of the public CMS set's schema, and compare all forms on many."""
    return compare(_QUICK_EVENTS if settings.quick else _EVENTS)


def compare(n_events: int) -> Result:
    """Compare all forms on some raw events: unsigned phi, muons of 576 steps, overflows and empty lists among them."""
    result = Result(NAME, ("form", "events", "differing"))
    with new_bench() as bench:
        config = _config(bench)
        for stage in ("data", "reference", "train", "convert", "csim", "rtl"):
            bench.stage(stage, config)
        files = _shards(bench.folder / "raw", n_events, seed=2)[ZERO_BIAS]
        scratch = bench.folder / "emulator"
        scratch.mkdir()
        found = compare_raw_events(open_experiment(config, bench.runs), files, scratch)
    result.rows += [(form, float(found.events), float(differing)) for form, differing in found.differing.items()]
    equal = found.events - max(found.differing.values())
    result.goals += [
        Goal("raw events on which all forms agree", equal, found.events, "events", at_least=True),
        Goal("raw events compared", found.events, _EVENTS, "events", at_least=True),
    ]
    return result


def _shards(folder: Path, n_events: int, seed: int) -> dict[str, list[Path]]:
    settings = ShardSettings(n_events, 1000, 100_000, menu_bits=4, seed=seed, empty_share=_EMPTY_SHARE)
    return write_shards(folder, settings)


def _config(bench: Bench) -> Path:
    samples = _shards(bench.folder / "trained_on", _TRAINED_ON, seed=1)
    folders = {sample: str(files[0].parent) for sample, files in samples.items()}
    signals = {sample: {"files": folders[sample]} for sample in ("ato4l", "leptoquark")}
    changes = {**epochs(1, 1), "model": _NETWORK, "csim": {"max_events_per_process": 5000}}
    changes["data"] = {"files": {"background": folders[ZERO_BIAS], **signals}}
    changes["pruning"] = {"begin_epoch": 0, "end_epoch": 1, "steps_between_updates": 1}
    return bench.config("words", changes, base="cms_l1")


def main() -> None:
    """Run it with the number of events that the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.words", description=__doc__)
    parser.add_argument("--events", type=int, default=_EVENTS, metavar="N", help="raw events (default 1,000,000)")
    compare(parser.parse_args().events).print(Console(width=None if sys.stdout.isatty() else 120))


if __name__ == "__main__":
    main()
