"""The written project: its types, its weights, and what it holds besides the firmware."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import RandomNetwork, WrittenNetwork, autoencoder, variational, write_trigger

from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Model
from fpgaae.errors import CheckFailed, InputError
from fpgaae.fixedpoint import FixedPointType, codes_of, parse_type
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.project import CSIM_MACRO
from fpgaae.runs.folder import hash_tree

PARALLEL, STREAM = Firmware(), Firmware(io_type="io_stream")
Write = Callable[..., WrittenNetwork]


@pytest.fixture(params=[(autoencoder((6, 4), 3), PARALLEL), (variational((6, 4), 2), STREAM)], ids=["ae", "vae_stream"])
def made(request: pytest.FixtureRequest, written: Write) -> WrittenNetwork:
    model, firmware = request.param
    return written(model, 9, firmware)


def _typedefs(project: Path) -> dict[str, FixedPointType]:
    """Read the fixed-point types of defines.h, of an element where it is a stream's pack."""
    text = (project / "firmware" / "defines.h").read_text()
    text = re.sub(r"nnet::array<(ap_u?fixed<[^>]*>), [^>]*>", r"\1", text)
    return {name: parse_type(kind) for kind, name in re.findall(r"typedef (ap_u?fixed<[^>]*>) (\w+);", text)}


def _dense(network: IntegerNetwork) -> list[Dense]:
    return [layer for layer in network.layers if isinstance(layer, Dense)]


def _header_values(header: Path) -> np.ndarray:
    body = re.search(r"#endif\n([-+0-9.e, \n]+)\};", header.read_text())
    assert body is not None, f"{header} is not written as expected"
    return np.array([float(number) for number in body[1].split(",")])


def test_every_result_type_is_that_of_a_quantizer_or_of_exact_sums(made: WrittenNetwork) -> None:
    types = _typedefs(made.project)
    source = (made.project / "firmware" / "autoencoder.cpp").read_text()
    calls = re.findall(r"nnet::\w+<([\w, ]+), (\w+)>\([^)]*\); // (\w+)", source)
    results = {layer: arguments.split(", ")[-1] for arguments, _, layer in calls if layer in made.golden_names}
    assert results.keys() | {"features", "accept"} == made.golden_names.keys()
    assert types["features_t" if "features_t" in types else "input_t"] == made.network.input_type
    for layer, name in results.items():
        assert types[name] == made.network[made.golden_names[layer]].type, f"{layer} is a {name}"


def test_weight_types_hold_the_quantizers_grid(made: WrittenNetwork) -> None:
    types = _typedefs(made.project)
    for layer in _dense(made.network):
        for what, golden in (("weight", layer.kernel_type), ("bias", layer.bias_type)):
            assert golden is not None
            found = types[f"{layer.name}_{what}_t"]
            # hls4ml leaves out bits that no value uses, at either end
            assert found.fraction <= golden.fraction
            assert found.integer <= golden.integer
            values = (layer.kernel if what == "weight" else layer.bias) * golden.lsb
            codes_of(values, found)  # raises where a value would not fit
        assert types[f"{layer.name}_accum_t"] == layer.type


def test_the_result_file_names_the_types_of_defines_h(made: WrittenNetwork) -> None:
    types = _typedefs(made.project)
    for entry in made.layers:
        if entry.kind == "dense":
            for what in ("weight", "bias", "accum"):
                assert getattr(entry.types, what) == str(types[f"{entry.name}_{what}_t"])
            kernel = made.network[entry.golden].kernel
            assert entry.weights == kernel.size
            assert entry.nonzero_weights == entry.multiplications == np.count_nonzero(kernel)
        assert entry.types.result == entry.golden_type == str(made.network[entry.golden].type)


def test_the_weights_are_the_golden_ones_and_stand_once(made: WrittenNetwork) -> None:
    weights = made.project / "firmware" / "weights"
    headers = sorted(weights.iterdir())
    assert all(header.suffix == ".h" for header in headers)
    assert len(headers) == 2 * len(_dense(made.network))
    source = (made.project / "firmware" / "autoencoder.cpp").read_text()
    for layer in _dense(made.network):
        kernel_name, bias_name = re.findall(rf", (w\d+), (b\d+)\); // {layer.name}\n", source)[0]
        assert layer.kernel_type is not None
        assert layer.bias_type is not None
        kernel = codes_of(_header_values(weights / f"{kernel_name}.h"), layer.kernel_type)
        np.testing.assert_array_equal(kernel, layer.kernel.ravel())
        np.testing.assert_array_equal(codes_of(_header_values(weights / f"{bias_name}.h"), layer.bias_type), layer.bias)
    start = max((header.read_text().split("#endif\n")[1][:60] for header in headers), key=len)
    holders = [file for file in made.project.rglob("*") if file.is_file() and start in file.read_text(errors="replace")]
    assert len(start) == 60
    assert len(holders) == 1, f"the weights stand in {holders}"
    assert not [file for file in made.project.rglob("*") if file.suffix in {".h5", ".keras", ".npy", ".npz", ".dat"}]


def test_wide_weights_are_written_with_all_their_digits(written: Write) -> None:
    made = written(variational((4,), 2), 6, PARALLEL, bits=20, input_bits=20)
    for layer in _dense(made.network):
        assert layer.kernel_type is not None
        (header,) = [
            file
            for file in (made.project / "firmware" / "weights").glob("w*.h")
            if f"{layer.name}_weight_t" in file.read_text()
        ]
        np.testing.assert_array_equal(codes_of(_header_values(header), layer.kernel_type), layer.kernel.ravel())


def test_nothing_in_the_project_names_this_machine(made: WrittenNetwork) -> None:
    folders = (made.project, made.project.parent, Path.cwd(), Path.home(), Path(sys.prefix), Path("/tmp"))
    here = {f"{folder}/" for folder in folders} - {"//"}
    for file in made.project.rglob("*"):
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        for path in here:
            assert path not in text, f"{file} holds the path {path}"


def test_two_conversions_of_a_model_are_byte_identical(
    random_network: Callable[..., RandomNetwork], tmp_path: Path
) -> None:
    made = random_network(autoencoder((4,), 2), 6)
    first, second = (hash_tree(write_trigger(made, PARALLEL, tmp_path / name).project) for name in ("a", "b"))
    assert first
    assert first == second


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_synthesis_sees_no_tap(made: WrittenNetwork, tmp_path: Path) -> None:
    """The open-source ap_types refuse __SYNTHESIS__, so the project's own files get another name for it."""
    firmware = tmp_path / "firmware"
    shutil.copytree(made.project / "firmware", firmware)
    for file in firmware.rglob("*"):
        if file.is_file() and "ap_types" not in file.parts:
            file.write_text(file.read_text().replace("__SYNTHESIS__", "PROJECT_SYNTHESIS"))
    includes = [f"-I{firmware}", f"-I{firmware / 'ap_types'}"]
    command = ["g++", "-std=c++17", "-w", *includes, str(firmware / "autoencoder.cpp")]

    def preprocessed(*options: str) -> str:
        return subprocess.run([*command, "-E", *options], capture_output=True, text=True, check=True).stdout

    csim, synthesis = preprocessed(f"-D{CSIM_MACRO}"), preprocessed("-DPROJECT_SYNTHESIS")
    assert csim.count("csim::tap(") == len(made.network.layers) - 2, (
        "all but score and decisions, which the driver records"
    )
    for ours in ("csim", "Table<", "save_layer_output"):
        assert ours not in synthesis
    assert "csim::" not in preprocessed(), "nor does a vendor's C simulation see any"
    arrays = re.findall(r"^\w+ ([wb]\d+)\[\d+\] = \{", synthesis, re.MULTILINE)
    assert len(arrays) == 2 * len(_dense(made.network)), "synthesis reads plain arrays"
    subprocess.run([*command, "-DPROJECT_SYNTHESIS", "-fsyntax-only"], check=True)


def test_a_layer_that_the_golden_network_lacks_is_refused(
    random_network: Callable[..., RandomNetwork], tmp_path: Path
) -> None:
    from fpgaae.hls.convert import write_project  # noqa: PLC0415

    model, network = random_network(variational((4,), 2), 6)
    shorter = IntegerNetwork(tuple(layer for layer in network.layers if layer.name != "encoder_1_relu"))
    with pytest.raises(CheckFailed, match="encoder_1_relu"):
        write_project(model, shorter, PARALLEL, tmp_path / "project")


def test_settings_that_hls4ml_refuses_are_the_users_error(
    random_network: Callable[..., RandomNetwork], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hls4ml  # noqa: PLC0415

    from fpgaae.hls.convert import write_project  # noqa: PLC0415

    def refuse(*_: object, **__: object) -> None:
        raise Exception("no such part")

    monkeypatch.setattr(hls4ml.converters, "convert_from_keras_model", refuse)
    with pytest.raises(InputError, match="no such part"):
        write_project(*random_network(variational((4,), 2), 6), PARALLEL, tmp_path / "project")


def test_a_quantizer_for_which_hls4ml_has_no_type_is_refused(
    random_network: Callable[..., RandomNetwork], tmp_path: Path
) -> None:
    """With nothing behind the point hls4ml writes ap_int<4>, which truncates and wraps instead of rounding."""
    from fpgaae.hls.convert import write_project  # noqa: PLC0415

    made = random_network(autoencoder((6, 4), 3), 9, bits=4, input_bits=6, more_integer=1)
    assert made.network["latent_quantized"].type.fraction == 0
    with pytest.raises(InputError, match=r"the layer latent_quantized the type ap_fixed<4,4> instead of .* behind the"):
        write_project(*made, PARALLEL, tmp_path / "project")


def test_the_project_name_is_that_of_the_config(written: Write) -> None:
    model: Model = variational((4,), 2)
    made = written(model, 6, Firmware(project_name="my_trigger"))
    assert (made.project / "firmware" / "my_trigger.cpp").is_file()
    assert "my_trigger(inputs, outputs);" in (made.project / "csim_driver.cpp").read_text()
    assert "void my_trigger_trigger(" in (made.project / "firmware" / "my_trigger_trigger.cpp").read_text()


def test_a_stream_that_skips_layers_holds_an_event_for_each_of_them(written: Write) -> None:
    project = written(autoencoder((6, 4), 3), 9, STREAM).project
    source = (project / "firmware" / "autoencoder.cpp").read_text()
    depths = {name: int(depth) for name, depth in re.findall(r"STREAM variable=(\w+_cpy\d) depth=(\d+)", source)}
    to_first_layer, to_score = re.findall(r"clone_stream<[^>]*>\(\w+, (\w+), (\w+)\);", source)[0]
    stages_beside = len(re.findall(r"^    nnet::(?!clone)\w+<", source, re.MULTILINE)) - 1
    assert depths[to_first_layer] == 1
    assert depths[to_score] > stages_beside
