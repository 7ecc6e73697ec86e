"""The whole pipeline through the command line, on small synthetic events: what it writes, and its proof.

In a process a stage, as a user runs them, `test_domains_page.py` runs every stage.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import Workspace, open_workspace
from distributed import LocalCluster
from examples import ELSEWHERE, examples_of, run_examples, without_a_test
from notebooks import run_notebook
from support import small_config
from typer.testing import CliRunner

from fpgaae import api
from fpgaae.cli.commands import app
from fpgaae.cluster import NO_DASHBOARD, Workers
from fpgaae.files import sha256
from fpgaae.hls.layer_stimulus import n_layer_rows
from fpgaae.runs.folder import hash_tree
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import STAGES

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler")]

Cli = Callable[..., subprocess.CompletedProcess[str]]
_STAGES = ("data", "reference", "train", "convert", "csim", "evaluate", "report")

# The table of the design: what other stages and other people's scripts rely on.
_KEYS = {
    "data": {"events", "feature_types"},
    "reference": {"backend", "device", "events_per_second", "epochs", "val_loss"},
    "train": {"sparsity", "val_loss", "weights_bits", "events_per_second"},
    "convert": {"project_dir", "backend", "part", "clock_ns", "io_type", "layers", "top_function", "trigger"},
    "csim": {
        "passed", "events", "layers", "mismatched_events", "score_mismatches", "decision_flips", "first_mismatch",
        "events_per_second",
    },
    "evaluate": {"background_events", "models", "delta"},
}  # fmt: skip
_VAE = {
    "data": {"columns": {"pileup": "nPV", "run": "Run", "existing_trigger": "Bits"}},
    "model": {"kind": "variational", "encoder": [8], "latent": 3, "decoder": [8], "score": "kl_divergence"},
    "quantization": {"layers": {"log_variance": {"activations": {"bits": 6}}}},
    "firmware": {"io_type": "io_stream"},
}
# Every score, interface, backend and strategy is compared bit for bit in tests/hls; here the two kinds of model.
_EXPERIMENTS: dict[str, dict[str, Any]] = {"ae": {}, "vae": _VAE}


@pytest.fixture(scope="module", params=_EXPERIMENTS)
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, run_cli: Cli, tensorflow: None
) -> Workspace:
    """Run every stage: of the one experiment by the commands, of the other by the functions behind them."""
    del tensorflow
    folder = tmp_path_factory.mktemp(request.param)
    small_config(folder, n_events=6000, **_EXPERIMENTS[request.param])
    _add_columns(folder / "background.h5")
    workspace = open_workspace(folder)
    for stage in _STAGES:
        if request.param == "vae":
            workspace.run(stage)
        else:
            done = run_cli(stage, *workspace.arguments)
            assert done.returncode == 0, f"{stage}: {done.stderr}"
        assert workspace.experiment.result_path(stage).is_file()
    return workspace


def _add_columns(file: Path) -> None:
    """Add pile-up, runs and trigger bits, which only an experiment that names them reads."""
    rng = np.random.default_rng(1)
    with h5py.File(file, "a") as events:
        n = len(events["Particles"])
        events["nPV"], events["Run"] = rng.poisson(40, n), 362_000 + np.arange(n) // 1000
        events["Bits"] = rng.random((n, 8)) < 0.03


@pytest.mark.parametrize("stage", [*_KEYS])
def test_a_result_has_the_keys_that_others_rely_on(finished: Workspace, stage: str) -> None:
    result = finished.result(stage)
    assert result.keys() >= _KEYS[stage]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_what_the_results_say(finished: Workspace) -> None:
    data, train, convert, csim = (finished.result(stage) for stage in ("data", "train", "convert", "csim"))
    assert set(data["events"]["background"]) == {"train", "validation", "test"}
    assert set(data["events"]["signal"]) == {"test"}
    assert sum(data["events"]["background"].values()) == 6000
    assert len(data["feature_types"]) == 57
    assert all(feature["type"].startswith("ap_") for feature in data["feature_types"])
    assert train["sparsity"]["whole"] >= 0.49
    assert (finished.experiment.stage_folder("convert") / convert["project_dir"] / "firmware").is_dir()
    for layer in convert["layers"]:
        assert layer["types"]["result"] == layer["golden_type"]
    assert finished.result("reference")["device"] in {"cpu", "gpu"}
    assert csim["passed"] is True
    assert csim["first_mismatch"] is None
    assert (csim["mismatched_events"], csim["score_mismatches"], csim["decision_flips"]) == (0, 0, 0)
    edges = convert["edge_events"]["events"]
    assert edges > 2
    made_up = 64 + 238 + n_layer_rows(finished.network) + edges  # random ones, extremes, those that drive each layer
    events = data["events"]["background"]["test"] + data["events"]["signal"]["test"] + made_up
    assert csim["events"] == events
    assert convert["layers"][-1]["name"] == "accept"
    assert [layer["name"] for layer in csim["layers"]] == [layer["name"] for layer in convert["layers"]]
    for layer, converted in zip(csim["layers"], convert["layers"], strict=True):
        assert layer.keys() >= {"name", "values", "mismatched_values", "max_lsb"}
        assert layer["values"] == events * converted["values"]
        assert layer["mismatched_values"] == 0


def test_the_thresholds_let_pass_no_more_than_was_asked_for(finished: Workspace) -> None:
    trigger, network = finished.result("convert")["trigger"], finished.network
    assert trigger["background_events"] == finished.result("data")["events"]["background"]["train"]
    first, second = trigger["thresholds"]
    assert (first["requested_false_positive_rate"], second["requested_rate_khz"]) == (1e-3, pytest.approx(10))
    accept = network.accept
    assert accept is not None
    assert accept.thresholds.tolist() == [first["code"], second["code"]]
    for point in (first, second):
        assert point["events_passed"] <= point["requested_false_positive_rate"] * point["events"]
        assert point["false_positive_rate"]["value"] == point["events_passed"] / point["events"]
        assert point["rate_khz"]["value"] == pytest.approx(28_608.8 * point["false_positive_rate"]["value"])
    header = (finished.project / "firmware" / "thresholds.h").read_text()
    assert f"{{{first['code']}, {second['code']}}}" in header
    assert finished.result("csim")["thresholds"] == trigger["thresholds"]


def test_workers_score_in_the_same_bits(finished: Workspace, tmp_path: Path) -> None:
    from fpgaae.evaluation.scoring import score_events  # noqa: PLC0415 - TensorFlow

    here = StageRun(finished.experiment, tmp_path, tmp_path, {})
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **NO_DASHBOARD) as cluster:
        scored = score_events(replace(here, workers=Workers(cluster.scheduler_address)))
    wanted = score_events(replace(here, scratch=tmp_path / "none"))
    assert list(tmp_path.rglob("*.npz"))
    assert list(scored) == list(wanted)
    for model, by_process in wanted.items():
        for process, scores in by_process.items():
            np.testing.assert_array_equal(scored[model][process], scores)


def test_the_metrics_have_every_model_signal_and_working_point(finished: Workspace) -> None:
    metrics = finished.result("evaluate")
    assert set(metrics["models"]) == {"float", "quantized", "firmware", "sum_pt", "n_objects", "pca"}
    points = {"1e-01", "1e-02", "1e-03", "1e-04", "1e-05"}
    for by_signal in (*metrics["models"].values(), metrics["delta"]):
        assert set(by_signal) == {"signal"}
        assert by_signal["signal"].keys() >= {"auc", "tpr"}
        assert set(by_signal["signal"]["tpr"]) == points
        for interval in (by_signal["signal"]["auc"], *by_signal["signal"]["tpr"].values()):
            assert interval.keys() >= {"value", "low", "high"}
    assert metrics["models"]["quantized"] == metrics["models"]["firmware"], "bit for bit the same scores"


@pytest.mark.parametrize("stage", _STAGES)
def test_a_manifest_says_what_a_stage_was_made_from(finished: Workspace, stage: str) -> None:
    folder = finished.experiment.stage_folder(stage)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["stage"] == stage
    assert manifest["seed"] == 42
    assert manifest["config"]["model"]["encoder"] == [8]
    assert {"numpy", "hls4ml", "qkeras", "tensorflow", "fpgaae"} <= manifest["versions"].keys()
    assert manifest["wall_time_s"] > 0
    assert "git_commit" in manifest
    assert manifest["outputs"] == hash_tree(folder)
    assert STAGES[stage].result_file in manifest["outputs"]
    for name, digest in manifest["inputs"].items():
        upstream, file = name.split("/", 1)
        path = finished.folder / f"{file}.h5" if upstream == "events" else finished.experiment.folder / name
        assert sha256(path) == digest, name
    assert {name.split("/", 1)[0] for name in manifest["inputs"]} == set(STAGES[stage].upstream or {"events"})


def test_the_report_is_one_file_that_loads_nothing(finished: Workspace) -> None:
    html = (finished.experiment.stage_folder("report") / "index.html").read_text()
    assert 'src="http' not in html
    assert "<link" not in html
    assert len(html) < 5e6
    for section in ("Is the firmware distinguishable", "What quantization costs", "Layers", "Rates", "To repeat this"):
        assert section in html
    folder = finished.experiment.stage_folder("evaluate") / "figures"
    for name in ("roc", "scores", "rates", "profiles", "losses", "layers"):
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / f"{name}.png").is_file()


def test_the_losses_end_at_the_firmware(finished: Workspace) -> None:
    """With every part quantized, on all events, the ablation has the firmware's own metrics."""
    metrics = finished.result("evaluate")
    ablation = metrics["ablation"]
    assert ablation["events"]["background"] == metrics["background_events"]
    assert ablation["models"]["everything"] == metrics["models"]["firmware"]
    assert [layer["name"] for layer in metrics["layers"]] == [layer.name for layer in finished.network.layers[:-1]]
    for model, verdict in metrics["verdicts"]["models"].items():
        assert verdict["signal"]["sentence"].startswith(f"{model} and float ")
    assert set(metrics["rates"]["models"]) == set(metrics["models"])
    assert set(metrics["correlation"]) == {"ht_gev", "multiplicity"}


def test_rates_are_told_apart_by_the_columns_that_the_config_names(finished: Workspace) -> None:
    rates = finished.result("evaluate")["rates"]
    html = (finished.experiment.stage_folder("report") / "index.html").read_text()
    named = bool(finished.experiment.config.data.columns.named)
    assert (rates["taken_share"] is not None) == ("pure_rate_khz" in rates["models"]["firmware"]) == named
    assert set(rates["by_column"]) == ({"pileup", "run"} if named else set())
    assert ("Rate against pile-up and run" in html) == ("Pure rate" in html) == named
    if named:
        assert rates["taken_share"] == pytest.approx(1 - 0.97**8, abs=0.04)
        assert [b["low"] for b in rates["by_column"]["run"][0]["bins"]] == list(range(362_000, 362_006))


def test_a_second_run_does_nothing(finished: Workspace, run_cli: Cli) -> None:
    before = {
        stage: (finished.experiment.stage_folder(stage) / "manifest.json").stat().st_mtime_ns for stage in _STAGES
    }
    for stage in _STAGES:
        done = run_cli(stage, *finished.arguments)
        assert done.returncode == 0, done.stderr
        assert "current" in done.stdout
    for stage, at in before.items():
        assert (finished.experiment.stage_folder(stage) / "manifest.json").stat().st_mtime_ns == at


def test_drift_against_other_events(finished: Workspace) -> None:
    other = finished.folder / "signal.h5"  # the same objects with four times the pT
    arguments = ["evaluate", *finished.arguments, "--against"]
    done = CliRunner().invoke(app, [*arguments, str(other)])
    assert done.exit_code == 0, done.output
    result = json.loads((finished.experiment.stage_folder("evaluate") / "drift.json").read_text())
    assert result["file"] == "signal.h5"
    assert "met_pt" in result["moved"]
    assert result["events"] == {"reference": finished.result("data")["events"]["background"]["test"], "other": 1500}
    assert result["sentence"].split(",")[0] in " ".join(done.stdout.split())
    missing = CliRunner().invoke(app, [*arguments, str(finished.folder / "none.h5")])
    assert missing.exit_code == 2
    assert "none.h5 does not exist" in missing.output


def test_json_prints_the_result_file_and_nothing_else(finished: Workspace, run_cli: Cli) -> None:
    for stage in ("data", "csim"):
        assert json.loads(run_cli(stage, *finished.arguments, "--json").stdout) == finished.result(stage)


@pytest.mark.parametrize("finished", ["ae"], indirect=True)
def test_the_examples_of_the_python_interface(
    finished: Workspace, tmp_path: Path
) -> None:  # fmt: skip
    """Every example of a docstring runs in the folder of a finished experiment, and every public name has one."""
    found = {name: examples_of(name) for name in api.__all__}
    without = {test.name for own in found.values() for test in own if not test.examples and "._" not in test.name}
    assert without <= {"LayerRow", "MetricRow"} | {
        name for name in without if isinstance(getattr(api.Run, name.removeprefix("Run."), None), property)
    }
    here = [test for name, own in found.items() if name not in ELSEWHERE for test in own]
    assert run_examples(here, finished.copy(tmp_path / "copy").folder) > 40
    assert [*without_a_test(Path(__file__).parent)] == []


@pytest.mark.parametrize("finished", ["ae"], indirect=True)
def test_the_notebooks_that_begin_with_a_training(
    finished: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finished.copy(tmp_path / "copy").folder
    (folder / "runs" / "small").rename(folder / "runs" / "first")  # as if the first notebook had trained it
    monkeypatch.chdir(folder)
    small = {"extends": "small.yaml"}
    trained = folder / "runs" / "first" / "train" / "manifest.json"
    before = trained.stat().st_mtime_ns
    assert " 0 differ, 0 decisions" in run_notebook("first_trigger", settings=small)
    assert "signal | firmware and float " in run_notebook("quantization", settings=small)
    assert trained.stat().st_mtime_ns == before
    said = run_notebook("your_model", settings=small, model="runs/first/train/model.h5")
    assert "model.h5" in said
    assert "no bit differs" in said


def test_a_project_edited_by_hand_is_named_kept_and_compared(finished: Workspace, tmp_path: Path, run_cli: Cli) -> None:
    workspace = finished.copy(tmp_path / "copy")
    source = workspace.project / "firmware" / "autoencoder.cpp"
    edited = source.read_text() + "// looked at by an engineer\n"
    source.write_text(edited)
    refused = run_cli("convert", *workspace.arguments)
    assert refused.returncode == 2
    assert "project/firmware/autoencoder.cpp is not as the stage `convert` wrote it" in refused.stderr
    assert "--force" in refused.stderr
    assert source.read_text() == edited, "nothing is lost"
    kept = run_cli("convert", *workspace.arguments, "--keep-edited")
    assert kept.returncode == 0, kept.stderr
    assert "project/firmware/autoencoder.cpp" in kept.stdout.replace("\n", "")
    assert source.read_text() == edited
    compared = run_cli("csim", *workspace.arguments)
    assert compared.returncode == 0, compared.stderr
    result: dict[str, Any] = workspace.result("csim")
    assert result["passed"] is True
    assert result["edited_files"] == ["convert/project/firmware/autoencoder.cpp"]


def test_a_check_that_fails_now_is_not_covered_by_one_that_passed_before(
    finished: Workspace, tmp_path: Path, run_cli: Cli
) -> None:
    """A project that no longer compiles leaves no result that later stages would take for its proof."""
    workspace = finished.copy(tmp_path / "copy")
    source = workspace.project / "firmware" / "autoencoder.cpp"
    source.write_text(f"#error broken\n{source.read_text()}")
    assert run_cli("csim", *workspace.arguments).returncode == 1
    evaluated = run_cli("evaluate", *workspace.arguments)
    assert evaluated.returncode != 0
    assert "csim" in evaluated.stderr
