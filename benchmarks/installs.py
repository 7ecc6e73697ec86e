"""What installing takes, in empty environments: everything, the base package, its least form, each extra on top of it.

    python -m benchmarks.installs dist/fpgaae-0.1.0-py3-none-any.whl

Figures of an extra are what it adds to the base package; shares are of everything. Seconds hold the way to the package
index and whatever else the machine does, CPU seconds do not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.environments import Environment, Taken
from benchmarks.measure import StageFailed, busy_seconds
from fpgaae.optional import EXTRAS

_REPOSITORY = Path(__file__).parent.parent
_PINS = ("-c", str(_REPOSITORY / "constraints.txt"))
_LEAST = ("--no-deps", "-r", str(_REPOSITORY / "requirements-cpu.txt"))
_OUTSIDE_ALL = ("estimates", "torch")  # gigabytes that have no pins
_EVERYTHING, _BASE, _LEAST_BASE = "all", "base", "base, requirements-cpu.txt"


class _Row(NamedTuple):
    name: str
    taken: Taken
    other_cores: float  # that the rest of the machine kept busy


def _install(name: str, own: Environment, words: tuple[str, ...]) -> _Row:
    before = busy_seconds()
    taken = own.install(words)
    row = _Row(name, taken, max(0.0, busy_seconds() - before - taken.cpu_seconds) / taken.seconds)
    print(*row, file=sys.stderr, flush=True)
    return row


def _measure(wheel: str, python: str, folder: Path) -> Iterator[_Row]:
    whole = Environment(folder / "all", python)
    yield _install(_EVERYTHING, whole, (f"{wheel}[all]", *_PINS))
    whole.remove()
    least = Environment(folder / "least", python)
    yield _install(_LEAST_BASE, least, (*_LEAST, wheel))
    least.remove()
    base = Environment(folder / "base", python)
    yield _install(_BASE, base, (wheel, *_PINS))
    for name in EXTRAS:
        if name not in _OUTSIDE_ALL:
            own = Environment(folder / name, python, on_top_of=base)
            yield _install(name, own, (f"{wheel}[{name}]", *_PINS))
            own.remove()


def main() -> int:
    """Install into environments of a temporary folder, and print what each took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.installs", description="Time and size of installing.")
    parser.add_argument("wheel", type=Path, metavar="WHEEL")
    parser.add_argument("--python", default=sys.executable, metavar="PROGRAM", help="the interpreter (default: this)")
    arguments = parser.parse_args()
    table = Table("install", "seconds", "CPU seconds", "MB", "share of CPU", "share of MB", "other cores", box=None)
    with tempfile.TemporaryDirectory(prefix="fpgaae-installs-") as folder:
        try:
            rows = list(_measure(str(arguments.wheel.resolve()), arguments.python, Path(folder)))
        except StageFailed as error:
            print(error, file=sys.stderr)
            return 1
    whole = rows[0].taken
    for row in rows:
        seconds, cpu, megabytes = row.taken
        shares = (f"{cpu / whole.cpu_seconds:.0%}", f"{megabytes / whole.megabytes:.0%}")
        took = (f"{seconds:.0f}", f"{cpu:.0f}", f"{megabytes:,.0f}")
        table.add_row(row.name, *took, *shares, f"{row.other_cores:.1f}")
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
