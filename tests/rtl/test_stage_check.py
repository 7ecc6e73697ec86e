"""Stages driven alone: their inputs reach the ends of every sum, and a sum that lacks its highest bit is caught."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest
from da4ml.cmvm.types import CombLogic
from designs import Written, write_design
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.rtl.parts import Parts
from fpgaae.rtl.stage_check import check_stage
from fpgaae.rtl.stage_stimulus import load_pipeline, stage_inputs, stage_stimuli

SEED = 3
_SUM = re.compile(
    r"(?P<head>shift_adder #\(\d+, \d+, [01], [01], )(?P<bits>\d+)(?P<tail>, -?\d+, [01]\) op_\d+ \([^,]+, [^,]+, )"
    r"(?P<name>v\d+)\[\d+:0\]\);"
)


@pytest.fixture(
    scope="module", params=[Score.MU_SQUARED_OVER_VARIANCE, Score.MASKED_SQUARED_ERROR], ids=lambda s: s.value
)
def design(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    features = networks.feature_map()
    return write_design(networks.random_network(request.param, features), features, tmp_path_factory.mktemp("rtl"))


def _affine(logic: CombLogic) -> list[NDArray[np.float64] | None]:
    """Give of each operation the factors of the inputs and a constant, None where it is no sum of them."""
    found: list[NDArray[np.float64] | None] = []
    for op in logic.ops:
        own: NDArray[np.float64] | None = None
        if op.opcode == -1:
            own = np.zeros(logic.shape[0] + 1)
            own[op.id0] = 1
        elif op.opcode in {0, 1} and found[op.id0] is not None and found[op.id1] is not None:
            own = found[op.id0] + (1 - 2 * op.opcode) * 2.0**op.data * found[op.id1]
        elif op.opcode == 4 and found[op.id0] is not None:
            own = found[op.id0].copy()
            own[-1] += op.data * op.qint.step
        found.append(own)
    return found


def test_every_sum_of_a_stage_is_brought_to_both_ends(design: Written) -> None:
    sums = 0
    for logic in design.pipeline.solutions:
        values = stage_inputs(logic, SEED) * 2.0 ** np.array(logic.inp_shifts, dtype=float)
        low, high, step = (np.array([getattr(q, name) for q in logic.inp_qint]) for name in ("min", "max", "step"))
        assert (values >= low).all()
        assert (values <= high).all()
        assert not np.mod(values, np.where(step > 0, step, 1)).any()
        for op, factors in zip(logic.ops, _affine(logic), strict=True):
            if factors is None or op.opcode == -1:
                continue
            found = values @ factors[:-1] + factors[-1]
            ends = np.stack([low * factors[:-1], high * factors[:-1]])
            assert found.min() == ends.min(axis=0).sum() + factors[-1]
            assert found.max() == ends.max(axis=0).sum() + factors[-1]
            sums += 1
    assert sums > 20


def _without_highest_bit(match: re.Match[str]) -> str:
    top = int(match["bits"]) - 1
    name = match["name"]
    return f"{match['head']}{top}{match['tail']}{name}[{top - 1}:0]); assign {name}[{top}] = {name}[{top - 1}];"


@pytest.mark.slow
def test_a_sum_that_lacks_its_highest_bit_is_caught_in_every_stage(design: Written, tmp_path: Path) -> None:
    """The last sum of inputs that it puts out; what lies behind a rectifier need not reach the ends of its range."""
    networks.need("verilator")
    project = tmp_path / "project"
    shutil.copytree(design.project, project)
    damaged = set()
    for stage, logic in enumerate(design.pipeline.solutions):
        file = project / "verilog" / f"{design.design.name}_core_stage{stage}.v"
        text, affine = file.read_text(), _affine(logic)
        seen = {place for place in logic.out_idxs if place >= 0 and affine[place] is not None}
        if sums := [match for match in _SUM.finditer(text) if int(match["name"][1:]) in seen]:
            last = sums[-1]
            file.write_text(text[: last.start()] + _without_highest_bit(last) + text[last.end() :])
            damaged.add(file.stem)
    assert damaged
    no_stage: set[str] = set()
    for at, wrong in ((design.project, no_stage), (project, damaged)):
        parts = Parts(at, tmp_path / f"parts_{len(wrong)}", optimization="-O0")
        parts.make_stages()
        checked = [
            check_stage(parts.stage_library(own.module), at, own)
            for own in stage_stimuli(design.design.name, design.pipeline, SEED)
        ]
        assert len(checked) == design.design.stages
        assert {check.module for check in checked if check.mismatched_inputs} == wrong
        for check in checked:
            assert (check.failure is None) == (check.module not in wrong)
            assert check.inputs > 2000


@pytest.mark.slow
def test_ports_of_another_width_and_a_missing_stage_are_named(design: Written, tmp_path: Path) -> None:
    networks.need("verilator")
    parts = Parts(design.project, tmp_path / "parts", optimization="-O0")
    parts.make_stages()
    stimulus = next(stage_stimuli(design.design.name, design.pipeline, SEED))
    for other in (
        replace(stimulus, inputs=stimulus.inputs[:, :-1]), replace(stimulus, outputs=np.pad(stimulus.outputs, 1)[1:-1]),
    ):  # fmt: skip
        found = check_stage(parts.stage_library(stimulus.module), design.project, other)
        assert found.mismatched_inputs == found.inputs == len(stimulus.inputs)
        assert found.failure is not None
        assert found.failure.endswith("its ports have other widths than those that were traced")
    none = check_stage(tmp_path / "none.so", design.project, stimulus)
    assert none.failure == f"{stimulus.module}: the project has no such stage"
    assert none.mismatched_inputs == none.inputs


def test_a_pipeline_that_is_missing_or_damaged_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pipeline\.json is missing; run the stage `trace` with --force"):
        load_pipeline(tmp_path)
    for text in ("[[", "{}", "[[[1]]]"):
        (tmp_path / "pipeline.json").write_text(text)
        with pytest.raises(InputError, match=r"pipeline\.json is damaged"):
            load_pipeline(tmp_path)
