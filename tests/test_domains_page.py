"""What docs/domains.md says of adding a domain is done here, with the code from the page itself."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from notebooks import run_notebook
from support import REPOSITORY

from fpgaae.files import read_json

PAGE = REPOSITORY / "docs" / "domains.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _write_files(folder: Path) -> list[str]:
    """Write the files that the page shows, and give its commands."""
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    for language, content in blocks:
        if language != "sh":
            file = folder / content.splitlines()[0].removeprefix("# ")
            file.parent.mkdir(exist_ok=True)
            file.write_text(content, encoding="utf-8")
    (commands,) = (content for language, content in blocks if language == "sh")
    loop = re.search(r"for stage in ([a-z ]+); do fpgaae \$stage (\S+) ", commands)
    assert loop is not None
    assert commands.startswith("export PYTHONPATH=.\n")
    return [f"{stage} {loop[2]}" for stage in loop[1].split()]


@pytest.mark.slow
@pytest.mark.usefixtures("compiler", "tensorflow", "without_proofs")
def test_a_domain_is_one_reader_and_one_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    commands = _write_files(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["ring.py", "ring.yaml"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ring", None)  # whatever is there afterwards goes
    del sys.modules["ring"]

    def fpgaae(arguments: str) -> subprocess.CompletedProcess[str]:
        return run_cli(*shlex.split(arguments))

    assert [command.split()[0] for command in commands][:5] == ["data", "reference", "train", "convert", "csim"]
    for command in commands:
        done = fpgaae(command)
        assert done.returncode == 0, (command, done.stderr)
    run = tmp_path / "runs" / "ring"
    csim, metrics = read_json(run / "csim" / "csim.json"), read_json(run / "evaluate" / "metrics.json")
    assert csim["passed"]
    assert csim["events"] > 2000
    assert csim["mismatched_events"] == csim["score_mismatches"] == csim["decision_flips"] == 0
    assert metrics["models"]["firmware"]["loss"]["auc"]["value"] > 0.9
    assert metrics["labels"]["sum_pt"] == "sum of cells"
    header = run / "convert/project/firmware/autoencoder_trigger.h"
    assert "ap_uint<8> monitor[16]" in header.read_text(encoding="utf-8")
    _emulate_and_trace(tmp_path, fpgaae)


def _emulate_and_trace(folder: Path, fpgaae: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    """A text file goes through the emulator, a wrong one gets its sentence, and the RTL agrees on every bit."""
    np.savetxt(folder / "losses.txt", np.random.default_rng(1).poisson(9.0, (500, 16)), fmt="%d")
    assert fpgaae("emulate ring.yaml losses.txt --output scores").returncode == 0
    assert read_json(folder / "scores" / "emulate.json")["events"] == 500
    (folder / "wrong.txt").write_text("1 2 3\n", encoding="utf-8")
    done = fpgaae("emulate ring.yaml wrong.txt --output wrong")
    assert done.returncode == 2
    assert "wrong.txt has 3 numbers a line, but `data.hardware.array` has 16" in done.stderr
    exported = fpgaae("export ring.yaml exported --emulator")
    assert exported.returncode == 0, exported.stderr
    assert "golden events agree" in exported.stdout
    rtl = fpgaae("rtl ring.yaml")
    if rtl.returncode == 3 and not os.environ.get("FPGAAE_REQUIRE_TOOLS"):
        pytest.skip(rtl.stderr)
    assert rtl.returncode == 0, rtl.stderr
    assert read_json(folder / "runs/ring/rtl/rtl.json")["mismatched_events"] == 0
    _run_notebooks(folder)


def _run_notebooks(folder: Path) -> None:
    """The notebooks on a chip and on other detectors find what was made of the ring."""
    shutil.copytree(folder / "runs" / "ring", folder / "runs" / "front_end")
    assert "leave the block for each event of 16 numbers" in run_notebook(
        "other_detectors", settings={"extends": "ring.yaml"}
    )
    (folder / "runs" / "ring").rename(folder / "runs" / "chip")
    said = run_notebook("keras_to_chip", settings={"extends": "ring.yaml"})
    assert " 0 differ" in said
    assert "0 DSP" in said
