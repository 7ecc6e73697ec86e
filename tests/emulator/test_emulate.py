"""Events in many files through the emulator: the golden codes, whoever does the work, and nothing lost or mixed up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import networks
import numpy as np
import psutil
import pytest
from conftest import Workspace, open_workspace
from distributed import LocalCluster
from support import make_events, write_events
from typer.testing import CliRunner

from fpgaae.cli.commands import app
from fpgaae.cluster import NO_DASHBOARD
from fpgaae.config.data import Columns
from fpgaae.data.features import FeatureMap
from fpgaae.data.integers import hardware_codes
from fpgaae.data.readers import read_events
from fpgaae.emulator import emulate as module
from fpgaae.emulator import export, spans
from fpgaae.emulator.emulate import EmulateOptions, emulate
from fpgaae.emulator.export import open_deployed
from fpgaae.emulator.hashes import network_hashes
from fpgaae.errors import InputError
from fpgaae.files import Json, write_json
from fpgaae.runs.record import as_json
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.thresholds import ThresholdSet
from fpgaae.statistics import clopper_pearson

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return networks.converted_workspace(tmp_path_factory.mktemp("converted"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give HDF5 and npz files, one without groups."""
    folder = tmp_path_factory.mktemp("events")
    packed = folder / "packed.npz"
    np.savez_compressed(packed, Particles=make_events(700, 3))
    return {
        "one": write_events(folder / "one.h5", 1001, 1),
        "two": write_events(folder / "two.h5", 256, 2, groups=False),
        "packed": packed,
    }


@pytest.fixture(scope="module")
def schedulers() -> Iterator[dict[int, str]]:
    """Give schedulers of one worker and of four, in threads of this process."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **NO_DASHBOARD) as one,
        LocalCluster(n_workers=4, threads_per_worker=1, processes=False, **NO_DASHBOARD) as four,
    ):
        yield {1: one.scheduler_address, 4: four.scheduler_address}


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compile the emulator for the first test, and copy the library for the others: nothing else differs."""
    compile_package = export.compile_package

    def compile_or_copy(folder: Path, name: str, *, for_this_machine: bool) -> None:
        kept = tmp_path_factory.getbasetemp() / f"lib{name}_emulator.so"
        if not kept.exists():
            shutil.copyfile(compile_package(folder, name, for_this_machine=for_this_machine), kept)
        shutil.copyfile(kept, folder / kept.name)

    monkeypatch.setattr(export, "compile_package", compile_or_copy)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file of some hundred events have several parts."""
    monkeypatch.setattr(spans, "CHUNK_EVENTS", 64)
    monkeypatch.setattr(spans, "PART_EVENTS", 256)
    monkeypatch.setattr(module, "PART_EVENTS", 256)
    monkeypatch.setattr(module, "_CHUNK_ROWS", 128)


def _read(file: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    with h5py.File(file) as content:
        return content["score"][:], content["accept"][:], dict(content.attrs)


def _codes(workspace: Workspace, file: Path) -> np.ndarray:
    if file.suffix == ".npz":
        particles = np.load(file)["Particles"]
    else:
        with h5py.File(file) as content:
            particles = content["Particles"][:]
    return hardware_codes(particles, workspace.experiment.config.data.hardware)


def _golden(workspace: Workspace, file: Path) -> np.ndarray:
    features = FeatureMap.of(workspace.experiment.result(DataResult))
    return networks.golden(workspace.network, features, _codes(workspace, file))


def _emulate(workspace: Workspace, files: list[Path], folder: Path, scheduler: str) -> Json:
    return as_json(emulate(workspace.experiment, files, folder, EmulateOptions(scheduler)))


@pytest.mark.slow
@pytest.mark.usefixtures("small_parts")
def test_the_golden_codes_in_the_same_bytes_from_one_worker_and_from_four(
    workspace: Workspace, files: dict[str, Path], schedulers: dict[int, str], tmp_path: Path
) -> None:
    results = {n: _emulate(workspace, list(files.values()), tmp_path / str(n), schedulers[n]) for n in schedulers}
    level = workspace.experiment.config.evaluation.confidence_level
    for name, file in files.items():
        written = [(tmp_path / str(n) / f"{name}_scores.h5").read_bytes() for n in schedulers]
        assert written[0] == written[1]
        golden = _golden(workspace, file)
        scores, accept, attributes = _read(tmp_path / "1" / f"{name}_scores.h5")
        np.testing.assert_array_equal(scores, golden[:, 0])
        np.testing.assert_array_equal(accept, golden[:, 1:])
        entry = next(entry for entry in results[1]["files"] if entry["file"] == str(file))
        assert entry["events"] == len(golden)
        assert entry["accepted"] == golden[:, 1:].sum(axis=0).tolist()
        pt = _codes(workspace, file)[:, ::3]
        kinds = workspace.experiment.config.data.hardware.objects
        ends = np.cumsum([kind.slots for kind in kinds])
        for kind, own in zip(kinds, np.split(pt, ends[:-1], axis=1), strict=True):
            assert entry["objects"][kind.name] == np.count_nonzero(own)
            assert entry["largest_pt"][kind.name] == np.count_nonzero(own == 2**kind.pt_bits - 1)
        assert attributes["network"] == results[1]["network"]
        np.testing.assert_array_equal(attributes["thresholds"], workspace.network["accept"].thresholds)
    for result in results.values():
        assert result["events"] == 1001 + 256 + 700
        assert [row["accepted"] for row in result["thresholds"]] == np.sum(
            [entry["accepted"] for entry in result["files"]], axis=0
        ).tolist()
        row = result["thresholds"][0]
        assert row["accepted_share"]["value"] == pytest.approx(row["accepted"] / result["events"])
        for row, design_effect in zip(result["thresholds"], (2.0, 1.0), strict=False):
            interval = clopper_pearson(row["accepted"], result["events"], level, design_effect)
            assert row["accepted_share"] == interval._asdict()
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == [
        ".lock", "emulate.json", "one_scores.h5", "packed_scores.h5", "two_scores.h5",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("name", ["one", "packed"])
def test_what_was_done_before_an_interruption_is_not_done_again(
    name: str,
    workspace: Workspace,
    files: dict[str, Path],
    schedulers: dict[int, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen, golden = [files[name], files["two"]], _golden(workspace, files[name])

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module._Run, "_put_together", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _emulate(workspace, [files[name]], tmp_path, schedulers[1])
    assert not (tmp_path / f"{name}_scores.h5").exists()
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / ".parts").rglob("*.npz")}
    assert len(parts) == -(-len(golden) // 256)
    (tmp_path / ".emulator-old").mkdir()
    gone = sorted(parts)[1]
    gone.unlink()
    written: list[Path] = []
    write = spans.write_part
    monkeypatch.setattr(spans, "write_part", lambda file, part: (written.append(file), write(file, part)))
    _emulate(workspace, chosen, tmp_path, schedulers[1])
    assert [path for path in written if path.parent == gone.parent] == [gone]
    np.testing.assert_array_equal(_read(tmp_path / f"{name}_scores.h5")[0], golden[:, 0])
    assert not (tmp_path / ".emulator-old").exists()
    assert not (tmp_path / ".parts").exists()
    written.clear()
    again = _emulate(workspace, chosen, tmp_path, schedulers[1])
    assert written == []
    assert (again["events"], again["events_per_second"]) == (len(golden) + 256, 0)


def test_a_changed_file_is_scored_again(workspace: Workspace, schedulers: dict[int, str], tmp_path: Path) -> None:
    file = write_events(tmp_path / "events.h5", 100, 5)
    _emulate(workspace, [file], tmp_path / "out", schedulers[1])
    write_events(file, 120, 6)
    _emulate(workspace, [file], tmp_path / "out", schedulers[1])
    np.testing.assert_array_equal(_read(tmp_path / "out" / "events_scores.h5")[0], _golden(workspace, file)[:, 0])


def test_files_are_known_by_their_content_and_results_that_were_edited_are_named(
    workspace: Workspace, schedulers: dict[int, str], tmp_path: Path
) -> None:
    file, out = write_events(tmp_path / "events.h5", 100, 5), tmp_path / "out"
    scores, result = out / "events_scores.h5", out / "emulate.json"
    _emulate(workspace, [file], out, schedulers[1])
    state = file.stat()
    with h5py.File(file, "a") as events:
        events["Particles"][7, 0, 0] += 64  # the size stays
    os.utime(file, ns=(state.st_mtime_ns, state.st_mtime_ns))
    assert file.stat().st_size == state.st_size
    assert _emulate(workspace, [file], out, schedulers[1])["events_per_second"] > 0
    np.testing.assert_array_equal(_read(scores)[0], _golden(workspace, file)[:, 0])

    written = scores.read_bytes()
    scores.write_bytes(written[:-1] + bytes([written[-1] ^ 1]))
    failed = _emulate(workspace, [file], out, schedulers[1])["failed"]
    assert failed == {str(file): f"{scores} is not as `emulate` wrote it; remove it to have it written anew"}
    scores.unlink()
    assert not _emulate(workspace, [file], out, schedulers[1])["failed"]
    assert scores.read_bytes() == written

    result.write_text(result.read_text().replace('"events": 100', '"events": 101'))
    with pytest.raises(InputError, match=r"emulate\.json is not as `emulate` wrote it; remove it"):
        _emulate(workspace, [file], out, schedulers[1])


def test_a_result_that_a_killed_run_replaced_is_not_taken_for_the_earlier_one(
    workspace: Workspace, schedulers: dict[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_events(tmp_path / "events.h5", 100, 5)
    earlier, modified = file.read_bytes(), file.stat().st_mtime_ns
    _emulate(workspace, [file], tmp_path / "out", schedulers[1])
    write_events(file, 120, 6)
    put_together = module._Run._put_together

    def replace_and_end(run: module._Run, of: module._File) -> None:
        put_together(run, of)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module._Run, "_put_together", replace_and_end)
        with pytest.raises(KeyboardInterrupt):
            _emulate(workspace, [file], tmp_path / "out", schedulers[1])
    file.write_bytes(earlier)
    os.utime(file, ns=(modified, modified))
    _emulate(workspace, [file], tmp_path / "out", schedulers[1])
    np.testing.assert_array_equal(_read(tmp_path / "out" / "events_scores.h5")[0], _golden(workspace, file)[:, 0])


def test_what_a_score_does_not_need_is_not_read(workspace: Workspace, tmp_path: Path) -> None:
    """A pile-up that is NaN, or no group, is a matter of the training."""
    file = write_events(tmp_path / "events.h5", 100, 5, groups=False)
    with h5py.File(file, "r+") as content:
        content["nPV"] = np.full(100, np.nan)
    deployed = open_deployed(workspace.experiment)
    config = deployed.experiment.config
    data = config.data.model_copy(update={"columns": Columns(pileup="nPV")})
    experiment = replace(deployed.experiment, config=config.model_copy(update={"data": data}))
    run = module._Run(deployed._replace(experiment=experiment), tmp_path, [])
    assert sum(len(chunk.values) for chunk in read_events(file, run._data)) == 100


@pytest.mark.slow
@pytest.mark.usefixtures("small_parts")
def test_bad_files_get_their_sentence_and_the_others_are_done(
    workspace: Workspace, files: dict[str, Path], schedulers: dict[int, str], tmp_path: Path
) -> None:
    broken = write_events(tmp_path / "broken.h5", 900, 7)
    with h5py.File(broken, "r+") as content:
        content["Particles"][700, 2, 1] = np.nan
    text = tmp_path / "text.h5"
    text.write_text("no events")
    missing = tmp_path / "missing.h5"
    result = _emulate(workspace, [broken, text, missing, files["two"]], tmp_path / "out", schedulers[4])
    assert [Path(entry["file"]).name for entry in result["files"]] == ["two.h5"]
    assert "event 700, slot 2 holds a NaN" in result["failed"][str(broken)]
    assert "neither an HDF5 nor an npz, Parquet, ROOT or .csv file" in result["failed"][str(text)]
    assert "does not exist" in result["failed"][str(missing)]
    assert (tmp_path / "out" / "two_scores.h5").is_file()
    assert not (tmp_path / "out" / ".parts").exists()


def _threshold_file(workspace: Workspace, folder: Path, codes: list[int], **changes: object) -> Path:
    """Write what `fpgaae thresholds` writes, with some codes."""
    deployed = open_deployed(workspace.experiment)
    points = workspace.experiment.result(ConvertResult).trigger.thresholds
    made = ThresholdSet(
        network=network_hashes(deployed.trigger).network,
        score_type=str(deployed.trigger.network.score.type),
        files=(),
        events=100,
        converted=tuple(deployed.trigger.thresholds.tolist()),
        thresholds=tuple(replace(points[i % len(points)], code=code) for i, code in enumerate(codes)),
        writes=(),
    )
    folder.mkdir(exist_ok=True)
    file = folder / "thresholds.json"
    write_json(file, as_json(replace(made, **changes)))  # type: ignore[arg-type]
    return file


@pytest.mark.slow
@pytest.mark.usefixtures("small_parts")
def test_other_thresholds_decide_about_the_same_scores(
    workspace: Workspace, files: dict[str, Path], schedulers: dict[int, str], tmp_path: Path
) -> None:
    scores = _golden(workspace, files["one"])[:, 0]
    n = open_deployed(workspace.experiment).trigger.accept.size
    codes = [int(scores.max()) - 1, *[int(np.median(scores))] * (n - 1)]
    chosen = _threshold_file(workspace, tmp_path / "chosen", codes)
    options = EmulateOptions(schedulers[1], thresholds=chosen)
    _emulate(workspace, [files["one"]], tmp_path / "out", schedulers[1])
    result = emulate(workspace.experiment, [files["one"]], tmp_path / "out", options)
    found, accept, attributes = _read(tmp_path / "out" / "one_scores.h5")
    np.testing.assert_array_equal(found, scores)
    np.testing.assert_array_equal(accept, scores[:, None] > np.array(codes))
    np.testing.assert_array_equal(attributes["thresholds"], codes)
    assert result.loaded
    assert [row.code for row in result.thresholds] == codes
    assert [row.accepted for row in result.thresholds] == (scores[:, None] > np.array(codes)).sum(axis=0).tolist()
    before = (tmp_path / "out" / "one_scores.h5").stat().st_mtime_ns
    emulate(workspace.experiment, [files["one"]], tmp_path / "out", options)
    assert (tmp_path / "out" / "one_scores.h5").stat().st_mtime_ns == before, "current results are left"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "0" * 64}, r"has thresholds of the network 000000000000, and .*small\.yaml was converted to"),
        ({"thresholds": ()}, "0 thresholds are given, and the block has"),
        ("beyond", "is no code of the score, whose codes are 0 to"),
        ("damaged", r"thresholds\.json"),
        ("missing", r"thresholds\.json"),
    ],
)
def test_thresholds_of_another_network_are_refused(
    workspace: Workspace, tmp_path: Path, change: dict[str, object] | str, said: str
) -> None:
    trigger = open_deployed(workspace.experiment).trigger
    codes = [1 << 60 if change == "beyond" else 5] * trigger.accept.size
    file = _threshold_file(workspace, tmp_path / "chosen", codes, **(change if isinstance(change, dict) else {}))
    if change == "damaged":
        file.write_text(file.read_text()[:-9])
    if change == "missing":
        file.unlink()
    with pytest.raises(InputError, match=said):
        emulate(workspace.experiment, [tmp_path / "a.h5"], tmp_path / "out", EmulateOptions(thresholds=file))
    assert not (tmp_path / "out").exists()


def test_results_that_would_replace_each_other_or_an_input_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    twins = [tmp_path / "a.h5", tmp_path / "deep" / "a.npz"]
    with pytest.raises(InputError, match=r"a\.h5 and .*a\.npz would both be .*a_scores\.h5"):
        emulate(workspace.experiment, twins, tmp_path / "out", EmulateOptions())
    with pytest.raises(InputError, match=r"a_scores\.h5 is an event file and would be overwritten"):
        emulate(workspace.experiment, [tmp_path / "a.h5", tmp_path / "a_scores.h5"], tmp_path, EmulateOptions())
    assert not (tmp_path / "out").exists()


def test_an_experiment_that_is_not_converted_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    copy = workspace.copy(tmp_path / "copy")
    config = copy.experiment.config_file
    config.write_text(config.read_text().replace("random_events: 64", "random_events: 65"))
    changed = open_workspace(copy.folder)
    with pytest.raises(InputError, match=r"was made from another config, .* run `fpgaae run .* --to convert`"):
        emulate(changed.experiment, [tmp_path / "a.h5"], tmp_path / "out", EmulateOptions())


def _command(workspace: Workspace, *arguments: object) -> list[str]:
    config, *options = workspace.arguments
    return [sys.executable, "-m", "fpgaae", "emulate", config, *map(str, arguments), *options]


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_the_next_one_finishes(workspace: Workspace, tmp_path: Path) -> None:
    small = write_events(tmp_path / "small.h5", 2000, 8)
    with h5py.File(small) as source, h5py.File(tmp_path / "large.h5", "w") as target:
        target["Particles"] = np.tile(source["Particles"][:], (80, 1, 1))
    command = _command(workspace, small, tmp_path / "large.h5", "--output", tmp_path / "out", "--workers", 2)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = tmp_path / "out" / ".parts"
    deadline = time.monotonic() + 120
    while not list(parts.glob("*/0*.npz")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(children, timeout=20)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] == 162_000
    golden = _golden(workspace, small)[:, 0]
    np.testing.assert_array_equal(_read(tmp_path / "out" / "large_scores.h5")[0], np.tile(golden, 80))
    assert not list((tmp_path / "out").glob(".emulator-*"))


def test_the_command_names_bad_files_and_exits_2(
    workspace: Workspace, files: dict[str, Path], schedulers: dict[int, str], tmp_path: Path
) -> None:
    missing = tmp_path / "missing.h5"
    arguments = ["emulate", workspace.arguments[0], files["two"], missing, *workspace.arguments[1:]]
    options = ["--output", tmp_path / "out", "--scheduler", schedulers[1]]
    done = CliRunner().invoke(app, [*map(str, arguments), *map(str, options)])
    assert done.exit_code == 2
    assert "two_scores.h5     256" in done.stdout
    assert "kHz, were they the trigger's input" in " ".join(done.stdout.split())
    assert done.stderr.endswith(f"fpgaae: the event file {missing} does not exist; correct its name\n")


@pytest.mark.parametrize("spelling", [["--emulator"], []], ids=["said", "unsaid"])
def test_the_emulator_is_exported_by_the_command(workspace: Workspace, spelling: list[str], tmp_path: Path) -> None:
    target = tmp_path / "package"
    arguments = ["export", *spelling, workspace.arguments[0], str(target), *workspace.arguments[1:]]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    assert "golden events agree" in done.stdout
    assert (target / "autoencoder_emulator.h").is_file()
