"""The experiments that come with the package: found, listed, and copied so that they run where they then lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from support import CONFIGS

from fpgaae.config import shipped
from fpgaae.config.file import load_config
from fpgaae.config.shipped import copy_shipped, shipped_configs
from fpgaae.errors import ConfigError, InputError
from fpgaae.scan.plan import load_scan

Cli = Callable[..., CompletedProcess[str]]
NAMES = [config.name for config in shipped_configs()]


def test_every_file_of_the_checkout_is_one_and_says_what_it_is() -> None:
    found = {config.name: config for config in shipped_configs()}
    assert set(found) == {str(file.relative_to(CONFIGS).with_suffix("")) for file in CONFIGS.rglob("*.yaml")}
    assert {"l1_ae", "reference/vae", "scan/area"} <= set(found)
    assert all(config.about for config in found.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_the_same_experiment_in_an_empty_folder(name: str, tmp_path: Path) -> None:
    copied = copy_shipped(name, tmp_path / "there")
    assert copied.parent == tmp_path / "there"
    assert [*copied.parent.iterdir()] == [copied]
    original = CONFIGS / f"{name}.yaml"
    if name.startswith("scan/"):
        assert load_scan(copied).settings.axes == load_scan(original).settings.axes
        assert load_scan(copied).base_config == load_scan(original).base_config
    else:
        assert load_config(copied) == load_config(original)
    comments = [line for line in original.read_text().splitlines() if line.startswith("#")]
    assert copied.read_text().splitlines()[: len(comments)] == comments


def test_an_installed_package_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "fpgaae" / "configs"
    inside.mkdir(parents=True)
    (inside / "mine.yaml").write_text("# Mine. More.\nseed: 1\n")
    monkeypatch.setattr(shipped, "_PACKAGE", inside.parent)
    assert [config[::2] for config in shipped_configs()] == [("mine", "Mine")]


def test_nothing_is_overwritten_and_no_other_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "l1_ae.yaml").write_text("seed: 1\n")
    with pytest.raises(InputError, match=r"l1_ae.yaml is there already; remove it, or give another name to `--to`"):
        copy_shipped("l1_ae", tmp_path)
    assert (tmp_path / "l1_ae.yaml").read_text() == "seed: 1\n"
    with pytest.raises(InputError, match="there is no config `l2_ae`; there are calorimeter_student, "):
        copy_shipped("l2_ae", tmp_path)
    (tmp_path / "own.yaml").write_text("seed: 1\nextends: config:l2_ae\n")
    with pytest.raises(ConfigError, match=r"own.yaml, line 2: there is no config `l2_ae`; there are"):
        load_config(tmp_path / "own.yaml")


def test_the_command(run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listed = run_cli("configs")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in NAMES)
    rows: list[dict[str, Any]] = json.loads(run_cli("configs", "--json").stdout)
    assert [row["name"] for row in rows] == NAMES
    assert "next: fpgaae run vae.yaml" in run_cli("configs", "reference/vae").stdout
    assert "next: fpgaae scan a.yaml" in run_cli("configs", "scan/area", "--to", "a.yaml").stdout
    assert json.loads(run_cli("configs", "config:l1_vae.yaml", "--json").stdout) == {"file": "l1_vae.yaml"}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.yaml", "l1_vae.yaml", "vae.yaml"]
    again = run_cli("configs", "l1_vae")
    assert (again.returncode, again.stdout) == (2, "")
