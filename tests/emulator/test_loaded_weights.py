"""The emulator of a network whose weights are loaded: exact with any, and what is beyond a type is refused by name."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from conftest import Workspace, variational

from fpgaae.config.model import Score
from fpgaae.emulator.agreement import compare_forms
from fpgaae.emulator.export import export_emulator, results_of
from fpgaae.emulator.loading import OTHER_VECTORS_FILE, ports_of_layers
from fpgaae.emulator.mutants import KINDS
from fpgaae.emulator.package import compile_package, open_binding, write_package
from fpgaae.emulator.package_sources import Damage, PackageSources
from fpgaae.golden.latents import with_latents
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.reloadable import make_reloadable, random_weights, with_random_weights, with_weights
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.mutant import make_mutants
from fpgaae.hls.project import WeightPort, port_codes
from fpgaae.prove.run import LOADED_EMULATOR

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler")]
NAME = "trigger"


def written(folder: Path, network: IntegerNetwork, filters_first: bool = False) -> tuple[GoldenTrigger, Any]:
    """Write, compile and open the emulator of a network; give its golden block, too."""
    folder.mkdir(exist_ok=True)
    trigger = GoldenTrigger(networks.feature_map(6 if network["features"].size > 6 else 2), network)
    write_package(
        folder, NAME, trigger, networks.events(trigger.features, 60), weight_ports=ports(network, filters_first)
    )
    compile_package(folder, NAME)
    return trigger, open_binding(folder, NAME)


def ports(network: IntegerNetwork, filters_first: bool) -> tuple[WeightPort, ...]:
    """Give the ports, in the order in which hls4ml has them in the resource strategy or not."""
    return tuple(port._replace(filters_first=filters_first and not port.is_bias) for port in ports_of_layers(network))


def small() -> IntegerNetwork:
    """Give a reloadable encoder with a port of its latents."""
    return with_latents(make_reloadable(networks.random_network(Score.MU_SQUARED, networks.feature_map())))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    written(folder, small())
    return folder


@pytest.mark.parametrize("filters_first", [False, True])
@pytest.mark.parametrize("of_images", [False, True])
def test_trained_and_any_other_weights_are_exact(tmp_path: Path, of_images: bool, filters_first: bool) -> None:
    features = networks.feature_map(6)
    network = make_reloadable(networks.convolutional_network(features)) if of_images else small()
    trigger, emulator = written(tmp_path, network, filters_first)
    words, own = networks.events(trigger.features, 300), ports(network, filters_first)
    golden = trigger.results(words)
    np.testing.assert_array_equal(results_of(emulator, trigger, words), golden)
    np.testing.assert_array_equal(emulator.weights, port_codes(own, network))
    for seed in (5, 6):
        other = replace(trigger, network=with_random_weights(network, seed))
        emulator.load(port_codes(own, other.network))
        expected = other.results(words)
        np.testing.assert_array_equal(results_of(emulator, other, words), expected)
        assert (expected != golden).any(axis=1).mean() > 0.5
        np.testing.assert_array_equal(emulator.weights, port_codes(own, other.network))
    for end in ("min_code", "max_code"):
        ends = {
            name: type(of)(
                np.full_like(of.kernel, getattr(network[name].kernel_type, end)),
                np.full_like(of.bias, getattr(network[name].bias_type, end)),
            )
            for name, of in random_weights(network, 1).items()
        }
        other = replace(trigger, network=with_weights(network, ends))
        emulator.load(port_codes(own, other.network))
        np.testing.assert_array_equal(results_of(emulator, other, words), other.results(words))


def test_codes_beyond_their_type_are_refused_by_layer_and_nothing_is_loaded(package: Path) -> None:
    network = small()
    emulator = open_binding(package, NAME)
    codes, low = emulator.weights, 0
    for name, layer, size in emulator.weight_ports:
        own = network[layer].bias_type if name.endswith("bias") else network[layer].kernel_type
        for place in (low, low + size - 1):
            for beyond in (own.min_code - 1, own.max_code + 1):
                changed = codes.copy()
                changed[place] = beyond
                with pytest.raises(ValueError, match=f"the port {name} of the layer {layer}, .* is beyond its type"):
                    emulator.load(changed)
                np.testing.assert_array_equal(emulator.weights, codes)
        low += size
    assert low == emulator.n_weights == len(codes)
    with pytest.raises(ValueError, match=rf"weights are integers of the shape \({low},\), not float64"):
        emulator.load(codes.astype(np.float64))
    with pytest.raises(ValueError, match="weights are integers of the shape"):
        emulator.load(codes[1:])
    with pytest.raises(ValueError, match="one of the weights has more than 63 bits"):
        emulator.load(codes.astype(np.uint64) | np.uint64(2**63))


def test_weights_that_are_constants_are_not_loaded(tmp_path: Path) -> None:
    network = networks.random_network(Score.MU_SQUARED, networks.feature_map())
    _, emulator = written(tmp_path, network)
    assert emulator.weight_ports == ()
    assert emulator.weights.shape == (0,)
    with pytest.raises(ValueError, match="the weights of this emulator are constants"):
        emulator.load(emulator.weights)


def test_two_emulators_hold_weights_of_their_own(package: Path) -> None:
    trigger = GoldenTrigger(networks.feature_map(), small())
    words = networks.events(trigger.features, 100)
    first, second = (open_binding(package, NAME) for _ in range(2))
    first.load(port_codes(ports_of_layers(trigger.network), with_random_weights(trigger.network, 5)))
    np.testing.assert_array_equal(results_of(second, trigger, words), trigger.results(words))
    assert (results_of(first, trigger, words) != trigger.results(words)).any()


def test_the_test_of_the_package_passes_and_sees_what_is_wrong(package: Path) -> None:
    done = subprocess.run(["make", "test"], cwd=package, check=True, capture_output=True, text=True)
    assert done.stdout.count(", 0 wrong; network ") == 2
    assert "loading: 203 results compared, 0 wrong" in done.stdout
    vectors = package / OTHER_VECTORS_FILE
    lines = vectors.read_text().splitlines(keepends=True)
    last = lines[7].split()
    vectors.write_text("".join([*lines[:7], " ".join([*last[:-1], str(int(last[-1]) ^ 1)]) + "\n", *lines[8:]]))
    wrong = subprocess.run(["make", "test"], cwd=package, check=False, capture_output=True, text=True)
    vectors.write_text("".join(lines))
    assert wrong.returncode
    assert "1 wrong; network" in wrong.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("codes[i] * (1LL << port.up)", "codes[i]"),
        ("weights ? weights->used : trained", "trained"),
        ("codes[i] > limit[1]", "codes[i] - 1 > limit[1]"),
        ("return port + 1;", "return 1;"),
    ],
    ids=["another grid", "the trained ones whatever is loaded", "a code too large", "another layer"],
)
def test_a_loading_that_is_wrong_is_caught(package: Path, tmp_path: Path, old: str, new: str) -> None:
    copy = tmp_path / "package"
    copy.mkdir()
    for file in package.iterdir():
        if (file.is_file() and file.suffix not in {".so", ""}) or file.name == "Makefile":
            (copy / file.name).write_bytes(file.read_bytes())
    code = copy / f"{NAME}_emulator.cpp"
    text = code.read_text()
    assert old in text
    code.write_text(text.replace(old, new))
    flags = {"CXXFLAGS": "-O1"}
    done = subprocess.run(
        ["make", "test", *(f"{key}={value} -std=c++11 -fPIC" for key, value in flags.items())],
        cwd=copy, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode
    assert " wrong" in done.stdout
    assert (copy / f"lib{NAME}_emulator.so").is_file(), done.stderr


def test_every_kind_of_mutant_is_made_or_named(package: Path) -> None:
    sources = PackageSources(package, NAME, GoldenTrigger(networks.feature_map(), small()))
    made = make_mutants(sources, KINDS, 80, seed=2)
    damages = {mutant.damage for mutant in made.mutants}
    assert {Damage.LOADING, Damage.WEIGHT, Damage.BIAS, Damage.INPUT_OF_WEIGHT, Damage.SINGLE} <= damages
    absent = {kind.damage: kind.reason for kind in made.not_made}
    assert absent[Damage.FIRST_WEIGHT.value] == "no weights are constants"


def test_the_emulator_of_an_experiment_agrees_with_the_c_simulation_for_both_sets_of_weights(
    converted: Callable[..., Workspace], tmp_path: Path
) -> None:
    firmware = {"reloadable_weights": True, "output_latents": True}
    workspace = converted(variational((2,), 2), firmware=firmware, csim={"random_events": 100, "processes": 1})
    workspace.run("csim")
    found = compare_forms(workspace.experiment, tmp_path)
    assert found.differing == {"C simulation": 0, "emulator": 0}
    assert found.events > 2 * workspace.result("csim")["reloaded"]["events_by_origin"]["random"]
    result = export_emulator(workspace.experiment, tmp_path / "exported")
    names = [line.split()[0] for line in (tmp_path / "exported" / "weights.dat").read_text().splitlines()]
    assert names == [port["name"] for port in workspace.result("convert")["weight_ports"]]
    assert result.vectors > 100
    assert "whose weights are loaded at run time" in LOADED_EMULATOR
