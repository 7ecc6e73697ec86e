"""The traced logic cut into stages between registers, as `trace` leaves it beside the project (needs da4ml)."""

from __future__ import annotations

from pathlib import Path

from da4ml.cmvm.types import CombLogic, Pipeline

from fpgaae.errors import InputError
from fpgaae.rtl.design import PIPELINE_FILE


def load_pipeline(folder: Path) -> Pipeline:
    """Read what `trace` left in its folder.

    Raises
    ------
    InputError
        If it is not there, as in folders of earlier versions, or damaged.
    """
    file = folder / PIPELINE_FILE
    if not file.is_file():
        raise InputError(f"{file} is missing; run the stage `trace` with --force")
    try:
        return Pipeline.load(str(file))
    except (ValueError, TypeError, KeyError, IndexError, AssertionError):
        raise InputError(f"{file} is damaged; run the stage `trace` with --force") from None


def stages_by_module(name: str, pipeline: Pipeline) -> dict[str, CombLogic]:
    """Give the stages of a project called `name` by the names of their modules."""
    return {f"{name}_core_stage{index}": logic for index, logic in enumerate(pipeline.solutions)}


def stage_ports(pipeline: Pipeline) -> list[tuple[int, int]]:
    """Give the bits of the inputs and outputs of each stage."""
    return [(int(own.inp_kifs.sum()), int(own.out_kifs.sum())) for own in pipeline.solutions]


def interpretable(logic: CombLogic) -> CombLogic:
    """Write a stage that was cut as the interpreter reads it: the data of operations signed, and no empty tables."""
    return logic._replace(
        ops=[op._replace(data=op.data - 2**64) if op.data >= 2**63 else op for op in logic.ops],
        lookup_tables=logic.lookup_tables or None,
    )


def with_every_value(logic: CombLogic) -> CombLogic:
    """Give the logic with the value of every operation as an output, for the interpreter."""
    n = len(logic.ops)
    return interpretable(logic)._replace(
        shape=(logic.shape[0], n), out_idxs=list(range(n)), out_shifts=[0] * n, out_negs=[False] * n
    )
