"""Nothing ends in a traceback: closed and full streams, too little memory, and faults of fpgaae itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fpgaae.cli import commands, net
from fpgaae.cli.output import errors_as_sentences


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[BaseException], int]]:
    """Give a function that runs the command line where it raises something, and gives the exit code."""
    monkeypatch.setattr(net.tempfile, "tempdir", str(tmp_path))

    def run(error: BaseException) -> int:
        def app(obj: object) -> None:
            raise error

        monkeypatch.setattr(commands, "app", app)
        with pytest.raises(SystemExit) as ended:
            commands.main()
        return int(ended.value.code or 0)

    return run


def test_a_fault_is_one_sentence_and_a_file(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert failing(KeyError("what\nis it")) == 4
    said = capsys.readouterr().err
    (file,) = tmp_path.glob("fpgaae-fault-*.txt")
    assert said.count("\n") == 1
    assert "a fault of fpgaae, not of yours (KeyError: " in said
    assert str(file) in said
    assert "Traceback" in file.read_text()


def test_too_little_memory_is_said(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert failing(MemoryError()) == 2
    assert capsys.readouterr().err.startswith("fpgaae: the memory of this machine is used up")
    assert failing(RecursionError("deep")) == 4
    assert len(list(tmp_path.glob("fpgaae-fault-*.txt"))) == 1


def test_a_polite_end_is_an_interruption(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def app(obj: object) -> None:
        with errors_as_sentences():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    monkeypatch.setattr(commands, "app", app)
    try:
        with pytest.raises(SystemExit) as ended:
            commands.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("fpgaae: interrupted; the last finished results are untouched")


def test_an_exit_code_goes_through(failing: Callable[[BaseException], int]) -> None:
    assert failing(SystemExit(3)) == 3


@pytest.mark.parametrize("stream", ["closed", "full", "broken", "ascii"])
def test_standard_output_of_any_kind(stream: str, tmp_path: Path) -> None:
    command = f"{sys.executable} -m fpgaae doctor" if stream == "ascii" else f"{sys.executable} -m fpgaae --version"
    line = {"closed": f"{command} >&-", "full": f"{command} > /dev/full", "broken": command, "ascii": command}[stream]
    environment = os.environ | {"TMPDIR": str(tmp_path)} | ({"PYTHONIOENCODING": "ascii"} if stream == "ascii" else {})
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            line, shell=True, env=environment, text=True, check=False, stderr=subprocess.PIPE, timeout=120,
            stdout=write if stream == "broken" else subprocess.PIPE,
        )  # fmt: skip
    finally:
        os.close(write)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert not list(tmp_path.glob("fpgaae-fault-*"))
    if stream in {"full", "broken"}:
        assert done.returncode == 2
        assert done.stderr.startswith("fpgaae: standard output can't be written (")
    elif stream == "closed":
        assert done.returncode == 0


def test_who_gives_no_command_is_told_so_on_standard_error(
    run_process: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_process()
    assert done.returncode == 2
    assert "[OPTIONS] COMMAND" in done.stdout
    assert done.stderr == "fpgaae: no command is given; `fpgaae --help` lists them\n"
