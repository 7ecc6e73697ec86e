"""Random models that lint clean against the golden codes: `python -m benchmarks.random_models --count 400 --seed 1`.

Each follows from the seed and its number alone, so that one can be made again: `--only 17`. What a rule refuses is
drawn anew, and counted. What is clean is converted, compiled (quickly, from the root of the repository) and compared in
every layer on random and extreme hardware integers, on values off the grid, and with codes put into each layer.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.model_draws import DEPLOYED, QKERAS, Draw, draw
from benchmarks.model_runs import add_options, run_all
from fpgaae.errors import FpgaaeError
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.findings import Finding, Severity
from fpgaae.hls.lint.models import lint_import, lint_model

_EXACT = "exact"
_MOST_DRAWS = 1000  # in a row that lint refuses


class Clean(NamedTuple):
    """A drawn model that no rule refuses, and the rules that refused those drawn before it."""

    drawn: Draw
    refused: tuple[frozenset[str], ...]


def clean_draw(rng: np.random.Generator) -> Clean:
    """Draw until nothing is an error."""
    refused: list[frozenset[str]] = []
    for _ in range(_MOST_DRAWS):
        drawn = draw(rng)
        rules = frozenset(f.rule for f in lint(drawn) if f.severity is Severity.ERROR)
        if not rules:
            return Clean(drawn, tuple(refused))
        refused.append(rules)
    raise RuntimeError(f"{_MOST_DRAWS} draws in a row are all refused")


def lint(drawn: Draw) -> tuple[Finding, ...]:
    """Find what lint, or `import`, finds in a model."""
    conversion = Conversion.of(drawn.firmware)
    if drawn.way == DEPLOYED:
        return lint_model(drawn.network, conversion)
    return lint_import(drawn.network, conversion, quantize=drawn.way != QKERAS)


def run(seed: int, number: int) -> dict[str, Any]:
    """Draw a model and compare its firmware with the golden codes."""
    from tf_keras.backend import clear_session  # noqa: PLC0415

    from benchmarks.model_firmware import RefusedWithScore, compare  # noqa: PLC0415 - TensorFlow

    started = time.perf_counter()
    rng = np.random.default_rng([seed, number])
    refused: list[frozenset[str]] = []
    outcome = ""
    while not outcome:
        clean = clean_draw(rng)
        refused += clean.refused
        clear_session()
        with tempfile.TemporaryDirectory() as folder:
            try:
                counts = compare(clean.drawn, np.random.default_rng([seed, number, 1]), Path(folder))
            except RefusedWithScore as error:
                refused.append(error.rules)
            except FpgaaeError as error:
                outcome = f"refused: {error}"
            except Exception as error:  # noqa: BLE001 - what breaks is a finding, too
                outcome = f"broken: {type(error).__name__}: {error}"
            else:
                differing = {name: n for name, n in counts.items() if n}
                outcome = f"differs: {differing}" if differing else _EXACT
    return {
        "number": number,
        "outcome": outcome,
        "way": clean.drawn.way,
        "score": clean.drawn.score.value,
        "layers": [layer.kind for layer in clean.drawn.network.layers],
        "firmware": clean.drawn.firmware.model_dump(mode="json", exclude_defaults=True),
        "refused": [sorted(rules) for rules in refused],
        "seconds": round(time.perf_counter() - started, 2),
        **({} if outcome == _EXACT else {"model": clean.drawn.describe()}),
    }


def main() -> int:
    """Run the models; 0 if all are exact."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.random_models", description=str(__doc__).split(":")[0])
    parser.add_argument("--count", type=int, default=400, help="models (default 400)")
    parser.add_argument("--seed", type=int, default=1, help="from which all follow (default 1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first model (default 0)")
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="the models of these numbers")
    add_options(parser)
    arguments = parser.parse_args()

    def complaint(number: int, entry: dict[str, Any]) -> str | None:
        if entry["outcome"] == _EXACT:
            return None
        return f"seed {arguments.seed}, --only {number}: {entry['outcome']}\n{entry['model']}"

    numbers = arguments.only or range(arguments.first, arguments.first + arguments.count)
    found = run_all(numbers, partial(run, arguments.seed), complaint, arguments)
    _summarize(found)
    return int(any(entry["outcome"] != _EXACT for entry in found))


def _summarize(found: list[dict[str, Any]]) -> None:
    exact = sum(entry["outcome"] == _EXACT for entry in found)
    seconds = sum(entry["seconds"] for entry in found)
    refused = [rules for entry in found for rules in entry["refused"]]
    print(f"{exact} of {len(found)} exact, {seconds / len(found):.1f} s a model")
    print(f"lint refused {len(refused)} of {len(refused) + len(found)} draws:")
    for rule, n in Counter(rule for rules in refused for rule in rules).most_common():
        print(f"  {rule} {n}")


if __name__ == "__main__":
    sys.exit(main())
