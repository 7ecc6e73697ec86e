"""Trains on JAX with two simulated devices, and prints what the tests compare as JSON; run as a process of its own."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from float_methods import clusters, correlated, job, method, setting

from fpgaae.errors import CheckFailed
from fpgaae.methods.ensemble import LEARNING_RATE, Member
from fpgaae.training.methods import backend

backend.prepare()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import keras  # noqa: E402

from fpgaae.models.method_networks import build_networks, variables_of_all  # noqa: E402
from fpgaae.training.methods import checkpoint, devices, jax_loop  # noqa: E402
from fpgaae.training.methods.job import Trained  # noqa: E402
from fpgaae.training.methods.shuffle import shuffled  # noqa: E402

SCRATCH = Path(tempfile.mkdtemp(prefix="fpgaae-test-"))
_place = jax_loop.place


def train(name: str, *arguments: Any, spread: bool = False, **options: Any) -> Trained:  # noqa: ANN401
    """Train on one device, or on all."""
    jax_loop.place = _place if spread else lambda *_: devices.Placement(None, devices.MEMBERS)
    return jax_loop.train_with_jax(job(*arguments, SCRATCH / name, **options))


def losses(trained: Trained) -> list[list[float]]:
    """Give the losses of every member, in training and then in validation."""
    return [[*history.loss, *history.val_loss] for history in trained.histories]


def linear_and_pca() -> float:
    """Give the largest principal angle between the linear autoencoder's plane and that of the leading components."""
    x = correlated(500)
    given = setting(x, (), 2)
    trained = train("linear", method("linear", given), x, epochs=700, batch_size=500, learning_rate=0.05,
                    final_learning_rate=1e-5)  # fmt: skip
    names = [variable.path for variable in variables_of_all(trained.networks)]
    plane = np.linalg.qr(trained.values[0][names.index("reconstruction/kernel")].T.astype(np.float64))[0]
    components = np.linalg.qr(method("pca", given).solve(x)["latent/kernel"])[0]
    cosines = np.linalg.svd(plane.T @ components, compute_uv=False)
    return float(np.arcsin(np.sqrt(np.maximum(0, 1 - cosines.min() ** 2))))


def ensembles() -> dict[str, Any]:
    """Give the losses of three members trained at once, on one device and on two, and each for itself."""
    x = correlated(300)
    made = method("vae", setting(x), beta=0.5)
    members = (Member(3, {}), Member(4, {"beta": 2.0}), Member(3, {LEARNING_RATE: 1e-3}))
    together = train("together", made, x, members=members)
    alone = [train(f"alone{i}", made, x, members=(member,)) for i, member in enumerate(members[1:])]
    return {
        "together": losses(together),
        "alone": [losses(trained)[0] for trained in alone],
        "members_spread": losses(train("spread", made, x, members=members, spread=True)),
        "events_spread": losses(train("events", made, x, members=members[:1], spread=True)),
        "n_devices": [_place(n, 64).n_devices for n in (3, 1)],
    }


def step_by_step() -> dict[str, Any]:
    """Give losses of the compiled scan, and of plain steps with Keras' own Adam in the same order of events."""
    x = correlated(256)
    made = method("dense", setting(x))
    fit = {"epochs": 2, "batch_size": 64, "learning_rate": 1e-2, "final_learning_rate": 1e-4}
    scanned = train("scan", made, x, **fit)
    networks = build_networks(made, 1)
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 8, alpha=1e-2)
    optimizer = keras.optimizers.Adam(schedule)
    variables = variables_of_all(networks)
    optimizer.build(variables)
    values, state = [v.value for v in variables], [v.value for v in optimizer.variables]

    def loss(values: list[Any], batch: Any) -> Any:  # noqa: ANN401
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return made.terms(networks, {"x": batch}, None)["reconstruction"]

    means = []
    for epoch in range(2):
        order = shuffled(jax.random.fold_in(jax.random.key(1), epoch), 256).reshape(4, 64)
        found = []
        for rows in order:
            value, gradients = jax.value_and_grad(loss)(values, jnp.asarray(x)[rows])
            values, state = optimizer.stateless_apply(state, gradients, values)
            found.append(float(value))
        means.append(float(np.mean(found)))
    return {"scan": scanned.histories[0].loss, "steps": means}


def collapse() -> dict[str, list[float]]:
    """Give the mean divergence of each latent of a plain VAE, an annealed one, and one with free bits."""
    x = clusters(2048)
    given = setting(x, (32,), 3)
    found = {}
    cases = {"plain": {}, "annealed": {"annealing": 0.7}, "free_bits": {"free_bits": 0.5}}
    for name, options in cases.items():
        made = method("vae", given, **options)
        trained = train(name, made, x, epochs=30, batch_size=128)
        for variable, value in zip(variables_of_all(trained.networks), trained.values[0], strict=True):
            variable.assign(value)
        mu, log_variance = (np.asarray(part) for part in made.posterior(trained.networks, x))
        found[name] = (0.5 * (mu**2 + np.exp(log_variance) - 1 - log_variance)).mean(axis=0).tolist()
    return found


def not_finite() -> str:
    """Give the sentence of a training that blows up."""
    x = correlated(256)
    try:
        train("nan", method("sparse", setting(x)), x, members=(Member(1, {}), Member(2, {LEARNING_RATE: 1e25})))
    except CheckFailed as error:
        return str(error)
    return "nothing was wrong"


class _Killed(Exception):
    """Stands for a kill."""


def resumed() -> dict[str, Any]:
    """Give the losses of a training with two phases that was killed in each of them, and of one that was not."""
    checkpoint._SECONDS_BETWEEN = 0.0
    x = correlated(256)
    made = method("stacked_denoising", setting(x, (), 2), pretraining_share=0.5)
    whole = losses(train("whole", made, x, epochs=6))
    epochs = 0
    save = checkpoint.Checkpoint.save

    def killed(self: Any, *arguments: Any) -> None:  # noqa: ANN401
        nonlocal epochs
        save(self, *arguments)
        epochs += 1
        if epochs in {1, 3, 5}:
            raise _Killed

    checkpoint.Checkpoint.save = killed
    for _ in range(3):
        try:
            train("killed", made, x, epochs=6)
        except _Killed:
            continue
    return {"whole": whole, "resumed": losses(train("killed", made, x, epochs=6)), "epochs_run": epochs}


def same_as_fit() -> list[float]:
    """Give the last validation losses of seeds, which those of Keras' `fit` are compared with."""
    x = correlated(1024)
    members = tuple(Member(seed, {}) for seed in range(6))
    trained = train("fit", method("vae", setting(x)), x, members=members, epochs=10)
    return [history.val_loss[-1] for history in trained.histories]


def shuffles() -> list[bool]:
    """Tell whether every order holds every number once, and differs from the next key's."""
    good = []
    for n in (1, 2, 3, 64, 65, 1000, 4097):
        first, second = (np.asarray(shuffled(jax.random.key(seed), n)) for seed in (1, 2))
        good.append(bool((np.sort(first) == np.arange(n)).all()) and (n < 64 or bool((first != second).any())))
    return good


CHECKS = {
    check.__name__: check
    for check in (linear_and_pca, ensembles, step_by_step, collapse, not_finite, resumed, same_as_fit, shuffles)
}

if __name__ == "__main__":
    wanted = sys.argv[2:] or list(CHECKS)
    results = {name: CHECKS[name]() for name in wanted}
    Path(sys.argv[1]).write_text(json.dumps(results), encoding="utf-8")
