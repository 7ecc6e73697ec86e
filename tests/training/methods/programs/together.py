"""Trains on JAX as one of two processes, and the first then alone; prints what the tests compare as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from float_methods import correlated, job, method, setting

from fpgaae.meeting import Place
from fpgaae.methods.ensemble import Member
from fpgaae.models.method_setting import input_moments
from fpgaae.training.methods import backend

FOLDER, PLACE = Path(sys.argv[1]), Place(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
backend.prepare_together(PLACE)

import jax  # noqa: E402

from fpgaae.training.methods import checkpoint, devices, jax_loop, together  # noqa: E402
from fpgaae.training.methods.job import Totals, Trained  # noqa: E402

X = correlated(301)  # which do not come out even
WIDE = X[:150] * np.logspace(0, 15, 150, dtype=np.float32)[:, None]
CANCELLING = np.concatenate([WIDE, X[:1], -WIDE[::-1]])  # whose mean is what the order of the sum makes of it
MEMBERS = (Member(3, {}), Member(4, {"beta": 2.0}))


class _Killed(Exception):
    """Stands for the end of all processes."""


def train(name: str, *, alone: bool = False) -> Trained:
    """Train on the share of this process, or on all."""
    made = method("vae", setting(X), beta=0.5)
    wanted = job(made, X, FOLDER / name / str(PLACE.process), MEMBERS, batch_size=60)
    if not alone:
        training, validation = ({"x": own["x"][_slice(own)]} for own in (wanted.training, wanted.validation))
        totals = Totals(len(wanted.training["x"]), len(wanted.validation["x"]))
        wanted = wanted._replace(training=training, validation=validation, totals=totals)
    return jax_loop.train_with_jax(wanted)


def _slice(columns: dict[str, Any]) -> slice:
    rows = together.rows_here(len(columns["x"]))
    return slice(rows.start, rows.stop)


def outcome(trained: Trained) -> dict[str, Any]:
    """Give weights and losses."""
    weights = [np.concatenate([value.ravel() for value in values]).tolist() for values in trained.values]
    return {"weights": weights, "losses": [[*h.loss, *h.val_loss] for h in trained.histories]}


def resumed() -> tuple[Trained, int]:
    """Train with a kill in the third epoch; give what a second start ends with, and how many epochs were begun in all.

    Only the first process has written what all go on from.
    """
    checkpoint._SECONDS_BETWEEN = 0.0
    check = jax_loop.require_finite
    begun = 0

    def dies(*arguments: Any) -> None:  # noqa: ANN401
        nonlocal begun
        begun += 1
        if begun == 3:
            raise _Killed
        check(*arguments)

    jax_loop.require_finite = dies
    try:
        train("killed")
    except _Killed:
        return train("killed"), begun
    raise AssertionError("nothing was killed")


if __name__ == "__main__":
    rows = _slice({"x": X})
    trained, begun = resumed()
    measured = {
        "rows": [rows.start, rows.stop],
        "moments": [values.tolist() for values in together.moments_of_all(CANCELLING[rows])],
        "together": outcome(trained),
        "begun": begun,
        "saved": (FOLDER / "killed" / str(PLACE.process) / "method.npz").exists(),
    }
    jax.distributed.shutdown()
    if not PLACE.process:
        jax_loop.place = lambda *_: devices.Placement(None, devices.MEMBERS)
        measured["alone"] = outcome(train("alone", alone=True))
        measured["moments_alone"] = [values.tolist() for values in input_moments(CANCELLING)]
    json.dump(measured, sys.stdout)
