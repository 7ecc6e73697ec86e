"""The compiled score kernels: alone over all codes of small types against rational numbers, and in whole networks."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import WrittenNetwork, embedded, small_model
from rational_scores import rational_entry, rational_score
from simulated import compare, compiled, run_injected

from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Score
from fpgaae.doctor import require_compiler
from fpgaae.fixedpoint import FixedPointType, parse_type
from fpgaae.golden.network import ACCEPT_LAYER
from fpgaae.golden.scores.base import function_table
from fpgaae.hls.project import firmware_source

pytestmark = pytest.mark.usefixtures("compiler")

Write = Callable[..., WrittenNetwork]
BY_VALUE = {"ids": lambda score: score.value}
IO_TYPES = ("io_parallel", "io_stream")
TABLE_BITS = 4

_HEADERS = """
#include "nnet_utils/nnet_common.h"
#include "nnet_utils/nnet_types.h"
#include "fpgaae_scores.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

template <class T> T of_code(int64_t code) {
    T value;
    value.range(T::width - 1, 0) = ap_int<T::width>(code);
    return value;
}
"""

# Feeds every combination of codes of all values of an event into a kernel and prints the code of each score.
_PROGRAM = """
namespace of_{name} {{
typedef {first} first_t;
typedef {second} second_t;
typedef {result} result_t;
static const unsigned n = {n};
struct config : nnet::score_config {{
    static const unsigned n_in = n;
    static const unsigned n_table = {n_table};
    typedef {table_type} table_t;
    typedef result_t accum_t;
}};
typedef nnet::array<first_t, {pack}> first_pack;
typedef nnet::array<second_t, {pack}> second_pack;
typedef nnet::array<result_t, 1> result_pack;

int run(char **entries) {{
    config::table_t table[config::n_table];
    for (unsigned i = 0; i < config::n_table; i++)
        table[i] = of_code<config::table_t>(atoll(entries[i]));
    static const int n_codes = {n_inputs} * n;
    long long codes[n_codes];
    for (;;) {{
        for (int i = 0; i < n_codes; i++)
            if (scanf("%lld", &codes[i]) != 1)
                return 0;
        {call}
        ap_uint<result_t::width> code = score.range(result_t::width - 1, 0);
        printf("%llu\\n", (unsigned long long)code.to_uint64());
    }}
}}
}} // namespace of_{name}
"""

_PARALLEL = """
        first_t a[n];
        second_t b[n];
        for (unsigned i = 0; i < n; i++) {{
            a[i] = of_code<first_t>(codes[i]);
            b[i] = of_code<second_t>(codes[({n_inputs} - 1) * n + i]);
        }}
        result_t out[1];
        nnet::{kernel}<{types}, result_t, config>({arguments});
        result_t score = out[0];
"""

_STREAM = """
        hls::stream<first_pack> a;
        hls::stream<second_pack> b;
        hls::stream<result_pack> out;
        for (unsigned i = 0; i < n; i += {pack}) {{
            first_pack x;
            second_pack y;
            for (unsigned j = 0; j < {pack}; j++) {{
                x[j] = of_code<first_t>(codes[i + j]);
                y[j] = of_code<second_t>(codes[({n_inputs} - 1) * n + i + j]);
            }}
            a.write(x);
            if ({n_inputs} == 2)
                b.write(y);
        }}
        nnet::{kernel}<{types}, result_pack, config>({arguments});
        result_t score = out.read()[0];
        if (!a.empty() || !b.empty() || !out.empty())
            return 3;
"""


class Kernel(NamedTuple):
    """A kernel in isolation."""

    score: Score
    types: tuple[FixedPointType, ...]
    n: int
    result: FixedPointType  # wide enough, worked by hand
    empty: tuple[int, ...] = ()
    pack: int = 1  # values of a stream's pack

    @property
    def table(self) -> tuple[str, list[int]]:
        """Give the type and the codes of its constants, from the rational model."""
        if self.score.needs_variance:
            argument = self.types[1]
            size = 2**argument.width
            signed = [i - size if argument.signed and i >= size // 2 else i for i in range(size)]
            entries = [rational_entry(self.score, code, argument, TABLE_BITS) for code in signed]
            return f"ap_ufixed<30, {30 - TABLE_BITS}>", [int(entry * 2**TABLE_BITS) for entry in entries]
        return str(self.types[0]), list(self.empty) or [0]

    def source(self, name: str, io_type: str) -> str:
        """Write the program."""
        is_stream = io_type == "io_stream"
        table_type, entries = self.table
        n_inputs = len(self.types)
        suffix = "pack" if is_stream else "t"
        values = {
            "name": name,
            "first": self.types[0], "second": self.types[-1], "result": self.result, "n": self.n, "pack": self.pack,
            "n_table": len(entries), "table_type": table_type, "n_inputs": n_inputs, "kernel": self.score.value,
            "types": ", ".join(f"{name}_{suffix}" for name in ("first", "second")[:n_inputs]),
            "arguments": ", ".join(
                [*("a", "b")[:n_inputs], "out", *(["table"] if self.score.needs_variance or self.empty else [])]
            ),
        }  # fmt: skip
        call = (_STREAM if is_stream else _PARALLEL).format(**values)
        return _PROGRAM.format(call=call, **values)

    def run(self, program: Path, name: str, events: Sequence[Sequence[int]]) -> list[Fraction]:
        """Run it, and give the scores."""
        text = "\n".join(" ".join(map(str, event)) for event in events)
        command = [str(program), name, *map(str, self.table[1])]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        return [Fraction(int(line)) / Fraction(2) ** self.result.fraction for line in done.stdout.split()]

    def expected(self, event: Sequence[int]) -> Fraction:
        """Give the score of an event, in rational numbers."""
        rows = [event[i * self.n : (i + 1) * self.n] for i in range(len(self.types))]
        return rational_score(self.score, rows, self.types, empty=self.empty, entry_bits=TABLE_BITS)


def _type(width: int, integer: int) -> FixedPointType:
    return parse_type(f"ap_fixed<{width},{integer},AP_RND_CONV,AP_SAT>")


def _all_events(kernel: Kernel) -> list[tuple[int, ...]]:
    return list(product(*(range(of.min_code, of.max_code + 1) for of in kernel.types for _ in range(kernel.n))))


_WIDE = FixedPointType(60, 40, signed=False)
_EXHAUSTIVE = {
    "squared_error": Kernel(Score.SQUARED_ERROR, (_type(4, 2), _type(4, 3)), 2, _WIDE),
    "squared_error_one": Kernel(Score.SQUARED_ERROR, (_type(7, 2), _type(6, 3)), 1, _WIDE),
    "absolute_error": Kernel(Score.ABSOLUTE_ERROR, (_type(4, 2), _type(4, 3)), 2, _WIDE),
    "absolute_error_one": Kernel(Score.ABSOLUTE_ERROR, (_type(7, 2), _type(6, 3)), 1, _WIDE),
    "max_absolute_error": Kernel(Score.MAX_ABSOLUTE_ERROR, (_type(4, 2), _type(4, 3)), 2, _WIDE),
    "mu_squared": Kernel(Score.MU_SQUARED, (_type(6, 3),), 2, _WIDE),
    "masked": Kernel(Score.MASKED_SQUARED_ERROR, (_type(4, 2), _type(4, 3)), 2, _WIDE, empty=(-3, 5)),
    "masked_a_slot": Kernel(Score.MASKED_SQUARED_ERROR, (_type(3, 2), _type(2, 2)), 3, _WIDE, empty=(1,), pack=3),
    "over_variance": Kernel(Score.MU_SQUARED_OVER_VARIANCE, (_type(5, 3), _type(5, 3)), 1, _WIDE),
    "over_variance_two": Kernel(Score.MU_SQUARED_OVER_VARIANCE, (_type(4, 3), _type(4, 4)), 2, _WIDE),
    "divergence": Kernel(Score.KL_DIVERGENCE, (_type(5, 3), _type(5, 5)), 1, _WIDE),
    "regression": Kernel(Score.REGRESSION, (FixedPointType(6, 3, signed=False),), 1, _WIDE),
    "divergence_two": Kernel(Score.KL_DIVERGENCE, (_type(4, 3), _type(4, 4)), 2, _WIDE),
}
_QUICK = {("masked_a_slot", "io_stream"), ("divergence", "io_stream")}  # of one program
_ALONE = [
    pytest.param(name, io_type, marks=() if (name, io_type) in _QUICK else pytest.mark.slow)
    for name in _EXHAUSTIVE
    for io_type in IO_TYPES
    if io_type == "io_parallel"
    or not name.endswith(("_one", "_two"))  # the stream's kernel differs by its reading only
]


@cache
def _all_scores(name: str) -> list[Fraction]:
    """Give the score of every event of a kernel, in rational numbers."""
    kernel = _EXHAUSTIVE[name]
    return [kernel.expected(event) for event in _all_events(kernel)]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a function that compiles all kernels of a kind of interface once; the program's first argument names one."""

    @cache
    def compiled_for(io_type: str) -> Path:
        package = find_spec("hls4ml")
        assert package is not None
        assert package.origin is not None
        templates = Path(package.origin).parent / "templates" / "vivado"
        kernels, calls = "", ""
        for name, kernel in _EXHAUSTIVE.items():
            kernels += kernel.source(name, io_type)
            calls += f'    if (!strcmp(arguments[1], "{name}")) return of_{name}::run(arguments + 2);\n'
        source = tmp_path_factory.mktemp(io_type) / "kernels.cpp"
        source.write_text(f"{_HEADERS}{kernels}\nint main(int, char **arguments) {{\n{calls}    return 4;\n}}\n")
        includes = [templates, templates / "ap_types", firmware_source("hls"), templates / "nnet_utils"]
        flags = ["-O1", "-std=c++17", "-w", *(f"-I{include}" for include in includes)]
        compiled = source.with_suffix("")
        subprocess.run([str(require_compiler()), *flags, str(source), "-o", str(compiled)], check=True)
        return compiled

    return compiled_for


@pytest.mark.slow
@pytest.mark.parametrize(("name", "io_type"), _ALONE)
def test_a_kernel_alone_gives_the_rational_score_of_every_event(
    program: Callable[[str], Path], name: str, io_type: str
) -> None:
    kernel = _EXHAUSTIVE[name]
    events = _all_events(kernel)
    found = kernel.run(program(io_type), name, events)
    assert len(found) == len(events)
    wrong = [event for event, score, exact in zip(events, found, _all_scores(name), strict=True) if score != exact]
    assert not wrong, f"{len(wrong)} of {len(events)} scores differ, the first of {wrong[0]}"
    assert len(set(found)) > 10


# ---- whole networks ----


@pytest.mark.slow
@pytest.mark.parametrize("io_type", IO_TYPES)
@pytest.mark.parametrize("score", Score, **BY_VALUE)
def test_a_network_with_each_score_is_bit_exact_in_every_layer_and_decision(
    written: Write, tmp_path: Path, score: Score, io_type: str
) -> None:
    made = written(small_model(score), 9, Firmware(io_type=io_type))
    golden = compare(made, tmp_path)
    assert made.layers[-1].types.result == str(made.network.score.type)
    codes = golden[made.network.score.name].codes
    assert codes.max() > made.network.score.type.max_code // 4, "the score is driven to its upper end"
    assert len(np.unique(golden[ACCEPT_LAYER].codes, axis=0)) == 4, "below, between and above three thresholds"


@pytest.mark.slow
@pytest.mark.parametrize("io_type", IO_TYPES)
def test_a_score_that_compares_an_inner_layer_is_bit_exact(written: Write, tmp_path: Path, io_type: str) -> None:
    made = written(embedded(), 9, Firmware(io_type=io_type))
    assert made.network.score.inputs == ("embedding_quantized", "reconstruction_quantized")
    golden = compare(made, tmp_path)
    assert len(np.unique(golden[ACCEPT_LAYER].codes, axis=0)) == 4, "below, between and above three thresholds"


@pytest.mark.slow
@pytest.mark.parametrize("table_bits", [0, 3, 12], ids="table_{}".format)
@pytest.mark.parametrize("score", [score for score in Score if score.needs_variance], **BY_VALUE)
def test_every_entry_of_a_networks_table_is_what_the_score_adds(
    written: Write, tmp_path: Path, score: Score, table_bits: int
) -> None:
    """Every code of mu beside every code of log sigma^2, put in the place of the network's own."""
    made = written(small_model(score, (4,), 1), 6, Firmware(), bits=6, table_bits=table_bits)
    library = compiled(made, tmp_path)
    network = made.network
    mu, log_variance = (network[name] for name in network.score.inputs)
    pairs = np.array(list(product(range(mu.type.min_code, mu.type.max_code + 1),
                                  range(log_variance.type.min_code, log_variance.type.max_code + 1))))  # fmt: skip
    injected = {
        layer.name: np.zeros((len(pairs), layer.size), dtype=np.int64)
        for layer in network.layers
        if layer.name != ACCEPT_LAYER
    }
    injected |= {mu.name: pairs[:, :1], log_variance.name: pairs[:, 1:]}
    golden = run_injected(made, library, injected)[network.score.name]
    for (m, v), code in zip(pairs.tolist(), golden.codes[:, 0].tolist(), strict=True):
        expected = rational_score(score, [[m], [v]], [mu.type, log_variance.type], entry_bits=table_bits)
        assert Fraction(code) / Fraction(2) ** golden.fraction == expected
    assert network.score.table is not None
    np.testing.assert_array_equal(network.score.table.codes, function_table(score, log_variance.type, table_bits).codes)
