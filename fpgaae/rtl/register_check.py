"""The registers between the stages and behind the last: whatever a stage gives, the next one and the outputs must get.

Events reach few of the words that a stage can give, all zero for instance next to never. Words drawn at random, zeros
and ones stand in for what the stages give, and for the last stage what it gives alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpgaae.files import load_library
from fpgaae.rtl.stage_check import StageBits, Words
from fpgaae.runs.results.rtl import StageCheck

Bits = NDArray[np.uint8]
REGISTERS_LIBRARY = "registers.so"
BENCH = "register_bench"
_ROWS = 256
_FEW_ROWS = 32
_MODULE = """module {name} (input [{n_in}:0] model_inp, output [{n_out}:0] model_out);
    assign model_out = {bench}.given[{low}+:{width}];
endmodule
"""
_BENCH_TEXT = """module {bench} (input clk, input [{n_given}:0] given, output [{n_seen}:0] seen);
    wire [{n_score}:0] score;
    wire [{n_accept}:0] accept;
    {name}_trigger trigger (.clk(clk), .objects({n_objects}'b0), .score(score), .accept(accept));
    assign seen = {{accept, score{inputs}}};
endmodule
"""


@dataclass(frozen=True)
class RegisterStimulus:
    """What the stages give at each clock edge, and what must stand behind it, in words of 32 bits."""

    given: Words
    seen: Words
    bits: StageBits | None = None  # the first of them in bits, for GHDL


def bench_text(name: str, ports: Sequence[tuple[int, int]], objects: int, score: int, accept: int) -> str:
    """Write the bench: `given` holds what each stage gives, `seen` what all but the first get, then the outputs.

    Parameters
    ----------
    ports
        The bits of the inputs and outputs of each stage.
    objects, score, accept
        The bits of the ports of the block.
    """
    low, parts = 0, []
    for stage, (n_in, n_out) in enumerate(ports):
        module = f"{name}_core_stage{stage}"
        parts.append(_MODULE.format(name=module, n_in=n_in - 1, n_out=n_out - 1, bench=BENCH, low=low, width=n_out))
        low += n_out
    inputs = "".join(f", trigger.core.stage{stage}.model_inp" for stage in range(len(ports) - 1, 0, -1))
    n_seen = sum(n_in for n_in, _ in ports[1:]) + score + accept
    top = _BENCH_TEXT.format(
        bench=BENCH, name=name, n_given=low - 1, n_seen=n_seen - 1, n_score=score - 1, n_accept=accept - 1,
        n_objects=objects, inputs=inputs,
    )  # fmt: skip
    return "".join((*parts, top))


def register_stimulus(between: Sequence[int], last: Bits, results: Bits, seed: int) -> RegisterStimulus:
    """Draw what the stages give.

    Parameters
    ----------
    between
        The bits of the outputs of each stage but the last.
    last
        (n, n_bits) what the last stage can give, the lowest bit first; the first rows get their turn in any case.
    results
        (n, n_bits) the score and the decisions that each of these stands for.
    """
    rng = np.random.default_rng([seed, len(between)])
    drawn = rng.integers(2, size=(_ROWS, sum(between)), dtype=np.uint8)
    drawn[1::4], drawn[3::4] = 0, 1
    chosen = rng.integers(len(last), size=_ROWS)
    chosen[: min(len(last), _ROWS)] = np.arange(min(len(last), _ROWS))
    given = np.concatenate([drawn, last[chosen]], axis=1)
    seen = np.concatenate([drawn, results[chosen]], axis=1)
    return RegisterStimulus(_words(given), _words(seen), StageBits(given[:_FEW_ROWS], seen[:_FEW_ROWS]))


def _words(bits: Bits) -> Words:
    padded = np.zeros((len(bits), -(-bits.shape[1] // 32) * 32), dtype=np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint32)


def check_registers(library: Path, name: str, stimulus: RegisterStimulus) -> StageCheck:
    """Clock the block whose stages are replaced with the words of the stimulus."""
    run = load_library(library).run_registers
    run.restype = ctypes.c_int
    run.argtypes = ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64
    given, found = np.ascontiguousarray(stimulus.given), np.zeros_like(stimulus.seen, order="C")
    n, module = len(given), f"{name}_trigger"
    if not run(given.shape[1], given.ctypes.data, found.shape[1], found.ctypes.data, n):
        narrower = f"{module}: its stages have other widths than those that were traced"
        return StageCheck(module=module, inputs=n, mismatched_inputs=n, failure=narrower)
    wrong = np.flatnonzero((found != stimulus.seen).any(axis=1))
    failure = None
    if len(wrong):
        failure = f"{module}: its registers or ports do not carry what the stages give at clock {wrong[0]}"
    return StageCheck(module=module, inputs=n, mismatched_inputs=len(wrong), failure=failure)
