"""A written RTL project simulated in parts: each stage of the pipeline a library of its own, then all that is around.

A stage is logic without a clock, so that a function in its place computes the same: in the design each is replaced by
a call of the Verilated stage. Where only what is around them changes, they are taken over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from fpgaae.doctor import require_compiler
from fpgaae.errors import CheckFailed
from fpgaae.rtl.design import VERILOG_FOLDER, Design, simulated_sources
from fpgaae.rtl.register_check import BENCH, REGISTERS_LIBRARY, bench_text
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.tools import VERILATOR, require_tool, run_logged
from fpgaae.rtl.verilator import as_sums, bench_sources, driver_defines, include_folder, includes

LIBRARY_FILE = "simulation.so"
_FLAGS = (
    "-O3", "-fno-dfg", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "-Wno-fatal",
    "-Wno-lint", "-Wno-style",
    "--output-split-cfuncs", "500",  # the time that g++ takes grows faster than the length of a function
)  # fmt: skip
_FOLDERS = re.compile(r'"/[^"\n]*/(?=[^"/\n]*")')
_PORT = re.compile(r"(input|output) \[(\d+):0\] (model_inp|model_out)")
_STAND_IN = """module {name} (input [{n_in}:0] model_inp, output reg [{n_out}:0] model_out);
    import "DPI-C" function void {function} (input bit [{n_in}:0] inp, output bit [{n_out}:0] outp);
    always_comb {function}(model_inp, model_out);
endmodule
"""


class _Stage(NamedTuple):
    """A stage of the pipeline: its module and the bits of its ports."""

    name: str
    input_bits: int
    output_bits: int

    @property
    def function(self) -> str:
        """Name of the function that stands in for it."""
        return f"{self.name}_logic"

    @property
    def library(self) -> str:
        """File of its library."""
        return f"{self.name}.so"

    def stand_in(self) -> str:
        """Give a module that calls the library."""
        return _STAND_IN.format(
            name=self.name, function=self.function, n_in=self.input_bits - 1, n_out=self.output_bits - 1
        )


class Parts:
    """The parts of one project, built in a folder.

    Parameters
    ----------
    build
        For what is built; made where it is missing.
    headers
        The runtime's headers as `precompiled_headers` gives them for the same optimization; without them each part
        reads them anew, which for a small stage takes longer than all else.
    runtime
        What `compile_runtime` gives.
    """

    def __init__(
        self,
        project: Path,
        build: Path,
        runtime: Sequence[str],
        *,
        optimization: str = "-O1",
        headers: Path | None = None,
    ) -> None:
        self._project = project.absolute()
        self._build = build.absolute()
        self._build.mkdir(parents=True, exist_ok=True)
        self._log = self._build / "compile.log"
        self._optimization = optimization
        self._runtime = runtime
        self._headers = ("-include", str(headers)) if headers is not None else ()
        self.design = Design.load(project)
        files = simulated_sources(self._project)
        self._stage_files = {file.name: file for file in files if f"{self.design.name}_core_stage" in file.name}
        around = (f"{self.design.name}_{name}.v" for name in ("core", "trigger", "valid", "axis"))
        self._around = [self._project / VERILOG_FOLDER / name for name in around]
        shared = [file for file in files if file.name not in self._stage_files and file not in self._around]
        self._shared = as_sums(shared, self._build)

    def library(self) -> Path:
        """Give the library of the whole design."""
        return self._build / LIBRARY_FILE

    def registers_library(self) -> Path:
        """Give the library of the registers and ports without stages."""
        return self._build / REGISTERS_LIBRARY

    def make_registers(self, sound: Parts | None = None, changed: Sequence[str] = ()) -> bool:
        """Build the block and its registers with words of a bench in the place of what the stages give.

        Returns
        -------
        Whether they are other than those of the sound project, whose library is linked where they are not.

        Raises
        ------
        CheckFailed
            If a source is not Verilog that Verilator takes.
        """
        sources = self._around[:2]
        if sound is not None and not {Path(file).name for file in changed} & {file.name for file in sources}:
            os.link(sound.registers_library(), self.registers_library())
            return False
        design, folder = self.design, self._build / "registers"
        folder.mkdir(exist_ok=True)
        in_order = sorted(self._stage_files.values(), key=lambda file: int(file.stem.rpartition("stage")[2]))
        ports = [_stage(file)[1:] for file in in_order]
        bench = folder / f"{BENCH}.v"
        text = bench_text(design.name, ports, design.input_bits, design.output_bits)
        bench.write_text(text, encoding="ascii")
        self._verilate(BENCH, "Vregisters", folder, [bench, *sources])
        self._compile(
            "Vregisters",
            folder,
            firmware_rtl("register_driver.cpp"),
            ("-fvisibility=hidden",),
            self.registers_library(),
        )
        return True

    def make(self, sound: Parts | None = None, anew: Collection[str] = ()) -> bool:
        """Build all parts, or what is around the stages, which are linked from those of the sound project.

        Parameters
        ----------
        anew
            Modules of stages that are built, too.

        Returns
        -------
        Whether what is around them is another program than that of the sound project.

        Raises
        ------
        CheckFailed
            If a source is not Verilog that Verilator takes.
        """
        for file in self._stage_files.values():
            stage = _stage(file)
            if sound is None or stage.name in anew:
                self._make_stage(stage, file)
            else:
                os.link(sound._build / stage.library, self._build / stage.library)
        return self._make_around(sound)

    def _make_stage(self, stage: _Stage, file: Path) -> None:
        model = f"V{stage.name}"
        folder = self._build / stage.name
        self._verilate(stage.name, model, folder, [file, *self._shared])
        defines = (
            f"-DFUNCTION={stage.function}",
            f"-DINPUT_BITS={stage.input_bits}",
            f"-DOUTPUT_BITS={stage.output_bits}",
        )
        # As a path beside what needs it: by a plain name the loader takes one of another design that it has already.
        soname = f"-Wl,-soname,$ORIGIN/{stage.library}"
        self._compile(
            model,
            folder,
            firmware_rtl("stage_driver.cpp"),
            (*defines, "-fvisibility=hidden", soname),
            self._build / stage.library,
        )

    def _make_around(self, sound: Parts | None) -> bool:
        """Build the wrappers, the block and its registers, with a function in the place of each stage."""
        design, model, folder = self.design, "Vrtl", self._build / "around"
        folder.mkdir(exist_ok=True)
        stages = [_stage(file) for file in self._stage_files.values()]
        stand_ins = folder / "stages.sv"
        stand_ins.write_text("".join(stage.stand_in() for stage in stages), encoding="ascii")
        bench = bench_sources(design, folder)
        self._verilate(f"{design.name}_bench", model, folder, [*map(Path, bench), *self._around, stand_ins])
        if sound is not None and _same_texts(folder, sound._build / "around"):
            os.link(sound.library(), self.library())
            return False
        libraries = (f"-L{self._build}", *(f"-l:{stage.library}" for stage in stages))
        self._compile(model, folder, firmware_rtl("rtl_driver.cpp"), driver_defines(design), self.library(), libraries)
        return True

    def _verilate(self, top: str, model: str, folder: Path, sources: Sequence[Path]) -> None:
        command = [
            require_tool(VERILATOR), "--cc", "--prefix", model, "--top-module", top, "--Mdir", str(folder), *_FLAGS,
            *map(str, sources),
        ]  # fmt: skip
        run_logged(command, self._build, self._log, f"Verilating {top} of {self._project}")

    def _compile(
        self,
        model: str,
        folder: Path,
        driver: Path,
        options: Sequence[str],
        library: Path,
        libraries: Sequence[str] = (),
    ) -> None:
        """Compile what Verilator wrote and its driver as one source, since the headers take most of the time."""
        include = include_folder(require_tool(VERILATOR), self._log)
        sources = sorted(folder.glob(f"{model}*.cpp"))
        text = "".join(f'#include "{source.name}"\n' for source in sources) + f'#include "{driver.absolute()}"\n'
        (folder / "all.cc").write_text(text, encoding="utf-8")
        command = [
            str(require_compiler()), "-shared", "-fPIC", self._optimization, "-std=c++17", "-w",
            f"-DMODEL={model}", f'-DMODEL_HEADER="{model}.h"', *options, *self._headers, "-I.",
            *includes(include), "all.cc",
            *self._runtime, *libraries, "-pthread", "-latomic", "-o", str(library),
        ]  # fmt: skip
        run_logged(command, folder, self._log, f"compiling {model} of {self._project}")


def precompiled_headers(folder: Path, optimization: str) -> Path:
    """Read the headers of Verilator's runtime once for all parts that are compiled with an optimization.

    Raises
    ------
    ToolMissing
        If there is no Verilator or compiler.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log, header = folder / "compile.log", folder.absolute() / "verilated_parts.h"
    header.write_text('#include "verilated.h"\n#include "svdpi.h"\n', encoding="ascii")
    command = [
        str(require_compiler()), "-fPIC", optimization, "-std=c++17", "-w", "-pthread",
        *includes(include_folder(require_tool(VERILATOR), log)), "-x", "c++-header", str(header), "-o",
        f"{header}.gch",
    ]  # fmt: skip
    run_logged(command, folder, log, "compiling the headers of Verilator")
    return header


def _stage(file: Path) -> _Stage:
    ports = {match[3]: int(match[2]) + 1 for match in _PORT.finditer(file.read_text(encoding="utf-8"))}
    if set(ports) != {"model_inp", "model_out"}:
        raise CheckFailed(f"{file} is no stage as `trace` writes it; run it again with --force")
    return _Stage(file.stem, ports["model_inp"], ports["model_out"])


def _same_texts(folder: Path, other: Path) -> bool:
    """Tell whether Verilator wrote the same program."""
    files, others = (
        {file.name: file for file in at.glob("V*") if file.suffix in {".cpp", ".h"}} for at in (folder, other)
    )
    return set(files) == set(others) and all(_code(files[name]) == _code(others[name]) for name in files)


def _code(file: Path) -> str:
    """Give a source without comments and without the folders of the files that it names."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return _FOLDERS.sub('"', "\n".join(line for line in lines if not line.lstrip().startswith("//")))
