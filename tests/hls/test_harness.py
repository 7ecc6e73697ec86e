"""What runs a project: the stand-alone testbench under plain g++, and the vendor's scripts in a real Tcl shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import WrittenNetwork, autoencoder, random_hardware, variational

from fpgaae.config.experiment import Firmware
from fpgaae.doctor import require_compiler
from fpgaae.fixedpoint import Codes
from fpgaae.golden.network import ACCEPT_LAYER
from fpgaae.hls.front_end import write_golden_vectors
from fpgaae.hls.project import CSIM_MACRO

pytestmark = pytest.mark.usefixtures("compiler")

Write = Callable[..., WrittenNetwork]
N_EVENTS = 60
_VARIANTS = {
    "ae": (autoencoder((6, 4), 3), Firmware(), ()),
    "vae_stream": (variational((6, 4), 2), Firmware(io_type="io_stream"), (f"-D{CSIM_MACRO}",)),
    "ae_fast_weights": (autoencoder((6, 4), 3), Firmware(), (f"-D{CSIM_MACRO}",)),
    "vae_stream_plain": (variational((6, 4), 2), Firmware(io_type="io_stream"), ()),
}
_SLOW = {"vae_stream", "ae_fast_weights", "vae_stream_plain"}


class Bench(NamedTuple):
    """A compiled testbench and its golden vectors."""

    program: Path
    written: WrittenNetwork
    hardware: Codes
    scores: Codes
    accept: Codes

    def vectors(self, folder: Path) -> Path:
        """Write the golden vectors."""
        write_golden_vectors(folder, self.written.block, self.hardware, self.scores, self.accept)
        return folder

    def run(self, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run it on the vectors in a folder."""
        return subprocess.run([str(self.program)], cwd=folder, check=False, capture_output=True, text=True)


@pytest.fixture(
    scope="module",
    params=[pytest.param(v, marks=pytest.mark.slow if v in _SLOW else ()) for v in _VARIANTS],
)
def bench(request: pytest.FixtureRequest, written: Write, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    model, firmware, flags = _VARIANTS[request.param]
    made = written(model, 9, firmware)
    program = tmp_path_factory.mktemp("bench") / "testbench"
    sources = ("autoencoder_test.cpp", "firmware/autoencoder.cpp", "firmware/autoencoder_trigger.cpp")
    command = [str(require_compiler()), "-std=c++17", "-w", *flags, "-Ifirmware/ap_types", "-I.", *sources]
    subprocess.run([*command, "-o", str(program)], cwd=made.project, check=True)
    hardware = random_hardware(made.features, N_EVENTS)
    golden = made.network.run(made.features.input_codes(hardware, made.network.input_type))
    return Bench(program, made, hardware, golden["score"].codes[:, 0], golden[ACCEPT_LAYER].codes)


def test_the_testbench_passes_on_the_golden_vectors(bench: Bench, tmp_path: Path) -> None:
    done = bench.run(bench.vectors(tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"{N_EVENTS} events, 0 wrong" in done.stdout
    assert (tmp_path / "tb_data" / "csim_results.log").read_text() == (
        tmp_path / "tb_data" / "expected.dat"
    ).read_text()
    assert bench.accept.any()
    assert not bench.accept.all()


def _change(file: Path, line: int, word: int, change: Callable[[int], int]) -> None:
    """Change one hexadecimal word of a file."""
    lines = file.read_text().splitlines()
    words = lines[line].split()
    words[word] = f"{change(int(words[word], 16)):x}"
    lines[line] = " ".join(words)
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("line", [0, 37, N_EVENTS - 1])
def test_one_expected_bit_that_is_wrong_fails_and_is_named(bench: Bench, tmp_path: Path, line: int) -> None:
    for word in (0, 1):  # the score's lowest bit, the first decision
        expected = bench.vectors(tmp_path) / "tb_data" / "expected.dat"
        _change(expected, line, word, lambda code: code ^ 1)
        done = bench.run(tmp_path)
        assert done.returncode == 1
        assert f"event {line}: expected score" in done.stderr
        assert f"{N_EVENTS} events, 1 wrong" in done.stdout


def test_every_decision_is_compared(bench: Bench, tmp_path: Path) -> None:
    for bit in range(bench.accept.shape[1]):
        expected = bench.vectors(tmp_path) / "tb_data" / "expected.dat"
        _change(expected, 11, 1, lambda code, bit=bit: code ^ 1 << bit)  # type: ignore[misc]
        assert bench.run(tmp_path).returncode == 1


def test_one_stimulus_word_that_is_wrong_fails(bench: Bench, tmp_path: Path) -> None:
    """The word is one that changes the score by the golden network."""
    network, features = bench.written.network, bench.written.features
    ports = [i for i, element in enumerate(bench.written.block.elements) if element.expression]
    tried = 0
    for word, feature in enumerate(ports):
        changed = bench.hardware.copy()
        bits = features.features[feature].hardware.bits
        changed[5, feature] ^= 1 << (bits - 2)
        score = network.run(features.input_codes(changed, network.input_type))["score"].codes[5, 0]
        _change(bench.vectors(tmp_path) / "tb_data" / "stimulus.dat", 5, word, lambda c, b=bits: c ^ 1 << (b - 2))  # type: ignore[misc]
        assert bench.run(tmp_path).returncode == int(score != bench.scores[5]), features.features[feature].hardware.name
        tried += int(score != bench.scores[5])
    assert tried >= 3


def _damage(folder: Path, kind: str) -> None:
    stimulus, expected = folder / "stimulus.dat", folder / "expected.dat"
    if kind == "no_stimulus":
        stimulus.unlink()
    elif kind == "no_expected":
        expected.unlink()
    elif kind == "empty":
        stimulus.write_text("")
        expected.write_text("")
    else:
        file = expected if "expected" in kind else stimulus
        lines = file.read_text().splitlines()
        if "one_less" in kind:
            lines.pop()
        elif "one_more" in kind:
            lines.append(lines[-1])
        elif "short" in kind:
            lines[7] = lines[7].rsplit(" ", 1)[0]
        elif "long" in kind:
            lines[7] += " 0"
        elif "text" in kind:
            lines[7] = lines[7][:-1] + "z"
        file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "kind",
    [
        "no_stimulus", "no_expected", "empty", "expected_one_less", "expected_one_more", "stimulus_one_less",
        "stimulus_one_more", "expected_short", "expected_long", "expected_text", "stimulus_short", "stimulus_long",
        "stimulus_text",
    ],
)  # fmt: skip
def test_vectors_that_are_missing_short_or_damaged_end_with_2(bench: Bench, tmp_path: Path, kind: str) -> None:
    _damage(bench.vectors(tmp_path) / "tb_data", kind)
    done = bench.run(tmp_path)
    assert done.returncode == 2
    assert "ERROR: " in done.stderr


# ---- the vendor's scripts ----

_COMMANDS = (
    "open_project", "set_top", "add_files", "open_solution", "set_part", "create_clock",
    "csim_design", "csynth_design", "cosim_design", "export_design",
)  # fmt: skip


@pytest.fixture(scope="session")
def tclsh() -> str:
    found = shutil.which("tclsh")
    if found is None:
        if os.environ.get("FPGAAE_REQUIRE_TOOLS"):
            pytest.fail("needs tclsh (apt-get install tcl)")
        pytest.skip("needs tclsh")
    return found


def _calls(tclsh: str, project: Path, script: str, folder: Path) -> list[list[str]]:
    """Run a script in a real Tcl shell whose vendor commands only write down how they were called."""
    log = folder / "calls"
    log.write_text("")
    stubs = "".join(f"proc {name} {{args}} {{ record {name} {{*}}$args }}\n" for name in _COMMANDS)
    record = 'proc record {args} { set f [open $::log a]; puts $f [join $args "\\t"]; close $f }\n'
    main = folder / "main.tcl"
    main.write_text(f"set log {{{log}}}\n{record}{stubs}source {{{project / 'scripts' / script}}}\nputs unreached\n")
    done = subprocess.run([tclsh, str(main)], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "the script ends with `exit`"
    return [line.split("\t") for line in log.read_text().splitlines()]


@pytest.mark.parametrize(
    ("script", "runs", "resets"),
    [
        ("csim.tcl", [["csim_design"]], True),
        ("synth.tcl", [["csim_design"], ["csynth_design"], ["export_design", "-format", "ip_catalog"]], True),
        ("cosim.tcl", [["cosim_design", "-rtl", "verilog"]], False),
    ],
)
def test_a_script_opens_the_trigger_block_and_runs_its_steps(
    written: Write, tclsh: str, tmp_path: Path, script: str, runs: list[list[str]], resets: bool
) -> None:
    firmware = Firmware()
    project = written(autoencoder((6, 4), 3), 9, firmware).project
    calls = _calls(tclsh, project, script, tmp_path)
    assert calls[-len(runs) :] == runs
    setup = calls[: -len(runs)]
    reset = ["-reset"] if resets else []
    assert setup[:2] == [["open_project", *reset, "autoencoder_trigger_prj"], ["set_top", "autoencoder_trigger"]]
    assert setup[-3:] == [
        ["open_solution", *reset, "solution1"],
        ["set_part", firmware.part],
        ["create_clock", "-period", "5", "-name", "default"],
    ]
    added = [call[1:] for call in setup[2:-3]]
    assert {call[0] for call in setup[2:-3]} == {"add_files"}
    design = [Path(arguments[0]) for arguments in added if arguments[0] != "-tb"]
    bench = [Path(arguments[1]) for arguments in added if arguments[0] == "-tb"]
    assert all(path.exists() for path in (*design, *bench) if path.name != "tb_data")
    assert project / "tb_data" in bench, "written with the golden vectors"
    assert {path.parent for path in design} == {project / "firmware"}
    definitions = [path for path in design if re.search(r"^void autoencoder_trigger\(", path.read_text(), re.MULTILINE)]
    assert len(definitions) == 1, "the top function stands in the design, once"
    assert "int main()" in bench[0].read_text()


@pytest.mark.slow
def test_the_sources_compile_with_the_flags_that_the_scripts_give_them(
    written: Write, tclsh: str, tmp_path: Path
) -> None:
    """All scripts add the same files; the vendor's own ap_types stand in the path."""
    project = written(autoencoder((6, 4), 3), 9, Firmware()).project
    added = [
        [call[1:] for call in _calls(tclsh, project, script, tmp_path) if call[0] == "add_files"]
        for script in ("csim.tcl", "synth.tcl", "cosim.tcl")
    ]
    assert added[0] == added[1] == added[2]
    assert sum("-cflags" in arguments for arguments in added[0]) == 3
    for arguments in added[0]:
        if "-cflags" not in arguments:
            continue
        source = next(word for word in arguments if word.endswith(".cpp"))
        flags = arguments[arguments.index("-cflags") + 1].split()
        assert f"-I{project}" in flags
        command = [
            str(require_compiler()),
            "-w",
            *flags,
            f"-I{project / 'firmware' / 'ap_types'}",
            "-fsyntax-only",
            source,
        ]
        subprocess.run(command, check=True)


def test_the_settings_are_those_of_the_config(written: Write, tclsh: str, tmp_path: Path) -> None:
    firmware = Firmware(part="xc7z020clg400-1", clock_ns=3.125, project_name="my_trigger")
    calls = _calls(tclsh, written(variational((4,), 2), 6, firmware).project, "csim.tcl", tmp_path)
    assert ["set_top", "my_trigger_trigger"] in calls
    assert ["set_part", "xc7z020clg400-1"] in calls
    assert ["create_clock", "-period", "3.125", "-name", "default"] in calls


def test_a_project_with_a_space_in_its_path_is_opened(written: Write, tclsh: str, tmp_path: Path) -> None:
    copy = tmp_path / "a folder" / "project"
    shutil.copytree(written(autoencoder((6, 4), 3), 9, Firmware()).project, copy)
    calls = _calls(tclsh, copy, "csim.tcl", tmp_path)
    sources = [Path(word) for call in calls if call[0] == "add_files" for word in call if word.endswith(".cpp")]
    assert len(sources) == 3
    assert all(source.is_file() for source in sources)


def test_no_template_key_is_left(written: Write) -> None:
    project = written(autoencoder((6, 4), 3), 9, Firmware()).project
    ours = [
        *project.glob("scripts/*"),
        *project.glob("autoencoder_test.cpp"),
        *project.glob("csim_driver.cpp"),
        *project.glob("synthesis_driver.cpp"),
        *project.glob("firmware/autoencoder_trigger.*"),
    ]
    assert len(ours) == 9
    for file in ours:
        assert not re.findall(r"@\w+@", file.read_text()), file
