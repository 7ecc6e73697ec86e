"""The stages: what each is made from. A new one is an entry here, a runner in `pipeline`, and a command in `cli`.

What a stage does, and where its files lie, does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

PROJECT_FOLDER = "project"
_CSIM_EVENTS = ("csim.max_events_per_process", "csim.random_events")


class StageSpec(NamedTuple):
    """What a stage is made from; a change of any of it makes the stage's result stale."""

    name: str
    result_file: str
    upstream: tuple[str, ...]
    sections: tuple[str, ...]  # dotted keys of the config
    is_check: bool = False  # goes on with upstream files that may be edited, and is repeated until it passes
    editable: str | None = None  # the folder in which a user may edit files by hand
    sources: tuple[str, ...] = ()  # folders of hand-written firmware whose files go into the result
    packages: tuple[str, ...] = ()  # whose versions decide the result
    optional: tuple[str, ...] = ()  # further stages whose results are taken in where they are current
    beside: tuple[str, ...] = ()  # further files, of the run folder, that are taken in where they are there


STAGES: Mapping[str, StageSpec] = {
    spec.name: spec
    for spec in (
        StageSpec("data", "data.json", (), ("seed", "data")),
        StageSpec(
            "reference", "reference.json", ("data",), ("seed", "model", "quantization.inputs", "training.reference")
        ),
        StageSpec(
            "train", "train.json", ("data", "reference"), ("seed", "quantization", "pruning", "training.quantized")
        ),
        StageSpec(
            "convert",
            "convert.json",
            ("data", "train"),
            ("firmware", "trigger", "evaluation.confidence_level", "seed", *_CSIM_EVENTS),
            editable=PROJECT_FOLDER,
            sources=("csim", "hls", "scripts"),
            packages=("hls4ml", "da4ml", "qkeras"),
        ),
        StageSpec("csim", "csim.json", ("data", "convert"), ("seed", *_CSIM_EVENTS), is_check=True),
        StageSpec(
            "prove",
            "prove.json",
            ("data", "convert"),
            ("seed",),
            is_check=True,
            sources=("proof",),
            optional=("trace",),
        ),
        StageSpec(
            "trace",
            "trace.json",
            ("data", "convert"),
            ("firmware",),
            editable=PROJECT_FOLDER,
            sources=("rtl",),
            packages=("da4ml",),
        ),
        StageSpec(
            "rtl", "rtl.json", ("data", "convert", "trace"), ("seed", *_CSIM_EVENTS), is_check=True, sources=("rtl",)
        ),
        StageSpec("synth", "synth.json", ("rtl",), ("firmware.part", "firmware.clock_ns")),
        StageSpec(
            "place",
            "place.json",
            ("data", "convert", "trace"),
            ("seed", "firmware", "place", *_CSIM_EVENTS),
            is_check=True,
            sources=("rtl",),
            packages=("da4ml",),
        ),
        StageSpec("evaluate", "metrics.json", ("data", "reference", "train", "csim"), ("seed", "evaluation")),
        StageSpec(
            "report",
            "index.html",
            ("convert", "csim", "evaluate"),
            (),
            optional=("prove", "rtl", "synth", "place"),
            beside=("evaluate/drift.json", "place_front/front.json", "package.json"),
        ),
    )
}
DISTILLATION = "distillation"  # a further section of the stage `reference`, where a student learns a teacher's score
EMBEDDING = "training.embedding"  # likewise, where a float method trains a model with an embedding
STAGES_OF_POST_TRAINING: Mapping[str, StageSpec] = {  # where the reference is pruned and then only rounded
    "reference": STAGES["reference"]._replace(
        sections=(*STAGES["reference"].sections, "pruning", "quantization.layers", "training.quantized.mode")
    ),
    "train": STAGES["train"]._replace(sections=("seed", "quantization", "training.quantized.mode")),
}
STAGES_OF_METHOD: Mapping[str, StageSpec] = {  # where the reference is one of the float methods
    "reference": STAGES["reference"]._replace(sections=(*STAGES["reference"].sections, "method", "ensemble")),
}
USES = ("latent", "sample", "interpolate", "impute", "cluster", "compress", "correlate")
_EXPLORE = "explore-"
STAGES_OF_USES: Mapping[str, StageSpec] = {  # what a finished float method is good for besides its scores
    spec.name: spec
    for spec in (
        StageSpec(
            f"{_EXPLORE}{use}",
            f"{use}.json",
            ("data", "reference"),
            ("seed", "explore", "evaluation.confidence_level"),
            packages=("scikit-learn",),
        )
        for use in USES
    )
}
IMPORT = "import"
STAGES_OF_IMPORT: Mapping[str, StageSpec] = {  # what the stages are where a model was imported instead of trained
    spec.name: spec
    for spec in (
        StageSpec(IMPORT, "import.json", (), ()),
        StageSpec("reference", "reference.json", ("data", IMPORT), ("model.score", "quantization.inputs")),
        StageSpec("train", "train.json", ("data", "reference", IMPORT), ("model.score", "quantization")),
    )
}
TRIAL, BASELINE = "trial", "baseline"
STAGES_OF_SCAN: Mapping[str, StageSpec] = {  # what a scan measures of a quantized network, and of its float reference
    spec.name: spec
    for spec in (
        StageSpec(
            BASELINE,
            "baseline.json",
            ("data", "reference"),
            ("evaluation.bootstrap_replicas", "evaluation.judged_on"),
            packages=("tensorflow",),
        ),
        StageSpec(
            TRIAL,
            "trial.json",
            ("data", "train"),
            ("firmware.clock_ns", "trigger", "evaluation.bootstrap_replicas", "evaluation.judged_on"),
            packages=("da4ml", "qkeras", "tensorflow"),
        ),
    )
}


def explore_stage(use: str) -> str:
    """Name the stage of a use."""
    return f"{_EXPLORE}{use}"


def use_of(stage: str) -> str | None:
    """Name the use whose stage this is, or None of another."""
    return stage.removeprefix(_EXPLORE) if stage in STAGES_OF_USES else None
