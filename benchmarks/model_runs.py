"""Runs many models one after the other, each kept in a file as soon as it is known: what benchmarks of models share."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from fpgaae.tensorflow_setup import prepare
from tests.quick_compiler import OPTIMIZATION, put_in_front

Entry = dict[str, Any]
_Case = TypeVar("_Case")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run_all`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="add a line a model to a file")
    parser.add_argument("--optimization", default="-O0", help="of the compiler (default -O0)")


def run_all(
    cases: Iterable[_Case], run: Callable[[_Case], Entry], complaint: Callable[[_Case, Entry], str | None],
    arguments: argparse.Namespace,
) -> list[Entry]:  # fmt: skip
    """Run every case, and give what was found.

    Parameters
    ----------
    complaint
        What is printed of a case, if anything.
    """
    os.environ[OPTIMIZATION] = arguments.optimization
    found = []
    with tempfile.TemporaryDirectory() as tools:
        put_in_front(Path(tools))
        prepare(1)
        for case in cases:
            entry = run(case)
            found.append(entry)
            if arguments.json:
                with arguments.json.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(entry) + "\n")
            if (said := complaint(case, entry)) is not None:
                print(said, flush=True)
    return found
