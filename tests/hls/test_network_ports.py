"""Weights and thresholds that are loaded at run time and latents on a port, from the config to the proof of all."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import RandomNetwork, Workspace, WrittenNetwork, autoencoder, variational, write_trigger
from pydantic import ValidationError

from fpgaae.config.data import Hardware, ObjectWidths
from fpgaae.config.experiment import Firmware
from fpgaae.doctor import require_compiler
from fpgaae.errors import InputError
from fpgaae.fixedpoint import parse_type
from fpgaae.hls import mutation
from fpgaae.hls.comparison import failure_sentence
from fpgaae.hls.front_end import TriggerBlock
from fpgaae.hls.mutant import Made, Mutant, make_mutants
from fpgaae.hls.mutants import VALUE_KINDS
from fpgaae.hls.mutation import run_mutation
from fpgaae.hls.project_sources import Damage, ProjectSources
from fpgaae.hls.verdicts import missed_sentence
from fpgaae.progress import SilentProgress
from fpgaae.runs.results.csim import CsimResult

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler")]

_RATES = {"thresholds": [{"false_positive_rate": rate} for rate in (0.2, 0.02, 0.1)]}
_FEW = {"csim": {"max_events_per_process": 200, "random_events": 100, "processes": 1}, "trigger": _RATES}
_PORTS = {"reloadable_weights": True, "reloadable_thresholds": True, "output_latents": True}
_TRIGGER = "firmware/autoencoder_trigger.cpp"


@pytest.fixture(scope="module")
def proven(converted: Callable[..., Workspace]) -> Workspace:
    """A converted encoder with all kinds of ports, three thresholds among them, whose C simulation ran."""
    workspace = converted(variational((6,), 3), firmware=_PORTS, **_FEW)
    workspace.run("csim")
    return workspace


def test_every_layer_is_equal_with_the_trained_weights_and_with_others(proven: Workspace) -> None:
    result = proven.result("csim")
    reloaded = result["reloaded"]
    assert result["passed"] is reloaded["passed"] is True
    assert result["mismatched_events"] == reloaded["mismatched_events"] == 0
    assert result["synthesized_branch"]["passed"] is True
    assert reloaded["weights"] == 57 * 6 + 6 + 6 * 3 + 3
    assert reloaded["events"] == sum(reloaded["events_by_origin"].values()) > 1000
    names = ["features", "encoder_1", "encoder_1_relu", "mu", "mu_linear", "latents", "score", "accept"]
    for part in (result, reloaded):
        assert [layer["name"] for layer in part["layers"]] == names
        assert all(layer["values"] for layer in part["layers"])


def test_every_decision_is_equal_with_every_set_of_thresholds(proven: Workspace) -> None:
    reloaded = proven.result("csim")["reloaded_thresholds"]
    assert reloaded["passed"] is True
    assert (reloaded["decision_flips"], reloaded["first_mismatch"]) == (0, None)
    assert reloaded["sets"] > 20
    n_synthesized = 3 * 3 + 10  # scores at the thresholds, and events
    assert reloaded["decisions"] == reloaded["sets"] * 3 * (reloaded["events"] + n_synthesized)


def test_the_result_says_how_many_bits_leave_the_block(proven: Workspace) -> None:
    convert = proven.result("convert")
    outputs = {entry["name"]: entry for entry in convert["outputs"]}
    assert set(outputs) == {"score", "accept", "latents"}
    golden = proven.network["mu_quantized"].type
    assert outputs["latents"]["values"] == 3
    assert parse_type(outputs["latents"]["type"])[:3] == golden[:3]
    widths = [entry["values"] * parse_type(entry["type"]).width for entry in convert["outputs"]]
    assert convert["output_bits"] == sum(widths)
    assert 3 * golden.width + proven.network.score.type.width < convert["output_bits"]


def test_the_project_holds_no_weight(proven: Workspace) -> None:
    assert list((proven.project / "firmware" / "weights").glob("[wb]*.h")) == []
    ports = proven.result("convert")["weight_ports"]
    lines = (proven.project / "tb_data" / "weights.dat").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [port["name"] for port in ports]
    kernel = proven.network["encoder_1"].kernel.ravel()
    assert [int(code, 16) for code in lines[0].split()[1:]] == [int(code) & 0xFF for code in kernel]
    parameters = (proven.project / "firmware" / "parameters.h").read_text()
    assert set(re.findall(r"n_zeros = (\d+);", parameters)) == {"0"}, "hls4ml allots no multiplier for a zero"
    trigger = (proven.project / "firmware" / "autoencoder_trigger.cpp").read_text()
    for port in ports:
        assert f"INTERFACE ap_stable port={port['name']}\n" in trigger
        assert f"ARRAY_PARTITION variable={port['name']} complete" in trigger


def test_the_project_holds_no_threshold(proven: Workspace) -> None:
    port = proven.result("convert")["threshold_port"]
    trained = proven.network.accept
    assert trained is not None
    assert port == {
        "name": "thresholds", "size": 3, "type": str(trained.threshold_type), "trained": trained.thresholds.tolist(),
    }  # fmt: skip
    name, *codes = (proven.project / "tb_data" / "thresholds.dat").read_text().split()
    assert (name, [int(code, 16) for code in codes]) == ("thresholds", port["trained"])
    assert "thresholds[" not in (proven.project / "firmware" / "thresholds.h").read_text()
    trigger = (proven.project / _TRIGGER).read_text()
    assert "#pragma HLS INTERFACE ap_stable port=thresholds\n" in trigger
    assert "#pragma HLS ARRAY_PARTITION variable=thresholds complete dim=0\n" in trigger


def test_a_threshold_that_is_not_reloaded_is_found(proven: Workspace, tmp_path: Path) -> None:
    """With the trained thresholds nothing differs: only other sets show it."""
    workspace = proven.copy(tmp_path / "copy")
    held = _held_threshold(workspace, "stays at its trained code")
    (workspace.project / _TRIGGER).write_text(held.edits[_TRIGGER])
    result = workspace.run("csim").result
    assert isinstance(result, CsimResult)
    assert result.reloaded_thresholds is not None
    assert result.mismatched_events == 0
    assert result.passed is result.reloaded_thresholds.passed is False
    place = re.search(r"thresholds\[(\d)\]", held.description)
    assert place is not None
    said = rf"with other thresholds loaded, .* decisions differ; first in decision {place[1]} of the score"
    assert re.match(said, failure_sentence(result))


def _held_threshold(workspace: Workspace, what: str) -> Mutant:
    mutants = make_mutants(_sources(workspace), VALUE_KINDS, 60, seed=1).mutants
    return next(one for one in mutants if one.damage is Damage.HELD_THRESHOLD and what in one.description)


def test_a_weight_that_is_not_reloaded_is_found(proven: Workspace, tmp_path: Path) -> None:
    """With the trained weights nothing differs: only the second set shows it."""
    workspace = proven.copy(tmp_path / "copy")
    mutants = make_mutants(_sources(workspace), VALUE_KINDS, 20, seed=1).mutants
    held = next(mutant for mutant in mutants if mutant.damage is Damage.HELD_WEIGHT)
    for file, text in held.edits.items():
        (workspace.project / file).write_text(text)
    result = workspace.run("csim").result
    assert isinstance(result, CsimResult)
    assert result.reloaded is not None
    assert result.reloaded.first_mismatch is not None
    assert result.mismatched_events == 0
    assert result.passed is result.reloaded.passed is False
    assert result.reloaded.first_mismatch.layer == held.layer
    assert re.match(rf"with other weights loaded, .* first in layer {held.layer},", failure_sentence(result))


def _sources(workspace: Workspace) -> ProjectSources:
    layers = [layer["name"] for layer in workspace.result("convert")["layers"]]
    return ProjectSources(workspace.project, "autoencoder", layers)


def test_every_damage_of_a_port_is_caught(proven: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {mutant.damage: mutant for mutant in make_mutants(_sources(proven), VALUE_KINDS, 20, seed=1).mutants}
    assert Damage.WEIGHT_BIT not in made, "no weight stands in the project"
    assert not {Damage.THRESHOLD, Damage.THRESHOLD_BY_ONE} & set(made), "nor does a threshold"
    ports = [made[Damage.HELD_WEIGHT], made[Damage.LATENTS_PORT]]
    ports += [_held_threshold(proven, what) for what in ("stays at its trained code", "is that of bit")]
    monkeypatch.setattr(mutation, "make_mutants", lambda *_: Made(ports, ()))
    result = run_mutation(proven.experiment, len(ports), SilentProgress())
    assert result.passed, missed_sentence(result)
    assert result.caught == len(ports)
    assert [entry.named_layer for entry in result.mutants] == [ports[0].layer, "latents", "accept", "accept"]


def test_the_testbench_loads_weights_and_compares_latents(proven: Workspace, tmp_path: Path) -> None:
    project = proven.copy(tmp_path / "copy").project
    sources = ("autoencoder_test.cpp", "firmware/autoencoder.cpp", "firmware/autoencoder_trigger.cpp")
    command = [str(require_compiler()), "-std=c++17", "-w", "-Ifirmware/ap_types", "-I.", *sources, "-o", "testbench"]
    subprocess.run(command, cwd=project, check=True)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["./testbench"], cwd=project, check=False, capture_output=True, text=True)

    assert run().returncode == 0, run().stderr
    expected, weights = project / "tb_data" / "expected.dat", project / "tb_data" / "weights.dat"
    whole = expected.read_text()
    first, rest = whole.split("\n", 1)
    *others, latent = first.split()
    expected.write_text(f"{' '.join(others)} {int(latent, 16) ^ 1:x}\n{rest}")
    assert run().returncode == 1
    assert "event 0: expected score" in run().stderr
    assert f"latent 2: expected {int(latent, 16) ^ 1:x}, found {latent}" in run().stderr
    expected.write_text(whole)
    loaded = weights.read_text()
    weights.write_text(re.sub(r"^w3 \S+", "w3 7f", loaded))
    assert run().returncode == 1
    weights.write_text(loaded.rsplit(" ", 1)[0] + "\n")
    assert run().returncode == 2
    assert "weights.dat is missing, short or damaged" in run().stderr
    weights.write_text(loaded)
    thresholds = project / "tb_data" / "thresholds.dat"
    thresholds.write_text("thresholds 0 0 0\n")
    assert run().returncode == 1
    thresholds.write_text("thresholds 0 0\n")
    assert run().returncode == 2
    assert "thresholds.dat is missing, short or damaged" in run().stderr


@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_a_resource_layer_reads_its_weights_from_a_memory(written: Callable[..., WrittenNetwork], io_type: str) -> None:
    firmware = Firmware(io_type=io_type, strategy="resource", reuse_factor=3, **_PORTS)  # type: ignore[arg-type]
    made = written(autoencoder((6,), 3), 9, firmware)
    trigger = (made.project / "firmware" / "autoencoder_trigger.cpp").read_text()
    network = (made.project / "firmware" / "autoencoder.cpp").read_text()
    top = made.block.top
    assert "INTERFACE bram" not in network, "only the trigger block is a top function"
    for port in top.weights:
        kind = "ap_stable" if port.is_bias else "bram"
        assert f"#pragma HLS INTERFACE {kind} port={port.name}\n" in trigger
        assert f"#pragma HLS STABLE variable={port.name}\n" in trigger, "both are scheduled as a dataflow"
        assert f"#pragma HLS STABLE variable={port.name}\n" in network
    kernel = next(port for port in top.weights if port.layer == "encoder_1" and not port.is_bias)
    layer = made.network["encoder_1"]
    assert kernel.codes(layer).tolist() == layer.kernel.T.ravel().tolist(), "hls4ml transposes it"
    assert top.latents is not None
    assert (top.latents.layer, top.latents.size) == ("latents", 3)


@pytest.mark.usefixtures("tensorflow")
def test_zeros_around_an_image_leave_room_for_the_sums_of_any_weights(tmp_path: Path) -> None:
    """hls4ml adds a layer for them in a stream, with a type for the sums of the weights that it sees."""
    import qkeras  # noqa: PLC0415
    from tf_keras import Model, layers  # noqa: PLC0415

    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.score_layers import MuSquaredScore  # noqa: PLC0415

    def convolution(name: str) -> Any:  # noqa: ANN401
        weights = "quantized_bits(6,2,1,alpha=1)"
        return qkeras.QConv2D(
            2, (1, 2), padding="same", name=name, kernel_quantizer=weights, bias_quantizer=weights,
            kernel_initializer="ones",
        )  # fmt: skip

    features = layers.Input((3, 2, 1), name="features")
    x = qkeras.QActivation("quantized_bits(8,3,0,alpha=1)", name="features_quantized")(features)
    x = convolution("first")(x)
    x = layers.LeakyReLU(alpha=0.125, name="leaky")(x)
    x = convolution("second")(x)
    x = qkeras.QActivation("quantized_bits(8,3,0,alpha=1)", name="mu_quantized")(x)
    model = Model(features, MuSquaredScore(name="score")(layers.Flatten(name="flat")(x)))
    firmware = Firmware(io_type="io_stream", reloadable_weights=True)
    written = write_trigger(RandomNetwork(model, extract_network(model)), firmware, tmp_path / "project")
    defines = (written.project / "firmware" / "defines.h").read_text()
    of = {name: kind for kind, name in re.findall(r"typedef nnet::array<(ap_fixed<[^>]*>), 2\*1> (\w+)_t;", defines)}
    padded = [kind for name, kind in of.items() if name.startswith("layer")]
    assert padded
    assert set(padded) == {of["leaky"]}


def test_an_input_with_the_name_of_the_latents_is_refused() -> None:
    with pytest.raises(ValidationError, match="call something of their own `latents`; choose another"):
        ObjectWidths(name="latents", slots=3, pt_bits=9, eta_bits=8, phi_bits=8)


@pytest.mark.parametrize("name", ["w3"])
def test_an_input_with_the_name_of_a_port_is_refused(written: Callable[..., WrittenNetwork], name: str) -> None:
    made = written(variational((6,), 3), 9, Firmware(**_PORTS))  # type: ignore[arg-type]
    kind = ObjectWidths(name=name, slots=3, pt_bits=9, eta_bits=8, phi_bits=8)
    with pytest.raises(InputError, match=f"data.hardware calls an input `{name}`, as a port of the network; rename"):
        TriggerBlock(made.block.top, Hardware(objects=(kind,)), made.trigger)
