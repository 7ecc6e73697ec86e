"""The generated trigger block, compiled around a stand-in for the network that keeps its inputs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.config.data import Hardware
from fpgaae.data.features import FeatureMap
from fpgaae.doctor import require_compiler
from fpgaae.fixedpoint import parse_type
from fpgaae.golden.layers.cell import BinnedSum
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.front_end import TriggerBlock
from fpgaae.hls.project import Port, TopFunction

INPUT = parse_type("ap_fixed<8,5,AP_RND_CONV,AP_SAT>")

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


def _trigger(
    features: FeatureMap, thresholds: Sequence[int], score: str, sums: Sequence[BinnedSum] = ()
) -> GoldenTrigger:  # fmt: skip
    """Give the features and thresholds of a network that is not looked at; with sums, those of cells in turn."""
    network = IntegerNetwork((Input("score", (), 1, parse_type(score)),))
    codes = np.array(thresholds)
    if sums:
        n_cells = int(np.prod([of.n_bins for of in sums]))
        codes = codes[(np.arange(len(codes))[:, None] + np.arange(n_cells)) % len(codes)]
    return GoldenTrigger(features, network.with_thresholds(codes, sums))


def make_block(
    objects: tuple[Hardware, FeatureMap],
    thresholds: Sequence[int],
    score: str = "ap_ufixed<12,8>",
    pack: int | None = None,
    sums: Sequence[BinnedSum] = (),
) -> TriggerBlock:
    """Give the block around a network that is not there; in a stream, `pack` features come at once."""
    hardware, features = objects
    n, width = len(features), int(re.findall(r"\d+", score)[0])
    inputs = Port("features", "features", "input_t", n, pack or n)
    top = TopFunction("autoencoder", inputs, Port("score", "score_out", "result_t", 1), pack is not None, width)
    return TriggerBlock(top, hardware, _trigger(features, thresholds, score, sums))


class Block:
    """A compiled trigger block around a stand-in for the network."""

    def __init__(
        self,
        folder: Path,
        objects: tuple[Hardware, FeatureMap],
        thresholds: Sequence[int],
        score: str = "ap_ufixed<12,8>",
        pack: int | None = None,
        sums: Sequence[BinnedSum] = (),
    ) -> None:
        hardware, features = objects
        self.elements = [i for i, feature in enumerate(features.features) if feature.hardware.bits]
        n = len(features)
        is_stream = pack is not None
        pack = pack or n
        self.block = make_block(objects, thresholds, score, pack if is_stream else None, sums)
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
                port_names=", ".join(kind.name for kind in hardware.objects),
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

    def run(self, scores: Iterable[int], words: np.ndarray) -> Answer:
        """Give what the block makes of words (n, n_features) when the network puts out the scores."""
        text = "\n".join(
            f"{score} {' '.join(map(str, row))}"
            for score, row in zip(scores, words[:, self.elements].tolist(), strict=True)
        )
        done = subprocess.run([str(self._program)], input=text, capture_output=True, text=True, check=True)
        found = np.array([line.split() for line in done.stdout.splitlines()]).astype(object)
        numbers = np.array([[int(word) for word in row] for row in found], dtype=object)
        return Answer(numbers[:, :-2].astype(np.int64), numbers[:, -2], numbers[:, -1])
