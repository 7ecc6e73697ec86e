"""The registers between the stages and behind the last: whatever a stage gives, the next one and the outputs must get.

Events reach few of the words that a stage can give, all zero for instance next to never. Words drawn at random, zeros
and ones stand in for what the stages give; behind the last one only those that the ports can carry (needs da4ml).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from da4ml.cmvm.types import CombLogic, Pipeline, Precision
from numpy.typing import NDArray

from fpgaae.files import load_library
from fpgaae.rtl.design import Design
from fpgaae.rtl.pipeline import stage_ports
from fpgaae.runs.results.rtl import RegisterCheck

Bits = NDArray[np.uint8]
Words = NDArray[np.uint32]
REGISTERS_LIBRARY = "registers.so"
BENCH = "register_bench"
_ROWS = 256
_FEW_ROWS = 32
_MODULE = """module {name} (input [{n_in}:0] model_inp, output [{n_out}:0] model_out);
    assign model_out = {bench}.given[{low}+:{width}];
endmodule
"""
_BENCH_TEXT = """module {bench} (input clk, input [{n_given}:0] given, output [{n_seen}:0] seen);
{wires}    {name}_trigger trigger (.clk(clk), .objects({n_objects}'b0){connections});
    assign seen = {{{outputs}{inputs}}};
endmodule
"""


@dataclass(frozen=True)
class RegisterStimulus:
    """What the stages give at each clock edge, and what must stand behind it, in bits (n, n_bits), the lowest first."""

    given: Bits
    seen: Bits

    def first(self) -> RegisterStimulus:
        """Give the first clocks, for simulators that are slow."""
        return RegisterStimulus(self.given[:_FEW_ROWS], self.seen[:_FEW_ROWS])


def bench_text(name: str, ports: Sequence[tuple[int, int]], objects: int, outputs: Mapping[str, int]) -> str:
    """Write the bench: `given` holds what each stage gives, `seen` what all but the first get, then the outputs.

    Parameters
    ----------
    ports
        The bits of the inputs and outputs of each stage.
    objects, outputs
        The bits of the ports of the block, the outputs by their names.
    """
    low, parts = 0, []
    for stage, (n_in, n_out) in enumerate(ports):
        module = f"{name}_core_stage{stage}"
        parts.append(_MODULE.format(name=module, n_in=n_in - 1, n_out=n_out - 1, bench=BENCH, low=low, width=n_out))
        low += n_out
    inputs = "".join(f", trigger.core.stage{stage}.model_inp" for stage in range(len(ports) - 1, 0, -1))
    n_seen = sum(n_in for n_in, _ in ports[1:]) + sum(outputs.values())
    top = _BENCH_TEXT.format(
        bench=BENCH, name=name, n_given=low - 1, n_seen=n_seen - 1, n_objects=objects, inputs=inputs,
        wires="".join(f"    wire [{bits - 1}:0] {port};\n" for port, bits in outputs.items()),
        connections="".join(f", .{port}({port})" for port in outputs), outputs=", ".join(reversed(list(outputs))),
    )  # fmt: skip
    return "".join((*parts, top))


def register_stimulus(pipeline: Pipeline, design: Design, seed: int) -> RegisterStimulus:
    """Draw what the stages give: any bits, only zeros and only ones in turn."""
    rng = np.random.default_rng([seed, len(pipeline.solutions)])
    widths = [n_out for _, n_out in stage_ports(pipeline)]
    between = _drawn(rng, _ROWS, sum(widths[:-1]))
    last = _drawn(rng, _ROWS, widths[-1])
    while not (fits := _fits(last, pipeline.solutions[-1], design)).all():
        last[~fits] = rng.integers(2, size=int((~fits).sum()), dtype=np.uint8)
    results = _results(last, pipeline.solutions[-1], design)
    return RegisterStimulus(np.concatenate([between, last], axis=1), np.concatenate([between, results], axis=1))


def _drawn(rng: np.random.Generator, n: int, width: int) -> Bits:
    drawn = rng.integers(2, size=(n, width), dtype=np.uint8)
    drawn[1::4], drawn[3::4] = 0, 1
    return drawn


def _values(bits: Bits, logic: CombLogic) -> NDArray[np.int64]:
    """Read what a stage puts out, (n, n_bits), as the integers that it stands for (n, n_outputs)."""
    values, low = np.zeros((len(bits), logic.shape[1]), dtype=np.int64), 0
    for place, interval in enumerate(logic.out_qint):
        is_signed, integers, fraction = Precision.from_qint(interval)
        width = is_signed + integers + fraction
        weights = 1 << np.arange(width, dtype=np.int64)
        if is_signed:
            weights[-1:] *= -1
        values[:, place] = (bits[:, low : low + width] @ weights) << max(-fraction, 0)
        low += width
    return values


def _fits(bits: Bits, logic: CombLogic, design: Design) -> NDArray[np.bool_]:
    """Tell of which bits the port holds the code, or has a wire from the last stage for each of its own bits."""
    columns = []
    for codes, kind, interval in zip(_values(bits, logic).T, design.results, logic.out_qint, strict=True):
        is_signed, integers, fraction = Precision.from_qint(interval)
        fits = np.ones(len(bits), dtype=np.bool_)
        if is_signed + integers + max(fraction, 0) < kind.width:  # else the sign too, although no event sets it
            fits = (codes >= kind.min_code) & (codes <= kind.max_code)
        columns.append(np.repeat(fits[:, None], is_signed + integers + fraction, axis=1))
    return np.concatenate(columns, axis=1)


def _results(bits: Bits, logic: CombLogic, design: Design) -> Bits:
    """Give the bits of score, decisions and latents that the outputs of the last stage stand for."""
    columns = zip(_values(bits, logic).T, design.results, strict=True)
    found = [codes[:, None] >> np.arange(kind.width) & 1 for codes, kind in columns]
    return np.concatenate(found, axis=1).astype(np.uint8)


def _words(bits: Bits) -> Words:
    padded = np.zeros((len(bits), -(-bits.shape[1] // 32) * 32), dtype=np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint32)


def check_registers(library: Path, name: str, stimulus: RegisterStimulus) -> RegisterCheck:
    """Clock the block whose stages are replaced with the words of the stimulus."""
    run = load_library(library).run_registers
    run.restype = ctypes.c_int
    run.argtypes = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64
    given, expected = _words(stimulus.given), _words(stimulus.seen)
    found = np.zeros_like(expected)
    n, module = len(given), f"{name}_trigger"
    if not run(given.shape[1], given.ctypes.data, found.shape[1], found.ctypes.data, n):
        narrower = f"{module}: its stages have other widths than those that were traced"
        return RegisterCheck(module=module, inputs=n, mismatched_inputs=n, failure=narrower)
    wrong = np.flatnonzero((found != expected).any(axis=1))
    failure = None
    if len(wrong):
        failure = f"{module}: its registers or ports do not carry what the stages give at clock {wrong[0]}"
    return RegisterCheck(module=module, inputs=n, mismatched_inputs=len(wrong), failure=failure)
