"""The way of a newcomer with nothing but a wheel: the first screen of the README, then `init` and `run` on own events.

    python -m benchmarks.newcomer dist/fpgaae-0.1.0-py3-none-any.whl [--only csv images ...]

What the README says up to the first proof runs as it stands there, in an empty environment and an empty folder; then
files of six kinds go from `fpgaae init` to the C simulation, each in an empty folder, and no line of the config is
touched.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.environments import Environment
from benchmarks.measure import StageFailed
from fpgaae.files import sha256
from tests import event_files

_README = Path(__file__).parent.parent / "README.md"
_PROOF, _MOST_COMMANDS = "## The first proof\n", 4
_TABLES_AND_SOUNDS = "[tables,domains]"
_EVENTS, _CLIPS = 1500, 20


class Kind(NamedTuple):
    """A kind of event file: its name, what writes it, and how many events."""

    name: str
    write: Callable[[Path, int], Path]
    events: int = _EVENTS


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "level1": Kind("level1.parquet", event_files.write_level1_parquet),
        "nanoaod": Kind("nano.root", event_files.write_nanoaod),
        "adc2021": Kind("adc.h5", event_files.write_adc2021),
        "csv": Kind("events.csv", event_files.write_csv),
        "sounds": Kind("sounds", event_files.write_sounds, _CLIPS),
        "images": Kind("images.npz", event_files.write_images),
    }
)


class Row(NamedTuple):
    """What was done, how long it took, and what the C simulation said."""

    what: str
    seconds: float
    events: int | None = None


def first_proof(own: Environment, wheel: Path, folder: Path) -> list[Row]:
    """Run the commands of the README, a line each; `pip install .` takes the wheel, since there is no checkout.

    Raises
    ------
    StageFailed
        If one fails, there are more than four, or the last leaves no proof.
    """
    lines = _commands()
    if len(lines) > _MOST_COMMANDS:
        raise StageFailed(f"{_README.name} has {len(lines)} commands before the first proof, at most {_MOST_COMMANDS}")
    rows = []
    for line in lines:
        command = f"pip install '{wheel}'" if line == "pip install ." else line
        rows.append(Row(line, own.run(command, folder).seconds))
    return [*rows, Row("README, to the first proof", sum(row.seconds for row in rows), _proven(folder, "l1_ae"))]


def _commands() -> list[str]:
    text = _README.read_text(encoding="utf-8").partition(_PROOF)[2]
    block = text.lstrip("\n").partition("\n\n")[0]
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def own_events(own: Environment, kind: Kind, folder: Path) -> Row:
    """Write a file, and run `init` and `run --to csim` on it.

    Raises
    ------
    StageFailed
        If one fails, the config was touched, or not all is proven.
    """
    kind.write(folder / kind.name, kind.events)
    config = folder / f"{kind.name.partition('.')[0]}.yaml"
    begun = own.run(f"fpgaae init {kind.name}", folder)
    written = sha256(config)
    ran = own.run(f"fpgaae run {config.name} --to csim", folder)
    if sha256(config) != written:
        raise StageFailed(f"{config.name} is not as `fpgaae init` wrote it")
    return Row(f"fpgaae init, run {kind.name}", begun.seconds + ran.seconds, _proven(folder, config.stem))


def _proven(folder: Path, name: str) -> int:
    """Give the number of events that the C simulation compared, where none differs."""
    result = json.loads((folder / "runs" / name / "csim" / "csim.json").read_text(encoding="utf-8"))
    if result["passed"] is not True or result["mismatched_events"] != 0:
        raise StageFailed(f"{name}: the firmware differs in {result['mismatched_events']} events")
    return int(result["events"])


def _walk(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    wheel = arguments.wheel.resolve()
    own = Environment(folder / "environment", arguments.python)
    rows = []
    for name in ("readme", *arguments.only):
        (place := folder / name).mkdir()
        if name == "readme":
            rows += first_proof(own, wheel, place)
            own.install((f"{wheel}{_TABLES_AND_SOUNDS}",))
        else:
            rows.append(own_events(own, KINDS[name], place))
        print(f"{rows[-1].what}: {rows[-1].seconds:.0f} s", file=sys.stderr, flush=True)
    return rows


def main() -> int:
    """Go the way in a temporary folder, and print what each step took; 1 where one fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.newcomer", description="From a wheel to first proofs.")
    parser.add_argument("wheel", type=Path, metavar="WHEEL")
    parser.add_argument("--only", nargs="*", choices=list(KINDS), default=list(KINDS), help="kinds of events")
    parser.add_argument("--python", default=sys.executable, metavar="PROGRAM", help="the interpreter (default: this)")
    arguments = parser.parse_args()
    table = Table("step", "seconds", "events compared, 0 differ", box=None)
    with tempfile.TemporaryDirectory(prefix="fpgaae-newcomer-") as folder:
        try:
            rows = _walk(arguments, Path(folder))
        except StageFailed as error:
            print(error, file=sys.stderr)
            return 1
    for row in rows:
        table.add_row(row.what, f"{row.seconds:.0f}", "" if row.events is None else f"{row.events:,}")
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
