"""The cycle-accurate simulation of a written RTL project: Verilated, compiled, run on arrays of hardware integers."""

from __future__ import annotations

import ctypes
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fpgaae.doctor import require_compiler
from fpgaae.errors import CheckFailed, InputError
from fpgaae.files import load_library
from fpgaae.fixedpoint import Codes
from fpgaae.processes import run_program
from fpgaae.rtl.design import CELLS, THREE_INPUT_ADDER, VERILOG_FOLDER, Design, simulated_sources
from fpgaae.rtl.templates import firmware_rtl, port_values, wrapper_text
from fpgaae.rtl.tools import MAKE, VERILATOR, require_tool, run_logged

_WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style")  # the widths of da4ml's parameterised modules
# Small functions in small files: the time that g++ takes grows faster than a function's length.
_SPLIT = ("--output-split", "20000", "--output-split-cfuncs", "1000")
# Words between two stages are wider than Verilator's own limit, above which it joins them with a call for every wire.
_WIDE = ("--expand-limit", "4096")
_VERILATOR_FLAGS = (
    "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", *_WIDE, *_SPLIT, *_WARNINGS,
)  # fmt: skip
_MAKE_VARIABLES = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "CXXFLAGS=-fPIC")
_IN_PARALLEL = 400_000  # bytes of C++: below, reading Verilator's headers for each file takes most of the time
# Two wrappers hold a trigger block each; as a module of its own its code is written, and compiled, once.
_SHARED = '`verilator_config\nno_inline -module "{name}_trigger"\n'
_MODEL = "Vrtl"
_LOG = "compile.log"
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp", "verilated_dpi.cpp")
_PATIENCE = 4  # times the designed latency: how long a result is waited for
_PROBE = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"


Flags = NDArray[np.bool_]
_Open = TypeVar("_Open", bound="OpenSimulation")


class Streamed(NamedTuple):
    """What came out of the pipeline for consecutive events."""

    codes: Codes  # (n_events, n_results): the codes of score, decisions, and latents where they are a port
    clocks: Codes  # (n_events,) the clock edge behind which each came, 1 being the edge that takes the first event


class Recorded(NamedTuple):
    """What stood on the ports of the AXI4-Stream wrapper at each rising edge."""

    offered: Codes  # (n_clocks,) the event that was offered, -1 for none
    tready: Codes
    tvalid: Codes
    tlast: Codes
    above: Codes  # (n_clocks,) what lies above the result
    codes: Codes  # (n_clocks, n_results)


def compile_runtime(build: Path) -> list[str]:
    """Compile what all simulations are linked with in a folder, and give the objects.

    Raises
    ------
    ToolMissing
        If there is no Verilator or compiler.
    """
    verilator, compiler = require_tool(VERILATOR), str(require_compiler())
    build.mkdir(parents=True, exist_ok=True)
    log = build / _LOG
    include = include_folder(verilator, log)
    objects = []
    for name in filter(lambda name: (include / name).is_file(), _RUNTIME):  # older ones have no threads
        objects.append(str(build.absolute() / f"{name}.o"))
        command = [compiler, "-c", "-fPIC", "-O2", "-std=c++17", "-w", *includes(include), str(include / name)]
        run_logged([*command, "-o", objects[-1]], build, log, f"compiling {name}")
    return objects


def includes(include: Path) -> tuple[str, str]:
    """Give the compiler's options for Verilator's headers."""
    return f"-I{include}", f"-I{include / 'vltstd'}"


def compile_rtl(
    project: Path, driver: Path, build: Path, library: Path, runtime: Sequence[str], *, cells: bool = False
) -> Path:
    """Verilate both wrappers of a project and compile them with their driver into a shared library.

    Parameters
    ----------
    driver
        `firmware/rtl/rtl_driver.cpp`.
    build
        A folder for what is in between; `compile.log` in it holds what the tools say.
    runtime
        What `compile_runtime` gives.
    cells
        Whether adders of three values are simulated cell by cell, and not `as_sums`.

    Raises
    ------
    ToolMissing
        If there is no Verilator, make or compiler.
    CheckFailed
        If the sources are not Verilog that Verilator takes.
    """
    require_tool(VERILATOR), require_compiler()
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    with plain_folder(build) as folder:
        sources = simulated_sources(project)
        if folder != build:
            sources = [Path(shutil.copy(source, folder)) for source in sources]
        if not cells:
            sources = as_sums(sources, folder)
        try:
            compiled = _compile(project, [driver, *sources], folder, runtime)
            shutil.copyfile(compiled, library)
        finally:
            if folder != build and (folder / _LOG).is_file():
                shutil.copy(folder / _LOG, build)
    return library


def as_sums(sources: Sequence[Path], folder: Path) -> list[Path]:
    """Put a copy of the adder of three values that is the sum it makes in the place of one of primitives.

    These take the compiler six times as long, and are slower to simulate. That both are equal is what the proofs of the
    stages show, which read the primitives. Where the adder, or the models of its primitives, were edited, it stays.
    """
    models = firmware_rtl(CELLS).read_bytes()
    if any(source.name == CELLS and source.read_bytes() != models for source in sources):
        return [*sources]
    return [_as_sum(source, folder) if source.stem == THREE_INPUT_ADDER else source for source in sources]


def _as_sum(source: Path, folder: Path) -> Path:
    of_cells, sums = (wrapper_text(source.name, {"HAS_PRIMITIVES": cells}) for cells in (1, 0))
    if source.read_text(encoding="utf-8") != of_cells:
        return source
    copy = folder / "sums" / source.name
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(sums, encoding="utf-8")
    return copy


@contextmanager
def plain_folder(build: Path) -> Iterator[Path]:
    """Give the folder, or one elsewhere where its path has spaces or the like, which make and Verilator do not take."""
    if _PLAIN.fullmatch(str(build.absolute())):
        yield build
        return
    with tempfile.TemporaryDirectory(prefix="fpgaae-") as other:
        if not _PLAIN.fullmatch(other):
            raise InputError(
                f"neither {build} nor {other} is a path that Verilator takes; set TMPDIR to a folder without spaces "
                "and special characters"
            )
        yield Path(other)


def _compile(project: Path, sources: Sequence[Path], build: Path, runtime: Sequence[str]) -> Path:
    """Compile a driver and Verilog, in this order, into a library in a folder of a plain path."""
    design = Design.load(project)
    driver, *verilog = sources
    bench, top = bench_sources(design, build), f"{design.name}_bench"
    return compile_model(top, [*map(Path, bench), *verilog], driver, build, driver_defines(design), runtime)


def driver_defines(design: Design) -> tuple[str, ...]:
    """Give the compiler's options for what `rtl_driver.cpp` knows of the ports."""
    values = {"INPUT_BITS": design.input_bits, "SCORE_BITS": design.score.width, "N_ACCEPT": design.n_thresholds}
    if design.latents is not None:
        values |= {
            "N_LATENTS": design.n_latents, "LATENT_BITS": design.latents.width,
            "LATENT_SIGNED": int(design.latents.signed),
        }  # fmt: skip
    return tuple(f"-D{name}={value}" for name, value in values.items())


def compile_model(
    top: str,
    sources: Sequence[Path],
    driver: Path,
    build: Path,
    defines: Sequence[str] = (),
    runtime: Sequence[str] | None = None,
) -> Path:
    """Verilate a module and compile it with a driver into `simulation.so` of a folder whose path is plain.

    Parameters
    ----------
    runtime
        What `compile_runtime` gives, where that was called before.

    Raises
    ------
    ToolMissing
        If there is no Verilator, make or compiler.
    CheckFailed
        If the sources are not Verilog that Verilator takes.
    """
    verilator, compiler, log = require_tool(VERILATOR), str(require_compiler()), build / _LOG
    command = [
        verilator, "--cc", "--prefix", _MODEL, "--top-module", top, "--Mdir", str(build.absolute()),
        *_VERILATOR_FLAGS, *(str(source.absolute()) for source in sources),
    ]  # fmt: skip
    run_logged(command, build, log, f"Verilating {top}")
    in_parallel = sum(source.stat().st_size for source in build.glob(f"{_MODEL}*.cpp")) > _IN_PARALLEL
    command = [
        require_tool(MAKE), "-f", f"{_MODEL}.mk", f"{_MODEL}__ALL.a", "-j2", f"CXX={compiler}",
        f"VM_PARALLEL_BUILDS={int(in_parallel)}", *_MAKE_VARIABLES,
    ]  # fmt: skip
    run_logged(command, build, log, f"compiling the Verilated {top}")
    include = include_folder(verilator, log)
    library = build.absolute() / "simulation.so"
    command = [
        compiler, "-shared", "-fPIC", "-O2", "-std=c++17", "-w", f"-DMODEL={_MODEL}", f'-DMODEL_HEADER="{_MODEL}.h"',
        *defines, "-I.", *includes(include), str(driver.absolute()), f"{_MODEL}__ALL.a",
        *(compile_runtime(build) if runtime is None else runtime), "-pthread", "-latomic", "-o", str(library),
    ]  # fmt: skip
    run_logged(command, build, log, f"compiling the simulation of {top}")
    return library


def bench_sources(design: Design, build: Path) -> tuple[str, str]:
    """Write what stands around the wrappers into the build folder, and name its files."""
    shared, bench = build.absolute() / "shared.vlt", build.absolute() / "bench.v"
    shared.write_text(_SHARED.format(name=design.name), encoding="ascii")
    bench.write_text(wrapper_text("bench.v", port_values(design)), encoding="utf-8")
    return str(shared), str(bench)


def include_folder(verilator: str, log: Path) -> Path:
    """Give the folder of Verilator's headers and runtime."""
    said = run_logged([verilator, "--getenv", "VERILATOR_ROOT"], log.parent, log, "asking Verilator for its folder")
    return Path(said.strip().splitlines()[-1]) / "include"


def probe(library: Path) -> None:
    """Load a simulation in a process of its own, since a crash would end this one.

    Raises
    ------
    CheckFailed
        If it can't be loaded, or that does not end.
    """
    done = run_program([sys.executable, "-c", _PROBE, str(library)], f"loading {library}")
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        how = signal.Signals(-done.returncode).name if done.returncode < 0 else said
        raise CheckFailed(f"the simulation {library} can't be loaded ({how}); run the stage `rtl` with --force")


class OpenSimulation:
    """A simulation that is open in this process until its `with` statement ends.

    Parameters
    ----------
    prefix
        Of the functions of the library; `<prefix>_open` takes `arguments` and gives a handle, which `_close` frees.
    """

    def __init__(self, library: Path, prefix: str, *arguments: object) -> None:
        self._library = load_library(library)
        open_it, self._close = (getattr(self._library, f"{prefix}_{verb}") for verb in ("open", "close"))
        open_it.restype, self._close.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
        self._handle = open_it(*arguments)

    def __enter__(self: _Open) -> _Open:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the simulation."""
        self._close(self._handle)


class ProjectSimulation(OpenSimulation):
    """A simulation of a project, whose Verilog folder holds the tables that it reads when it starts.

    Raises
    ------
    CheckFailed
        If that folder can't be entered.
    """

    def __init__(self, library: Path, project: Path, prefix: str, *arguments: object) -> None:
        folder = project / VERILOG_FOLDER
        super().__init__(library, prefix, str(folder.absolute()).encode(), *arguments)
        if not self._handle:
            raise CheckFailed(f"the simulation can't enter {folder}; correct its permissions")


class RtlSimulation(ProjectSimulation):
    """The compiled simulation of a project."""

    def __init__(self, library: Path, project: Path) -> None:
        self.design = Design.load(project)
        bits = np.array([kind.width for kind in self.design.inputs], dtype=np.int64)
        super().__init__(library, project, "rtl", ctypes.c_void_p(bits.ctypes.data), ctypes.c_int64(len(bits)))
        self._library.rtl_run.restype = ctypes.c_int64
        self._library.rtl_run.argtypes = (
            ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p,
        )  # fmt: skip
        self._library.rtl_settling.restype = ctypes.c_int64
        self._library.rtl_settling.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)

    def stream(self, hardware: Codes) -> Streamed:
        """Send events on consecutive clocks, hardware integers (n, n_features), and collect what comes out."""
        hardware = np.ascontiguousarray(hardware, dtype=np.int64)
        codes = np.empty((len(hardware), len(self.design.results)), dtype=np.int64)
        clocks = np.empty(len(hardware), dtype=np.int64)
        patience = _PATIENCE * (self.design.latency_cycles + 4)
        found = self._library.rtl_run(
            self._handle, hardware.ctypes.data, len(hardware), patience, codes.ctypes.data, clocks.ctypes.data
        )
        return Streamed(codes[:found], clocks[:found])

    def drive_valid(self, hardware: Codes, in_valid: Flags, reset: Flags) -> tuple[Flags, Codes]:
        """Drive the valid wrapper; give what stands at its outputs at each rising edge: whether valid, and the codes.

        Parameters
        ----------
        hardware
            (n_clocks, n_features) what stands at the input at each rising edge, an event where `in_valid`.
        """
        hardware = np.ascontiguousarray(hardware, dtype=np.int64)
        flags = [np.ascontiguousarray(flag, dtype=np.uint8) for flag in (in_valid, reset)]
        rows = np.empty((len(hardware), 1 + len(self.design.results)), dtype=np.int64)
        drive = self._library.rtl_drive_valid
        drive.restype, drive.argtypes = None, (*[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_void_p)
        pointers = [flag.ctypes.data for flag in flags]
        drive(self._handle, hardware.ctypes.data, *pointers, len(hardware), rows.ctypes.data)
        return rows[:, 0] != 0, rows[:, 1:]

    def drive_axis(self, hardware: Codes, last: Flags, offer: Flags, ready: Flags, reset: Flags) -> Recorded:
        """Drive the AXI4-Stream wrapper with events in their order, over and over.

        Parameters
        ----------
        hardware, last
            (n_events, n_features) the events, and their `tlast`.
        offer, ready, reset
            (n_clocks,) whether the next event is offered from this clock on, which it stays until it is taken or a
            reset comes; whether the receiver is ready; whether there is a reset.
        """
        hardware = np.ascontiguousarray(hardware, dtype=np.int64)
        flags = [np.ascontiguousarray(flag, dtype=np.uint8) for flag in (last, offer, ready, ~reset)]
        rows = np.empty((len(reset), 5 + len(self.design.results)), dtype=np.int64)
        drive = self._library.rtl_drive_axis
        drive.restype = None
        drive.argtypes = (
            *[ctypes.c_void_p] * 3, ctypes.c_int64, *[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_void_p,
        )  # fmt: skip
        last_pointer, *pointers = [flag.ctypes.data for flag in flags]
        drive(self._handle, hardware.ctypes.data, last_pointer, len(hardware), *pointers, len(reset), rows.ctypes.data)
        offered, tready, tvalid, tlast, above = rows[:, :5].T
        return Recorded(offered, tready, tvalid, tlast, above, rows[:, 5:])

    def settling_cycles(self, first: Codes, second: Codes) -> int:
        """Measure how many clock edges after a change of the event the outputs change for the last time.

        Parameters
        ----------
        first, second
            (n_features,) hardware integers of two events with different results.
        """
        rows = [np.ascontiguousarray(row, dtype=np.int64) for row in (first, second)]
        patience = _PATIENCE * (self.design.latency_cycles + 4)
        return int(self._library.rtl_settling(self._handle, rows[0].ctypes.data, rows[1].ctypes.data, patience))
