"""Float methods on small made-up events: what the tests of `fpgaae.methods` and `fpgaae.training.methods` train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import EMBEDDING, Embedding, FloatFit, Model, Score
from fpgaae.methods.base import Method, Setting
from fpgaae.methods.ensemble import Member
from fpgaae.methods.registry import method_class
from fpgaae.models.plan import plan_network
from fpgaae.progress import SilentProgress
from fpgaae.training.methods.job import Job


def setting(
    x: NDArray[np.float32],
    hidden: tuple[int, ...] = (8,),
    latent: int = 2,
    empty: NDArray[np.float32] | None = None,
    embedding: int = 0,
) -> Setting:
    """Describe events (n, n_features) and a symmetric dense network; without `empty`, every input is a slot.

    Behind an embedding, the network reads that one, whose hidden layers are as its own.
    """
    n_features = x.shape[1]
    front = Embedding(encoder=hidden, width=embedding) if embedding else None
    model = Model(embedding=front, encoder=hidden, latent=latent, decoder=hidden[::-1], score=Score.SQUARED_ERROR)
    layers = plan_network(model, (n_features, 1, 1)).layers
    places = {layer.name: index for index, layer in enumerate(layers)}
    begin, at = places.get(EMBEDDING, 0) + 1, places["latent"]
    made = Setting(
        n_features, (n_features, 1, 1), hidden, latent, hidden[::-1], layers[begin:at], layers[at + 1 :],
        x.mean(axis=0), x.var(axis=0), x.min(axis=0), x.max(axis=0),
        np.full(n_features, -10, dtype=np.float32) if empty is None else empty,
    )  # fmt: skip
    return made._replace(embedding=embedding, embedding_plan=layers[1:begin])


def method(kind: str, given: Setting, **options: Any) -> Method:  # noqa: ANN401
    """Make a method with options."""
    found = method_class(kind)
    return found(found.options_class(kind=kind, **options), given)


def job(
    made: Method, x: NDArray[np.float32], scratch: Path, members: tuple[Member, ...] = (Member(1, {}),), **fit: Any  # noqa: ANN401
) -> Job:  # fmt: skip
    """Train a method on events, and validate it on the first of them."""
    settings = {"epochs": 3, "batch_size": 64, "learning_rate": 1e-2, "final_learning_rate": 1e-3, **fit}
    scratch.mkdir(parents=True, exist_ok=True)
    return Job(made, members, FloatFit(**settings), {"x": x}, {"x": x[:128]}, scratch, SilentProgress())


def correlated(n: int, n_features: int = 8, rank: int = 2, noise: float = 0.3, seed: int = 0) -> NDArray[np.float32]:
    """Give events of a few normal factors of falling strength, and noise, (n, n_features)."""
    rng = np.random.default_rng(seed)
    loadings = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0][:, :rank] * (2.0 - 0.7 * np.arange(rank))
    factors = rng.normal(size=(n, rank))
    return (factors @ loadings.T + noise * rng.normal(size=(n, n_features)) + 0.5).astype(np.float32)


def clusters(n: int, n_features: int = 8, distance: float = 2.0, seed: int = 0) -> NDArray[np.float32]:
    """Give events in narrow clusters at plus and minus each axis: no direction has more variance than another."""
    rng = np.random.default_rng(seed)
    x = 0.1 * rng.normal(size=(n, n_features))
    x[np.arange(n), rng.integers(0, n_features, n)] += distance * rng.choice([-1, 1], n)
    return x.astype(np.float32)
