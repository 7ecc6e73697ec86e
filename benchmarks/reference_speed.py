"""The compiled loop of the float methods against Keras' `fit`, an ensemble against one member, and the roofline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median
from typing import Any

from benchmarks.measure import StageFailed
from benchmarks.reference_worker import BATCH, multiply_adds
from benchmarks.result import Goal, Result, Settings

NAME = "reference_speed"
_ROUNDS = 3
_MEMBERS = 32
_PARAMETERS_MOVED = 8  # a step reads and writes weights, two moments, and writes and reads the gradients


def run(settings: Settings) -> Result:
    """Measure all in turn, round by round, so that what else the machine does meets all alike."""
    result = Result(NAME, ("round", "what", "events/s", "events a CPU second"))
    n = BATCH * (20 if settings.quick else 110)
    size = ("--events", str(n), "--epochs", "2" if settings.quick else "10")
    wanted: dict[str, tuple[str, tuple[str, ...]]] = {
        "fit, TensorFlow": ("tensorflow", ("fit", *size)),
        "fit, JAX": ("jax", ("fit", *size)),
        "compiled loop": ("jax", ("loop", *size)),
        f"compiled loop, {_MEMBERS} members": ("jax", ("loop", *size, "--members", str(_MEMBERS))),
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    for index in range(1 if settings.quick else _ROUNDS):
        for name, (backend, arguments) in wanted.items():
            measured = measure(backend, *arguments)
            found[name].append(measured)
            result.rows.append((str(index + 1), name, measured["events_per_second"], measured["per_cpu_second"]))
    rates = {name: median(own["events_per_second"] for own in measured) for name, measured in found.items()}
    loop, ensemble = rates["compiled loop"], rates[f"compiled loop, {_MEMBERS} members"]
    gpu = found["compiled loop"][0]["device"] != "cpu"
    for name in ("fit, TensorFlow", "fit, JAX"):
        result.goals.append(Goal(f"compiled loop / {name}", loop / rates[name], 5 if gpu else 1, "times", True))
    result.goals.append(Goal(f"cost of {_MEMBERS} members / one", _MEMBERS * loop / ensemble, 3, "times (on a GPU)"))
    add_roofline(result, loop, measure("jax", "machine"))
    return result


def add_roofline(result: Result, rate: float, machine: dict[str, float]) -> None:
    """Say what an event costs, and which of arithmetic and memory binds at most."""
    flops = 6 * multiply_adds()
    parameters = multiply_adds()
    moved = 4 * (57 + 1) + 4 * _PARAMETERS_MOVED * parameters / BATCH
    limits = {"arithmetic": machine["flops"] / flops, "memory": machine["bytes"] / moved}
    binding = min(limits, key=lambda name: limits[name])
    result.rows += [
        ("roofline", f"{flops:,} flops an event: {machine['flops'] / 1e9:,.0f} GFLOP/s", limits["arithmetic"], ""),
        ("roofline", f"{moved:,.0f} bytes an event: {machine['bytes'] / 1e9:,.1f} GB/s", limits["memory"], ""),
        ("roofline", f"{binding} binds; share of it achieved by the compiled loop", rate / limits[binding], ""),
    ]


def measure(backend: str, *arguments: str, seconds: float | None = None) -> dict[str, Any]:
    """Run one measurement of the worker in a process of its own.

    Raises
    ------
    StageFailed
        If it ends with an error, or not in so many seconds.
    """
    command = [sys.executable, "-m", "benchmarks.reference_worker", *arguments]
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise StageFailed(f"{' '.join(command)} did not end in {seconds:.0f} s") from None
    if done.returncode:
        raise StageFailed(f"{' '.join(command)} exited with {done.returncode}:\n{done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured
