"""What a result was made from, as one hash: config sections, earlier stages, event files, sources and packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fpgaae.config.experiment import Config
from fpgaae.files import sha256
from fpgaae.optional import installed_version
from fpgaae.runs.experiment import MEMBERS_FILE, Experiment
from fpgaae.runs.folder import MANIFEST, edited_files, hash_tree, present_hashes, read_manifest, recorded_hashes
from fpgaae.runs.stages import IMPORT, StageSpec

RESULT_FORMAT = 2  # raise it when a stage's files change their form: results of another form are made anew
_FIRMWARE = "fpgaae_firmware"


def fingerprint(experiment: Experiment, stage: str, data_hashes: Mapping[str, str]) -> str:
    """Identify what a stage's result depends on: its config sections, everything upstream, and the event files."""
    spec = experiment.spec(stage)
    teachers = [method.sha256 for method in experiment.teachers]
    content = {
        "stage": stage,
        "format": RESULT_FORMAT,
        "sections": {key: _section(experiment.config, key) for key in spec.sections},
        "upstream": {name: fingerprint(experiment, name, data_hashes) for name in spec.upstream},
        "files": dict(data_hashes) if stage == "data" else {},
        **({"model": experiment.imported and experiment.imported.identity()} if stage == IMPORT else {}),
        **({"taken": experiment.taken} if stage == "reference" and experiment.taken is not None else {}),
        **({"teachers": teachers} if stage == "reference" and teachers else {}),
        "sources": _source_hashes(spec),
        # None where one is not installed: what it would decide can't be asked for then
        "packages": {name: installed_version(name) for name in spec.packages},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sources_hash(spec: StageSpec) -> str:
    """Give one hash of the hand-written firmware that goes into a stage's result."""
    return hashlib.sha256(json.dumps(_source_hashes(spec), sort_keys=True).encode()).hexdigest()


def _source_hashes(spec: StageSpec) -> dict[str, dict[str, str]]:
    return {name: hash_tree(Path(str(resources.files(_FIRMWARE) / name))) for name in spec.sources}


def _section(config: Config, dotted_key: str) -> Any:  # noqa: ANN401
    value: Any = config.model_dump(mode="json")
    for key in dotted_key.split("."):
        value = value[key]
    return value


def wanted_fingerprint(experiment: Experiment, spec: StageSpec, data_hashes: Mapping[str, str]) -> str:
    """Give the fingerprint that a current result has; a check is current for exactly the files that it compared."""
    wanted = fingerprint(experiment, spec.name, data_hashes)
    actual: dict[str, Mapping[str, str | None]]
    if spec.is_check:
        names = (*spec.upstream, *_taken_in(experiment, spec, data_hashes))
        actual = {name: present_hashes(experiment.stage_folder(name)) for name in names}
    elif spec.optional:
        taken_in = _taken_in(experiment, spec, data_hashes)
        actual = {name: {**recorded_hashes(experiment.stage_folder(name))} for name in taken_in}
        actual |= {f: {f: sha256(file)} for f in spec.beside if (file := experiment.folder / f).is_file()}
    else:
        return wanted
    return hashlib.sha256(json.dumps([wanted, actual], sort_keys=True).encode()).hexdigest()


def _taken_in(experiment: Experiment, spec: StageSpec, data_hashes: Mapping[str, str]) -> list[str]:
    """Name the optional stages that have a result of the present config; but for a check, as it was written."""
    return [name for name in spec.optional if is_current(experiment, name, data_hashes, may_be_edited=spec.is_check)]


def is_current(
    experiment: Experiment, stage: str, data_hashes: Mapping[str, str], *, may_be_edited: bool = False
) -> bool:  # fmt: skip
    """Tell whether a stage has a result of the present config, as it was written; or edited, where it may be."""
    folder = experiment.stage_folder(stage)
    if not (folder / MANIFEST).is_file():
        return False
    if read_manifest(folder).get("fingerprint") != wanted_fingerprint(experiment, experiment.spec(stage), data_hashes):
        return False
    return may_be_edited or not edited_files(folder)


def input_hashes(experiment: Experiment, spec: StageSpec, data_hashes: Mapping[str, str]) -> dict[str, str | None]:
    """Give the SHA-256 of every file that a stage reads."""
    hashes: dict[str, str | None] = (
        {f"events/{name}": value for name, value in data_hashes.items()} if spec.name == "data" else {}
    )
    if spec.name == "reference":
        taken = experiment.teachers if experiment.taken is None else (experiment.taken, *experiment.teachers)
        hashes |= {f"{method.folder}/{MEMBERS_FILE}": method.sha256 for method in taken}
    for name in (*spec.upstream, *_taken_in(experiment, spec, data_hashes)):
        hashes |= {f"{name}/{file}": value for file, value in present_hashes(experiment.stage_folder(name)).items()}
    return hashes
