"""Stands in front of g++ while the tests run: the same programs, compiled sooner. `conftest.py` puts it on the PATH.

- What was compiled before comes from ccache, where that is installed. A command that compiles and links at once, which
  ccache can't keep, is taken apart.
- The headers of Verilator are read once for all designs.
- The C simulation of a project is compiled with FPGAAE_TEST_OPTIMIZATION (-O1) in the place of -O3, and its headers
  from hls4ml are read once for all projects that hold the same ones. With -O3 all is as for a user. Mutants, which are
  compiled with -O1 anyhow, are left alone: their objects are compared, and such headers move symbols within them.

It is a program of its own, run for every compilation, and imports nothing that takes time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMPILER, LAUNCHER, OPTIMIZATION, HEADERS = (
    "FPGAAE_TEST_COMPILER", "FPGAAE_TEST_LAUNCHER", "FPGAAE_TEST_OPTIMIZATION", "FPGAAE_TEST_HEADERS",
)  # fmt: skip
PRODUCTION = "-O3"
_SIMULATION = "-DFPGAAE_CSIM"
_SYNTHESIS = "synthesis_driver.cpp"
_SOURCES = (".cpp", ".cc")
_LIBRARIES = (".o", ".a", ".so")
_COMMON_HEADERS = (
    "iostream", "ap_fixed.h", "ap_int.h", "hls_stream.h", "nnet_utils/nnet_helpers.h", "nnet_utils/nnet_activation.h",
    "nnet_utils/nnet_activation_stream.h", "nnet_utils/nnet_dense.h",
    "nnet_utils/nnet_dense_compressed.h", "nnet_utils/nnet_dense_stream.h",
)  # fmt: skip
_SYNTHESIS_HEADERS = ("ap_fixed.h", "ap_int.h", "hls_stream.h", "cstddef", "cstdint")  # all others see more macros
_CCACHE = {
    "CCACHE_DEPEND": "1",  # no second run of the preprocessor for what is not known yet
    "CCACHE_PCH_EXTSUM": "1",
    "CCACHE_SLOPPINESS": "pch_defines,time_macros,include_file_mtime,include_file_ctime",  # headers are a second old
}
_VERILATOR_HEADERS = ("verilated.h",)
_OF_A_DESIGN = ("-DMODEL", "-DFUNCTION", "-DINPUT_", "-DOUTPUT_", "-DSCORE_", "-DN_ACCEPT", "-fvisibility", "-MMD")
_OWN_HEADERS = ("nnet_code_gen.h", "fpgaae_scores.h")  # of a project, or damaged in tests; no other includes them


def put_in_front(folder: Path) -> None:
    """Put this program on the PATH as g++, unless there is none or it stands there already."""
    compiler, launcher = shutil.which("g++"), shutil.which("ccache")
    if compiler is None or COMPILER in os.environ:
        return
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "g++"
    unfinished = folder / f"g++{os.getpid()}"
    unfinished.write_text(f'#!/bin/sh\nexec "{sys.executable}" -ISB "{Path(__file__).absolute()}" "$@"\n')
    unfinished.chmod(0o755)
    unfinished.rename(program)
    os.environ |= {COMPILER: compiler, HEADERS: str(folder / "headers"), **_CCACHE}
    os.environ["CCACHE_NAMESPACE"] = _machine(compiler)  # another one may share the cache
    os.environ.setdefault(OPTIMIZATION, "-O1")
    if launcher is not None:
        os.environ[LAUNCHER] = launcher
    os.environ["PATH"] = os.pathsep.join([str(folder), os.environ["PATH"]])


def _machine(compiler: str) -> str:
    """Give what compiled code depends on beside its source: the compiler's version and what -march=native means."""
    asked = [compiler, "-march=native", "-###", "-E", "-x", "c++", os.devnull]
    return hashlib.sha256(subprocess.run(asked, capture_output=True, check=True).stderr).hexdigest()[:16]


def main(arguments: list[str]) -> int:
    """Run the compiler with the arguments and give its exit code."""
    sources = [argument for argument in arguments if argument.endswith(_SOURCES)]
    if not sources or "-E" in arguments or "-fsyntax-only" in arguments or "-o" not in arguments:
        return _run([os.environ[COMPILER], *arguments])
    if "-c" not in arguments:
        return _compile_and_link(arguments, sources)
    level = os.environ.get(OPTIMIZATION, PRODUCTION)
    if _is_verilated(arguments, sources):
        return _compile(_with_headers(arguments, _VERILATOR_HEADERS))
    if _SIMULATION not in arguments or PRODUCTION not in arguments or level == PRODUCTION:
        return _compile(arguments)
    return _compile(_with_headers([level if argument == PRODUCTION else argument for argument in arguments]))


def _compile_and_link(arguments: list[str], sources: list[str]) -> int:
    """Compile each source to an object, as ccache wants it, then link."""
    to_link = [a for a in arguments if a.endswith(_LIBRARIES) or a.startswith(("-l", "-L", "-Wl,")) or a == "-shared"]
    place = arguments.index("-o")
    flags = [a for i, a in enumerate(arguments) if a not in {*sources, *to_link} and i not in {place, place + 1}]
    with tempfile.TemporaryDirectory() as folder:
        objects = {source: str(Path(folder) / f"{index}.o") for index, source in enumerate(sources)}
        for source, target in objects.items():
            command = [*flags, "-c", source, "-o", target]
            if _is_unoptimized_synthesis(command):
                command = _with_headers(command, _SYNTHESIS_HEADERS)
            elif _is_verilated(command, [source]):
                command = _with_headers(command, _VERILATOR_HEADERS)
            if code := _compile(command):
                return code
        return _run([os.environ[COMPILER], *(objects.get(argument, argument) for argument in arguments)])


def _is_unoptimized_synthesis(arguments: list[str]) -> bool:
    """Tell whether the branch that is synthesized is compiled, but for no mutant."""
    return "-O0" in arguments and "-O1" not in arguments and arguments[arguments.index("-c") + 1] == _SYNTHESIS


def _is_verilated(arguments: list[str], sources: list[str]) -> bool:
    """Tell whether what Verilator wrote is compiled, or our driver of it, and not Verilator's own runtime."""
    include = next((a[2:] for a in arguments if a.startswith("-I") and a.endswith("/verilator/include")), None)
    return include is not None and not sources[0].startswith(include)


def _with_headers(arguments: list[str], names: tuple[str, ...] = _COMMON_HEADERS) -> list[str]:
    header = _precompiled(arguments, names)
    return [*(("-include", str(header)) if header else ()), *arguments]


def _compile(arguments: list[str]) -> int:
    launcher = os.environ.get(LAUNCHER)
    return _run([*([launcher] if launcher else []), os.environ[COMPILER], *arguments])


def _precompiled(arguments: list[str], names: tuple[str, ...]) -> Path | None:
    """Give precompiled headers of a project, or None for one whose headers no other project was seen to hold."""
    place = arguments.index("-o")
    flags = [
        a
        for i, a in enumerate(arguments)
        if i not in {place, place + 1} and a != "-c" and not a.endswith(_SOURCES) and not a.startswith(_OF_A_DESIGN)
    ]
    digest = hashlib.sha256(repr((os.environ["CCACHE_NAMESPACE"], sorted(flags), names)).encode())
    for headers in ("firmware/ap_types", "firmware/nnet_utils"):
        for file in sorted(Path(headers).rglob("*")):
            if file.is_file() and file.name not in _OWN_HEADERS:
                digest.update(f"{file}\0".encode() + file.read_bytes())
    folder = Path(os.environ[HEADERS]) / digest.hexdigest()[:32]
    header = folder / "headers.h"
    compiled = folder / "headers.h.gch"
    if compiled.exists():
        return header
    if not folder.is_dir():  # an edited header would be precompiled for nothing
        folder.mkdir(parents=True, exist_ok=True)
        return None
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not compiled.exists():
            header.write_text("".join(f"#include <{name}>\n" for name in names))
            unfinished = folder / "unfinished.gch"
            if _run([os.environ[COMPILER], *flags, "-x", "c++-header", str(header), "-o", str(unfinished)]):
                return None
            compiled.with_suffix(".gch.sum").write_text(digest.hexdigest())  # by which ccache knows it
            unfinished.rename(compiled)
    return header


def _run(command: list[str]) -> int:
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
