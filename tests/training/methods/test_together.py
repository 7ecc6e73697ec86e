"""Training on JAX in two processes, against one; each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import REPOSITORY, small_config
from typer.testing import CliRunner

from fpgaae.cli.commands import app
from fpgaae.errors import InputError
from fpgaae.meeting import free_port
from fpgaae.training.methods.backend import require_jax

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "programs" / "together.py"


def _run(commands: list[list[str]], environment: dict[str, str]) -> list[subprocess.CompletedProcess[str]]:
    """Run Python programs at once, each to its end."""
    inherited = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    programs = [
        subprocess.Popen(
            [sys.executable, *command], env=inherited | environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for command in commands
    ]  # fmt: skip
    try:
        said = [program.communicate(timeout=600) for program in programs]
    finally:
        for program in programs:
            program.kill()
    ended = zip(programs, said, strict=True)
    return [subprocess.CompletedProcess(program.args, program.returncode, *own) for program, own in ended]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Give what each of two processes has measured."""
    pytest.importorskip("jax", reason="jax is an optional extra: pip install 'fpgaae[methods]'")
    folder, address = tmp_path_factory.mktemp("together"), f"localhost:{free_port()}"
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    done = _run(
        [[str(PROGRAM), str(folder), str(process), "2", address] for process in range(2)], {"PYTHONPATH": paths}
    )
    assert not any(one.returncode for one in done), [one.stderr[-3000:] for one in done]
    return [json.loads(one.stdout.splitlines()[-1]) for one in done]


def test_each_process_holds_its_share(results: list[dict[str, Any]]) -> None:
    assert [found["rows"] for found in results] == [[0, 151], [151, 301]]


def test_the_moments_of_all_events_are_those_of_one_process_to_the_last_bit(results: list[dict[str, Any]]) -> None:
    assert results[0]["moments"] == results[1]["moments"] == results[0]["moments_alone"]


def test_two_processes_that_were_killed_once_train_as_one(results: list[dict[str, Any]]) -> None:
    """In the same batches, in the same order, with the same random numbers: only the sums are rounded otherwise."""
    alone, together = results[0]["alone"], results[0]["together"]
    assert results[0]["begun"] == 4, "it must go on, not begin anew"
    assert [found["saved"] for found in results] == [True, False]
    assert np.ptp(np.array(alone["weights"]), axis=0).max() > 0.1, "members must differ"
    np.testing.assert_allclose(together["weights"], alone["weights"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(together["losses"], alone["losses"], rtol=1e-5)


def test_all_processes_have_the_same_weights(results: list[dict[str, Any]]) -> None:
    assert results[0]["together"] == results[1]["together"]


def test_another_backend_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(InputError, match=r"KERAS_BACKEND is `torch`, which trains in one process only; unset it"):
        require_jax()


def test_the_command_trains_in_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="jax is an optional extra: pip install 'fpgaae[methods]'")
    method = {"kind": "dense", "scores": ["reconstruction"]}
    file, runs = small_config(tmp_path, "two", method=method), ("--runs", str(tmp_path / "runs"))
    assert CliRunner().invoke(app, ["data", str(file), *runs]).exit_code == 0
    together = ["--json", "--coordinator", f"localhost:{free_port()}", "--processes", "2", "--process-id"]
    command = ["-m", "fpgaae", "reference", str(file), *runs, *together]
    first, second = _run([[*command, str(process)] for process in range(2)], {})
    assert first.returncode == second.returncode == 0, (first.stderr, second.stderr)
    result = json.loads(first.stdout)
    assert (result["n_processes"], result["n_devices"], result["epochs"]) == (2, 2, 1)
    assert second.stdout == ""
    assert not [*(tmp_path / "runs" / "two" / ".scratch").iterdir()]
