"""Formulas of single methods against SciPy, NumPy and counts by hand; networks stand in as functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from float_methods import correlated, method, setting
from scipy import stats

from fpgaae.methods.base import Setting, Step
from fpgaae.methods.kinds.recurrent import gated
from fpgaae.methods.kinds.vicreg import collapse, redundancy

pytestmark = pytest.mark.usefixtures("tensorflow")


def _step(seed: int = 1, **knobs: float) -> Step:
    rng = np.random.default_rng(seed)
    return Step(
        False, 1.0, {name: np.float32(value) for name, value in knobs.items()},
        lambda shape: rng.normal(size=[int(n) for n in shape]).astype(np.float32),
        lambda shape: rng.random([int(n) for n in shape]).astype(np.float32),
    )  # fmt: skip


def test_a_learned_variance_is_that_of_scipys_normal_density() -> None:
    x = correlated(300)
    x[:, 3] = 1.0
    mean, spread = correlated(300, seed=1), 2 * correlated(300, seed=2) - 1
    made = method("learned_variance", setting(x))
    networks = {"decoder": lambda _: mean, "spread": lambda _: spread}
    scale = np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    floor = 2 * np.log(0.3)
    sigma = scale * np.exp(0.5 * np.maximum(spread, floor))
    others = np.arange(8) != 3  # what never varies has no density
    expected = stats.norm(mean, sigma).logpdf(x)[:, others].sum(axis=1)
    found = np.asarray(made.log_likelihood(networks, x, mean, _step(smallest_width=0.3)))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert (spread < floor).any(), "the smallest width is met"


@pytest.mark.parametrize(("hidden", "n"), [((7, 5), 6), ((3,), 4), ((2, 2), 1)])
def test_masks_let_each_value_depend_on_those_before_it_alone(hidden: tuple[int, ...], n: int) -> None:
    made: Any = method("autoregressive_flow", setting(correlated(20, max(n, 2))[:, :n], hidden))
    paths = np.eye(n)
    for mask in made.masks():
        paths = paths @ mask
    for head in np.split(paths, 2, axis=1):
        np.testing.assert_array_equal(np.tril(head), 0)
    if hidden == (7, 5):
        assert (np.split(paths, 2, axis=1)[0] + np.tril(np.ones((n, n))) > 0).all(), "nothing else is cut"


def test_a_gated_unit_is_the_published_recurrence() -> None:
    rng = np.random.default_rng(2)
    x, state = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    weights = {f"unit_{gate}": rng.normal(size=(7, 4)) for gate in ("update", "reset", "candidate")}
    networks = {name: lambda both, w=w: np.asarray(both) @ w for name, w in weights.items()}
    update, reset = (1 / (1 + np.exp(-np.hstack([x, state]) @ weights[f"unit_{gate}"])) for gate in ("update", "reset"))
    candidate = np.tanh(np.hstack([x, reset * state]) @ weights["unit_candidate"])
    expected = (1 - update) * state + update * candidate
    np.testing.assert_allclose(np.asarray(gated(networks, "unit", x, state)), expected, rtol=1e-6)


def test_slots_are_read_in_their_order_and_written_from_the_last() -> None:
    x = correlated(10, 6)
    made: Any = method("recurrent", setting(x)._replace(image_shape=(3, 2, 1)), units=2)
    seen = []

    def gate(both: Any) -> Any:  # noqa: ANN401
        seen.append(np.asarray(both)[:, :2])
        return np.asarray(both)[:, :2]

    networks = dict.fromkeys(("encoder_update", "encoder_reset", "encoder_candidate", "latent"), gate)
    made.encode(networks, x)
    np.testing.assert_array_equal(np.stack(seen[::3][:3]), x.reshape(10, 3, 2).transpose(1, 0, 2))
    number = iter(range(3))
    writing = {
        **dict.fromkeys(("start", "decoder_update", "decoder_reset", "decoder_candidate"), gate),
        "slot": lambda state: np.full((len(state), 2), next(number)),
    }
    assert np.asarray(made.decode(writing, x[:, :2]))[0].tolist() == [2, 2, 1, 1, 0, 0]


def test_what_vicreg_holds_apart_is_counted_as_published() -> None:
    z = (correlated(200, 5) * [0.1, 1, 2, 0.5, 1]).astype(np.float32)
    covariance = np.cov(z.T)
    expected = np.maximum(0, 1 - np.sqrt(np.diag(covariance) + 1e-4)).mean()
    assert float(collapse(z)) == pytest.approx(expected, rel=1e-3)
    different = covariance - np.diag(np.diag(covariance))
    assert float(redundancy(z)) == pytest.approx((different**2).sum() / 5, rel=1e-3)


def _objects(n: int = 400) -> tuple[Any, Setting]:
    """Give events of two objects, pT, eta and phi each; phi goes round at 8, and an empty slot has a pT of -1."""
    rng = np.random.default_rng(4)
    x = np.tile([5.0, 0.5, 0.0], (n, 2)) + rng.uniform(-1, 1, (n, 6)) * [1, 1, 4, 1, 1, 4]
    x[: n // 4, 3:] = [-1, 0, 0]
    given = setting(x.astype(np.float32), empty=np.full(2, -1, dtype=np.float32))
    turn = np.array([0, 0, 8, 0, 0, 8], dtype=np.float32)
    blank = np.array([-1, 0, 0, -1, 0, 0], dtype=np.float32)
    return x.astype(np.float32), given._replace(turn=turn, turn_low=-turn / 2, blank=blank)


def test_copies_are_turned_around_the_beam_as_a_whole() -> None:
    x, given = _objects()
    made: Any = method("vicreg", given)
    found = np.asarray(made.changed(x, _step(smearing=0, dropped=0)))
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(found[:, others], x[:, others])
    assert (np.abs(found[:, [2, 5]]) <= 4).all()
    between = (found[:, 5] - found[:, 2] - x[:, 5] + x[:, 2])[100:]
    np.testing.assert_allclose(between - 8 * np.round(between / 8), 0, atol=1e-4)
    np.testing.assert_array_equal(found[:100, 3:], x[:100, 3:])
    assert np.std(found[:, 2] - x[:, 2]) > 1


def test_copies_are_smeared_and_lose_objects() -> None:
    x, given = _objects()
    made: Any = method("vicreg", given, rotated=False)
    smeared = np.asarray(made.changed(x, _step(smearing=0.5, dropped=0)))
    spread = (smeared - x)[100:].std(axis=0) / np.sqrt(given.variance)
    np.testing.assert_allclose(spread, 0.5, rtol=0.15)
    np.testing.assert_array_equal(smeared[:100, 3:], x[:100, 3:])
    dropped = np.asarray(made.changed(x, _step(smearing=0, dropped=0.25)))
    lost = (dropped.reshape(-1, 2, 3) == [-1, 0, 0]).all(axis=2)
    assert lost[100:].mean() == pytest.approx(0.25, abs=0.05)
    np.testing.assert_array_equal(dropped.reshape(-1, 2, 3)[~lost], x.reshape(-1, 2, 3)[~lost])
