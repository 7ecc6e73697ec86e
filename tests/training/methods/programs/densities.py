"""Trains flows, critics and weakly supervised classifiers on JAX, and prints what the tests compare as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from float_methods import correlated, job, method, setting
from numpy.typing import NDArray

from fpgaae.training.methods import backend

backend.prepare()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from fpgaae.evaluation.metrics import auc  # noqa: E402
from fpgaae.methods.base import Method, Step  # noqa: E402
from fpgaae.methods.ensemble import Member  # noqa: E402
from fpgaae.methods.kinds.normalized import langevin  # noqa: E402
from fpgaae.models.method_networks import Values, build_networks, initial_values, variables_of_all  # noqa: E402
from fpgaae.models.method_scorer import Members  # noqa: E402
from fpgaae.training.methods.jax_loop import train_with_jax  # noqa: E402
from fpgaae.training.methods.jax_scorer import jax_scorer  # noqa: E402
from fpgaae.training.methods.jax_step import make_step  # noqa: E402
from fpgaae.training.methods.job import (  # noqa: E402
    Job,
    Trained,
)

SCRATCH = Path(tempfile.mkdtemp(prefix="fpgaae-test-"))


def train(
    name: str,
    made: Method,
    x: NDArray[np.float32],
    columns: dict[str, Any] | None = None,
    **fit: Any,  # noqa: ANN401
) -> Trained:
    """Train, by default one member; the networks then have the weights of the first."""
    planned: Job = job(made, x, SCRATCH / name, **fit)
    extra = columns or {}
    planned = planned._replace(
        training={"x": x, **extra}, validation={"x": x[:128], **{key: own[:128] for key, own in extra.items()}}
    )
    trained = train_with_jax(planned)
    adopt(trained, trained.values[0])
    return trained


def adopt(trained: Trained, values: Values) -> None:
    """Give the networks the weights of a member."""
    for variable, value in zip(variables_of_all(trained.networks), values, strict=True):
        variable.assign(value)


def score(made: Method, trained: Trained, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the main score of events."""
    return score_all(made, trained, x, next(iter(made.scores())))[0]


def score_all(made: Method, trained: Trained, x: NDArray[np.float32], name: str) -> NDArray[np.float64]:
    """Give a score of events by every member."""
    members = Members(trained.networks, trained.values, [made.options.knobs] * len(trained.values))
    return jax_scorer(made.scores()[name], members)({"x": x})


FLOWS: dict[str, dict[str, int]] = {"flow": {"couplings": 5}, "autoregressive_flow": {"layers": 3}}


def random_flow(kind: str, n_features: int, spread: float) -> tuple[Any, Any]:
    """Give a flow with random weights: at its beginning it is the identity."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(64, n_features)).astype(np.float32)
    made = method(kind, setting(x, (6,)), **FLOWS[kind])
    networks = build_networks(made, 1)
    for variable in variables_of_all(networks):
        variable.assign(spread * rng.normal(size=variable.shape))
    return made, networks


def flow_identities(kind: str) -> dict[str, Any]:
    """Compare the log-determinant with autodiff, and the inverse with what went in."""
    made, networks = random_flow(kind, 5, 0.5)
    x = jnp.asarray(np.random.default_rng(4).normal(size=(7, 5)) * 2, dtype=jnp.float32)
    z, found = made.forward(networks, x)
    jacobians = jax.vmap(jax.jacfwd(lambda one: made.forward(networks, one[None])[0][0]))(x)
    wanted = jnp.linalg.slogdet(jacobians).logabsdet
    return {
        "log_determinant": np.asarray(found).tolist(),
        "autodiff": np.asarray(wanted).tolist(),
        "inverse": float(jnp.abs(made.decode(networks, z) - x).max()),
        "moved": float(jnp.abs(z - jnp.arcsinh(x)).max()),
    }


def flow_integral(kind: str) -> float:
    """Integrate the density over the plane, in u = asinh x: dx = cosh u du."""
    made, networks = random_flow(kind, 2, 0.3)
    u = np.linspace(-12, 12, 801, dtype=np.float64)
    grid = np.stack(np.meshgrid(u, u), axis=-1).reshape(-1, 2)
    log_p = np.asarray(made.log_likelihood(networks, jnp.asarray(np.sinh(grid), dtype=jnp.float32)), dtype=np.float64)
    return float(np.exp(log_p + np.log(np.cosh(grid)).sum(axis=1)).sum() * (u[1] - u[0]) ** 2)


def trained_flow() -> dict[str, float]:
    """Train a flow on a ring, and give its log-likelihood and that of the Gaussian that fits the ring."""
    rng = np.random.default_rng(5)
    angle = rng.uniform(0, 2 * np.pi, 4000)
    radius = 2 + 0.1 * rng.normal(size=4000)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)
    made = method("flow", setting(x, (32, 32)), couplings=6, noise=0.0)
    trained = train("flow", made, x[:3000], epochs=40, batch_size=250)
    held_out = x[3000:]
    gaussian = -np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(np.cov(x.T)).logabsdet - 1
    drawn = np.asarray(made.decode(trained.networks, jnp.asarray(rng.normal(size=(1000, 2)), dtype=jnp.float32)))
    return {
        "flow": float(-score(made, trained, held_out).mean()),
        "gaussian": float(gaussian),
        "true": float(-np.log(2 * np.pi * 2) - 0.5 * np.log(2 * np.pi * 0.1**2) - 0.5),
        "drawn_on_the_ring": float((np.abs(np.hypot(*drawn.T) - 2) < 0.5).mean()),
    }


def slopes(made: Any, networks: Any, x: NDArray[np.float32]) -> dict[str, float]:  # noqa: ANN401
    """Give the slopes of a critic between true and made events, and its largest weight."""
    rng = np.random.default_rng(6)
    generated = made.decode(networks, jnp.asarray(rng.normal(size=(1000, 2)), dtype=jnp.float32))
    share = rng.uniform(size=(1000, 1)).astype(np.float32)
    slope = np.asarray(made.gradient_norm(networks, share * x[:1000] + (1 - share) * generated))
    weight = max(np.abs(np.asarray(v)).max() for v in networks["critic"].trainable_variables)
    return {"mean": float(slope.mean()), "high": float(np.quantile(slope, 0.99)), "weight": float(weight)}


def critics() -> dict[str, Any]:
    """Train critics with a penalty and without, at once, and one that is clipped."""
    x = 3 * correlated(2000, n_features=4)
    fit = {"epochs": 15, "batch_size": 200, "learning_rate": 3e-3}
    made = method("wgan", setting(x, (32,)), critic_updates=3)
    members = (Member(1, {"penalty": 10.0}), Member(1, {"penalty": 0.0}))
    trained = train("wgan", made, x, members=members, **fit)
    found: dict[str, Any] = {}
    for name, values in zip(("held", "free"), trained.values, strict=True):
        adopt(trained, values)
        found[name] = slopes(made, trained.networks, x)
    clipped = method("wgan", setting(x, (32,)), critic_updates=2, lipschitz="clipping")
    return {**found, "clipped": slopes(clipped, train("clipped", clipped, x, **fit | {"epochs": 3}).networks, x)}


def updates() -> dict[str, float]:
    """Give how far the weights of each player went in one batch: Adam's first step is the learning rate."""
    x = correlated(64, n_features=4)
    made = method("wgan", setting(x, (8,)), critic_updates=4)
    before = dict(zip(("critic", "generator"), (None, None), strict=True))
    networks = build_networks(made, 1)
    starts = {id(v): own for v, own in zip(variables_of_all(networks), initial_values(networks), strict=True)}
    for name in before:
        before[name] = [starts[id(v)] for v in networks[name].trainable_variables]
    trained = train("updates", made, x, epochs=1, batch_size=64, learning_rate=1e-3, final_learning_rate=1e-3)
    return {
        name: max(
            float(np.abs(np.asarray(v) - own).max())
            for v, own in zip(trained.networks[name].trainable_variables, before[name], strict=True)
        )
        for name in before
    }


def gan() -> dict[str, Any]:
    """Train a GAN, and give the means of made and true events."""
    x = correlated(2000, n_features=4)
    made = method("gan", setting(x, (32,)))
    trained = train("gan", made, x, epochs=80, batch_size=100, learning_rate=2e-3)
    noise = np.random.default_rng(7).normal(size=(2000, 2))
    generated = np.asarray(made.decode(trained.networks, jnp.asarray(noise, dtype=jnp.float32)))
    scores = {"true": score(made, trained, x[:500]), "far": score(made, trained, x[:500] + 8)}
    return {
        "true_mean": x.mean(axis=0).tolist(),
        "made_mean": generated.mean(axis=0).tolist(),
        "auc_far": auc(scores["true"], scores["far"]),
    }


def decorrelation() -> dict[str, float]:
    """Give the rank correlation of score and nuisance with the adversary and without."""
    from scipy.stats import spearmanr  # noqa: PLC0415

    rng = np.random.default_rng(8)
    nuisance = rng.normal(size=4000).astype(np.float32)
    x = correlated(4000, n_features=6, rank=3, noise=0.1)
    x += (rng.normal(size=x.shape) * np.exp(0.6 * nuisance)[:, None]).astype(np.float32)
    made = method("decorrelated", setting(x, (24,), 3))
    members = tuple(Member(1, {"strength": strength}) for strength in (0.0, 5.0))
    trained = train("pivot", made, x, {"nuisance": nuisance}, members=members, epochs=30, batch_size=200)
    scores = score_all(made, trained, x, next(iter(made.scores())))
    return {
        str(member.point["strength"]): float(abs(spearmanr(own, nuisance).statistic))
        for member, own in zip(members, scores, strict=True)
    }


def without_labels() -> float:
    """Plant a tenth of signal in one of two mixtures, and give the AUC on events that were not trained on."""
    rng = np.random.default_rng(9)

    def background(n: int) -> NDArray[np.float32]:
        return rng.normal(size=(n, 4)).astype(np.float32)

    def signal(n: int) -> NDArray[np.float32]:
        return (0.5 * rng.normal(size=(n, 4)) + [1.5, 1.5, 0, 0]).astype(np.float32)

    x = np.concatenate([background(2700), signal(300), background(3000)])
    mixture = np.repeat([1.0, 0.0], 3000).astype(np.float32)
    made = method("cwola", setting(x, (16,)))
    order = rng.permutation(len(x))
    trained = train("cwola", made, x[order], {"mixture": mixture[order]}, epochs=15, batch_size=200)
    return auc(score(made, trained, background(2000)), score(made, trained, signal(2000)))


def embedded() -> dict[str, Any]:
    """Train autoencoders on embeddings, held apart or not, and a recurrent one; give spreads and AUCs."""
    x = correlated(2000, n_features=6, noise=0.1)
    far = x[:500] + 3 * np.random.default_rng(10).normal(size=(500, 6)).astype(np.float32)
    blank = np.zeros(6, dtype=np.float32)
    given = setting(x, (16,), 4, empty=np.full(3, -100, dtype=np.float32))._replace(
        image_shape=(3, 2, 1), blank=blank, turn=blank, turn_low=blank
    )
    fit = {"epochs": 12, "batch_size": 200, "learning_rate": 5e-3}
    recurrent = method("recurrent", given, units=12)
    trained = train("recurrent", recurrent, x, **fit)
    found: dict[str, Any] = {"recurrent": auc(score(recurrent, trained, x[:500]), score(recurrent, trained, far))}
    behind = setting(x, (16,), 2, given.empty, embedding=4)._replace(
        image_shape=(3, 2, 1), blank=blank, turn=blank, turn_low=blank
    )
    made = method("vicreg", behind, projector=8)
    members = (Member(1, {"variance": 25.0}), Member(1, {"variance": 0.0}))
    trained = train("vicreg", made, x, members=members, **fit)
    for name, values in zip(("held", "free"), trained.values, strict=True):
        adopt(trained, values)
        z = np.asarray(trained.networks["projector"](trained.networks["embedding"](x)))
        found[name] = z.std(axis=0).tolist()
    error = (score_all(made, trained, own, "embedding_error")[0] for own in (x[:500], far))
    return {**found, "vicreg": auc(*error)}


def chains() -> dict[str, float]:
    """Give the variance that a Langevin chain in a parabola ends with, and both slopes of the exact -log p of one."""
    temperature, size, b = 2.0, 0.2, 0.4
    knobs = {"temperature": temperature, "step": size, "latent_step": size, "regularization": 0.0}

    def step(seed: int) -> Step:
        return make_step(jax.random.key(seed), knobs, 1.0, training=True)

    x, one = jnp.zeros((20_000, 2)), step(1)
    for _ in range(40):
        x = langevin(lambda own: jnp.sum(jnp.square(own - b), axis=-1), x, "step", one)
    events = 3 + jnp.asarray(np.random.default_rng(1).normal(size=(20_000, 2)))
    made = method("normalized", setting(np.asarray(events)), steps=40, latent_steps=0)

    def loss(mean: Any) -> Any:  # noqa: ANN401
        networks = {"encoder": lambda own: 0 * own, "decoder": lambda z: 0 * z + mean}
        return sum(made.terms(networks, {"x": events}, step(2)).values())

    return {"mean": float(x.mean()), "variance": float(x.var()), "slope": float(jax.grad(loss)(b))}


def normalized() -> dict[str, float]:
    """Give how far energies of samples are from those of events, after a plain training and one of the density."""
    x = correlated(2000, n_features=6, noise=0.3)
    made: Any = method("normalized", setting(x, (16,), 2), temperature=0.2, steps=3, latent_steps=2)
    found = {}
    for kind in ("dense", "normalized"):
        plain = method(kind, made.setting) if kind == "dense" else made
        trained = train(kind, plain, x, epochs=16, batch_size=200, learning_rate=5e-3)
        step = make_step(jax.random.key(3), made.options.knobs, 1.0, training=False)
        events, samples = (
            float(jnp.mean(made.energy(trained.networks, own)))
            for own in (jnp.asarray(x), made.negative(trained.networks, jnp.asarray(x), step))
        )
        found[kind] = abs(samples / events - 1)
    far = (x[:500] + 3 * np.random.default_rng(10).normal(size=(500, 6))).astype(np.float32)
    error = (score_all(made, trained, own, "reconstruction")[0] for own in (x[:500], far))
    return {**found, "auc": auc(*error)}


if __name__ == "__main__":
    measured = {
        "chains": chains(),
        "normalized": normalized(),
        "identities": {kind: flow_identities(kind) for kind in FLOWS},
        "integral": {kind: flow_integral(kind) for kind in FLOWS},
        "embedded": embedded(),
        "ring": trained_flow(),
        "critics": critics(),
        "updates": updates(),
        "gan": gan(),
        "decorrelation": decorrelation(),
        "without_labels": without_labels(),
        "tensorflow": "tensorflow" in sys.modules,
    }
    json.dump(measured, sys.stdout)
