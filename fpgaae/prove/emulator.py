"""The source of the emulator over polynomials of the words on the ports: its calls, constants and thresholds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.prove.algebra import Algebra, NotFollowed, Polynomial
from fpgaae.prove.emulator_kernels import KERNELS, Kernels
from fpgaae.prove.emulator_probe import wrong_coefficient
from fpgaae.prove.emulator_values import Rows, without_constants
from fpgaae.prove.golden_forms import GoldenForms

_ROWS = re.compile(r"(?:static thread_local )?(?:Row<(\w+)>|(Pairs)) (.+)", re.S)
_ROW = re.compile(r"(\w+)(?:\[(\d+)\])?(?: = \{\})?")
_CALL = re.compile(r"Kernels::(\w+)\((.*)\)", re.S)
_BODY = re.compile(r"^void run_block_with\([^)]*\) \{\n(.*?)^    if \(latents\)", re.M | re.S)
_DECISION = re.compile(
    r"^void decide\(const int64_t \*scores, const int32_t \*cells, int64_t n, const int64_t \*thresholds, "
    r"uint8_t \*accept\) \{\n    \(void\)cells;\n"
    r"    for \(int64_t e = 0; e < n; e\+\+\)\n +for \(int i = 0; i < (?P<n>\d+); i\+\+\)\n"
    r" +accept\[e \* (?P=n) \+ i\] = scores\[e\] (?P<how>[<>]=?) "
    r"thresholds\[(?P<cell>\(cells \? cells\[e\] : 0\) \* (?P=n) \+ )?(?P<place>i|(?P=n) - 1 - i)\];\n\}",
    re.M,
)
_DECIDE_WITH = re.compile(
    r"_decide_with\(const int64_t \*scores, const int32_t \*cells, int64_t n,\s+const int64_t \*loaded, "
    r"uint8_t \*accept\) \{\n    decide\(scores, cells, n, (?P<thresholds>\w+), accept\);\n\}"
)


def emulator_differs(trigger: GoldenTrigger, source: str, file: Path | None = None) -> str | None:
    """Say where an emulator's source, `NAME_emulator.cpp`, is not the golden network for some words; None: nowhere.

    Parameters
    ----------
    file
        Where the source lies, in its package: the kernels beside it are compiled, and asked for their coefficients.

    Raises
    ------
    NotFollowed
        If something of it can't be followed, or is not shown to be exact.
    ToolMissing, CheckFailed
        If the kernels don't compile.
    """
    algebra = Algebra()
    ends = zip(*trigger.features.port_limits, strict=True)
    ports = [algebra.port((int(low), int(high))) for low, high in ends]
    golden = GoldenForms(algebra, trigger, ports).layers()
    run = _Run(algebra, ports, source)
    run.execute()
    found = [run.value("score"), *run.decisions(trigger)]
    expected = [*golden[trigger.network.score.name], *golden[trigger.accept.name]]
    for place, (own, right) in enumerate(zip(found, expected, strict=True)):
        if not algebra.difference(own, right).is_zero:
            return f"{f'decision {place - 1}' if place else 'the score'} is not that of the model"
    if (reason := run.loaded_differs()) is not None:
        return reason
    if file is None or not run.dense:
        return None
    return wrong_coefficient(file.parent, file.name, tuple(run.dense.values()))


def beside_the_proof(source: str) -> str:
    """Give what `emulator_differs` does not read of a source: all but its constants and the calls of a block."""
    return without_constants(_BODY.sub("", source))


class _Run(Kernels):
    """Executes the calls of one source."""

    def __init__(self, algebra: Algebra, ports: Sequence[Polynomial], source: str) -> None:
        body = _BODY.search(source)
        if body is None:
            raise NotFollowed("its source has no function run_block_with as it is written")
        super().__init__(algebra, ports, source)
        self._source = source
        self._body = body[1]

    def execute(self) -> None:
        """Follow every statement."""
        for statement in (part.strip() for part in self._body.split(";")):
            if not statement:
                continue
            if declared := _ROWS.fullmatch(statement):
                for name, size in _ROW.findall(declared[3]):
                    self._rows[name] = Rows(declared[1] or declared[2], [Polynomial(0, {})] * int(size or 1))
                continue
            call = _CALL.fullmatch(statement)
            function = KERNELS.get(call[1]) if call else None
            if call is None or function is None:
                raise NotFollowed(f"its statement `{statement}` is not followed")
            try:
                function(self, [part.strip() for part in call[2].split(",")])
            except ValueError:  # another number of arguments, or one that is no number
                raise NotFollowed(f"its statement `{statement}` is not followed") from None

    def value(self, name: str) -> Polynomial:
        """Give a single value."""
        if name not in self._rows:
            raise NotFollowed(f"it declares no {name}")
        return self._rows[name].values[0]

    def decisions(self, trigger: GoldenTrigger) -> Iterator[Polynomial]:
        """Give the decisions."""
        decision, score = self._decision(), self.value("score")
        n, by_cell = trigger.accept.size, trigger.network.cell is not None
        if int(decision["n"]) != n or bool(decision["cell"]) != by_cell:
            raise NotFollowed("its comparison of scores with thresholds is not followed")
        thresholds = np.array(self._array("thresholds")).reshape(-1, n)
        for column in range(n) if decision["place"] == "i" else reversed(range(n)):
            own = thresholds[:, column]
            if not by_cell:
                at = Polynomial(int(own[0]), {})
            else:
                if self._algebra.codes(self.value("cell"))[1] >= len(own):
                    raise NotFollowed("an event may have a cell without thresholds")
                at = self._algebra.apply(lambda codes, own=own: own[codes], self.value("cell"))  # type: ignore[misc]
            a, b = (at, score) if decision["how"].startswith(">") else (score, at)
            yield self._algebra.is_negative(self._algebra.sum(((a, 1), (b, -1)), -decision["how"].endswith("=")))

    def loaded_differs(self) -> str | None:
        """Say where a decision with thresholds that are given is not `score > threshold`, for any codes of both."""
        decision, given = self._decision(), _DECIDE_WITH.search(self._source)
        if given is None:
            raise NotFollowed("its function that is given thresholds is not followed")
        if given["thresholds"] != "loaded":
            return "the thresholds that are given are not what it decides with"
        if decision["how"] != ">":
            return f"with thresholds that are given, it compares by {decision['how']}"
        if decision["place"] != "i" and decision["n"] != "1":
            return f"with thresholds that are given, decision 0 is that of threshold {int(decision['n']) - 1}"
        return None

    def _decision(self) -> re.Match[str]:
        """Read the function that compares scores with thresholds, both of them arguments."""
        found = _DECISION.search(self._source)
        if found is None:
            raise NotFollowed("its comparison of scores with thresholds is not followed")
        return found
