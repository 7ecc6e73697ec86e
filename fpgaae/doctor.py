"""Whether this machine can run every stage: what is installed, what is missing, and the line that installs it.

TensorFlow is never imported here: versions come from the installed metadata.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from fpgaae.errors import ToolMissing
from fpgaae.optional import EXTRAS, Extra, distribution, install_line, installed_version
from fpgaae.processes import ProgramHangs, run_program

PROJECT = "fpgaae"
INSTALL_PROJECT = "make setup"
INSTALL_COMPILER = (
    "apt-get install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora, Alma), xcode-select --install (macOS)"
)
GIB = 2**30
MIN_DISK_BYTES = 2 * GIB
MIN_MEMORY_BYTES = 4 * GIB
COMPILE_TIMEOUT_S = 60

HELLO = "hello from C++17"
HELLO_SOURCE = f"""
#include <cstdio>
int main() {{
    if constexpr (sizeof(long long) == 8) std::puts("{HELLO}");
}}
"""


class Status(Enum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"  # something optional is absent, or a stage may fail later
    MISSING = "missing"  # a stage of the default flow can't run


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, how it stands and, unless it is ok, what to do about it."""

    name: str
    status: Status
    detail: str
    cure: str = ""


@dataclass(frozen=True)
class _OptionalTool:
    name: str
    programs: tuple[str, ...]  # any of them is enough
    purpose: str
    cure: str


OPTIONAL_TOOLS = (
    _OptionalTool("verilator", ("verilator",), "simulates the generated Verilog", "apt-get install verilator"),
    _OptionalTool("yosys", ("yosys",), "synthesizes without a vendor tool", "apt-get install yosys"),
    _OptionalTool("ghdl", ("ghdl",), "simulates generated VHDL", "apt-get install ghdl"),
    _OptionalTool(
        "Vitis HLS",
        ("vitis-run", "vitis_hls"),
        "synthesizes the HLS project",
        "install AMD Vitis and source its settings64.sh",
    ),
    _OptionalTool(
        "Vivado",
        ("vivado",),
        "places and routes for the timing of a real part",
        "install AMD Vivado and source its settings64.sh",
    ),
)


def run_checks(folder: Path | None = None) -> tuple[Finding, ...]:
    """Look at everything that the stages need, without raising for what is absent.

    Parameters
    ----------
    folder
        Where the runs will be written; the current folder by default.

    Returns
    -------
    tuple of Finding
        In a fixed order: Python, packages, compiler, machine, then what is optional. Only what the default flow
        requires can be `Status.MISSING`.

    Examples
    --------
    >>> all(finding.status.value in {"ok", "warning", "missing"} for finding in fpgaae.check_machine())
    True
    """
    return (
        _check_python(),
        *_check_packages(),
        _check_qkeras(),
        _check_legacy_keras(),
        _check_compiler(),
        _check_threads(),
        _check_memory(),
        _check_disk(folder or Path.cwd()),
        *(_check_extra(name, extra) for name, extra in EXTRAS.items()),
        *(_check_optional_tool(tool) for tool in OPTIONAL_TOOLS),
        _check_jax(),
    )


def require_compiler() -> Path:
    """Path of the C++ compiler: the program that CXX names in the environment, otherwise g++.

    Raises
    ------
    ToolMissing
        If there is no such program; it is not run here.
    """
    program = os.environ.get("CXX") or "g++"
    found = shutil.which(program)
    if found is not None:
        return Path(found).absolute()
    if program != "g++":
        raise ToolMissing(f"CXX={program} in the environment is not a program on the PATH: set it to one or unset it")
    raise ToolMissing(f"g++ is not on the PATH and the C simulation is compiled with it: {INSTALL_COMPILER}")


def _check_python() -> Finding:
    version = platform.python_version()
    try:
        supported = metadata.metadata(PROJECT)["Requires-Python"]
    except metadata.PackageNotFoundError:
        return Finding("Python", Status.OK, version)  # that the project is not installed is a finding of its own
    if SpecifierSet(supported).contains(version, prereleases=True):
        return Finding("Python", Status.OK, version)
    cure = "remove .venv and run make setup PYTHON=python3.11"
    return Finding("Python", Status.MISSING, f"{version} is outside {supported}", cure)


def _check_packages() -> Iterator[Finding]:
    try:
        requirements = metadata.requires(PROJECT) or []
        yield Finding(PROJECT, Status.OK, metadata.version(PROJECT))
    except metadata.PackageNotFoundError:
        yield Finding(PROJECT, Status.MISSING, "not installed, so its requirements are unknown", INSTALL_PROJECT)
        return
    yield from _check_requirements(map(Requirement, requirements))


def _check_requirements(requirements: Iterable[Requirement]) -> Iterator[Finding]:
    for requirement in requirements:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = installed_version(requirement.name)
        if installed is None:
            yield Finding(requirement.name, Status.MISSING, "not installed", INSTALL_PROJECT)
        elif not requirement.specifier.contains(installed, prereleases=True):
            detail = f"{installed} is outside {requirement.specifier}"
            yield Finding(requirement.name, Status.MISSING, detail, INSTALL_PROJECT)
        else:
            yield Finding(requirement.name, Status.OK, installed)


def _check_extra(name: str, extra: Extra) -> Finding:
    """Say whether all packages of an extra are there, in the versions that it asks for."""
    label = f"{PROJECT}[{name}]"
    packages = [distribution(module) for module in extra.modules]
    installed = {package: installed_version(package) for package in packages}
    if absent := [package for package, found in installed.items() if found is None]:
        detail = f"optional, not installed ({', '.join(absent)}): {extra.purpose}"
        return Finding(label, Status.WARNING, detail, install_line(name))
    for requirement in _requirements_of_extra(name):
        found = installed.get(requirement.name)
        if found is not None and not requirement.specifier.contains(found, prereleases=True):
            detail = f"{requirement.name} {found} is outside {requirement.specifier}: {extra.purpose}"
            return Finding(label, Status.WARNING, detail, install_line(name))
    return Finding(label, Status.OK, ", ".join(f"{package} {found}" for package, found in installed.items()))


def _requirements_of_extra(name: str) -> Iterator[Requirement]:
    try:
        requirements = metadata.requires(PROJECT) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and requirement.marker.evaluate({"extra": name}):
            yield requirement


def _check_qkeras() -> Finding:
    """HGQ2 installs a package of its own under the name qkeras, and removing HGQ2 leaves none."""
    name = "qkeras files"
    cure = "pip uninstall HGQ2 qkeras-v3, then pip install --force-reinstall --no-deps qkeras"
    hgq2 = installed_version("HGQ2")
    if hgq2 is not None:
        return Finding(name, Status.MISSING, f"HGQ2 {hgq2} puts its own qkeras over the real one", cure)
    try:
        files = metadata.files("qkeras")
    except metadata.PackageNotFoundError:
        return Finding(name, Status.MISSING, "qkeras is not installed", INSTALL_PROJECT)
    if files is None:  # an installer that left no list of files: nothing to compare with
        return Finding(name, Status.OK, "not listed by the installer")
    if any(file.as_posix() == "qkeras/__init__.py" and _is_as_installed(file) for file in files):
        return Finding(name, Status.OK, "as installed")
    return Finding(name, Status.MISSING, "qkeras/__init__.py is not the file that qkeras installed", cure)


def _is_as_installed(file: metadata.PackagePath) -> bool:
    path = Path(str(file.locate()))
    return path.is_file() and (file.hash is None or _record_hash(path, file.hash.mode) == file.hash.value)


def _record_hash(path: Path, algorithm: str) -> str:
    """Hash of a file as a wheel's RECORD writes it: base64 for URLs, without padding (PEP 427)."""
    digest = hashlib.new(algorithm, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _check_legacy_keras() -> Finding:
    name = "TF_USE_LEGACY_KERAS"
    value = os.environ.get(name)
    if value is None:
        return Finding(name, Status.OK, f"unset: {PROJECT} sets it before it imports TensorFlow")
    if value == "1":
        return Finding(name, Status.OK, "1")
    detail = f"{value}: TensorFlow imported before {PROJECT}, as in a notebook, gets Keras 3, which QKeras can't use"
    return Finding(name, Status.WARNING, detail, f"unset {name}")


def _check_compiler() -> Finding:
    name = "C++ compiler"
    try:
        compiler = require_compiler()
    except ToolMissing as error:
        return Finding(name, Status.MISSING, str(error), INSTALL_COMPILER)
    problem = _compile_hello(compiler)
    if problem:
        return Finding(name, Status.MISSING, f"{compiler} {problem}", f"reinstall it: {INSTALL_COMPILER}")
    return Finding(name, Status.OK, f"{compiler}: {_first_line([str(compiler), '--version'])}")


def _compile_hello(compiler: Path) -> str:
    """Compile and run a C++17 program; the problem in words, or an empty string."""
    with tempfile.TemporaryDirectory(prefix="fpgaae-doctor-", ignore_cleanup_errors=True) as folder:
        source, program = Path(folder, "hello.cpp"), Path(folder, "hello")
        source.write_text(HELLO_SOURCE, encoding="utf-8")
        compiled = _run([str(compiler), "-std=c++17", "-o", str(program), str(source)])
        if compiled.returncode != 0 or not program.is_file():
            return f"can't compile a C++17 program: {_last_line(compiled)}"
        ran = _run([str(program)])
        if ran.stdout.strip() != HELLO:
            return f"compiles, but what it wrote in {folder} does not run: {_last_line(ran)}"
    return ""


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; one that can't be started or hangs comes back as a failed one."""
    try:
        return run_program(command, command[0], limit_s=COMPILE_TIMEOUT_S)
    except (OSError, ProgramHangs) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _last_line(finished: subprocess.CompletedProcess[str]) -> str:
    lines = (finished.stderr.strip() or finished.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit code {finished.returncode} and no message"


def _first_line(command: list[str]) -> str:
    lines = _run(command).stdout.splitlines()
    return lines[0] if lines else "no version given"


def _check_threads() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("threads", Status.OK, str(count))


def _check_memory() -> Finding:
    total_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _check_amount("memory", total_bytes, MIN_MEMORY_BYTES, "train on a machine with more memory")


def _check_disk(folder: Path) -> Finding:
    try:
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("free disk", Status.WARNING, str(error), "run from a folder that can be read")
    return _check_amount("free disk", free_bytes, MIN_DISK_BYTES, f"free some space under {folder}")


def _check_amount(name: str, size_bytes: int, min_bytes: int, cure: str) -> Finding:
    detail = f"{size_bytes / GIB:.1f} GiB"
    if size_bytes >= min_bytes:
        return Finding(name, Status.OK, detail)
    return Finding(name, Status.WARNING, f"{detail} is below {min_bytes / GIB:.0f} GiB", cure)


def _check_optional_tool(tool: _OptionalTool) -> Finding:
    for program in tool.programs:
        found = shutil.which(program)
        if found is not None:
            return Finding(tool.name, Status.OK, found)
    return Finding(tool.name, Status.WARNING, f"optional, not found: {tool.purpose}", tool.cure)


def _check_jax() -> Finding:
    version = installed_version("jax")
    if version is not None:
        return Finding("jax", Status.OK, version)
    detail = "optional, not installed: trains the float reference on a GPU"
    return Finding("jax", Status.WARNING, detail, "pip install 'jax[cuda12]' (or jax, for the CPU)")
