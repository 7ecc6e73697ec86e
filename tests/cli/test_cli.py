"""The command line in processes of its own: what it prints, where, and with which exit code."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import merged, small_config
from typer.testing import CliRunner

from fpgaae import __version__
from fpgaae.cli.commands import app
from fpgaae.data import stage
from fpgaae.data.store import EVENTS_FILE
from fpgaae.errors import CheckFailed
from fpgaae.files import Json, read_json
from fpgaae.runs.folder import edited_files
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import STAGES

Done = subprocess.CompletedProcess[str]
COMMANDS = (*STAGES, "export", "emulate", "scan", "repeat", "references", "compare", "doctor")


def _fpgaae(*arguments: str | Path, cwd: Path | None = None) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "fpgaae", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=120, cwd=cwd,
    )  # fmt: skip


def _here(*arguments: str | Path) -> Done:
    """Run the command line in this process: as `_fpgaae`, but sooner."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return subprocess.CompletedProcess([], result.exit_code, result.stdout, result.stderr)


def _sentence(done: Done, exit_code: int = 2) -> str:
    """Give the one line that a failed command says."""
    assert done.returncode == exit_code, done
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("fpgaae: ")]
    assert len(lines) == 1, done.stderr
    assert done.stderr.endswith(f"{lines[0]}\n")
    return lines[0].removeprefix("fpgaae: ")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return small_config(tmp_path, n_events=1200)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_reads(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "120", "TERM": "dumb", "NO_COLOR": "1"})
    assert result.exit_code == 0
    words = result.output
    assert f"{command} [OPTIONS]" in words
    assert "--json" in words
    if command in STAGES:
        assert "CONFIG" in words
        assert "The experiment's YAML file." in words
        for option in ("--runs", "--force", "--verbose"):
            assert option in words
    sentence = words.split("Usage:")[1].split("\n", 2)[2].strip()
    assert sentence[0].isupper()
    assert "Traceback" not in words


@pytest.mark.slow
def test_help_and_version(tmp_path: Path) -> None:
    done = _fpgaae("-h", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(command in done.stdout for command in COMMANDS)
    done = _fpgaae("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"fpgaae {__version__}\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["fly"], ["data"], ["data", "a.yaml", "--speed"]], ids=["command", "config", "option"]
)
def test_a_wrong_call_is_wrong_input(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


@pytest.mark.slow
def test_the_first_and_the_second_run(config: Path, runs: Path) -> None:
    first = _fpgaae("data", config, "--runs", runs)
    result_file = runs / "small" / "data" / "data.json"
    assert first.returncode == 0, first
    lines = first.stdout.splitlines()
    assert lines[0] == f"data of small done: {result_file}"
    events = read_json(result_file)["events"]
    largest = read_json(result_file)["seen"]["signal"]["largest_pt"]
    assert lines[4].startswith("signal: objects at the largest pT: ")
    assert all((kind in lines[4]) is (n > 0) for kind, n in largest.items())
    assert [line for line in lines[5:] if line.startswith("warning: signal: ")] == lines[5:] != []
    assert [line.split() for line in lines[2:4]] == [
        ["background", *(f"{events['background'][split]:,}" for split in ("train", "validation", "test"))],
        ["signal", "0", "0", "300"],
    ]
    written = result_file.stat().st_mtime_ns
    second = _here("data", config, "--runs", runs)
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == f"data of small is current: {result_file}\n"
    assert result_file.stat().st_mtime_ns == written
    forced = _here("data", config, "--runs", runs, "--force")
    assert forced.stdout.startswith("data of small done")
    assert result_file.stat().st_mtime_ns > written


@pytest.mark.slow
def test_json_is_the_result_file_and_nothing_else(config: Path, runs: Path) -> None:
    for run in (_fpgaae, _here):  # fresh, then current
        done = run("data", config, "--runs", runs, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (runs / "small" / "data" / "data.json").read_text()
        assert json.loads(done.stdout)["feature_types"][0]["name"] == "met_pt"


@pytest.mark.slow
def test_runs_stand_in_the_current_folder_unless_told_otherwise(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = _here("data", config)
    assert done.returncode == 0
    assert done.stdout.startswith("data of small done: runs/small/data/data.json\n")
    assert (tmp_path / "elsewhere" / "runs" / "small" / "data" / EVENTS_FILE).is_file()


@pytest.mark.slow
def test_an_unknown_key_is_one_line_on_standard_error(config: Path, runs: Path) -> None:
    config.write_text(config.read_text().replace("clock_ns:", "clok_ns:"))
    line = next(i for i, text in enumerate(config.read_text().splitlines(), 1) if "clok_ns" in text)
    done = _fpgaae("data", config, "--runs", runs, "--json")
    assert _sentence(done) == f"{config}, line {line}: unknown key `firmware.clok_ns`; did you mean `clock_ns`?"
    assert done.stderr.count("\n") == 1
    assert not runs.exists()


def test_a_config_that_is_not_there(tmp_path: Path) -> None:
    assert "none.yaml can't be read" in _sentence(_here("data", tmp_path / "none.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reference", "csim"])
def test_a_missing_stage_names_the_command_to_run(config: Path, runs: Path, name: str) -> None:
    done = _here(name, config, "--runs", runs)
    command = f"fpgaae run {config} --to {name}"
    missing = f"{runs / 'small' / 'data'} has no finished result"
    assert _sentence(done) == f"{missing}; run `{command}`, which makes what is missing"


@pytest.mark.parametrize("spoil", ["empty", "missing"])
def test_a_bad_event_file_is_one_sentence(config: Path, runs: Path, spoil: str) -> None:
    file = config.parent / "signal.h5"
    if spoil == "missing":
        file.unlink()
    else:
        file.write_bytes(b"")
    assert "signal.h5" in _sentence(_here("data", config, "--runs", runs))
    assert not (runs / "small" / "data").exists()


def test_too_few_events_for_a_batch_keep_the_earlier_result(config: Path, runs: Path) -> None:
    assert _here("data", config, "--runs", runs).returncode == 0
    small_config(config.parent, training={"reference": {"batch_size": 100_000}})
    done = _here("data", config, "--runs", runs, "--force")
    assert "fewer than one batch of 100000" in _sentence(done)
    assert edited_files(runs / "small" / "data") == ()


def test_an_edited_result_is_named_and_force_mends_it(config: Path, runs: Path) -> None:
    _here("data", config, "--runs", runs)
    result = runs / "small" / "data" / "data.json"
    result.write_text(result.read_text() + "\n")
    sentence = _sentence(_here("data", config, "--runs", runs))
    assert f"{result} is not as the stage `data` wrote it" in sentence
    assert f"`fpgaae data {config} --force`" in sentence
    assert _here("data", config, "--runs", runs, "--force").returncode == 0
    assert _here("data", config, "--runs", runs).stdout.startswith("data of small is current")


def _failing(failure: BaseException, config: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> Done:
    """Run the stage `data`, whose work fails, in this process."""

    def fail(run: StageRun) -> Json:
        (run.folder / "half.txt").write_text("half")
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(stage, "run_data", fail)
        return _here("data", config, "--runs", runs, "--force")


@pytest.mark.parametrize(
    ("failure", "exit_code", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            2,
            "the disk is full; free some space and run again, earlier results are untouched",
        ),
        (OSError(errno.EDQUOT, "Quota", "x.h5"), 2, "the disk is full (x.h5); free some space"),
        (
            PermissionError(errno.EACCES, "Permission denied", "x.h5"),
            2,
            "no permission to read or write (x.h5); correct its permissions",
        ),
        (KeyboardInterrupt(), 130, "interrupted; the last finished results are untouched"),
        (CheckFailed("a proof failed"), 1, "a proof failed"),
    ],
    ids=["disk-full", "quota", "permission", "interrupted", "check-failed"],
)
def test_what_ends_a_stage_is_one_sentence_and_loses_nothing(
    config: Path, runs: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, exit_code: int, words: str
) -> None:
    result = runs / "small" / "data" / "data.json"
    assert _here("data", config, "--runs", runs).returncode == 0
    before = result.read_bytes()
    done = _failing(failure, config, runs, monkeypatch)
    assert words in _sentence(done, exit_code)
    assert (result.read_bytes(), edited_files(result.parent)) == (before, ())
    assert _here("data", config, "--runs", runs).stdout == f"data of small is current: {result}\n"


def test_a_defect_is_not_dressed_up_as_the_users_mistake(
    config: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "run_data", lambda run: run.nothing)
    result = CliRunner().invoke(app, ["data", str(config), "--runs", str(runs)])
    assert result.exit_code == 1
    assert isinstance(result.exception, AttributeError)


# ---- two processes ----


def _long_config(folder: Path) -> Path:
    """Make an experiment whose stage `data` takes many seconds: the same events in many processes."""
    files: dict[str, Any] = {"background": "background.h5"} | {f"signal_{i}": "background.h5" for i in range(60)}
    return small_config(folder, n_events=10_000, data=merged({"files": {}}, {"files": files}))


@contextmanager
def _running(config: Path, runs: Path, *extra: str) -> Iterator[subprocess.Popen[str]]:
    """Have the stage `data` in the middle of its work in another process."""
    command = [sys.executable, "-m", "fpgaae", "data", str(config), "--runs", str(runs), *extra]
    events = runs / "small" / ".data.partial" / EVENTS_FILE
    events.unlink(missing_ok=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while not (events.exists() and events.stat().st_size > 10_000):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield process
        finally:
            process.kill()
            process.wait(timeout=10)


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [False, True], ids=["bars", "json"])
def test_ctrl_c_is_one_sentence_and_loses_nothing(tmp_path: Path, runs: Path, as_json: bool) -> None:
    config = small_config(tmp_path, n_events=10_000)
    result = runs / "small" / "data" / "data.json"
    assert _here("data", config, "--runs", runs).returncode == 0
    before = result.read_bytes()
    with _running(_long_config(tmp_path), runs, *(["--json"] if as_json else [])) as process:
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    done: Done = subprocess.CompletedProcess([], process.returncode, stdout, stderr)
    assert _sentence(done, 130).startswith("interrupted; the last finished results are untouched")
    assert (result.read_bytes(), edited_files(result.parent)) == (before, ())
    small_config(tmp_path)
    again = _here("data", config, "--runs", runs)
    assert again.stdout == f"data of small is current: {result}\n"
    forced = _here("data", config, "--runs", runs, "--force")
    assert forced.returncode == 0
    assert {path.name for path in (runs / "small").iterdir()} == {"data", ".lock", ".scratch"}


@pytest.mark.slow
def test_two_runs_at_once(tmp_path: Path, runs: Path) -> None:
    config = _long_config(tmp_path)
    with _running(config, runs) as process:
        process.send_signal(signal.SIGSTOP)  # so that it is at work for as long as this test looks
        assert _sentence(_fpgaae("data", config, "--runs", runs)) == (
            f"another fpgaae process (process {process.pid}) is working on {runs / 'small'}; wait for it to end"
        )
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=10) == -signal.SIGKILL
    assert "has no finished result" in _sentence(_here("reference", config, "--runs", runs))  # the lock fell


@pytest.mark.slow
def test_doctor_json(tmp_path: Path) -> None:
    done = _fpgaae("doctor", "--json", cwd=tmp_path)
    findings = json.loads(done.stdout)
    assert {"Python", "C++ compiler"} <= {finding["name"] for finding in findings}
    assert all(set(finding) == {"name", "status", "detail", "cure"} for finding in findings)
    missing = any(finding["status"] == "missing" for finding in findings)
    assert done.returncode == (3 if missing else 0)
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_with_the_file_to_compare_with_is_said_before_anything_is_evaluated(
    config: Path, tmp_path: Path
) -> None:
    options = ("--runs", tmp_path / "runs", "--against")
    assert "nowhere.h5 does not exist; give one to `--against`" in _sentence(
        _here("evaluate", config, *options, tmp_path / "nowhere.h5")
    )
    (tmp_path / "text.h5").write_text("no events")
    assert "text.h5 is neither" in _sentence(_here("evaluate", config, *options, tmp_path / "text.h5"))


def test_a_result_file_that_lacks_a_key_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "made_up" / "reference"
    folder.mkdir(parents=True)
    (folder / "reference.json").write_text('{"method": "vae", "backend": "jax"}')
    done = CliRunner().invoke(app, ["references", str(folder.parent)])
    assert done.exit_code == 2
    assert done.stderr == (
        f"fpgaae: {folder / 'reference.json'}: device is missing; run `fpgaae reference CONFIG --force`\n"
    )


@pytest.mark.parametrize(
    ("words", "expected"), [("co", {"compare", "configs", "convert"}), ("run a.yaml --to c", {"convert", "csim"})]
)
def test_the_shell_completes(words: str, expected: set[str]) -> None:
    words = f"fpgaae {words}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_FPGAAE_COMPLETE": "complete_bash"}
    script = Path(sys.executable).with_name("fpgaae")
    done = subprocess.run([script], capture_output=True, text=True, check=False, env=os.environ | asked)
    assert set(done.stdout.split()) == expected
