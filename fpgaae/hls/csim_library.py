"""The C simulation of a written project: compiled with g++, run on arrays, giving codes of every tapped layer."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.doctor import require_compiler
from fpgaae.errors import CheckFailed
from fpgaae.files import load_library
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.hls.project import CSIM_MACRO, DRIVER
from fpgaae.processes import ProgramHangs, run_program

_FAST, _QUICK = "-O3", "-O1"
LATE_COLLECTION = "--param=ggc-min-heapsize=524288"  # KiB of the compiler's memory: a tenth of its time at -O3
INCLUDES = ("-I.", "-Ifirmware", "-Ifirmware/ap_types")
_FLAGS = ("-march=native", "-std=c++17", "-fPIC", "-fno-gnu-unique", "-w", LATE_COLLECTION, f"-D{CSIM_MACRO}")
TAIL_LINES = 12
_SPARE_WEIGHTS = 2**16
_LOG = "compile.log"
_PROBE_TIMEOUT_S = 60
_PROBE = "import ctypes, sys; getattr(ctypes.CDLL(sys.argv[1]), sys.argv[2])()"


class Tap(NamedTuple):
    """One layer that the compiled project records: its values an event and the type that was compiled."""

    layer: str
    size: int
    type: FixedPointType


class Compilation:
    """The sources of a written project, compiled into one shared library.

    Parameters
    ----------
    quick
        Compile fast rather than to fast code.
    """

    def __init__(self, project: Path, project_name: str, *, quick: bool = False, build: Path | None = None) -> None:
        self._project = project
        self._name = project_name
        self._flags = (*_FLAGS, _QUICK if quick else _FAST)
        self._build = (build or project / "build").absolute()
        self._sources = (
            Path("firmware") / f"{project_name}.cpp",
            Path(DRIVER),
        )  # the driver includes the trigger block

    def build(self, reuse: Compilation | None = None, changed: frozenset[str] = frozenset()) -> Path:
        """Compile and link; give the library.

        Parameters
        ----------
        reuse
            A compilation of the same project but for the files in `changed`, whose objects are taken where they can be.

        Raises
        ------
        ToolMissing
            If there is no g++.
        CheckFailed
            If a source does not compile; the message holds the compiler's last lines, `compile.log` all of them.
        """
        compiler = str(require_compiler())
        self._build.mkdir(exist_ok=True)
        mine = [source for source in self._sources if reuse is None or reuse._includes(source, changed)]
        for source in set(self._sources) - set(mine):
            if reuse is not None:
                os.link(reuse._object(source), self._object(source))
        commands = [[compiler, *self._flags, "-MMD", *INCLUDES, "-c", str(s), "-o", str(self._object(s))] for s in mine]
        with ThreadPoolExecutor(max(len(commands), 1)) as pool:
            outputs = list(pool.map(lambda command: run_compiler(command, self._project), commands))
        library = self._build / f"{self._name}.so"
        if all(code == 0 for code, _ in outputs):
            objects = [str(self._object(source)) for source in self._sources]
            outputs.append(run_compiler([compiler, "-shared", *objects, "-o", str(library)], self._project))
        (self._build / _LOG).write_text("".join(output for _, output in outputs), encoding="utf-8")
        if any(code for code, _ in outputs):
            first = next(output for code, output in outputs if code)
            tail = "\n".join(first.splitlines()[-TAIL_LINES:])
            raise CheckFailed(
                f"{self._project} does not compile; correct its sources. The compiler's last lines:\n{tail}"
            )
        return library

    def log(self) -> str:
        """Give all that the compiler said."""
        return (self._build / _LOG).read_text(encoding="utf-8")

    def same_code(self, other: Compilation) -> bool:
        """Tell whether every object is byte for byte that of another compilation."""
        pairs = ((self._object(source), other._object(source)) for source in self._sources)
        return all(mine.samefile(theirs) or mine.read_bytes() == theirs.read_bytes() for mine, theirs in pairs)

    def clean(self) -> None:
        """Remove what only the linker needs."""
        for source in self._sources:
            self._object(source).unlink(missing_ok=True)
            self._object(source).with_suffix(".d").unlink(missing_ok=True)

    def _object(self, source: Path) -> Path:
        return self._build / f"{source.stem}.o"

    def _includes(self, source: Path, files: frozenset[str]) -> bool:
        """Tell whether a source, or what it includes, is among some files of the project."""
        listed = self._object(source).with_suffix(".d").read_text(encoding="utf-8").replace("\\\n", " ").split()
        return any(os.path.normpath(name) in files for name in listed)


def compile_project(project: Path, project_name: str, build: Path) -> Path:
    """Compile the sources of a written project and its driver into a shared library in `build`.

    Raises
    ------
    ToolMissing, CheckFailed
        As `Compilation.build`.
    """
    compilation = Compilation(project, project_name, build=build)
    try:
        return compilation.build()
    finally:
        compilation.clean()


def run_compiler(command: list[str], folder: Path) -> tuple[int, str]:
    """Run a compiler in a folder; give its exit code and all that it said."""
    done = run_program(command, f"compiling in {folder}", folder=folder)
    return done.returncode, done.stdout + done.stderr


def probe(library: Path, function: str = "csim_describe") -> None:
    """Load a compiled project and run one event in a process of its own, since a crash would end this one.

    Parameters
    ----------
    function
        The function of the library that runs it.

    Raises
    ------
    CheckFailed
        If the project crashes or hangs.
    """
    command = [sys.executable, "-c", _PROBE, str(library), function]
    try:
        done = run_program(command, "the first event", limit_s=_PROBE_TIMEOUT_S)
    except ProgramHangs:
        raise CheckFailed(
            f"the compiled project does not end its first event within {_PROBE_TIMEOUT_S} s; correct its sources"
        ) from None
    if done.returncode < 0:
        said = "".join(f": {line}" for line in done.stderr.splitlines()[-1:])
        raise CheckFailed(
            f"the compiled project crashes on its first event ({signal.Signals(-done.returncode).name}{said}); "
            "correct its sources"
        )


class CsimLibrary:
    """A compiled project in this process."""

    def __init__(self, library: Path) -> None:
        self._library = load_library(library)
        self._library.csim_describe.restype = ctypes.c_char_p
        self._library.csim_load_weights.restype = ctypes.c_int64
        self._library.csim_load_weights.argtypes = (ctypes.c_void_p,)
        self._library.csim_run_objects.restype = ctypes.c_int64
        self._library.csim_run_objects.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        self._library.csim_run_values.restype = ctypes.c_int64
        self._library.csim_run_values.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        self.taps = tuple(_parse_tap(line) for line in self._library.csim_describe().decode().splitlines())
        self._codes_an_event = sum(tap.size for tap in self.taps)

    def load_weights(self, codes: Codes) -> None:
        """Load the weights that are ports, the codes of all ports one behind the other.

        Raises
        ------
        CheckFailed
            If the project takes another number of them.
        """
        room = np.zeros(2 * len(codes) + _SPARE_WEIGHTS, dtype=np.int64)  # for a project with more ports than converted
        room[: len(codes)] = codes
        taken = self._library.csim_load_weights(room.ctypes.data)
        if taken != len(codes):
            raise CheckFailed(f"the project takes {taken} reloadable weights where {len(codes)} were converted")

    def load_thresholds(self, codes: Codes) -> None:
        """Load the thresholds that are a port, (n_thresholds,) codes of the score.

        Raises
        ------
        CheckFailed
            If the project takes another number of them.
        """
        room = np.zeros(len(codes) + _SPARE_WEIGHTS, dtype=np.int64)
        room[: len(codes)] = codes
        self._library.csim_load_thresholds.restype = ctypes.c_int64
        self._library.csim_load_thresholds.argtypes = (ctypes.c_void_p,)
        taken = self._library.csim_load_thresholds(room.ctypes.data)
        if taken != len(codes):
            raise CheckFailed(f"the project takes {taken} thresholds where {len(codes)} were converted")

    def run_objects(self, hardware: Codes) -> dict[str, Codes]:
        """Simulate events through the trigger block: hardware integers (n, n_features) in, as `run_values`."""
        hardware = np.ascontiguousarray(hardware, dtype=np.int64)
        codes = np.empty((len(hardware), self._codes_an_event), dtype=np.int64)
        written = self._library.csim_run_objects(hardware.ctypes.data, len(hardware), codes.ctypes.data)
        return self._by_layer(codes, written)

    def run_values(self, values: NDArray[np.float64], injected: Codes | None = None) -> dict[str, Codes]:
        """Simulate events through the network alone.

        Parameters
        ----------
        values
            (n, n_features) inputs of the network.
        injected
            (n, codes of all taps but the last): what each layer's output is replaced by after it was recorded.

        Returns
        -------
        By layer, codes (n, size), in graph order.

        Raises
        ------
        CheckFailed
            If the project recorded another number of codes than it describes.
        """
        values = np.ascontiguousarray(values, dtype=np.float64)
        codes = np.empty((len(values), self._codes_an_event), dtype=np.int64)
        replaced = None
        if injected is not None:
            injected = np.ascontiguousarray(injected, dtype=np.int64)
            if injected.shape != (len(values), self._codes_an_event - self.taps[-1].size):
                raise CheckFailed(
                    f"{injected.shape[1]} codes stand in for those of another layout; its taps were edited"
                )
            replaced = injected.ctypes.data
        # the last tap reads what stands in for the layer before it, but is not replaced itself
        written = self._library.csim_run_values(values.ctypes.data, replaced, len(values), codes.ctypes.data)
        return self._by_layer(codes, written)

    def _by_layer(self, codes: Codes, written: int) -> dict[str, Codes]:
        if written != codes.size:
            raise CheckFailed(f"the C simulation recorded {written} codes, not {codes.size}; its taps were edited")
        ends = np.cumsum([tap.size for tap in self.taps])
        return {tap.layer: codes[:, end - tap.size : end] for tap, end in zip(self.taps, ends, strict=True)}


def _parse_tap(line: str) -> Tap:
    name, size, width, integer, signed = line.split()
    return Tap(name, int(size), FixedPointType(int(width), int(integer), signed == "1"))
