"""The goals on a GPU, in eight minutes: `python -m benchmarks.gpu [--quick] [--device gpu|cpu] [--json FILE]`.

The compiled loop of the float methods on JAX: one dense variational autoencoder against Keras' `fit`, 32 members
against one, 4 million events x 100 epochs, and what arithmetic and memory of the device would allow. TensorFlow is not
needed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.measure import StageFailed
from benchmarks.reference_speed import add_roofline, measure
from benchmarks.reference_worker import BATCH
from benchmarks.result import Goal, Result, Settings
from fpgaae.files import write_json

NAME = "gpu"
GPU, CPU = "gpu", "cpu"
_LIMIT_S = 480
_MEMBERS = 32
_EVENTS, _EPOCHS, _SECONDS = 4_000_000, 100, 60
_FASTER, _COST = 5, 3  # than `fit`; of all members
_NO_DEVICE = 3  # exit code of what is missing
_ASK = "import jax; print(jax.default_backend(), jax.devices()[0].device_kind)"


class _Clock:
    """The time that is left."""

    def __init__(self) -> None:
        self._end = time.monotonic() + _LIMIT_S

    @property
    def left(self) -> float:
        """Seconds."""
        return max(1.0, self._end - time.monotonic())


def missing(device: str) -> str | None:
    """Say in a sentence what is not there to measure a device, or None."""
    for module in ("jax", "keras"):
        if find_spec(module) is None:
            return f"{module} is not installed here; install fpgaae with its extra `methods`"
    if device == CPU:
        return None
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=False, timeout=_LIMIT_S)
    found = (done.stdout.split() or ["nothing"])[0]
    return (
        None if found == GPU else f"JAX finds no GPU here but {found}; `--quick --device cpu` is a smoke test without"
    )


def run(settings: Settings, device: str = GPU) -> Result:
    """Measure what there is to measure on; each row that could not be says why."""
    result = Result(NAME, ("what", "events/s", "s", "note"))
    if (said := missing(device)) is not None:
        result.rows.append(("nothing was run", "", "", said))
        return result
    if device == CPU:
        os.environ["JAX_PLATFORMS"] = CPU
    clock = _Clock()
    size = ("--events", str(BATCH * (8 if settings.quick else 400)), "--epochs", "1" if settings.quick else "5")
    loop = _row(result, "compiled loop", lambda: measure("jax", "loop", *size, seconds=clock.left))
    for backend in ("jax", "torch"):
        _against_fit(result, loop, backend, size, clock)
    n_members = 2 if settings.quick else _MEMBERS
    many = ("loop", *size, "--members", str(n_members))
    ensemble = _row(result, f"{n_members} members", lambda: measure("jax", *many, seconds=clock.left))
    if loop and ensemble:
        cost = n_members * loop["events_per_second"] / ensemble["events_per_second"]
        result.goals.append(Goal(f"cost of {n_members} members / one", cost, _COST, "times"))
    _whole(result, settings, clock)
    machine = _row(result, "what the device can do", lambda: measure("jax", "machine", seconds=clock.left))
    if loop and machine:
        roofline = Result(NAME, ())
        add_roofline(roofline, loop["events_per_second"], machine)
        result.rows += [(f"{row[0]}: {row[1]}", row[2], "", "") for row in roofline.rows]
    return result


def _whole(result: Result, settings: Settings, clock: _Clock) -> None:
    """Train on four million events for a hundred epochs, compilation included."""
    n, epochs = (8 * BATCH, 2) if settings.quick else (_EVENTS, _EPOCHS)
    arguments = ("loop", "--events", str(n), "--epochs", str(epochs))
    what = f"{n:,} events x {epochs} epochs"
    found = _row(result, what, lambda: measure("jax", *arguments, seconds=clock.left))
    if found:
        result.goals.append(Goal(f"{what}, compilation included", found["seconds"], _SECONDS, "s"))


def _against_fit(
    result: Result, loop: dict[str, Any] | None, backend: str, size: tuple[str, ...], clock: _Clock
) -> None:
    what = f"Keras' fit on {backend}"
    if find_spec(backend) is None:
        result.rows.append((what, "", "", f"not run: {backend} is not installed"))
        return
    found = _row(result, what, lambda: measure(backend, "fit", *size, seconds=clock.left))
    if found and loop:
        ratio = loop["events_per_second"] / found["events_per_second"]
        result.goals.append(Goal(f"compiled loop / {what}", ratio, _FASTER, "times", at_least=True))


def _row(result: Result, what: str, measured: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Add a row of a measurement, or of why there is none."""
    try:
        found = measured()
    except StageFailed as error:
        result.rows.append((what, "", "", f"not run: {str(error).splitlines()[-1]}"))
        return None
    result.rows.append((what, found.get("events_per_second", ""), found.get("seconds", ""), str(found["device"])))
    return found


def main() -> int:
    """Measure, print the table, and write the figures; a missed goal is no error, a missing GPU is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="Measure the goals on a GPU.")
    parser.add_argument("--quick", action="store_true", help="small and few: only to see that it works")
    parser.add_argument("--device", choices=(GPU, CPU), default=GPU)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into a file")
    given = parser.parse_args()
    if (said := missing(given.device)) is not None:
        print(said, file=sys.stderr)
        return _NO_DEVICE
    result = run(Settings(_EVENTS, given.quick), given.device)
    result.print(Console(width=None if sys.stdout.isatty() else 120))
    if given.json:
        write_json(given.json, {"device": given.device, "quick": given.quick, **result.to_json()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
