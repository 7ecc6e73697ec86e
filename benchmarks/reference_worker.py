"""One measurement of the float training, in a process of its own since a process has one Keras backend.

    python -m benchmarks.reference_worker loop --events 4000000 --epochs 100     # the goal of 60 s on an H200-class GPU

`loop` is the compiled loop of `fpgaae reference`, `fit` is Keras' own on the backend KERAS_BACKEND, and `machine` what
the device can do at most. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import FloatFit, Model, ModelKind, Score
from fpgaae.methods.base import Setting
from fpgaae.methods.ensemble import Member
from fpgaae.methods.registry import method_class
from fpgaae.models.plan import plan_network
from fpgaae.progress import SilentProgress, Task
from fpgaae.training.methods.backend import device, prepare

IMAGE = (19, 3, 1)
BATCH = 1024
_ENCODER, _LATENT, _DECODER = (32, 16), 3, (16, 32)  # the dense VAE of configs/l1_vae.yaml
MODEL = Model(
    kind=ModelKind.VARIATIONAL, encoder=_ENCODER, latent=_LATENT, decoder=_DECODER, score=Score.MU_SQUARED
)  # fmt: skip
_MATRIX, _COPY = 2048, 1 << 26
_REPETITIONS = 5


def events(n: int) -> NDArray[np.float32]:
    """Give made-up inputs, (n, 57): the speed does not depend on their values."""
    return np.random.default_rng(1).normal(size=(n, 57)).astype(np.float32)


def multiply_adds() -> int:
    """Count those of one event forward; backward takes twice as many."""
    widths = [57, *_ENCODER, 2 * _LATENT]
    back = [_LATENT, *_DECODER, 57]
    return sum(a * b for chain in (widths, back) for a, b in pairwise(chain))


def measure_loop(n: int, epochs: int, members: int, precision: str) -> dict[str, float]:
    """Train with the compiled loop, compilation left out, as the result file of the stage does."""
    prepare(members)
    from fpgaae.training.methods.jax_loop import train_with_jax  # noqa: PLC0415
    from fpgaae.training.methods.job import Job  # noqa: PLC0415

    x = events(n)
    plain = MODEL.model_copy(update={"kind": ModelKind.AUTOENCODER})
    layers = plan_network(plain, IMAGE).layers
    at = next(index for index, layer in enumerate(layers) if layer.name == "latent")
    setting = Setting(
        57, IMAGE, (32, 16), MODEL.latent, (16, 32), layers[1:at], layers[at + 1 :],
        x.mean(axis=0), x.var(axis=0), x.min(axis=0), x.max(axis=0), np.zeros(19, dtype=np.float32), precision,
    )  # fmt: skip
    found = method_class("vae")
    method = found(found.options_class(kind="vae"), setting)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        chosen = tuple(Member(seed, {}) for seed in range(members))
        fit = FloatFit(epochs=epochs + 1, batch_size=BATCH)
        job = Job(method, chosen, fit, {"x": x}, {"x": x[:BATCH]}, Path(folder), clock)
        started = time.perf_counter()
        trained = train_with_jax(job)
    done = job.steps * BATCH * epochs * members
    return {
        "events_per_second": trained.events_per_second,
        "seconds": time.perf_counter() - started,
        "per_cpu_second": done / (clock.ticks[-1] - clock.ticks[-1 - epochs]),
    }


class _Clock(SilentProgress):
    """Notes the CPU time at the end of each epoch: the first comes after the compilation."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    @contextmanager
    def task(self, description: str, total: float | None) -> Iterator[Task]:
        """Give a task whose steps are noted."""
        del description, total
        yield self

    def advance(self, amount: float = 1) -> None:
        """Note the time."""
        del amount
        self.ticks.append(time.process_time())

    def note(self, text: str) -> None:
        """Show nothing."""


def measure_fit(n: int, epochs: int) -> dict[str, float]:
    """Train the same network by Keras' `fit`, the first epoch left out."""
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        from fpgaae.tensorflow_setup import prepare as prepare_tensorflow  # noqa: PLC0415

        prepare_tensorflow()
    import keras  # noqa: PLC0415

    from fpgaae.models.float import build_float, reconstruction_loss  # noqa: PLC0415

    x = events(n - n % BATCH)
    keras.utils.set_random_seed(1)
    graph = build_float(MODEL, IMAGE, 1)
    graph.training.compile(
        optimizer=keras.optimizers.Adam(1e-3), loss=reconstruction_loss(MODEL, np.ones(57), np.zeros(19))
    )
    graph.training.fit(x, x, batch_size=BATCH, epochs=1, verbose=0)
    busy, started = time.process_time(), time.perf_counter()
    graph.training.fit(x, x, batch_size=BATCH, epochs=epochs, verbose=0)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    return {
        "events_per_second": len(x) * epochs / seconds, "seconds": seconds, "per_cpu_second": len(x) * epochs / busy,
    }  # fmt: skip


def measure_machine() -> dict[str, float]:
    """Measure the device: multiply-adds a second of a large matrix product, and bytes a second of a copy."""
    import jax  # noqa: PLC0415
    import jax.numpy as jnp  # noqa: PLC0415

    def best(function: Any, argument: Any) -> float:  # noqa: ANN401
        compiled = jax.jit(function)
        compiled(argument).block_until_ready()
        times = []
        for _ in range(_REPETITIONS):
            started = time.perf_counter()
            compiled(argument).block_until_ready()
            times.append(time.perf_counter() - started)
        return min(times)

    product = best(lambda a: a @ a, jnp.ones((_MATRIX, _MATRIX)))
    copy = best(lambda a: a + 1, jnp.ones(_COPY))
    return {"flops": 2 * _MATRIX**3 / product, "bytes": 8 * _COPY / copy}


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reference_worker")
    parser.add_argument("what", choices=("loop", "fit", "machine"))
    parser.add_argument("--events", type=int, default=200 * BATCH)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    given = parser.parse_args()
    if given.what == "loop":
        result = measure_loop(given.events, given.epochs, given.members, given.precision)
    elif given.what == "fit":
        result = measure_fit(given.events, given.epochs)
    else:
        result = measure_machine()
    print(json.dumps({**result, "device": device()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
