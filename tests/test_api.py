"""The Python interface: configs given as mappings, what is imported when, and what it refuses (examples: main job)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sources import MODULES
from support import small_config

import fpgaae
from fpgaae import api
from fpgaae.config.file import load_config


def test_importing_the_package_imports_nothing_else_and_every_name_is_there() -> None:
    program = "import sys, fpgaae; print(*(n for n in sys.modules if n.startswith(('fpgaae.', 'numpy', 'pydantic'))))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"
    assert all(getattr(fpgaae, name) is not None for name in fpgaae.__all__)
    assert {*fpgaae.__all__} <= {*dir(fpgaae)}
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = fpgaae.runn


def test_all_of_the_interface_is_in_the_package_and_on_its_page() -> None:
    page = (Path(__file__).parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
    rows = {"LayerRow", "MetricRow"}
    assert not {f"fpgaae.{name}" for name in fpgaae.__all__} & {*MODULES}  # such a name becomes the module
    assert {*fpgaae.__all__} >= {*api.__all__} - rows
    for name in api.__all__:
        assert f":: fpgaae.{'api.' if name in rows else ''}{name}\n" in page


def test_a_mapping_is_the_experiment_that_its_file_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_config(tmp_path / "base", "base")
    given = {
        "extends": "base/base.yaml",
        "model": {"latent": 5},
        "data": {"files": {"background": "base/background.h5"}},
    }
    (tmp_path / "file.yaml").write_text("extends: base/base.yaml\nmodel: {latent: 5}\n"
                                        "data: {files: {background: base/background.h5}}\n")  # fmt: skip
    assert fpgaae.load_config(given) == load_config(tmp_path / "file.yaml")
    run = fpgaae.open_run(given, name="mine")
    assert (run.folder, run.config) == (Path("runs/mine"), fpgaae.load_config("file.yaml"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert fpgaae.load_config(tmp_path / "runs/mine/mine.yaml") == run.config
    with pytest.raises(fpgaae.InputError, match="needs a `name`"):
        fpgaae.open_run(given)


def test_what_is_wrong_with_a_mapping_is_said_without_a_line(tmp_path: Path) -> None:
    with pytest.raises(fpgaae.ConfigError) as caught:
        fpgaae.open_run({"extends": "config:l1_ae", "firmware": {"clok_ns": 5}}, runs=tmp_path, name="mine")
    assert str(caught.value) == "the given config: unknown key `firmware.clok_ns`; did you mean `clock_ns`?"
    assert not [*tmp_path.iterdir()]
    with pytest.raises(fpgaae.ConfigError, match=r"^the given config: there is no config `l2`; there are"):
        fpgaae.load_config({"extends": "config:l2"})


def test_a_run_up_to_data(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    outcomes: list[tuple[str, bool]] = []
    for _ in range(2):
        run = fpgaae.run(
            str(config),
            "data",
            runs=tmp_path / "runs",
            on_result=lambda *got: outcomes.append((got[0], got[1].was_current)),
        )
    assert outcomes == [("data", False), ("data", True)]
    assert run.data.events["signal"] == {"test": 500}
    assert run.events("background", "train").shape == (run.data.events["background"]["train"], 57)
    assert run.events().dtype == np.int64
    with pytest.raises(fpgaae.InputError, match="signal has no events in the split train"):
        run.events("signal", "train")
    with pytest.raises(fpgaae.InputError, match=r"scores.npz is missing; run `fpgaae run .* --to csim`"):
        run.firmware_scores()
    with pytest.raises(fpgaae.InputError, match="no stage sim"):
        fpgaae.run(config, "sim", runs=tmp_path / "runs")
