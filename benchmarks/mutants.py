"""Damage the HLS project, the RTL project and the emulator of experiments, and count what their checks catch.

    python -m benchmarks.mutants CONFIG... [--count 200] [--target csim|rtl|emulator] [--runs runs]

The stages `csim` and `rtl` of the experiments must be done. Ends with 1 when a mutant is missed; a verdict is printed
when it is known, and stands in the run folder at the end.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from fpgaae.emulator.mutation import run_mutation as mutate_emulator
from fpgaae.hls.mutation import run_mutation as mutate_csim
from fpgaae.progress import Progress, SilentProgress
from fpgaae.rtl.mutation import run_mutation as mutate_rtl
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.mutants import MutantsResult

_TARGETS: dict[str, Callable[[Experiment, int, Progress], MutantsResult]] = {
    "csim": mutate_csim,
    "rtl": mutate_rtl,
    "emulator": mutate_emulator,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("configs", nargs="+", type=Path, metavar="CONFIG")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--target", choices=list(_TARGETS), action="append", help="by default all")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    missed = 0
    for config in given.configs:
        for target in given.target or _TARGETS:
            result = _TARGETS[target](open_experiment(config, given.runs), given.count, SilentProgress())
            _say(f"{config.stem}, {target}", result)
            missed += result.missed + result.misattributed
    return min(missed, 1)


def _say(what: str, result: MutantsResult) -> None:
    each = sum(mutant.seconds for mutant in result.mutants) / max(result.total, 1)
    print(
        f"{what}: {result.total} mutants, {result.caught} caught, {result.equivalent} equivalent, {result.missed} "
        f"missed, {result.misattributed} in another layer; {result.seconds:.0f} s, {each:.1f} s each"
    )
    for damage in dict.fromkeys(mutant.damage for mutant in result.mutants):
        counts = Counter(mutant.outcome for mutant in result.mutants if mutant.damage == damage)
        print(f"  {damage}: {', '.join(f'{n} {outcome}' for outcome, n in counts.items())}")
    for kind in result.not_made:
        print(f"  {kind.damage}: not made ({kind.reason})")


if __name__ == "__main__":
    sys.exit(main())
