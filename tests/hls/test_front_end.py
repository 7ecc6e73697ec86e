"""The generated trigger block, compiled around a stand-in for the network: ports, scaling and thresholds."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fpgaae.config.data import Hardware, ObjectWidths
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import hardware_features
from fpgaae.doctor import require_compiler
from fpgaae.fixedpoint import FixedPointType, parse_type
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.front_end import TriggerBlock, write_golden_vectors
from fpgaae.hls.project import Port, TopFunction

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler")]

HARDWARE = Hardware(
    phi_steps=100,
    objects=(
        ObjectWidths(name="met", slots=1, pt_bits=12, eta_bits=0, phi_bits=8),
        ObjectWidths(name="muon", slots=2, pt_bits=9, eta_bits=8, phi_bits=0),
        ObjectWidths(name="jet", slots=2, pt_bits=16, eta_bits=3, phi_bits=7),
    ),
)
# Offset and shift, slot by slot: offsets at both ends of the code's range, shifts of every sign.
SCALING = (
    (4095, 6), (0, 0), (-128, 5),
    (0, 3), (127, 4), (0, 0),
    (77, -2), (-3, 0), (0, 0),
    (300, 14), (3, -1), (-64, 1),
    (65535, 9), (-4, 2), (63, 0),
)  # fmt: skip
FEATURES = FeatureMap(
    tuple(Feature(hardware, *scaling) for hardware, scaling in zip(hardware_features(HARDWARE), SCALING, strict=True))
)
INPUT = parse_type("ap_fixed<8,5,AP_RND_CONV,AP_SAT>")
ELEMENTS = [i for i, feature in enumerate(FEATURES.features) if feature.hardware.bits]

_NETWORK = """
#ifndef AUTOENCODER_H_
#define AUTOENCODER_H_
#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include "nnet_utils/nnet_types.h"
typedef {input_type} input_t;
typedef {result_type} result_t;
void autoencoder({arguments});
#endif
"""
# Instead of the network: keeps its inputs, and puts out the score that the caller chose.
_MAIN = """
#include "firmware/autoencoder_trigger.h"
#include <cstdio>
static long long seen[{n}];
static unsigned long long chosen;
void autoencoder({arguments}) {{
    for (unsigned i = 0; i < {n}; i += {pack}) {{
        {read}
        for (unsigned j = 0; j < {pack}; j++)
            seen[i + j] = ap_int<64>(ap_int<{width}>(input[j].range({width} - 1, 0))).to_int64();
    }}
    {score} score;
    score.range({score}::width - 1, 0) = ap_uint<{score}::width>(chosen);
    {write}
}}
int main() {{
    long long codes[{n_elements}];
    while (scanf("%llu", &chosen) == 1) {{
        for (long long &code : codes)
            if (scanf("%lld", &code) != 1)
                return 3;
        {ports}
        score_t score;
        ap_uint<n_thresholds> accept;
        autoencoder_trigger({port_names}, score, accept);
        for (long long code : seen)
            printf("%lld ", code);
        printf("%llu %llu\\n", ap_uint<64>(ap_uint<score_t::width>(score.range(score_t::width - 1, 0))).to_uint64(),
               accept.to_uint64());
    }}
}}
"""


class Answer(NamedTuple):
    """What the block gave for each event."""

    inputs: np.ndarray
    scores: np.ndarray
    accept: np.ndarray


def _trigger(thresholds: Sequence[int], score: str) -> GoldenTrigger:
    """Give the features and thresholds of a network that is not looked at."""
    stand_in = Input("score", (), 1, parse_type(score))
    return GoldenTrigger(FEATURES, IntegerNetwork((stand_in, Accept.of("accept", stand_in, np.array(thresholds)))))


class Block:
    """A compiled trigger block."""

    def __init__(
        self, folder: Path, thresholds: Sequence[int], score: str = "ap_ufixed<12,8>", pack: int | None = None
    ) -> None:
        n, width = len(FEATURES), int(re.findall(r"\d+", score)[0])
        is_stream = pack is not None
        pack = pack or n
        top = TopFunction(
            "autoencoder",
            Port("features", "features", "input_t", n, pack),
            Port("score", "score_out", "result_t", 1),
            is_stream,
            width,
        )
        self.block = TriggerBlock(top, HARDWARE, _trigger(thresholds, score))
        (folder / "firmware").mkdir()
        self.block.write(folder)
        if is_stream:
            arguments = "hls::stream<input_t> &features, hls::stream<result_t> &outputs"
            types = {"input_type": f"nnet::array<{INPUT}, {pack}>", "result_type": f"nnet::array<{score}, 1>"}
            body = {
                "read": "input_t input = features.read();",
                "write": "result_t out; out[0] = score; outputs.write(out);",
            }
        else:
            arguments = f"input_t features[{n}], result_t outputs[1]"
            types = {"input_type": str(INPUT), "result_type": score}
            body = {"read": "input_t *input = features + i;", "write": "outputs[0] = score;"}
        (folder / "firmware" / "autoencoder.h").write_text(_NETWORK.format(arguments=arguments, **types))
        (folder / "main.cpp").write_text(
            _MAIN.format(
                n=n,
                pack=pack,
                width=INPUT.width,
                score=score,
                n_elements=self.block.n_elements,
                arguments=arguments,
                ports=self.block.fill_ports("codes[{element}]"),
                port_names=", ".join(kind.name for kind in HARDWARE.objects),
                **body,
            )
        )
        package = find_spec("hls4ml")
        assert package is not None
        assert package.origin is not None
        templates = Path(package.origin).parent / "templates" / "vivado"
        includes = [folder, folder / "firmware", templates, templates / "ap_types"]
        self._program = folder / "block"
        flags = ["-O1", "-std=c++17", "-w", *(f"-I{include}" for include in includes)]
        sources = ["main.cpp", "firmware/autoencoder_trigger.cpp"]
        command = [str(require_compiler()), *flags, *sources, "-o", str(self._program)]
        subprocess.run(command, cwd=folder, check=True)

    def run(self, scores: Iterable[int], hardware: np.ndarray) -> Answer:
        """Give what the block makes of hardware integers (n, n_features) when the network puts out the scores."""
        text = "\n".join(
            f"{score} {' '.join(map(str, row))}"
            for score, row in zip(scores, hardware[:, ELEMENTS].tolist(), strict=True)
        )
        done = subprocess.run([str(self._program)], input=text, capture_output=True, text=True, check=True)
        found = np.array([line.split() for line in done.stdout.splitlines()]).astype(object)
        numbers = np.array([[int(word) for word in row] for row in found], dtype=object)
        return Answer(numbers[:, :-2].astype(np.int64), numbers[:, -2], numbers[:, -1])


def _one_at_a_time() -> np.ndarray:
    """Give every code of every feature, the others in the middle of theirs."""
    low, high = FEATURES.limits
    middle = (low + high) // 2
    rows = []
    for index in ELEMENTS:
        codes = np.arange(low[index], high[index] + 1)
        if len(codes) > 5000:  # both ends and what surrounds the offset whole, and a part of the rest
            offset = FEATURES.features[index].offset
            near = np.arange(max(offset - 300, low[index]), min(offset + 300, high[index]) + 1)
            codes = np.unique(np.concatenate([codes[:500], codes[-500:], near, codes[::17]]))
        block = np.tile(middle, (len(codes), 1))
        block[:, index] = codes
        rows.append(block)
    return np.concatenate(rows)


def _rational_input(feature: Feature, code: int) -> int:
    scaled = (Fraction(code) - feature.offset) / Fraction(2) ** feature.shift * 2**INPUT.fraction
    return max(INPUT.min_code, min(round(scaled), INPUT.max_code))  # Python rounds a Fraction half to even


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(None, id="parallel"),
        pytest.param(15, id="stream"),
        pytest.param(3, id="stream_of_slots", marks=pytest.mark.slow),
    ],
)
def block(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Block:
    return Block(tmp_path_factory.mktemp("block"), [0, 5, 5, 4095, 100, 101, 2048, 4094], pack=request.param)


def test_every_hardware_code_gives_the_golden_input_code(block: Block) -> None:
    hardware = _one_at_a_time()
    found = block.run([0] * len(hardware), hardware).inputs
    np.testing.assert_array_equal(found, FEATURES.input_codes(hardware, INPUT))
    for index, feature in enumerate(FEATURES.features):
        expected = {code: _rational_input(feature, code) for code in set(hardware[:, index].tolist())}
        assert found[:, index].tolist() == [expected[code] for code in hardware[:, index].tolist()]


def test_all_features_at_their_ends_at_once(block: Block) -> None:
    low, high = FEATURES.limits
    alternating = np.arange(len(FEATURES)) % 2 == 0
    hardware = np.stack([low, high, np.where(alternating, low, high), np.where(alternating, high, low)])
    np.testing.assert_array_equal(block.run([1, 2, 3, 4], hardware).inputs, FEATURES.input_codes(hardware, INPUT))


def test_an_event_is_accepted_above_each_threshold_and_not_at_it(block: Block) -> None:
    scores = np.arange(4096)
    hardware = np.zeros((4096, len(FEATURES)), dtype=np.int64)
    found = block.run(scores.tolist(), hardware)
    np.testing.assert_array_equal(found.scores.astype(np.int64), scores)
    expected = (scores[:, None] > block.block.thresholds) << np.arange(8)
    np.testing.assert_array_equal(found.accept.astype(np.int64), expected.sum(axis=1))


@pytest.mark.parametrize(
    ("score", "thresholds"),
    [
        pytest.param("ap_ufixed<12,8>", [7], id="one"),
        pytest.param("ap_uint<10>", [0, 1023], id="no_fraction", marks=pytest.mark.slow),
        pytest.param("ap_ufixed<40,20>", [2**40 - 2, 2**31, 2**32 + 1], id="wide", marks=pytest.mark.slow),
    ],
)
def test_thresholds_of_any_number_and_width(tmp_path: Path, score: str, thresholds: list[int]) -> None:
    block = Block(tmp_path, thresholds, score)
    largest = 2 ** int(re.findall(r"\d+", score)[0]) - 1
    scores = sorted({min(max(code + step, 0), largest) for code in [0, *thresholds] for step in (-1, 0, 1)})
    found = block.run(scores, np.zeros((len(scores), len(FEATURES)), dtype=np.int64))
    assert found.scores.tolist() == scores
    for code, accept in zip(scores, found.accept.tolist(), strict=True):
        assert accept == sum((code > threshold) << i for i, threshold in enumerate(thresholds)), code


def test_a_property_of_no_bits_has_no_port(block: Block, tmp_path: Path) -> None:
    assert block.block.n_elements == len(ELEMENTS) == 12
    (tmp_path / "firmware").mkdir()
    block.block.write(tmp_path)
    header = (tmp_path / "firmware" / "autoencoder_trigger.h").read_text()
    structs = dict(re.findall(r"struct (\w+) \{\n(.*?)\};", header, re.DOTALL))
    assert {name: re.findall(r"(ap_u?int<\d+>) (\w+);", body) for name, body in structs.items()} == {
        "met_object": [("ap_uint<12>", "pt"), ("ap_int<8>", "phi")],
        "muon_object": [("ap_uint<9>", "pt"), ("ap_int<8>", "eta")],
        "jet_object": [("ap_uint<16>", "pt"), ("ap_int<3>", "eta"), ("ap_int<7>", "phi")],
    }
    (ports,) = re.findall(r"void autoencoder_trigger\((.*?)\);", header, re.DOTALL)
    assert " ".join(ports.split()) == (
        "met_object met[1], muon_object muon[2], jet_object jet[2], score_t &score, ap_uint<n_thresholds> &accept"
    )


def test_golden_vectors_are_hexadecimal_in_twos_complement_without_what_has_no_port(
    block: Block, tmp_path: Path
) -> None:
    low, high = FEATURES.limits
    codes = np.stack([low, high, np.where(low < 0, -1, 0)])
    accept = np.array([[0, 0, 1], [1, 1, 1], [1, 0, 0]])
    write_golden_vectors(tmp_path, block.block, codes, np.array([0, 4095, 171]), accept)
    assert (tmp_path / "tb_data" / "stimulus.dat").read_text().splitlines() == [
        "0 80 0 80 0 80 0 4 40 0 4 40",
        "fff 7f 1ff 7f 1ff 7f ffff 3 3f ffff 3 3f",
        "0 ff 0 ff 0 ff 0 7 7f 0 7 7f",
    ]
    assert (tmp_path / "tb_data" / "expected.dat").read_text().splitlines() == ["0 4", "fff 7", "ab 1"]


def test_the_input_type_of_the_test_rounds_and_saturates() -> None:
    hardware = _one_at_a_time()
    scaled = (hardware - FEATURES.offsets) / 2.0**FEATURES.shifts * 2.0**INPUT.fraction
    assert (scaled > INPUT.max_code + 1).any()
    assert (scaled < INPUT.min_code - 1).any()
    assert {0, 1} <= set((np.floor(scaled)[scaled % 1 == 0.5] % 2).astype(int).tolist())
    assert isinstance(INPUT, FixedPointType)
