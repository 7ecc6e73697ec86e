"""Training on JAX, with two simulated devices, in a process of its own: this one may have Keras on TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from float_methods import correlated, job, method, setting
from support import REPOSITORY

from fpgaae.errors import InputError
from fpgaae.methods.ensemble import Member
from fpgaae.training.methods import backend

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "programs" / "training.py"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run every check of the program once."""
    file = tmp_path_factory.mktemp("training") / "results.json"
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    devices = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"
    flags = {"KERAS_BACKEND": "jax", "XLA_FLAGS": devices, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(file)],
        env=os.environ | flags, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_a_linear_autoencoder_spans_the_principal_components(results: dict[str, Any]) -> None:
    assert results["linear_and_pca"] < 1e-3


def test_an_order_holds_every_event_once(results: dict[str, Any]) -> None:
    assert all(results["shuffles"])


def test_members_trained_at_once_are_those_trained_alone(results: dict[str, Any]) -> None:
    found = results["ensembles"]
    assert np.ptp(np.array(found["together"]), axis=0).min() > 1e-3, "members must differ"
    np.testing.assert_allclose(found["together"][1:], found["alone"], rtol=1e-4)


def test_devices_give_the_same_losses(results: dict[str, Any]) -> None:
    found = results["ensembles"]
    assert found["n_devices"] == [2, 2]
    np.testing.assert_allclose(found["members_spread"], found["together"], rtol=1e-4)
    np.testing.assert_allclose(found["events_spread"], found["together"][:1], rtol=1e-4)


def test_the_scan_makes_the_steps_of_keras_adam(results: dict[str, Any]) -> None:
    found = results["step_by_step"]
    np.testing.assert_allclose(found["scan"], found["steps"], rtol=1e-5)


def test_annealing_and_free_bits_keep_latents_alive_where_the_plain_vae_collapses(results: dict[str, Any]) -> None:
    divergences = results["collapse"]
    assert max(divergences["plain"]) < 0.1
    assert min(divergences["annealed"]) > 0.3
    assert min(divergences["free_bits"]) > 0.3


def test_a_loss_that_is_not_finite_names_epoch_term_and_member(results: dict[str, Any]) -> None:
    sentence = results["not_finite"]
    for part in ("`reconstruction`", "epoch 1", "seed 2", "learning_rate", "1e+25", "sparsity_weight"):
        assert part in sentence, sentence


def test_a_killed_training_ends_as_one_that_was_not(results: dict[str, Any]) -> None:
    found = results["resumed"]
    np.testing.assert_allclose(found["resumed"], found["whole"], rtol=1e-5)
    assert found["epochs_run"] < 2 * 6, "it must go on, not begin anew"


@pytest.mark.usefixtures("tensorflow")
def test_keras_fit_reaches_the_losses_of_the_compiled_loop(results: dict[str, Any], tmp_path: Path) -> None:
    from fpgaae.training.methods.keras_loop import train_with_keras  # noqa: PLC0415

    x = correlated(1024)
    members = tuple(Member(seed, {}) for seed in range(2))
    trained = train_with_keras(job(method("vae", setting(x)), x, tmp_path, members, epochs=10))
    here = [history.val_loss[-1] for history in trained.histories]
    there = results["same_as_fit"]
    assert trained.histories[0].loss[-1] < trained.histories[0].loss[0]
    assert abs(np.mean(here) - np.mean(there)) < 3 * max(np.std(there, ddof=1), 0.02)


def test_torch_reaches_them_too(results: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is an optional extra: pip install 'fpgaae[torch]'")
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from float_methods import correlated, job, method, setting\n"
        "from fpgaae.training.methods.keras_loop import train_with_keras\n"
        "x = correlated(1024)\n"
        "trained = train_with_keras(job(method('vae', setting(x)), x, Path(sys.argv[1]), epochs=10))\n"
        "print(trained.histories[0].val_loss[-1])\n"
    )
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": "torch", "PYTHONPATH": paths}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    there = results["same_as_fit"]
    assert abs(float(done.stdout.split()[-1]) - np.mean(there)) < 4 * max(np.std(there, ddof=1), 0.02)


def test_the_device_of_torch_is_asked_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "backend", lambda: "torch")
    for is_there, wanted in ((True, "gpu"), (False, "cpu")):
        torch = SimpleNamespace(cuda=SimpleNamespace(is_available=partial(bool, is_there)))
        monkeypatch.setattr(backend, "require", lambda *_, found=torch: found)
        assert backend.device() == wanted


@pytest.mark.usefixtures("tensorflow")
def test_too_few_events_are_one_sentence(tmp_path: Path) -> None:
    x = correlated(32)
    with pytest.raises(InputError, match="32 events, fewer than one batch of 64"):
        job(method("dense", setting(x)), x, tmp_path).require_a_batch()
