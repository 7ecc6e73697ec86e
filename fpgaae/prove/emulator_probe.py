"""The coefficients of an emulator's compiled dense layers, read back by basis vectors.

A kernel that adds products gives the bias for zeros, and the bias and one weight of each output for a single one. Every
build of the kernels is asked that the processor at hand can run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.doctor import require_compiler
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.processes import ProgramHangs, run_program

_LANES = 32  # events of a block
_FLAGS = ("-O1", "-std=c++11", "-ffp-contract=off")
_NAME, _FOUND = "probe", "probe.dat"
_LIMIT_S = 60
_MOST_CODES = 2**22  # that a call may give for each vector to come in each lane
_CALL = """
    for (int first = 0; first <= {n_in}; first += {step}) {{
        static Row<{in_type}> x[{n_in}];
        static Pairs buffer[{n_in}];
        static Row<{out_type}> y[{n_out}];
        for (int i = 0; i < {n_in}; i++)
            for (int e = 0; e < block_events; e++)
                x[i].lane[e] = (first + e) % ({n_in} + 1) == i + 1;
        Kernels::{function}(x, {sizes}, {kernel}, {bias}{buffer}, y);
        (void)buffer;
        for (int i = 0; i < {n_out}; i++)
            for (int e = 0; e < block_events; e++) {{
                const int64_t code = (int64_t)y[i].lane[e];
                fwrite(&code, sizeof code, 1, file);
            }}
    }}"""
_PROGRAM = """#include "{source}"
#include <cstdio>
template <class Kernels> void probe(FILE *file) {{{calls}
}}
int main() {{
    FILE *file = fopen("{found}", "wb");
    if (!file)
        return 1;
    probe<Any>(file);
#ifdef FPGAAE_MORE_BUILDS
    if (has_avx2())
        probe<Avx2>(file);
    if (has_avx512())
        probe<Avx512>(file);
#endif
    return fclose(file);
}}
"""


class DenseCall(NamedTuple):
    """A call of a dense kernel, as the source has it, and its constants."""

    function: str
    in_type: str
    out_type: str
    kernel: str
    bias_name: str
    weights: Codes  # (n_in, n_out), or one input more that is always zero
    bias: Codes  # (n_out,)
    n_in: int

    @property
    def _step(self) -> int:
        """How many vectors a block is behind the one before: so few that each comes in each lane, if not too many."""
        return 1 if (self.n_in + 1) * len(self.bias) * _LANES <= _MOST_CODES else _LANES

    @property
    def _firsts(self) -> Codes:
        """The vectors in the first lanes of the blocks."""
        return np.arange(0, self.n_in + 1, self._step)

    @property
    def n_codes(self) -> int:
        """How many codes are written."""
        return len(self._firsts) * len(self.bias) * _LANES

    def text(self) -> str:
        """Give the C++ that calls it with each basis vector."""
        n_in, n_out = self.n_in, len(self.bias)
        in_pairs = self.function == "dense_pairs"
        return _CALL.format(
            in_type=self.in_type, out_type=self.out_type, n_in=n_in, n_out=n_out, function=self.function,
            sizes=f"{n_in}, {n_out}" if in_pairs else n_out, kernel=self.kernel, bias=self.bias_name,
            buffer=", buffer" if in_pairs else "", step=self._step,
        )  # fmt: skip

    def right(self) -> Codes:
        """Give what it should write, (n_blocks, n_out, lanes); zeros come before the basis vectors."""
        made = np.concatenate([np.zeros_like(self.bias)[None], self.weights[: self.n_in]]) + self.bias
        rows = self._firsts[:, None] + np.arange(_LANES)
        return np.moveaxis(made[rows % len(made)], 2, 1)

    def said(self, found: Codes) -> str | None:
        """Say which coefficient is not the constant; None: none."""
        right = self.right()
        wrong = np.argwhere(found.reshape(right.shape) != right)
        if not wrong.size:
            return None
        block, out, lane = wrong[0].tolist()
        place = int(self._firsts[block] + lane) % (self.n_in + 1)
        what = f"a one at input {place - 1}" if place else "zeros"
        return (
            f"output {out} of {self.kernel} makes {found.reshape(right.shape)[block, out, lane]} of {what} in lane "
            f"{lane}, and not {right[block, out, lane]}"
        )


def wrong_coefficient(package: Path, source: str, calls: Sequence[DenseCall]) -> str | None:
    """Compile the calls with the kernels of a package, and say which coefficient is not the constant; None: none.

    Parameters
    ----------
    package
        The folder of the emulator, in which the probe is built.
    source
        Its file `NAME_emulator.cpp`.

    Raises
    ------
    ToolMissing
        If there is no g++.
    CheckFailed
        If it does not compile, crashes or does not end.
    """
    text = _PROGRAM.format(source=source, found=_FOUND, calls="".join(call.text() for call in calls))
    (package / f"{_NAME}.cpp").write_text(text, encoding="utf-8")
    command = [str(require_compiler()), *_FLAGS, f"{_NAME}.cpp", "-o", _NAME]
    done = run_program(command, "compiling the kernels of the emulator", folder=package)
    if done.returncode:
        line = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        raise CheckFailed(f"the kernels of the emulator do not compile: {line}")
    try:
        done = run_program([f"./{_NAME}"], "the kernels of the emulator", folder=package, limit_s=_LIMIT_S)
    except ProgramHangs:
        raise CheckFailed(f"the kernels of the emulator do not end within {_LIMIT_S} s") from None
    if done.returncode:
        raise CheckFailed(f"the kernels of the emulator end with exit code {done.returncode}")
    ends = np.cumsum([call.n_codes for call in calls])
    builds = np.fromfile(package / _FOUND, dtype=np.int64).reshape(-1, ends[-1])
    parts = (zip(calls, np.split(found, ends[:-1]), strict=True) for found in builds)
    return next(filter(None, (call.said(part) for of_build in parts for call, part in of_build)), None)
