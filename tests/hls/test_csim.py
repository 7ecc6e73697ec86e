"""The stage `csim` against damaged projects: whatever differs is found, named, and ends with the right exit code.

Weights are random, so that every layer is alive; nothing is trained.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import Workspace, autoencoder, variational

from fpgaae.data.features import FeatureMap
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes, FixedPointType, Tensor, parse_type
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.csim import _changed_types
from fpgaae.hls.csim_library import Tap
from fpgaae.hls.layer_stimulus import n_layer_rows
from fpgaae.hls.stimulus import LAYERS, Stimuli
from fpgaae.runs.results.convert import ConvertedLayer, LayerTypes
from fpgaae.runs.results.csim import Mismatch
from fpgaae.runs.results.data import DataResult

pytestmark = pytest.mark.usefixtures("compiler")

Cli = Callable[..., subprocess.CompletedProcess[str]]
Json = dict[str, Any]
_FEW = {
    "csim": {"max_events_per_process": 200, "random_events": 100, "processes": 1},
    "trigger": {"thresholds": [{"false_positive_rate": 0.1}, {"false_positive_rate": 0.01}]},  # two codes
}


@pytest.fixture(scope="session")
def small(converted: Callable[..., Workspace]) -> Workspace:
    """A converted experiment of two dense layers; tests work on copies."""
    return converted(variational((6,), 3), **_FEW)


@pytest.fixture(scope="session")
def default_autoencoder(converted: Callable[..., Workspace]) -> Workspace:
    """A converted experiment of the default autoencoder's shape."""
    return converted(autoencoder((32, 16), 8), **_FEW)


@pytest.fixture(scope="session")
def default_encoder(converted: Callable[..., Workspace]) -> Workspace:
    """A converted experiment of the default variational encoder's shape, streaming."""
    return converted(variational((32, 16), 3), firmware={"io_type": "io_stream"}, **_FEW)


class WeightBit(NamedTuple):
    """A bit of a weight in a written project, and a mutated golden network with the same bit flipped."""

    header: str
    position: int
    fraction: int
    mutated: IntegerNetwork


class Part(NamedTuple):
    """Consecutive events of one origin."""

    origin: str
    start: int
    input_codes: Codes
    injected: Mapping[str, Codes] | None

    def run(self, network: IntegerNetwork) -> dict[str, Tensor]:
        """Give what a network makes of them."""
        return network.run(self.input_codes, self.injected)


def _firmware(workspace: Workspace) -> Path:
    return workspace.project / "firmware"


def _edit(file: Path, old: str | re.Pattern[str], new: str) -> None:
    """Replace exactly one place of a file."""
    text = file.read_text()
    pattern = old if isinstance(old, re.Pattern) else re.compile(re.escape(old))
    edited, count = pattern.subn(new, text, count=1)
    assert count == 1, f"{file} has no {pattern.pattern}"
    assert edited != text
    file.write_text(edited)


def _headers(workspace: Workspace, layer: str) -> tuple[str, str]:
    """Give the names of the weights and biases of a layer as the top function calls them."""
    source = (_firmware(workspace) / "autoencoder.cpp").read_text()
    kernel, bias = re.findall(rf", (w\d+), (b\d+)\); // {layer}\n", source)[0]
    return kernel, bias


def _stimulus(workspace: Workspace) -> list[Part]:
    """Give the parts of the stimulus in order."""
    features = FeatureMap.of(workspace.experiment.result(DataResult))
    folder = workspace.experiment.stage_folder("data")
    edges = EdgeEvents.load(workspace.experiment.stage_folder("convert") / EDGES_FILE)
    trigger = GoldenTrigger(features, workspace.network)
    stimuli = Stimuli(workspace.experiment.config, folder, trigger, edges.hardware)
    made = ((source, stimuli.make(source)) for source in stimuli.sources())
    return [Part(source.origin, source.start, part.input_codes, part.injected) for source, part in made]


def _layer_entry(workspace: Workspace, name: str) -> Json:
    return next(entry for entry in workspace.result("convert")["layers"] if entry["name"] == name)


def _live_weight(workspace: Workspace, name: str) -> WeightBit:
    """Find a non-zero weight whose input is not always zero, and flip the lowest bit of its type."""
    network = workspace.network
    layer = network[name]
    alive = np.zeros(network[layer.inputs[0]].size, dtype=bool)
    for part in _stimulus(workspace):
        if part.injected is None:
            alive |= (part.run(network)[layer.inputs[0]].codes != 0).any(axis=0)
    places = np.argwhere((layer.kernel != 0) & alive[:, None])
    assert len(places), f"no live weight in {name}"
    row, column = (int(i) for i in places[len(places) // 2])
    fraction = parse_type(_layer_entry(workspace, name)["types"]["weight"]).fraction
    assert layer.kernel_type is not None
    unit = 1 << (layer.kernel_type.fraction - fraction)
    kernel = layer.kernel.copy()
    kernel[row, column] = ((kernel[row, column] // unit) ^ 1) * unit
    position = row * layer.size + column
    return WeightBit(_headers(workspace, name)[0], position, fraction, _with(network, name, kernel=kernel))


def _live_bias(workspace: Workspace, name: str) -> WeightBit:
    network = workspace.network
    layer = network[name]
    position = int(np.argmax(layer.bias != 0))
    fraction = parse_type(_layer_entry(workspace, name)["types"]["bias"]).fraction
    assert layer.bias_type is not None
    unit = 1 << (layer.bias_type.fraction - fraction)
    bias = layer.bias.copy()
    bias[position] = ((bias[position] // unit) ^ 1) * unit
    return WeightBit(_headers(workspace, name)[1], position, fraction, _with(network, name, bias=bias))


def _with(network: IntegerNetwork, name: str, **changes: Codes) -> IntegerNetwork:
    return IntegerNetwork(tuple(replace(x, **changes) if x.name == name else x for x in network.layers))  # type: ignore[arg-type]


def _flip(workspace: Workspace, bit: WeightBit) -> str:
    """Flip the lowest bit of a value in a header, and give the header's name within the stage."""
    file = _firmware(workspace) / "weights" / f"{bit.header}.h"
    text = file.read_text()
    start = text.index("#endif\n") + len("#endif\n")
    end = text.index("};", start)
    values = text[start:end].split(", ")
    code = round(float(values[bit.position]) * 2**bit.fraction) ^ 1
    values[bit.position] = f"{code * 2.0**-bit.fraction:.12f}"
    file.write_text(text[:start] + ", ".join(values) + text[end:])
    return f"convert/project/firmware/weights/{bit.header}.h"


def _expected_first(workspace: Workspace, mutated: IntegerNetwork, name: str) -> Json:
    """Give the first difference of a mutated network at a layer, computed from the golden networks alone."""
    network = workspace.network
    for part in _stimulus(workspace):
        expected, found = part.run(network)[name], part.run(mutated)[name]
        assert expected.fraction == found.fraction
        wrong = np.argwhere(expected.codes != found.codes)
        if len(wrong):
            event, channel = (int(i) for i in wrong[0])
            pair = int(expected.codes[event, channel]), int(found.codes[event, channel])
            return Mismatch(
                name, channel, part.start + event, part.origin, *pair, abs(pair[0] - pair[1]), 2.0**-expected.fraction
            )._asdict()
    raise AssertionError(f"the flipped bit never reaches {name}")


def _assert_named(workspace: Workspace, result: Json, bit: WeightBit, name: str, edited: str) -> None:
    """The layer with the flipped bit is the first that differs, and nothing in front of it does."""
    assert result["passed"] is False
    assert result["edited_files"] == [edited]
    assert result["first_mismatch"] == _expected_first(workspace, bit.mutated, name)
    assert result["first_mismatch"]["layer"] == name
    layers = {layer["name"]: layer for layer in result["layers"]}
    before = list(layers)[: list(layers).index(name)]
    assert all(layers[other]["mismatched_values"] == 0 for other in before)
    assert layers[name]["mismatched_values"] > 0
    assert layers[name]["max_lsb"] > 0
    assert 0 < result["mismatched_events"] <= result["events"]


_AUTOENCODER_LAYERS = ("encoder_1", "encoder_2", "latent", "decoder_1", "decoder_2", "reconstruction")
_ENCODER_LAYERS = ("encoder_1", "encoder_2", "mu")


def _sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Give the one sentence that a failed command ends with; the progress stands in front of it."""
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("fpgaae: ")]
    return sentence


# What is whole passes


@pytest.mark.slow
def test_an_untouched_project_passes_and_a_comment_is_only_named(
    small: Workspace, tmp_path: Path, run_cli: Cli
) -> None:
    workspace = small.copy(tmp_path / "copy")
    source = _firmware(workspace) / "autoencoder.cpp"
    source.write_text(f"// a comment\n{source.read_text()}")
    done = run_cli("csim", *workspace.arguments)
    assert done.returncode == 0, done.stderr
    result = workspace.result("csim")
    assert result["passed"] is True
    assert result["edited_files"] == ["convert/project/firmware/autoencoder.cpp"]
    assert result["changed_types"] == []
    assert result["first_mismatch"] is None
    branch = result["synthesized_branch"]
    assert branch == {"passed": True, "events": branch["events"], "mismatched_events": 0, "first_mismatch": None}
    assert branch["events"] > 300
    assert (
        result["events"]
        == sum(result["events_by_origin"].values())
        == sum(len(part.input_codes) for part in _stimulus(workspace))
    )
    assert set(result["events_by_origin"]) == {"background", "signal", "random", "extremes", "edges", "layers"}
    assert result["events_by_origin"][LAYERS] == n_layer_rows(workspace.network)
    assert [layer["name"] for layer in result["layers"]][-2:] == ["score", "accept"]
    assert result["thresholds"] == workspace.result("convert")["trigger"]["thresholds"]
    for layer in result["layers"]:
        assert (
            layer["values"] == result["events"] * workspace.network[layer["name"].replace("_linear", "_quantized")].size
        )
        assert (layer["mismatched_values"], layer["max_lsb"], layer["first_mismatch"]) == (0, 0, None)


@pytest.mark.slow
def test_weights_that_use_few_bits_are_no_mismatch(converted: Callable[..., Workspace]) -> None:
    """hls4ml then gives the sums of a layer fewer bits than the golden network."""

    def coarsen(model: Any) -> None:  # noqa: ANN401
        for name in ("encoder_1", "mu"):
            layer = model.get_layer(name)
            layer.set_weights([np.round(2 * weights) / 2 for weights in layer.get_weights()])

    workspace = converted(variational((6,), 3), coarsen, **_FEW)
    mu = _layer_entry(workspace, "mu")
    assert parse_type(mu["types"]["result"]).fraction < parse_type(mu["golden_type"]).fraction
    result = workspace.run("csim").result.to_json()
    assert result["passed"], result["first_mismatch"]
    assert result["changed_types"] == []


# One flipped bit


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["encoder_1", "mu"])
def test_one_flipped_weight_bit_names_its_layer(small: Workspace, tmp_path: Path, layer: str) -> None:
    workspace = small.copy(tmp_path / "copy")
    bit = _live_weight(workspace, layer)
    edited = _flip(workspace, bit)
    _assert_named(workspace, workspace.run("csim").result.to_json(), bit, layer, edited)


@pytest.mark.slow
def test_one_flipped_bias_bit_ends_the_command_with_1(small: Workspace, tmp_path: Path, run_process: Cli) -> None:
    workspace = small.copy(tmp_path / "copy")
    bit = _live_bias(workspace, "mu")
    edited = _flip(workspace, bit)
    done = run_process("csim", *workspace.arguments, "--json")
    assert done.returncode == 1
    result = workspace.result("csim")
    _assert_named(workspace, result, bit, "mu", edited)
    first = result["first_mismatch"]
    sentence = (
        f"first in layer mu, channel {first['channel']}, {first['origin']} event {first['event']}: expected code "
        f"{first['expected_code']}, found {first['found_code']}, {first['distance_lsb']} LSB"
    )
    assert sentence in _sentence(done)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "layers", "find"),
    [
        ("default_autoencoder", _AUTOENCODER_LAYERS, _live_weight),
        ("default_autoencoder", ("encoder_1", "latent", "reconstruction"), _live_bias),
        ("default_encoder", _ENCODER_LAYERS, _live_weight),
    ],
    ids=["weights_of_the_autoencoder", "biases_of_the_autoencoder", "weights_of_the_encoder"],
)
def test_one_flipped_bit_in_every_layer_of_a_default_network(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    base: str,
    layers: tuple[str, ...],
    find: Callable[[Workspace, str], WeightBit],
) -> None:
    """Each layer is compared for itself, too: what differs in front of it hides nothing."""
    original: Workspace = request.getfixturevalue(base)
    workspace = original.copy(tmp_path / "copy")
    bits = {name: find(workspace, name) for name in layers}
    edited = [_flip(workspace, bit) for bit in bits.values()]
    mutated = _flipped(workspace.network, bits)
    result = workspace.run("csim").result.to_json()
    assert result["passed"] is False
    assert sorted(result["edited_files"]) == sorted(edited)
    found = {layer["name"]: layer for layer in result["layers"]}
    wrong = _wrong_values(workspace, mutated)
    assert {name: found[name]["mismatched_values"] for name in layers} == {name: wrong[name] for name in layers}
    assert result["first_mismatch"] == _expected_first(workspace, mutated, layers[0])
    for name in layers:
        assert found[name]["first_mismatch"] == _expected_first(workspace, mutated, name)
        others = {other: bit for other, bit in bits.items() if other != name}
        assert _wrong_values(workspace, _flipped(workspace.network, others))[name] != wrong[name], "it counts by itself"


def _flipped(network: IntegerNetwork, bits: Mapping[str, WeightBit]) -> IntegerNetwork:
    return IntegerNetwork(tuple(bits[x.name].mutated[x.name] if x.name in bits else x for x in network.layers))


def _wrong_values(workspace: Workspace, mutated: IntegerNetwork) -> dict[str, int]:
    """Count by layer the values of the stimulus of which a network makes other codes."""
    wrong = dict.fromkeys((layer.name for layer in mutated.layers), 0)
    for part in _stimulus(workspace):
        expected, given = part.run(workspace.network), part.run(mutated)
        for name in wrong:
            wrong[name] += int(np.count_nonzero(expected[name].codes != given[name].codes))
    return wrong


def test_the_mutation_tests_cover_every_layer_with_weights(small: Workspace) -> None:
    assert [x.name for x in small.network.layers if isinstance(x, Dense)] == ["encoder_1", "mu"]
    assert autoencoder((32, 16), 8).deployed_layers == _AUTOENCODER_LAYERS
    assert variational((32, 16), 3).deployed_layers == _ENCODER_LAYERS


# Other damage


@pytest.mark.slow
def test_the_other_comparison_in_the_trigger_block_is_found_at_the_edges(small: Workspace, tmp_path: Path) -> None:
    """What drives the layers goes around this function, and a real event hardly ever lies at a threshold (M1)."""
    workspace = small.copy(tmp_path / "copy")
    decision = "    accept = fpgaae::decide<n_thresholds>(result, thresholds);\n"
    _edit(_firmware(workspace) / "autoencoder_trigger.cpp", decision, _OTHER_COMPARISON)
    result = workspace.run("csim").result.to_json()
    assert result["passed"] is False
    assert (result["score_mismatches"], result["first_mismatch"]["layer"]) == (0, "accept")
    assert result["decision_flips"] >= len(result["thresholds"])
    assert result["synthesized_branch"]["mismatched_events"] > 0


_OTHER_COMPARISON = """
    ap_uint<score_t::width> code = result.range(score_t::width - 1, 0);
    for (unsigned i = 0; i < n_thresholds; i++)
        accept[i] = code >= thresholds[i];
"""


@pytest.mark.slow
def test_a_narrower_type_is_found_and_named(small: Workspace, tmp_path: Path) -> None:
    workspace = small.copy(tmp_path / "copy")
    source = (_firmware(workspace) / "autoencoder.cpp").read_text()
    type_name = re.findall(r"nnet::relu<\w+, (\w+), \w+>", source)[0]
    _edit(_firmware(workspace) / "defines.h", re.compile(rf"typedef ap_ufixed<8,(\d+)(.*)> {type_name};"),
          rf"typedef ap_ufixed<7,\1\2> {type_name};")  # fmt: skip
    result = workspace.run("csim").result.to_json()
    assert result["passed"] is False
    assert result["first_mismatch"]["layer"] == "encoder_1_relu"
    (changed,) = result["changed_types"]
    assert changed["layer"] == "encoder_1_relu"
    assert changed["compiled"].startswith("ap_ufixed<7,")


@pytest.mark.slow
def test_another_rounding_is_found(small: Workspace, tmp_path: Path) -> None:
    workspace = small.copy(tmp_path / "copy")
    _edit(_firmware(workspace) / "defines.h", re.compile(r"(ap_ufixed<8,\d+),AP_RND_CONV"), r"\1,AP_TRN")
    result = workspace.run("csim").result.to_json()
    assert result["first_mismatch"]["layer"] == "encoder_1_relu"
    assert result["first_mismatch"]["distance_lsb"] == 1
    layer = next(layer for layer in result["layers"] if layer["name"] == "encoder_1_relu")
    assert layer["max_lsb"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("vae", "sum += mu * mu;", "sum += mu;"),
        ("ae", "sum += difference * difference;", "sum += difference;"),
    ],
)
def test_a_broken_score_kernel_is_found(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, old: str, new: str
) -> None:
    base: Workspace = request.getfixturevalue("small" if kind == "vae" else "default_autoencoder")
    workspace = base.copy(tmp_path / "copy")
    _edit(_firmware(workspace) / "nnet_utils" / "fpgaae_scores.h", old, new)
    result = workspace.run("csim").result.to_json()
    assert result["passed"] is False
    assert result["first_mismatch"]["layer"] == "score"
    assert result["score_mismatches"] == result["mismatched_events"] > 0
    assert result["decision_flips"] > 0
    assert all(layer["mismatched_values"] == 0 for layer in result["layers"][:-2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        pytest.param("fpgaae_front_end.h", "code > thresholds[i]", "code >= thresholds[i]"),
        ("thresholds.h", re.compile(r"= \{(\d+)"), r"= {1 + \1"),
        pytest.param("fpgaae_front_end.h", "accept[i] = code", "accept[N - 1 - i] = code"),
    ],
    ids=["not_strict", "threshold", "order"],
)
def test_a_wrong_decision_on_the_right_score_is_found(
    small: Workspace, tmp_path: Path, file: str, old: str | re.Pattern[str], new: str
) -> None:
    workspace = small.copy(tmp_path / "copy")
    _edit(_firmware(workspace) / file, old, new)
    result = workspace.run("csim").result.to_json()
    assert result["passed"] is False
    assert result["first_mismatch"]["layer"] == "accept"
    assert result["score_mismatches"] == 0
    assert result["decision_flips"] == result["mismatched_events"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("line", ["code) - ap_int<width>(offset)", "x.range(width - 1, 0) = centred"])
def test_a_wrong_scaling_is_found_in_the_inputs(small: Workspace, tmp_path: Path, line: str) -> None:
    workspace = small.copy(tmp_path / "copy")
    wrong = line.replace("(offset)", "(offset + 1)").replace("= centred", "= ap_int<width>(centred >> 1)")
    _edit(_firmware(workspace) / "fpgaae_front_end.h", line, wrong)
    result = workspace.run("csim").result.to_json()
    assert result["passed"] is False
    assert result["first_mismatch"]["layer"] == "features"
    assert result["first_mismatch"]["origin"] == "background"


@pytest.mark.slow
def test_layers_in_another_order_are_named(small: Workspace, tmp_path: Path, run_cli: Cli) -> None:
    workspace = small.copy(tmp_path / "copy")
    source = _firmware(workspace) / "autoencoder.cpp"
    text = source.read_text()
    swapped = text.replace('"mu"', '"other"').replace('"mu_linear"', '"mu"').replace('"other"', '"mu_linear"')
    assert swapped != text
    source.write_text(swapped)
    done = run_cli("csim", *workspace.arguments)
    assert done.returncode == 1
    assert "records layer mu_linear of 3 values where mu of 3 was converted" in done.stderr


@pytest.mark.slow
def test_a_removed_tap_is_named(small: Workspace, tmp_path: Path) -> None:
    workspace = small.copy(tmp_path / "copy")
    _edit(_firmware(workspace) / "autoencoder.cpp", re.compile(r'csim::tap\(\w+, "encoder_1", 6\);'), "")
    with pytest.raises(CheckFailed, match="records layer encoder_1_relu of 6 values where encoder_1 of 6"):
        workspace.run("csim")


@pytest.mark.slow
def test_a_truncated_weight_table_names_its_layer(small: Workspace, tmp_path: Path) -> None:
    workspace = small.copy(tmp_path / "copy")
    kernel, _ = _headers(workspace, "encoder_1")
    file = _firmware(workspace) / "weights" / f"{kernel}.h"
    text = file.read_text()
    end = text.rindex("};")
    file.write_text(text[: end - len(text[:end]) // 4].rsplit(",", 1)[0] + "};\n#endif\n")
    result = workspace.run("csim").result.to_json()
    assert result["passed"] is False
    assert result["first_mismatch"]["layer"] == "encoder_1"


@pytest.mark.slow
def test_a_weight_table_with_too_many_values_ends_with_one_sentence(
    small: Workspace, tmp_path: Path, run_cli: Cli
) -> None:
    workspace = small.copy(tmp_path / "copy")
    _edit(_firmware(workspace) / "weights" / f"{_headers(workspace, 'mu')[0]}.h", "#endif\n", "#endif\n0.5, ")
    _assert_crash_is_a_sentence(run_cli("csim", *workspace.arguments))


@pytest.mark.slow
def test_a_project_that_crashes_ends_with_one_sentence(small: Workspace, tmp_path: Path, run_cli: Cli) -> None:
    workspace = small.copy(tmp_path / "copy")
    marker = "    // hls-fpga-machine-learning insert layers\n"
    _edit(_firmware(workspace) / "autoencoder.cpp", marker, f"{marker}    __builtin_trap();\n")
    _assert_crash_is_a_sentence(run_cli("csim", *workspace.arguments))


def _assert_crash_is_a_sentence(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "crashes" in _sentence(done)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_compile_error_shows_the_compilers_last_lines(small: Workspace, tmp_path: Path, run_cli: Cli) -> None:
    workspace = small.copy(tmp_path / "copy")
    _edit(_firmware(workspace) / "autoencoder.cpp", "void autoencoder(", "void nothing(;\nvoid autoencoder(")
    done = run_cli("csim", *workspace.arguments)
    assert done.returncode == 1
    assert "after edits by hand of convert/project/firmware/autoencoder.cpp: " in done.stderr
    assert "does not compile" in done.stderr
    assert re.search(r"firmware/autoencoder.cpp:\d+:\d+: error: ", done.stderr), "the compiler's own line"
    assert "void nothing(;" in done.stderr
    assert "Traceback" not in done.stderr
    assert not workspace.experiment.result_path("csim").exists()


@pytest.mark.slow
def test_without_a_compiler_the_command_ends_with_3(small: Workspace, tmp_path: Path, run_process: Cli) -> None:
    workspace = small.copy(tmp_path / "copy")
    (tmp_path / "empty").mkdir()
    done = run_process("csim", *workspace.arguments, PATH=str(tmp_path / "empty"), CXX="")
    assert done.returncode == 3, done.stderr
    assert "apt-get install g++" in _sentence(done)


@pytest.mark.parametrize(
    ("converted", "compiled", "changed"),
    [
        ("ap_fixed<21,10>", FixedPointType(21, 10), False),
        ("ap_ufixed<8,5,AP_RND_CONV,AP_SAT>", FixedPointType(8, 5, signed=False), False),
        ("ap_fixed<21,10>", FixedPointType(21, 1), True),
        ("ap_fixed<21,10>", FixedPointType(21, 10, signed=False), True),
        ("ap_fixed<21,10>", FixedPointType(20, 10), True),
    ],
)
def test_a_type_is_changed_where_its_width_point_or_sign_is(
    converted: str, compiled: FixedPointType, changed: bool
) -> None:
    layer = ConvertedLayer(
        name="mu", golden="mu", kind="dense", values=3, shape=(3,), types=LayerTypes(result=converted),
        golden_type=converted, weights=0, nonzero_weights=0, multiplications=0, strategy=None, reuse_factor=None,
    )  # fmt: skip
    named = _changed_types((Tap("mu", 3, compiled),), (layer,))
    assert bool(named) is changed


@pytest.mark.slow
def test_a_failed_check_is_repeated_and_a_mended_project_passes(small: Workspace, tmp_path: Path) -> None:
    workspace = small.copy(tmp_path / "copy")
    kernel = _firmware(workspace) / "weights" / f"{_headers(workspace, 'encoder_1')[0]}.h"
    whole = kernel.read_bytes()
    _flip(workspace, _live_weight(workspace, "encoder_1"))
    assert not workspace.run("csim").result.passed
    assert not workspace.run("csim").was_current
    kernel.write_bytes(whole)
    mended = workspace.run("csim")
    assert mended.result.passed
    assert mended.result.edited_files == ()
    assert workspace.run("csim").was_current


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_number_of_processes(small: Workspace, tmp_path: Path) -> None:
    results = []
    for processes in (1, 2):
        workspace = small.copy(tmp_path / str(processes))
        config = workspace.experiment.config_file
        config.write_text(config.read_text().replace("processes: 1", f"processes: {processes}"))
        workspace = workspace.copy(tmp_path / f"{processes}_again")
        _flip(workspace, _live_weight(workspace, "mu"))
        result = workspace.run("csim").result.to_json()
        assert result["processes"] == processes
        results.append(
            {k: v for k, v in result.items() if k not in {"processes", "events_per_second", "compile_seconds"}}
        )
    assert results[0] == results[1]
