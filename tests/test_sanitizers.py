"""The C++ that is written for a network, run where every access and every operation is watched, and every thread."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import networks
import numpy as np
import pytest
from conftest import WrittenNetwork, variational

from fpgaae.config.experiment import Firmware
from fpgaae.doctor import require_compiler
from fpgaae.emulator.package import write_package
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.csim_library import INCLUDES
from fpgaae.hls.project import CSIM_MACRO, DRIVER

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler")]
_MEMORY = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_THREADS = ("-fsanitize=thread",)
# ap_types of hls4ml shift negative numbers to the left, which C++20 defines as every compiler does it.
_NOT_OURS = "-fno-sanitize=shift-base"
_ENDS_AT_ONCE = {"TSAN_OPTIONS": "halt_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | _ENDS_AT_ONCE, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _self_test(folder: Path, flags: Sequence[str]) -> str:
    """Compile the emulator and its self-test into one program, and run it."""
    shared = ["-O1", "-g", "-pthread", "-ffp-contract=off", *flags]
    emulator = [str(require_compiler()), *shared, "-std=c++11", "-c", "trigger_emulator.cpp", "-o", "emulator.o"]
    _run(emulator, folder)
    _run(["cc", *shared, "-c", "self_test.c", "-o", "self_test.o"], folder)
    _run([str(require_compiler()), *shared, "emulator.o", "self_test.o", "-o", "sanitized"], folder)
    return _run(["./sanitized", "vectors.dat"], folder)


@pytest.mark.parametrize("flags", [_MEMORY, _THREADS], ids=["memory", "threads"])
def test_the_self_test_of_the_emulator_runs_clean(flags: Sequence[str], tmp_path: Path) -> None:
    features = networks.feature_map()
    network = networks.leaky_network(features)
    write_package(tmp_path, "trigger", GoldenTrigger(features, network), networks.events(features, 100))
    said = _self_test(tmp_path, flags)
    assert "threads" in said
    assert " 0 wrong" in said


def test_the_emulator_that_reads_beyond_an_array_is_caught(tmp_path: Path) -> None:
    features = networks.feature_map()
    network = networks.leaky_network(features)
    write_package(tmp_path, "trigger", GoldenTrigger(features, network), networks.events(features, 100))
    with (tmp_path / "trigger_emulator.cpp").open("a") as source:
        source.write(
            "static int beyond(volatile int n) { int a[4] = {}; return a[n]; }\nstatic int read = beyond(9);\n"
        )
    with pytest.raises(AssertionError, match=r"out of bounds|stack-buffer-overflow"):
        _self_test(tmp_path, _MEMORY)


def test_the_sources_of_the_c_simulation_run_clean(written: Callable[..., WrittenNetwork], tmp_path: Path) -> None:
    made = written(variational((6,), 3), 6, Firmware())
    main = Path(__file__).parent / "hls" / "sanitized.cpp"
    name = next(made.project.glob("firmware/*_trigger.cpp")).name.removesuffix("_trigger.cpp")
    program = tmp_path / "sanitized"
    sources = [DRIVER, f"firmware/{name}.cpp", str(main)]
    flags = ["-O0", "-g", "-std=c++17", "-w", f"-D{CSIM_MACRO}", *INCLUDES, *_MEMORY, _NOT_OURS]
    _run([str(require_compiler()), *flags, *sources, "-o", str(program)], made.project)
    an_event = int(_run([str(program), str(len(made.features))], made.project))
    layers = made.network.run(np.zeros((1, 6), dtype=np.int64))
    assert an_event >= 3 * sum(layers[name].codes.shape[1] for name in made.golden_names.values() if name in layers)
