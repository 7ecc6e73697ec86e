"""`fpgaae doctor`: what is absent, broken or shadowed is found and named, and never raises."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from fpgaae import doctor
from fpgaae.doctor import Finding, Status
from fpgaae.errors import ToolMissing

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None and not os.environ.get("FPGAAE_REQUIRE_TOOLS"), reason="needs g++"
)


@pytest.fixture(autouse=True)
def _no_choice_of_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)


@pytest.fixture
def compiler_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make CXX a shell script with the given text."""

    def write(text: str) -> Path:
        path = tmp_path / "my-g++"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("CXX", str(path))
        return path

    return write


def _finding(name: str, findings: tuple[Finding, ...]) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_an_empty_path_is_reported_and_does_not_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = doctor.run_checks()
    compiler = _finding("C++ compiler", findings)
    assert compiler.status is Status.MISSING
    assert "g++" in compiler.detail
    assert "apt-get install g++" in compiler.cure
    for tool in doctor.OPTIONAL_TOOLS:
        optional = _finding(tool.name, findings)
        assert optional.status is Status.WARNING
        assert tool.purpose in optional.detail
        assert optional.cure == tool.cure


def test_what_is_not_ok_has_a_cure_and_what_is_ok_needs_none() -> None:
    for finding in doctor.run_checks():
        assert bool(finding.cure) == (finding.status is not Status.OK), finding


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param("echo 'cc1plus: not here' >&2; exit 1", "cc1plus: not here", id="fails"),
        pytest.param("exit 0", "can't compile", id="writes-nothing"),
        pytest.param(
            'while [ "$1" != -o ]; do shift; done; printf "#!/bin/sh\\necho hello from C++17\\n" > "$2"; '
            'chmod +x "$2"; exit 5',
            "exit code 5",
            id="writes-a-program-and-fails",
        ),
        pytest.param("exit 4", "exit code 4", id="fails-silently"),
        pytest.param(
            'while [ "$1" != -o ]; do shift; done; echo junk > "$2"', "does not run", id="program-does-not-run"
        ),
        pytest.param(
            'while [ "$1" != -o ]; do shift; done; printf "#!/bin/sh\\necho other\\n" > "$2"; chmod +x "$2"',
            "does not run",
            id="program-says-something-else",
        ),
    ],
)
def test_a_broken_compiler_is_missing(compiler_script: Callable[[str], Path], script: str, words: str) -> None:
    path = compiler_script(script)
    finding = doctor._check_compiler()
    assert finding.status is Status.MISSING
    assert words in finding.detail
    assert str(path) in finding.detail


@needs_compiler
def test_a_working_compiler_compiles_and_says_its_version() -> None:
    finding = doctor._check_compiler()
    assert finding.status is Status.OK, finding
    assert str(shutil.which("g++")) in finding.detail
    assert any(character.isdigit() for character in finding.detail)


@needs_compiler
def test_the_compiler_must_know_cpp17(compiler_script: Callable[[str], Path]) -> None:
    compiler_script('shift; exec g++ -std=c++11 -pedantic-errors "$@"')  # drops our -std=c++17
    assert doctor._check_compiler().status is Status.MISSING


def test_require_compiler_takes_cxx_and_returns_an_absolute_path(
    compiler_script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compiler_script("exit 0")
    assert doctor.require_compiler() == path
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("CXX", f"./{path.name}")
    assert doctor.require_compiler().is_absolute()


def test_require_compiler_names_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match=r"g\+\+ is not on the PATH.*apt-get install g\+\+"):
        doctor.require_compiler()
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ToolMissing, match="CXX=no-such-compiler"):
        doctor.require_compiler()
    monkeypatch.setenv("CXX", "")  # as good as unset
    with pytest.raises(ToolMissing, match=r"g\+\+ is not"):
        doctor.require_compiler()


@pytest.mark.parametrize(
    ("requirement", "status", "words"),
    [
        pytest.param("packaging>=1", Status.OK, "", id="in-range"),
        pytest.param("packaging<1", Status.MISSING, "is outside <1", id="out-of-range"),
        pytest.param("fpgaae-no-such-package", Status.MISSING, "not installed", id="absent"),
    ],
)
def test_requirements(requirement: str, status: Status, words: str) -> None:
    (finding,) = doctor._check_requirements([Requirement(requirement)])
    assert finding.status is status
    assert words in finding.detail


@pytest.mark.parametrize("marker", ["extra == 'dev'", "python_version < '3'"])
def test_requirements_of_another_situation_are_left_out(marker: str) -> None:
    assert not list(doctor._check_requirements([Requirement(f"fpgaae-no-such-package; {marker}")]))


def test_the_ranges_are_those_of_the_installed_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["packaging<1", "no-such; extra == 'dev'"])
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "1.5")
    assert [(f.name, f.status) for f in doctor._check_packages()] == [
        ("fpgaae", Status.OK),
        ("packaging", Status.MISSING),
    ]


def test_a_project_that_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROJECT", "fpgaae-no-such-project")
    (finding,) = doctor._check_packages()
    assert finding.status is Status.MISSING
    assert finding.cure == "make setup"


@pytest.mark.parametrize(
    ("version", "status"),
    [("3.9.18", Status.MISSING), ("3.10.0", Status.OK), ("3.13.9", Status.OK), ("3.14.0", Status.MISSING)],
)
def test_python_version(monkeypatch: pytest.MonkeyPatch, version: str, status: Status) -> None:
    monkeypatch.setattr(doctor.metadata, "metadata", lambda name: {"Requires-Python": ">=3.10,<3.14"})
    monkeypatch.setattr(doctor.platform, "python_version", lambda: version)
    assert doctor._check_python().status is status


def _install(site: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """What pip leaves of a package: its files, METADATA and a RECORD with their hashes."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    record = []
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(content)}")
    (info / "RECORD").write_text("\n".join(record) + "\n")


def test_qkeras_as_installed_is_ok_and_an_overwritten_or_removed_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, "qkeras", "0.9.0", {"qkeras/__init__.py": b"real = True\n"})
    monkeypatch.syspath_prepend(str(tmp_path))
    assert doctor._check_qkeras().status is Status.OK
    (tmp_path / "qkeras/__init__.py").write_text("real = False\n")
    assert doctor._check_qkeras().status is Status.MISSING
    (tmp_path / "qkeras/__init__.py").unlink()
    assert doctor._check_qkeras().status is Status.MISSING


def test_hgq2_shadows_qkeras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, "HGQ2", "0.2.0", {"qkeras/__init__.py": b""})
    monkeypatch.syspath_prepend(str(tmp_path))
    finding = doctor._check_qkeras()
    assert finding.status is Status.MISSING
    assert "HGQ2 0.2.0" in finding.detail
    assert "uninstall HGQ2" in finding.cure


@pytest.mark.parametrize(("value", "status"), [(None, Status.OK), ("1", Status.OK), ("0", Status.WARNING)])
def test_legacy_keras_switch(monkeypatch: pytest.MonkeyPatch, value: str | None, status: Status) -> None:
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    if value is not None:
        monkeypatch.setenv("TF_USE_LEGACY_KERAS", value)
    assert doctor._check_legacy_keras().status is status


@pytest.mark.parametrize(
    ("free_bytes", "status"), [(2 * 2**30, Status.OK), (2 * 2**30 - 1, Status.WARNING), (0, Status.WARNING)]
)
def test_free_disk(monkeypatch: pytest.MonkeyPatch, free_bytes: int, status: Status) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free_bytes))
    assert doctor._check_disk(Path()).status is status


def test_a_folder_that_is_gone_is_a_warning(tmp_path: Path) -> None:
    assert doctor._check_disk(tmp_path / "gone").status is Status.WARNING


def test_an_optional_tool_is_found_under_any_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vitis_hls").write_text("")
    (tmp_path / "vitis_hls").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = _finding("Vitis HLS", doctor.run_checks())
    assert finding == Finding("Vitis HLS", Status.OK, str(tmp_path / "vitis_hls"))


def test_no_heavy_package_is_imported() -> None:
    code = (
        "import sys; from fpgaae.doctor import run_checks; run_checks(); "
        "print(*{'tensorflow', 'keras', 'qkeras', 'jax', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
