"""What is handed out: every package of the tree, licences and notices, and the map of the rooms that is kept."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import Distribution
from support import REPOSITORY
from test_imports import LAYERS

import fpgaae


def _toml() -> dict[str, object]:
    toml = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    content: dict[str, object] = toml.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return content


def test_every_package_is_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, list[str]] = {}
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr("setuptools.setup", lambda **keys: given.update(keys))
    runpy.run_path("setup.py")
    there = {
        ".".join(file.parent.relative_to(REPOSITORY).parts)
        for file in Path(fpgaae.__file__).parent.rglob("__init__.py")
    }
    configs = {"fpgaae.configs", "fpgaae.configs.reference", "fpgaae.configs.scan"}
    assert set(given["packages"]) == there | configs | {"fpgaae_firmware"}
    assert len(given["packages"]) == len(set(given["packages"]))


def test_the_licence_is_the_whole_one_and_named() -> None:
    text = (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
    for words in (
        "Apache License",
        "Version 2.0, January 2004",
        "END OF TERMS AND CONDITIONS",
        "9. Accepting Warranty",
    ):
        assert words in text
    assert [int(n) for n in re.findall(r"^   (\d)\. [A-Z]", text, re.MULTILINE)] == list(range(1, 10))
    project = _toml()["project"]
    assert isinstance(project, dict)
    assert project["license"] == "Apache-2.0"
    for file in project["license-files"]:
        assert (REPOSITORY / file).is_file(), file
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["license"], citation["version"]) == (project["license"], fpgaae.__version__)


def test_the_map_of_the_contributors_is_the_one_that_is_kept() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    found = [tuple(name.rstrip("/") for name in re.findall(r"`(.*?)`", row)) for row in rows]
    assert found == [names for names in LAYERS if names != ("__main__",)]


def test_the_notice_names_every_module_that_is_copied() -> None:
    """The sources that da4ml instantiates, but for the table that is the project's own in Verilog."""
    sources = resources.files("da4ml") / "codegen" / "rtl"
    notice = (REPOSITORY / "firmware" / "rtl" / "NOTICE.txt").read_text(encoding="utf-8")
    parts = {
        "verilog": notice[notice.index("verilog/") : notice.index("vhdl/")],
        "vhdl": notice[notice.index("vhdl/") :],
    }
    for flavour, part in parts.items():
        copied = {file.name for file in (sources / flavour / "source").iterdir() if file.name.endswith((".v", ".vhd"))}
        assert copied
        for name in copied - {"lookup_table.v"}:
            assert name in part, name


def test_the_hooks_are_local_and_run_what_make_check_runs() -> None:
    settings = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = settings["repos"]
    assert repository["repo"] == "local"
    make = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for hook in repository["hooks"]:
        program = hook["entry"].removeprefix(".venv/bin/python -m ").split(" --")[0]
        assert f"$(VENV)/bin/python -m {program}" in make
        tool = program.split()[0]
        done = subprocess.run([sys.executable, "-m", tool, "--version"], capture_output=True, check=False)
        assert done.returncode == 0, tool


def test_every_config_and_sample_is_handed_out() -> None:
    tool = _toml()["tool"]
    assert isinstance(tool, dict)
    settings = tool["setuptools"]
    for package, folder, ending in (
        ("fpgaae.configs", "configs", "yaml"),
        ("fpgaae", "fpgaae/config/presets", "yaml"),
        ("fpgaae", "fpgaae/data/sample", "h5"),
    ):
        root = REPOSITORY / settings["package-dir"][package]
        given = {
            file
            for name, patterns in settings["package-data"].items()
            if name == package or name.startswith(f"{package}.")
            for pattern in patterns
            for file in root.joinpath(*name.removeprefix(package).split(".")).glob(pattern)
        }
        there = {*(REPOSITORY / folder).rglob(f"*.{ending}")}
        assert there
        assert there <= given


def test_the_sdist_of_the_same_files_has_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr("setuptools.setup", lambda **keys: given.update(keys))
    runpy.run_path("setup.py")
    command = given["cmdclass"]["sdist"](Distribution())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    written = []
    for at, names in ((1e9, ("b.py", "a.py")), (1.5e9, ("a.py", "b.py"))):
        folder = Path("fpgaae-0")
        folder.mkdir()
        for name in names:
            (folder / name).write_text(name)
            os.utime(folder / name, (at, at))
        archive = Path(command.make_archive("out", "gztar", base_dir=str(folder), owner=None, group=None))
        written.append(archive.read_bytes())
        shutil.rmtree(folder)
    assert written[0] == written[1]
    with tarfile.open("out.tar.gz") as tar:
        assert [(entry.name, entry.mtime, entry.uid) for entry in tar][1:] == [
            ("fpgaae-0/a.py", 1767225600, 0),
            ("fpgaae-0/b.py", 1767225600, 0),
        ]


def _pins(name: str) -> dict[str, str]:
    """Give the version of each package that a file pins for this Python."""
    lines = [line for line in (REPOSITORY / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {canonicalize_name(r.name): str(r.specifier) for r in map(Requirement, lines) if _holds(r)}


def _holds(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def test_the_least_requirements_are_all_that_the_base_package_needs() -> None:
    """They are the pins that everything else is tested with, but for TensorFlow's build."""
    project = _toml()["project"]
    assert isinstance(project, dict)
    needed: set[str] = set()
    waiting = list(project["dependencies"])
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if _holds(requirement) and name not in needed:
            needed.add(name)
            waiting += metadata.requires(name) or []
    pins, least = _pins("constraints.txt"), _pins("requirements-cpu.txt")
    assert set(least) == needed - {"tensorflow", "libclang"} | {"tensorflow-cpu"}
    assert least == {name: pins[name.removesuffix("-cpu")] for name in least}


def test_the_image_is_made_of_files_that_are_there_and_lets_in_no_other() -> None:
    """What `COPY . ` takes is what `.dockerignore` names, and a wheel needs no more."""
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert all((REPOSITORY / name).exists() for name in let_in)
    tool = _toml()["tool"]
    assert isinstance(tool, dict)
    sources = {Path(folder).parts[0] for folder in tool["setuptools"]["package-dir"].values()}
    licences = {*_toml()["project"]["license-files"]}  # type: ignore[index]
    assert let_in >= sources | licences | {"pyproject.toml", "setup.py", "README.md", "requirements-cpu.txt"}
