"""Running a scan: what is finished is not run again, what fails is named, and a real kill loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster
from examples import examples_of, run_examples
from scans import FakeTrainings, fake_trainings, write_scan

from fpgaae import pipeline
from fpgaae.cluster import NO_DASHBOARD
from fpgaae.data.features import FeatureMap
from fpgaae.errors import CheckFailed, InputError
from fpgaae.files import Json, lock, read_json
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.project import cut_into_stages, describe
from fpgaae.rtl.trace import trace_trigger
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.record import as_json, read_record
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.scan import ScanResult
from fpgaae.runs.run import RunOptions
from fpgaae.scan.plan import load_scan
from fpgaae.scan.run import ScanOptions, run_scan


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> FakeTrainings:
    return fake_trainings(monkeypatch)


@pytest.fixture
def scheduler() -> Iterator[str]:
    """Give the address of a Dask scheduler whose worker is a thread of this process."""
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **NO_DASHBOARD) as cluster:
        yield cluster.scheduler_address


def _run(file: Path, scheduler: str) -> ScanResult:
    return run_scan(load_scan(file), file.parent / "runs", ScanOptions(scheduler))


@pytest.mark.slow
def test_a_scan_shares_events_and_references_and_leaves_its_results(
    tmp_path: Path, trainings: FakeTrainings, scheduler: str
) -> None:
    result = _run(write_scan(tmp_path), scheduler)
    folder = tmp_path / "runs" / "scan" / "tiny"
    assert sorted(trainings.run) == [f"bits_{bits}-seed_{seed}" for bits in (4, 8) for seed in (1, 2)]
    shared = sorted(path.name.split("-")[0] for path in (folder / "shared").iterdir())
    assert shared == ["events", "events", "reference", "reference"], "one of each a seed"
    assert as_json(result) == read_json(folder / "scan.json")
    assert read_record(ScanResult, folder / "scan.json", "") == result
    assert result.trials_run == 4
    assert {"scan.csv", "scan.md", "scan.png", "scan.pdf"} <= {path.name for path in folder.iterdir()}
    assert [point.on_front for point in result.points] == [True, True]
    assert [Path(file).name for file in result.front] == ["tiny-bits_4.yaml", "tiny-bits_8.yaml"]
    assert result.points[1].objectives["lut"] == 8000
    experiment = open_experiment(Path(result.front[1]), tmp_path / "runs")
    assert all(experiment.result_path(stage).is_file() for stage in ("data", "reference", "train"))


@pytest.mark.slow
def test_finished_trials_are_not_run_again(tmp_path: Path, trainings: FakeTrainings, scheduler: str) -> None:
    file = write_scan(tmp_path)
    first = _run(file, scheduler)
    trainings.run.clear()
    again = run_scan(load_scan(file), tmp_path / "runs", ScanOptions("tcp://127.0.0.1:1"))  # needs no worker at all
    assert (again.trials_run, trainings.run) == (0, [])
    assert again.points == first.points
    axes = {"bits": {"keys": ["quantization.weights.bits", "quantization.activations.bits"], "values": [4, 6, 8]}}
    assert _run(write_scan(tmp_path, axes=axes), scheduler).trials_run == 2
    assert sorted(trainings.run) == ["bits_6-seed_1", "bits_6-seed_2"]


@pytest.mark.slow
def test_a_trial_is_run_again_when_its_config_changes_or_its_result_is_gone(
    tmp_path: Path, trainings: FakeTrainings, scheduler: str
) -> None:
    _run(write_scan(tmp_path), scheduler)
    trainings.run.clear()
    (tmp_path / "runs/scan/tiny/trials/bits_8-seed_2/trial/manifest.json").unlink()
    _run(write_scan(tmp_path), scheduler)
    assert trainings.run == ["bits_8-seed_2"]
    trainings.run.clear()
    _run(write_scan(tmp_path, set={"training.quantized.epochs": 3}), scheduler)
    assert len(trainings.run) == 4


@pytest.mark.slow
def test_a_trial_that_fails_is_named_and_the_others_count(
    tmp_path: Path, trainings: FakeTrainings, scheduler: str
) -> None:
    trainings.failing = {"bits_8-seed_2"}
    result = _run(write_scan(tmp_path), scheduler)
    assert result.failed == {"bits_8-seed_2": "the loss is not finite"}
    assert [point.label for point in result.points] == ["bits_4"]
    trainings.failing = {f"bits_{bits}-seed_{seed}" for bits in (4, 8) for seed in (1, 2)}
    file = write_scan(tmp_path, set={"training.quantized.epochs": 3})
    with pytest.raises(CheckFailed, match=r"no point of .* was finished; the first failure: the loss is not finite"):
        _run(file, scheduler)


@pytest.mark.slow
def test_optuna_goes_on_with_what_is_known(tmp_path: Path, trainings: FakeTrainings, scheduler: str) -> None:
    axes = {"bits": {"keys": ["quantization.weights.bits", "quantization.activations.bits"], "low": 2, "high": 16}}
    keys = {"axes": axes, "seeds": [1], "objectives": ["mean_auc", "lut"]}
    trainings.failing = {f"bits_{bits}-seed_1" for bits in range(2, 6)}
    first = _run(write_scan(tmp_path, optuna={"trials": 4}, **keys), scheduler)
    before = list(trainings.run)
    trainings.failing = set()
    more = _run(write_scan(tmp_path, optuna={"trials": 8, "seed": 5}, **keys), scheduler)
    assert not set(before) & set(trainings.run[len(before) :]), "nothing is run twice"
    labels = {point.label for point in first.points}
    assert labels <= {point.label for point in more.points}
    assert {label.split("-")[0] for label in first.failed} <= {point.label for point in more.points}
    asked = read_json(tmp_path / "runs/scan/tiny/points.json")["points"]
    assert len(asked) == len(more.points) <= 8


def test_two_scans_at_once_are_refused(tmp_path: Path, trainings: FakeTrainings, scheduler: str) -> None:
    file = write_scan(tmp_path)
    with lock(tmp_path / "runs/scan/tiny"), pytest.raises(InputError, match=r"another fpgaae process .* is working on"):
        _run(file, scheduler)
    assert trainings.run == []


# ---- real trainings ----


def _scan(file: Path, *arguments: str) -> list[str]:
    runs = str(file.parent / "runs")
    return [
        sys.executable,
        "-m",
        "fpgaae",
        "scan",
        str(file),
        "--runs",
        runs,
        "--workers",
        "1",
        *arguments,
    ]


def _finished(folder: Path) -> dict[str, int]:
    return {file.parent.parent.name: file.stat().st_mtime_ns for file in folder.glob("trials/*/trial/manifest.json")}


def _resume(file: Path) -> Json:
    done = subprocess.run(_scan(file, "--json"), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    result: Json = json.loads(done.stdout)
    return result


@pytest.mark.slow
def test_a_scan_ended_by_sigkill_goes_on_and_repeats_nothing(tmp_path: Path, tensorflow: None) -> None:
    file = write_scan(tmp_path, axes={"training.quantized.mode": ["post_training", "quantization_aware"]}, seeds=[1])
    folder = tmp_path / "runs" / "scan" / "tiny"
    process = subprocess.Popen(_scan(file), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not _finished(folder):
        assert process.poll() is None, "the scan ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = _finished(folder)
    assert list(before) == ["mode_post_training-seed_1"]
    assert not (folder / "scan.json").exists()
    result = _resume(file)
    after = _finished(folder)
    assert len(after) == 2
    assert {label: after[label] for label in before} == before, "a finished trial is not repeated"
    assert result["trials_run"] == 1
    assert result["failed"] == {}
    run_examples(examples_of("run_scan"), tmp_path)
    _assert_a_front_experiment_is_its_trial(result, tmp_path)


def _assert_a_front_experiment_is_its_trial(result: Json, folder: Path) -> None:
    """Convert an experiment of the front: nothing is trained again, and its bits are those measured in the scan."""
    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.quantized import load_quantized  # noqa: PLC0415

    config = Path(result["front"][-1])
    trial = folder / f"runs/scan/tiny/trials/{config.stem.removeprefix('tiny-')}-seed_1"
    experiment = open_experiment(config, folder / "runs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for stage in ("data", "reference", "train"):
            assert pipeline.run(experiment, stage, RunOptions()).was_current, stage
        assert not pipeline.run(experiment, "convert", RunOptions()).was_current
        measured = extract_network(load_quantized(str(trial / "train" / "model.h5")))
    golden = IntegerNetwork.load(experiment.stage_folder("convert") / GOLDEN_FILE)
    for layer in measured.weighted:
        np.testing.assert_array_equal(golden[layer.name].kernel, layer.kernel)
        np.testing.assert_array_equal(golden[layer.name].bias, layer.bias)
    design = describe(
        cut_into_stages(trace_trigger(GoldenTrigger(_features(experiment), golden)), 5.0, three_inputs=True),
        "autoencoder",
    )
    assert design.estimated_lut == read_json(trial / "trial" / "trial.json")["lut"]


def _features(experiment: Experiment) -> FeatureMap:
    return FeatureMap.of(experiment.result(DataResult))
