"""The exported emulator: the golden codes bit for bit, for every score, in each of its number formats."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from conftest import (
    RandomNetwork,
    Workspace,
    autoencoder,
    quantile_thresholds,
    random_hardware,
    small_model,
    trigger_objects,
    variational,
)

from fpgaae.config.model import Score
from fpgaae.data.features import FeatureMap
from fpgaae.emulator import source
from fpgaae.emulator.export import export_emulator
from fpgaae.emulator.hashes import NetworkHashes, network_hashes
from fpgaae.emulator.package import compile_package, open_binding, write_package
from fpgaae.errors import InputError, ToolMissing
from fpgaae.fixedpoint import Codes
from fpgaae.golden.edges import edge_events
from fpgaae.golden.latents import LATENTS_LAYER, with_latents
from fpgaae.golden.network import ACCEPT_LAYER, IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler")]
Random = Callable[..., RandomNetwork]


def _decided(network: IntegerNetwork, features: FeatureMap, n_thresholds: int = 3) -> IntegerNetwork:
    return network.with_thresholds(quantile_thresholds(network, features, n_thresholds))


def _hardware(features: FeatureMap, n: int = 700) -> Codes:
    """Give random hardware integers and the ends of each range."""
    low, high = features.limits
    return np.concatenate([random_hardware(features, n), low[None, :], high[None, :]])


def _written(folder: Path, network: IntegerNetwork, features: FeatureMap, name: str = "trigger") -> Any:  # noqa: ANN401
    folder.mkdir(exist_ok=True)
    write_package(folder, name, GoldenTrigger(features, network), _hardware(features, 40))
    compile_package(folder, name)
    return open_binding(folder, name)


def _assert_exact(emulator: Any, network: IntegerNetwork, features: FeatureMap) -> None:  # noqa: ANN401
    codes = _hardware(features)
    scores, accept = emulator.score(codes)
    golden = network.run(features.input_codes(codes, network.input_type))
    np.testing.assert_array_equal(scores, golden[network.score.name].codes[:, 0])
    np.testing.assert_array_equal(accept, golden[ACCEPT_LAYER].codes)
    assert len(np.unique(scores)) > 20
    assert 0 < accept.mean() < 1


@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_every_score_is_exact(random_network: Random, tmp_path: Path, score: Score) -> None:
    features = trigger_objects(9).features
    network = _decided(random_network(small_model(score), features).network, features)
    _assert_exact(_written(tmp_path / "package", network, features), network, features)


@pytest.mark.parametrize("make", [networks.leaky_network, networks.tables_network, networks.embedded_network])
def test_slopes_below_zero_tables_and_inner_targets_are_exact(
    tmp_path: Path, make: Callable[..., IntegerNetwork]
) -> None:
    features = networks.feature_map()
    network = make(features)
    emulator = _written(tmp_path / "package", network, features)
    codes = networks.events(features, 700)
    scores, accept = emulator.score(codes)
    np.testing.assert_array_equal(np.column_stack([scores, accept]), networks.golden(network, features, codes))


@pytest.mark.parametrize("score", [Score.SQUARED_ERROR, Score.KL_DIVERGENCE], ids=lambda score: score.value)
def test_latents_on_a_port_are_exact(random_network: Random, tmp_path: Path, score: Score) -> None:
    features = trigger_objects(9).features
    network = _decided(with_latents(random_network(small_model(score), features).network), features)
    emulator = _written(tmp_path / "package", network, features)
    _assert_exact(emulator, network, features)
    codes = _hardware(features)
    golden = network.run(features.input_codes(codes, network.input_type))[LATENTS_LAYER].codes
    assert emulator.n_latents == 3
    assert len(np.unique(golden)) > 5
    np.testing.assert_array_equal(emulator.latents(codes), golden)


@pytest.mark.parametrize(
    ("bits", "input_bits"),
    [(4, 6), pytest.param(15, 16, marks=pytest.mark.slow)],
    ids=["narrow", "sums_beyond_32_bits"],
)
def test_other_widths_are_exact(random_network: Random, tmp_path: Path, bits: int, input_bits: int) -> None:
    features = trigger_objects(18).features
    made = random_network(variational((8, 4), 3), features, bits=bits, input_bits=input_bits)
    network = _decided(made.network, features)
    emulator = _written(tmp_path / "package", network, features)
    source = (tmp_path / "package" / "trigger_emulator.cpp").read_text()
    assert ("const Sparse<int64_t>" in source) == (bits == 15)
    assert ("dense_wide" in source) == (bits == 15)
    assert "dense_pairs" in source  # where sums are narrow enough
    _assert_exact(emulator, network, features)


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 65])
def test_the_last_block_may_be_of_any_size(random_network: Random, tmp_path: Path, n: int) -> None:
    features = trigger_objects(9).features
    network = _decided(random_network(autoencoder((4,), 2), features).network, features)
    folder = tmp_path / "package"
    emulator = _written(folder, network, features)
    codes = _hardware(features)[:n]
    whole, _ = emulator.score(_hardware(features))
    np.testing.assert_array_equal(emulator.score(codes)[0], whole[:n])


def test_two_versions_answer_side_by_side_each_with_its_hash(random_network: Random, tmp_path: Path) -> None:
    features = trigger_objects(9).features
    networks = [_decided(random_network(autoencoder((4,), 2), features, seed).network, features) for seed in (1, 2)]
    emulators = [_written(tmp_path / str(i), network, features) for i, network in enumerate(networks)]
    for emulator, network in zip(emulators, networks, strict=True):
        _assert_exact(emulator, network, features)
        hashes = network_hashes(GoldenTrigger(features, network))
        assert (emulator.hash, emulator.weights_hash, emulator.types_hash) == (hashes.network, *hashes)
    assert emulators[0].hash != emulators[1].hash


def test_the_hashes_are_of_every_weight_type_threshold_window_and_offset() -> None:
    features = networks.feature_map(6)
    network = networks.convolutional_network(features)
    first = network_hashes(GoldenTrigger(features, network))

    def changed(name: str, **changes: Any) -> NetworkHashes:  # noqa: ANN401
        layers = tuple(replace(x, **changes) if x.name == name else x for x in network.layers)
        return network_hashes(GoldenTrigger(features, IntegerNetwork(layers)))

    kernel = network["mu"].kernel.copy()
    kernel[0, 0] ^= 1
    relu, conv = network["conv_relu"].type, network["conv"]
    moved = FeatureMap((replace(features.features[0], offset=features.features[0].offset + 1), *features.features[1:]))
    weights = [
        changed("mu", kernel=kernel),
        network_hashes(
            GoldenTrigger(features, IntegerNetwork(network.layers[:-1])).with_thresholds(np.array([1, 2, 3]))
        ),
    ]
    types = [
        changed("conv_relu", types=relu._replace(integer=relu.integer + 1)),
        changed("conv", window=conv.window._replace(strides=(1, 2))),
        changed("conv", kernel=conv.kernel.transpose(1, 0, 2, 3).reshape(9, 1, 1, 2)),
        network_hashes(GoldenTrigger(moved, network)),
    ]
    assert all(found.types == first.types and found.weights != first.weights for found in weights)
    assert all(found.types != first.types for found in types)
    assert len({found.network for found in (first, *weights, *types)}) == 7


def test_the_self_test_passes_and_fails_when_one_code_is_changed(random_network: Random, tmp_path: Path) -> None:
    features = trigger_objects(9).features
    network = _decided(random_network(autoencoder((4,), 2), features).network, features)
    folder = tmp_path / "package"
    _written(folder, network, features)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["make", "-s", "test"], cwd=folder, capture_output=True, text=True, check=False)

    passed = run()
    assert passed.returncode == 0, passed.stderr
    assert "42 events, 0 wrong" in passed.stdout
    compared = 4 * sum(range(1, 97))
    assert passed.stdout.splitlines()[-1] == "variables that threads share: none"
    assert passed.stdout.splitlines()[:-2] == [
        f"batches of 1 to 96 events: 384 calls, {compared} results compared, 0 wrong",
        "all events at once: 5 calls, 210 results compared, 0 wrong",
        f"batches of 1 to 96 events from 4 threads: 1536 calls, {4 * compared} results compared, 0 wrong",
        "single events: 84 calls, 42 results compared, 0 wrong",
        "integers beside the declaration of their ports: 36 calls, 36 results compared, 0 wrong",
        "decisions at the thresholds: 1 calls, 10 results compared, 0 wrong",
        "decisions at thresholds that are given: 12 calls, 120 results compared, 0 wrong",
    ]
    assert "block_events = 32" in (folder / "processors.h").read_text()  # three of them make 96
    vectors = folder / "vectors.dat"
    lines = vectors.read_text().splitlines()
    words = lines[7].split()
    words[-4] = str(int(words[-4]) ^ 1)
    vectors.write_text("\n".join([*lines[:7], " ".join(words), *lines[8:]]) + "\n")
    failed = run()
    assert failed.returncode != 0
    assert "42 events, 1 wrong" in failed.stdout
    vectors.write_text("\n".join(lines)[:-5])
    assert "damaged at event 41" in run().stderr


@pytest.fixture(scope="module")
def package(random_network: Random, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources of an emulator that nobody changes."""
    features = trigger_objects(9).features
    trigger = GoldenTrigger(features, _decided(random_network(autoencoder((4,), 2), features).network, features))
    folder = tmp_path_factory.mktemp("package")
    edges = edge_events(trigger, _hardware(features), seed=1)
    write_package(folder, "trigger", trigger, np.concatenate([_hardware(features, 40), edges.hardware]))
    return folder


@pytest.mark.parametrize(
    ("flags", "features", "builds"),
    [
        ("", "", {"Any", "Avx2", "Avx512"}),
        ("-DFPGAAE_ONE_BUILD", "", {"Any"}),
        ("-DFPGAAE_PORTABLE", "", {"Any"}),
        ("-mavx2", "avx2", {"Any"}),
        ("-march=x86-64-v4", "avx512vl", {"Any"}),
    ],
)
def test_a_build_for_every_processor_is_exact(
    flags: str, features: str, builds: set[str], package: Path, tmp_path: Path
) -> None:
    """A block takes the kernels with AVX2 where the processor has it, which are beside what every processor can run."""
    if platform.machine() != "x86_64" or features not in Path("/proc/cpuinfo").read_text(encoding="ascii"):
        pytest.skip(f"this processor has no {features or 'AVX2'}")
    folder = tmp_path / "package"
    shutil.copytree(package, folder)
    command = ["make", "-s", "test", f"CXXFLAGS=-O1 -fPIC -std=c++11 {flags}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "variables that threads share: none" in done.stdout
    symbols = subprocess.run(
        ["nm", "-C", "libtrigger_emulator.so"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert set(re.findall(r"fpgaae_emulator::(Any|Avx\d+)", symbols.stdout)) == builds


_KEEP_SCORES = "e < n; e++)\n        scores[e] ="
_IN_EMULATOR = {
    "step of a block": ("first += block_events", "first += block_events + 1"),
    "scores of the second block": ("here, scores + first, accept", "here, scores, accept"),
    "decisions of the second block": ("accept + first * 3", "accept + first * 2"),
    "inputs of the second block": ("run_block(objects + first * 9, here, scores", "run_block(objects, here, scores"),
    "last lane of a whole block": (_KEEP_SCORES, _KEEP_SCORES.replace("e < n", "e < n - (n == 32)")),
    "beyond the end": (_KEEP_SCORES, _KEEP_SCORES.replace("e < n", "e < 32")),
    "threshold of a lane": ("> thresholds[i];", "> thresholds[(i + (e == 31)) % 3];"),
    "comparison": ("> thresholds[i];", ">= thresholds[i];"),
    "thresholds one lower": ("> thresholds[i];", "> thresholds[i] - 1;"),
    "given thresholds are not read": ("cells, n, loaded, accept", "cells, n, thresholds, accept"),
    "decisions are never null": ("if (accept)\n", "if (n > 1)\n"),
    "end of a declaration": (
        "limits[feature][1] - limits[feature][0])",
        "limits[feature][1] - limits[feature][0] - 1)",
    ),
}
_IN_KERNELS = {
    "lanes twice": ("row.lane[e] & mask", "row.lane[e & 15] & mask"),
    "lanes of a tile": ("&rows[i], sizeof", "&rows[i ^ 1], sizeof"),
    "vectors of sums": ("multiply_add(pairs[v]", "multiply_add(pairs[v & 1]"),
    "second of a pair": ("zero + both", "zero + (both & 0xffff)"),
    "state between events": ("Row<sum_T> sum = {};", "static Row<sum_T> sum = {};\n    sum.lane[0] = 0;"),
}


@pytest.mark.parametrize("damage", [*_IN_EMULATOR, *_IN_KERNELS])
def test_damage_to_lanes_blocks_and_tails_fails_the_self_test(damage: str, package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(package, folder)
    source = folder / ("trigger_emulator.cpp" if damage in _IN_EMULATOR else "kernels.h")
    old, new = (_IN_EMULATOR | _IN_KERNELS)[damage]
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))
    command = ["make", "-s", "test", "CXXFLAGS=-O0 -fPIC -std=c++11"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    lines = done.stdout.splitlines()
    if damage not in {
        "decisions are never null",
        "end of a declaration",
        "given thresholds are not read",
    }:  # a crash at once; nothing to do with batches
        assert "; first event " in lines[0], "batches show it first"
    assert " events, 0 wrong" not in done.stdout


def test_a_variable_that_threads_share_fails_the_self_test(package: Path, tmp_path: Path) -> None:
    """No answer has to be wrong: threads may never have met in it."""
    folder = tmp_path / "package"
    shutil.copytree(package, folder)
    source = folder / "trigger_emulator.cpp"
    text = source.read_text()
    assert text.count("    Row<int16_t> features_codes") == 1
    source.write_text(text.replace("    Row<int16_t> features_codes", "    static Row<int16_t> features_codes"))
    flags = {"CXXFLAGS": "-O0"}
    done = subprocess.run(
        ["make", "-s", "test"], cwd=folder, capture_output=True, text=True, check=False, env=os.environ | flags
    )
    assert done.returncode != 0
    assert "features_codes" in done.stdout or " wrong; first" in done.stdout
    assert "variables that threads share: none" not in done.stdout


def test_what_is_no_event_is_refused(random_network: Random, tmp_path: Path) -> None:
    features = trigger_objects(9).features
    network = _decided(random_network(autoencoder((4,), 2), features).network, features)
    emulator = _written(tmp_path / "package", network, features)
    for wrong in (np.zeros((2, 8), dtype=np.int16), np.zeros((2, 9)), np.zeros(9, dtype=np.int16)):
        with pytest.raises(ValueError, match=r"give integers of the shape \(n, 9\)"):
            emulator.score(wrong)
    with pytest.raises(ValueError, match="more than 16 bits"):
        emulator.score(np.full((1, 9), 2**16))
    _, high = features.limits
    beyond = np.tile(high, (4, 1))
    beyond[2, 3], beyond[3, 0] = high[3] + 1, -1
    name = features.features[3].hardware.name
    with pytest.raises(
        ValueError, match=rf"2 integers are beyond .* event 2: {name} is 512, but 0 to 511 are declared"
    ):
        emulator.score(beyond)
    assert len(emulator.score(beyond, check=False)[0]) == 4


@pytest.mark.parametrize("on_stack", [True, False], ids=["small", "large"])
def test_convolutions_and_poolings_are_exact(on_stack: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not on_stack:  # as a network that a thread's stack would not hold
        monkeypatch.setattr(source, "_STACK_ROWS", 10)
    features = networks.feature_map(6)
    network = networks.convolutional_network(features)
    tensors = network.run(features.input_codes(networks.events(features, 300), network.input_type))
    for layer in network.layers:
        assert len(np.unique(tensors[layer.name].codes)) > 1, f"{layer.name} hardly varies"
    _assert_exact(_written(tmp_path / "package", network, features), network, features)
    assert ("thread_local" in (tmp_path / "package" / "trigger_emulator.cpp").read_text()) != on_stack


def test_a_score_of_codes_that_are_too_wide_is_refused(tmp_path: Path) -> None:
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED, features)
    layers = tuple(replace(x, inputs=("mu",)) if x.name == "score" else x for x in network.layers)
    wide = IntegerNetwork(
        tuple(
            replace(x, types=x.type._replace(width=40)) if x.name == "mu" else x for x in layers if x.name != "accept"
        )
    ).with_thresholds(np.array([1]))
    with pytest.raises(InputError, match="the score reads codes of 40 bits of the layer mu"):
        write_package(tmp_path, "it", GoldenTrigger(features, wide), networks.events(features, 5))


def test_a_missing_compiler_gives_the_line_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ToolMissing, match=r"apt-get install g\+\+") as caught:
        compile_package(tmp_path, "it")
    assert caught.value.exit_code == 3


def test_an_experiment_is_exported_once(converted: Callable[..., Workspace], tmp_path: Path) -> None:
    workspace = converted(variational((6,), 3))
    target = tmp_path / "deep" / "package"
    result = export_emulator(workspace.experiment, target)
    assert result.vectors > 500
    assert {path.name for path in target.iterdir()} >= {"Makefile", "kernels.h", "self_test.c", "vectors.dat"}
    with pytest.raises(InputError, match="exists already"):
        export_emulator(workspace.experiment, target)
    with pytest.raises(InputError, match=r"has no finished result; run `fpgaae run .* --to convert`"):
        export_emulator(replace(workspace.experiment, folder=tmp_path / "nowhere"), tmp_path / "other")
