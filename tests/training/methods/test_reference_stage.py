"""The stage `reference` of a config with a method, and what takes its weights; on the backend that this process has."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Workspace, open_workspace
from support import small_config

from fpgaae.errors import InputError
from fpgaae.files import read_json
from fpgaae.models.float_weights import load_folded
from fpgaae.runs.results.reference import TakenReference
from fpgaae.training.methods.comparison import compare_methods

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tensorflow")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Train a small dense method with two seeds."""
    folder = tmp_path_factory.mktemp("method")
    small_config(folder, "method", method={"kind": "dense"}, ensemble={"seeds": 2})
    workspace = open_workspace(folder, "method")
    workspace.run("data")
    workspace.run("reference")
    return workspace


def _warm(workspace: Workspace, **overrides: object) -> Workspace:
    small_config(
        workspace.folder, "warm", training={"reference": {"weights_of": "configs/reference/method.yaml"}}, **overrides
    )
    warm = open_workspace(workspace.folder, "warm")
    warm.run("data")
    return warm


def test_the_result_keeps_its_contract_and_adds_the_scores(trained: Workspace) -> None:
    result = trained.result("reference")
    assert {"backend", "device", "events_per_second", "epochs", "val_loss"} <= result.keys()
    assert [member["seed"] for member in result["members"]] == [42, 43]
    own = [member["scores"]["reconstruction"]["signal"]["auc"] for member in result["members"]]
    found = result["scores"]["reconstruction"]["signal"]["auc"]
    assert found == {"mean": pytest.approx(np.mean(own)), "spread": pytest.approx(np.std(own, ddof=1))}
    assert set(result["baselines"]) == {"sum_pt", "n_objects", "pca"}
    figures = trained.experiment.stage_folder("reference") / "figures"
    assert {file.stem for file in figures.glob("*.png")} == {"losses", "roc", "scores"}


def test_a_stage_behind_is_refused(trained: Workspace) -> None:
    with pytest.raises(InputError, match=r"the method dense, which has no quantized twin for `train`.*weights_of"):
        trained.run("train")


def test_weights_go_over_by_layer_name_and_a_changed_method_makes_them_stale(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = open_workspace(_copied(trained, tmp_path), "method")
    warm = _warm(workspace)
    result = warm.run("reference").result
    losses = [member["val_losses"][-1] for member in workspace.result("reference")["members"]]
    best = int(np.argmin(losses))
    assert warm.result("reference")["weights_of"]["seed"] == 42 + best
    assert result == warm.experiment.result(TakenReference)
    folded = load_folded(warm.experiment.stage_folder("reference") / "folded.npz")
    with np.load(workspace.experiment.stage_folder("reference") / "members.npz") as members:
        np.testing.assert_array_equal(folded["encoder_1"][0], members["encoder/encoder_1/kernel"][best])
        np.testing.assert_array_equal(folded["reconstruction"][1], members["decoder/reconstruction/bias"][best])
    manifest = read_json(warm.experiment.stage_folder("reference") / "manifest.json")
    assert any(name.endswith("members.npz") for name in manifest["inputs"])
    assert open_workspace(warm.folder, "warm").run("reference").was_current
    small_config(workspace.folder, "method", method={"kind": "dense"}, ensemble={"seeds": 1}, seed=42)
    open_workspace(workspace.folder, "method").run("reference")
    assert not open_workspace(warm.folder, "warm").run("reference").was_current


def _copied(trained: Workspace, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(trained.folder, folder)
    return folder


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"model": {"encoder": [9]}}, r"kernel of the layer `encoder_1` has the shape \(57, 8\).*but \(57, 9\)"),
        ({"model": {"encoder": [8, 8]}}, r"`latent`|`encoder_2`"),
        ({"data": {"split": {"train": 0.5, "validation": 0.1, "test": 0.4}}}, "other events or with another scaling"),
    ],
    ids=["shape", "missing", "events"],
)
def test_weights_that_do_not_fit_are_one_sentence(
    overrides: dict[str, object], sentence: str, trained: Workspace, tmp_path: Path
) -> None:
    warm = _warm(open_workspace(_copied(trained, tmp_path), "method"), **overrides)
    with pytest.raises(InputError, match=sentence):
        warm.run("reference")


def test_weights_of_nothing_are_one_sentence(tmp_path: Path) -> None:
    small_config(tmp_path, "warm", training={"reference": {"weights_of": "configs/reference/none.yaml"}})
    warm = open_workspace(tmp_path, "warm")
    warm.run("data")
    with pytest.raises(InputError, match=r"run `fpgaae reference configs/reference/none.yaml` first"):
        warm.run("reference")


def test_finished_methods_stand_in_one_table(trained: Workspace, tmp_path: Path) -> None:
    result = compare_methods([trained.experiment.folder])
    table = result.to_markdown()
    assert "| method | reconstruction | 2 |" in table
    assert "| (no network) | sum_pt | 1 |" in table
    assert table.splitlines()[0] == "| experiment | score | members | signal |"
    with pytest.raises(InputError, match="no finished float method"):
        compare_methods([tmp_path])


def _finished(folder: Path, points: list[dict[str, float]], signals: dict[str, list[float]]) -> Path:
    """Write a result: two members a point, with AUCs counted up from those given."""
    members = [
        {
            **{"seed": seed, "point": point, "loss": [], "terms": {}, "val_losses": []},
            "scores": {"kl": {name: {"auc": auc[index] + 0.02 * seed, "tpr": {}} for name, auc in signals.items()}},
        }
        for index, point in enumerate(points)
        for seed in range(2)
    ]
    baselines = {"pca": {name: {"auc": {"mean": 0.5, "spread": None}, "tpr": {}} for name in signals}}
    (folder / "reference").mkdir(parents=True)
    trained = {"backend": "jax", "device": "cpu", "n_devices": 1, "loop": "scan", "precision": "float32"}
    result = {
        **{"method": "vae", **trained, "events_per_second": 1.0, "epochs": 0, "val_loss": None},
        **{"scores": {"kl": {}}, "members": members, "baselines": baselines},
    }
    (folder / "reference" / "reference.json").write_text(json.dumps(result))
    return folder


def test_each_point_has_its_row_and_each_set_of_signals_its_table(tmp_path: Path) -> None:
    """The spread is that of the seeds: it does not hold the difference of two points."""
    one = _finished(tmp_path / "one", [{"beta": 0.1}, {"beta": 1.0}], {"a": [0.6, 0.9], "b": [0.5, 0.5]})
    other = _finished(tmp_path / "other", [{}], {"c": [0.7]})
    first, second = compare_methods([one, other]).to_markdown().split("\n\n")
    assert "| one, beta 0.1 | kl | 2 | 61.0 ± 1.4 /  | 51.0 ± 1.4 /  |" in second
    assert "| one, beta 1 | kl | 2 | 91.0 ± 1.4 /  | 51.0 ± 1.4 /  |" in second
    assert first.splitlines()[0] == "| experiment | score | members | c |"
    assert "| (no network) | pca | 1 | 50.0 /  |" in first
    assert second.count("(no network)") == 1


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"method": {"kind": "vae"}}], ids=["autoencoder", "method"])
def test_the_command_trains_on_torch_to_its_end(
    changes: dict[str, Any], tmp_path: Path, run_process: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    pytest.importorskip("torch", reason="torch is an optional extra: pip install 'fpgaae[torch]'")
    file, runs = small_config(tmp_path, "torch", **changes), ("--runs", tmp_path / "runs")
    assert run_process("data", file, *runs).returncode == 0
    done = run_process("reference", file, *runs, KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stderr
    result = read_json(tmp_path / "runs" / "torch" / "reference" / "reference.json")
    assert (result["backend"], result["device"]) in {("torch", "cpu"), ("torch", "gpu")}


def test_the_command_trains_on_jax_and_compares(
    tmp_path: Path, run_process: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    file = small_config(tmp_path, "sparse", method={"kind": "sparse"}, ensemble={"points": [{"sparsity_weight": 0.3}]})
    runs = ("--runs", tmp_path / "runs")
    environment = {"KERAS_BACKEND": "jax"}
    assert run_process("data", file, *runs, **environment).returncode == 0
    done = run_process("reference", file, *runs, **environment)
    assert done.returncode == 0, done.stderr
    assert "sparse, 1 trained on 1 cpu device, jax: 1 epochs at" in done.stdout
    result = read_json(tmp_path / "runs" / "sparse" / "reference" / "reference.json")
    assert (result["backend"], result["loop"], result["members"][0]["point"]) == (
        "jax",
        "scan",
        {"sparsity_weight": 0.3},
    )
    table = run_process("references", tmp_path / "runs" / "sparse", "--json")
    assert [row["score"] for row in json.loads(table.stdout)["rows"]][-1] == "masked_reconstruction"
