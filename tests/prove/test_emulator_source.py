"""The source of the emulator is proven for networks of every kind, and each damage to it is found or left open."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest
import word_objects

from fpgaae.config.model import Score
from fpgaae.data.features import FeatureMap
from fpgaae.emulator.package import write_package
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.prove import emulator_probe
from fpgaae.prove.algebra import NotFollowed
from fpgaae.prove.emulator import emulator_differs
from fpgaae.prove.emulator_probe import DenseCall

SUMS = (BinnedSum((0, 3), False, (20, 60)), BinnedSum((0, 3), True, (0,)))


def source_of(trigger: GoldenTrigger, folder: Path) -> str:
    """Write the emulator of a block, and give its source."""
    write_package(folder, "small", trigger, np.stack(trigger.features.port_limits))
    return (folder / "small_emulator.cpp").read_text()


@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
def test_every_score_is_proven(score: Score, tmp_path: Path) -> None:
    features = networks.feature_map()
    trigger = GoldenTrigger(features, networks.random_network(score, features))
    assert emulator_differs(trigger, source_of(trigger, tmp_path)) is None


@pytest.mark.parametrize(
    ("make", "slots"),
    [
        (networks.leaky_network, 2),
        (networks.tables_network, 2),
        (networks.embedded_network, 2),
        (networks.convolutional_network, 6),
    ],
)
def test_every_layer_is_proven(make: Callable[[FeatureMap], IntegerNetwork], slots: int, tmp_path: Path) -> None:
    features = networks.feature_map(slots)
    trigger = GoldenTrigger(features, make(features))
    source = source_of(trigger, tmp_path)
    assert emulator_differs(trigger, source, tmp_path / "small_emulator.cpp") is None


@pytest.mark.parametrize("words", [False, True], ids=["codes", "words"])
def test_words_and_cells_are_proven(words: bool, tmp_path: Path) -> None:
    features, sums = (word_objects.word_features(), word_objects.SUMS) if words else (networks.feature_map(), SUMS)
    trigger = networks.followed(features, sums)
    assert emulator_differs(trigger, source_of(trigger, tmp_path)) is None


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[GoldenTrigger, str]:
    features = networks.feature_map()
    trigger = GoldenTrigger(features, networks.random_network(Score.KL_DIVERGENCE, features))
    return trigger, source_of(trigger, tmp_path_factory.mktemp("emulator"))


def said(trigger: GoldenTrigger, source: str) -> str | None:
    """Say what is found, also where it can't be followed."""
    try:
        return emulator_differs(trigger, source)
    except NotFollowed as error:
        return str(error)


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (r"(hidden_codes_weight\[\d+\] = \{\n    -?)(\d+)", r"\g<1>1\2"),
        (r"(hidden_codes_bias\[\d+\] = \{\n    -?)(\d+)", r"\g<1>1\2"),
        (r"(hidden_codes_input\[\d+\] = \{\n    )(\d), (\d)", r"\g<1>\3, \2"),
        (r"(hidden_codes_input\[\d+\] = \{\n    )\d", r"\g<1>3"),
        (r"(hidden_codes_first\[\d+\] = \{\n    0, )(\d+)", r"\g<1>1"),
        (r"(hidden_codes_first\[\d+\] = \{\n    0, )(\d+)", r"\g<1>99"),
        (r"(hidden_codes_first\[\d+\] = \{\n    0, )(\d+), ", r"\g<1>"),
        (r"(score_table\[\d+\] = \{\n    )(\d+)", r"\g<1>1\2"),
        (r"(thresholds\[\d+\] = \{\n    )(\d+)", r"\g<1>1\2"),
        (r"> thresholds", ">= thresholds"),
        (r"thresholds\[i\]", "thresholds[3 - 1 - i]"),
        (r"n, loaded, accept", "n, thresholds, accept"),
        (r"n, loaded, accept", "n, loaded + 1, accept"),
        (r"i < 3; i\+\+\)\n( +)accept", r"i < 2; i++)\n\1accept"),
        (r"(scales\[\d+\] = \{\n    0, -1, )9", r"\g<1>8"),
        (r"(scales\[\d+\] = \{\n    )0", r"\g<1>1"),
        (r"(scales\[\d+\] = \{\n    0, )-1", r"\g<1>127"),
        (r"scale\(words, 6", "scale(words, 5"),
        (r"read_words\(objects", "read_words(objects + 1"),
        (r"relu\(hidden_codes, 4, 3", "relu(hidden_codes, 4, 2"),
        (r"relu\(hidden_codes, 4, 3, 31LL", "relu(hidden_codes, 4, 3, 30LL"),
        (r"relu\(hidden_codes, 4", "relu(hidden_codes, 3"),
        (r"quantize\(mu_codes, 3, 4, -16LL", "quantize(mu_codes, 3, 4, -15LL"),
        (r"kl_divergence\(mu_quantized_codes", "kl_divergence(log_variance_quantized_codes"),
        (r"score_table, 32", "score_table, 16"),
        (r"    Kernels::scale[^;]*;\n", ""),
        (r"    Kernels::read_words[^;]*;\n", ""),
        (r"Pairs hidden_codes_buffer\[3\]", "Pairs hidden_codes_buffer[2]"),
        (r"Row<int16_t> features_codes", "Row<int32_t> features_codes"),
        (r"relu\(hidden_codes, 4", "rectify(hidden_codes, 4"),
        (r"relu\(hidden_codes, 4", "relu(hidden_codes, 5 - 1"),
        (r"relu\(hidden_codes, 4", "relu(hidden_codes, 0, 4"),
        (r"Row<int32_t> hidden_codes", "Row<int8_t> hidden_codes"),
        (r"Row<int32_t> hidden_codes", "Row<int16_t> hidden_codes"),
    ],
)  # fmt: skip
def test_each_damage_is_found(small: tuple[GoldenTrigger, str], pattern: str, new: str) -> None:
    trigger, source = small
    damaged, count = re.subn(pattern, new, source, count=1)
    assert count == 1, f"the source has no {pattern}"
    assert said(trigger, damaged) is not None


def test_a_decision_that_is_another_constant_is_found(small: tuple[GoldenTrigger, str], tmp_path: Path) -> None:
    trigger, _ = small
    undecided = GoldenTrigger(trigger.features, IntegerNetwork(trigger.network.layers[:-1]))
    always, never = (
        undecided.with_thresholds(np.array([1, code])) for code in (-1, trigger.network.score.type.max_code)
    )
    assert emulator_differs(always, source_of(always, tmp_path)) is None
    assert emulator_differs(always, source_of(never, tmp_path)) == "decision 1 is not that of the model"


@pytest.mark.parametrize(
    ("array", "number", "held"),
    [("weight", 2**15, "int16_t"), ("bias", 2**31 - 1, "int32_t"), ("bias", 1 - 2**31, "int32_t")],
)
def test_weights_and_sums_beyond_their_type_are_left_open(
    small: tuple[GoldenTrigger, str], array: str, number: int, held: str
) -> None:
    trigger, source = small
    wide = re.sub(rf"(hidden_codes_{array}\[\d+\] = \{{\n    )(-?\d+)", rf"\g<1>{number}", source, count=1)
    with pytest.raises(NotFollowed, match=f"are held in {held}"):
        emulator_differs(trigger, wide)


def test_inputs_that_16_bits_do_not_hold_are_left_open(tmp_path: Path) -> None:
    """An input of 17 bits is written in 32, and not taken for a narrow one."""
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED, features)
    first = network.layers[0]
    wide = replace(first, types=FixedPointType(17, 5, True, *networks.EVEN_SAT))
    dense = network.weighted[0].derived(wide)
    kept = {first.name: wide, dense.name: dense}
    trigger = GoldenTrigger(features, IntegerNetwork(tuple(kept.get(x.name, x) for x in network.layers)))
    source = source_of(trigger, tmp_path)
    assert "Row<int32_t> features_codes" in source
    assert "dense_wide(features_codes" in source
    assert emulator_differs(trigger, source) is None
    with pytest.raises(NotFollowed, match="are held in int16_t"):
        emulator_differs(trigger, source.replace("Row<int32_t> features_codes", "Row<int16_t> features_codes"))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("zero + bias[j]", "zero - bias[j]", "of zeros in lane 0"),
        ("kernel.first[j]; k <", "kernel.first[j] + 1; k <", "of a one at input"),
        ("multiply_add(pairs[v]", "multiply_add(pairs[v & 1]", "in lane"),
        ("zero + both", "zero + (both & 0xffff)", "of a one at input 1"),
        ("zero + both", "zero + (both ^ 0x10000)", "of a one at input 1"),
        ("first_of_both(a[v], b[v])", "first_of_both(b[v], a[v])", "of a one at input 0"),
    ],
)
def test_a_damaged_kernel_is_found_by_basis_vectors(
    small: tuple[GoldenTrigger, str], compiler: None, tmp_path: Path, old: str, new: str, reason: str
) -> None:
    trigger, _ = small
    source = source_of(trigger, tmp_path)
    kernels = tmp_path / "kernels.h"
    text = kernels.read_text()
    assert old in text
    kernels.write_text(text.replace(old, new, 1))
    found = emulator_differs(trigger, source, tmp_path / "small_emulator.cpp")
    assert found is not None
    assert reason in found


def test_each_basis_vector_comes_in_some_lane_where_all_in_each_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.arange(1, 71)[:, None]
    call = DenseCall("dense_pairs", "int16_t", "int32_t", "kernel", "bias", weights, np.array([5]), 70)
    assert set(call.right().ravel().tolist()) == {5, *range(6, 76)}
    assert call.right().shape == (71, 1, 32)
    monkeypatch.setattr(emulator_probe, "_MOST_CODES", 70)
    assert set(call.right().ravel().tolist()) == {5, *range(6, 76)}
    assert call.right().shape == (3, 1, 32)
    damaged = call.right()
    damaged[1, 0, 3] += 1
    assert call.said(damaged) == "output 0 of kernel makes 41 of a one at input 34 in lane 3, and not 40"


@pytest.mark.usefixtures("compiler")
def test_large_layers_are_read_back_in_fewer_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator_probe, "_MOST_CODES", 0)
    features = networks.feature_map(12)  # more inputs than a block has lanes
    trigger = GoldenTrigger(features, networks.random_network(Score.SQUARED_ERROR, features))
    source, file = source_of(trigger, tmp_path), tmp_path / "small_emulator.cpp"
    assert emulator_differs(trigger, source, file) is None
    text = (tmp_path / "kernels.h").read_text()
    (tmp_path / "kernels.h").write_text(text.replace("first_of_both(a[v], b[v])", "first_of_both(a[0], b[0])", 1))
    found = emulator_differs(trigger, source, file)
    assert found is not None
    assert "in lane 8" in found
