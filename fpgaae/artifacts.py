"""Run folders: where a stage's files lie, what they were made from, and whether they are still that.

A stage writes `runs/<experiment>/<stage>/` with a `manifest.json`: fingerprint, hashes of inputs and outputs, versions.
It writes into a temporary folder that is renamed at the end, so that a killed stage leaves the previous result whole.
What a stage computes does not belong here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata, resources
from pathlib import Path
from typing import Any, NamedTuple

from fpgaae.config import Config
from fpgaae.config_file import load_config
from fpgaae.errors import InputError
from fpgaae.files import Json, lock, read_json, require_space, sha256, write_json
from fpgaae.progress import Progress, SilentProgress
from fpgaae.stages import (
    DISTILLATION,
    IMPORT,
    PROJECT_FOLDER,
    STAGES,
    STAGES_OF_IMPORT,
    STAGES_OF_METHOD,
    STAGES_OF_POST_TRAINING,
    STAGES_OF_SCAN,
    STAGES_OF_USES,
    StageSpec,
    use_of,
)

MANIFEST = "manifest.json"
MEMBERS_FILE = "members.npz"  # the weights of a float method, every member of its ensemble
RESULT_FORMAT = 2  # raise it when a stage's files change their form: results of another form are made anew
_VERSIONS_OF = (
    "fpgaae", "numpy", "tensorflow", "tf_keras", "keras", "qkeras", "tensorflow-model-optimization", "hls4ml", "da4ml",
)  # fmt: skip


_FIRMWARE = "fpgaae_firmware"
_SOURCE_SUFFIXES = frozenset({".c", ".cpp", ".h", ".hpp"})
_MIN_FREE_BYTES = 64 * 2**20


class ImportedModel(NamedTuple):
    """The model file that a run folder is made from instead of a training."""

    file_name: str
    sha256: str
    quantize: bool  # quantized after training, although its quantizers are known or because it has none


class TakenWeights(NamedTuple):
    """The float method whose weights the reference takes."""

    folder: str  # of its run
    sha256: str | None  # of its weights; None: it is not finished


@dataclass(frozen=True)
class Experiment:
    """A config and its run folder, `runs/<name of the config file without its ending>/`."""

    config_file: Path
    config: Config
    folder: Path
    imported: ImportedModel | None = None
    taken: TakenWeights | None = None  # of a float method, instead of a training
    shared: Mapping[str, Path] = field(default_factory=dict)  # stages whose results lie in another run folder

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.folder.name

    def stage_folder(self, stage: str) -> Path:
        """Give the folder of a stage's results."""
        return self.shared.get(stage, self.folder) / stage

    def result_path(self, stage: str) -> Path:
        """Give the path of a stage's result file."""
        return self.stage_folder(stage) / self.spec(stage).result_file

    def spec(self, stage: str) -> StageSpec:
        """Say what a stage is made from."""
        special: Mapping[str, StageSpec] = {}
        if self.imported is not None:
            special = STAGES_OF_IMPORT
        elif self.config.method is not None:
            special = STAGES_OF_METHOD
        elif self.config.training.quantizes_after:
            special = STAGES_OF_POST_TRAINING
        spec = next(specs[stage] for specs in (special, STAGES, STAGES_OF_SCAN, STAGES_OF_USES) if stage in specs)
        if stage == "reference" and self.config.distillation is not None and self.imported is None:
            spec = spec._replace(sections=(*spec.sections, DISTILLATION))
        return spec

    def command(self, stage: str) -> str:
        """Give the command that runs a stage."""
        if stage == IMPORT:
            return f"fpgaae import MODEL --config {self.config_file}"
        if (use := use_of(stage)) is not None:
            return f"fpgaae explore {self.config_file} {use}"
        return f"fpgaae {stage} {self.config_file}"


def open_experiment(config_file: Path, runs: Path, importing: ImportedModel | None = None) -> Experiment:
    """Load a config and name its run folder; its model is the one that is imported now, or was before.

    Raises
    ------
    ConfigError
        If the config is wrong.
    """
    folder = runs / config_file.stem
    imported = importing or find_import(folder)
    config = load_config(config_file, imported=imported is not None)
    return Experiment(config_file, config, folder, imported, _find_taken(config, runs))


def _find_taken(config: Config, runs: Path) -> TakenWeights | None:
    """Give the weights that `training.reference.weights_of` names, as they are now."""
    if (source := config.training.reference.weights_of) is None:
        return None
    folder = runs / Path(source).stem / "reference"
    recorded = _recorded(folder) if (folder / MANIFEST).is_file() else {}
    return TakenWeights(str(folder), recorded.get(MEMBERS_FILE))


def find_import(folder: Path) -> ImportedModel | None:
    """Give the model that was imported into a run folder."""
    places = (folder / IMPORT, _old(folder / IMPORT))  # the second after a kill between two renames
    place = next((place for place in places if (place / MANIFEST).is_file()), None)
    if place is None:
        return None
    result = read_json(place / STAGES_OF_IMPORT[IMPORT].result_file)
    return ImportedModel(str(result["file"]), str(result["sha256"]), bool(result["quantize"]))


def discard_import(experiment: Experiment) -> Experiment:
    """Forget the imported model, so that `reference` and `train` train again; give the experiment without it."""
    with lock(experiment.folder):
        for folder in (experiment.stage_folder(IMPORT), _old(experiment.stage_folder(IMPORT))):
            (folder / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
    return open_experiment(experiment.config_file, experiment.folder.parent)


def hash_tree(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file below a folder, by relative path, without the manifest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path) for path in files if path.relative_to(folder) != Path(MANIFEST)}


def edited_files(folder: Path) -> tuple[str, ...]:
    """Name the files of a finished stage that were changed or removed since it wrote them, and any added C++ source.

    Other added files do not count: a synthesis tool writes into the project's folder, too.
    """
    recorded = _recorded(folder)
    found = _hash_present(folder)
    return tuple(sorted(name for name in recorded | found if recorded.get(name) != found[name]))


def _hash_present(folder: Path) -> dict[str, str | None]:
    """Give the present SHA-256 of every file that a stage wrote, None for one that is gone, and of added C++."""
    names = set(_recorded(folder))
    sources = folder / PROJECT_FOLDER / "firmware"
    names |= {str(path.relative_to(folder)) for path in sources.rglob("*") if path.suffix in _SOURCE_SUFFIXES}
    return {name: sha256(folder / name) if (folder / name).is_file() else None for name in sorted(names)}


def _recorded(folder: Path) -> dict[str, str]:
    """Give the SHA-256 that every file of a finished stage had when it was written."""
    recorded = read_json(folder / MANIFEST).get("outputs")
    if not isinstance(recorded, dict):
        raise InputError(f"{folder / MANIFEST} lists no outputs; run the stage `{folder.name}` with --force")
    return recorded


def fingerprint(experiment: Experiment, stage: str, data_hashes: Mapping[str, str]) -> str:
    """Identify what a stage's result depends on: its config sections, everything upstream, and the event files."""
    spec = experiment.spec(stage)
    content = {
        "stage": stage,
        "format": RESULT_FORMAT,
        "sections": {key: _section(experiment.config, key) for key in spec.sections},
        "upstream": {name: fingerprint(experiment, name, data_hashes) for name in spec.upstream},
        "files": dict(data_hashes) if stage == "data" else {},
        **({"model": experiment.imported} if stage == IMPORT else {}),
        **({"taken": experiment.taken} if stage == "reference" and experiment.taken is not None else {}),
        "sources": {name: hash_tree(Path(str(resources.files(_FIRMWARE) / name))) for name in spec.sources},
        "packages": {name: metadata.version(name) for name in spec.packages},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _section(config: Config, dotted_key: str) -> Any:  # noqa: ANN401
    value: Any = config.model_dump(mode="json")
    for key in dotted_key.split("."):
        value = value[key]
    return value


@dataclass(frozen=True)
class StageRun:
    """What a stage's work is given: where to write, and the verified folders of the stages before it."""

    experiment: Experiment
    folder: Path  # becomes the stage's folder when the work returns
    scratch: Path  # kept when the work is killed, removed when it returns
    data_hashes: Mapping[str, str]
    edited: tuple[str, ...] = ()  # upstream files edited by hand (checks only; otherwise an error)
    progress: Progress = SilentProgress()  # noqa: RUF009

    @property
    def config(self) -> Config:
        """The experiment's config."""
        return self.experiment.config

    def upstream(self, stage: str) -> Path:
        """Give the folder of an earlier stage."""
        return self.experiment.stage_folder(stage)

    def result(self, stage: str) -> Json:
        """Read the result file of an earlier stage."""
        return read_json(self.experiment.result_path(stage))

    def optional_result(self, stage: str) -> Json | None:
        """Read the result file of one of the spec's optional stages; None where it is not there, stale or edited."""
        return self.result(stage) if _is_current(self.experiment, stage, self.data_hashes) else None


class Outcome(NamedTuple):
    """The content of a stage's result file, and whether it was there already."""

    result: Json
    was_current: bool
    edited: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunOptions:
    """How to run a stage."""

    force: bool = False  # although the result is current or edited
    keep_edited: bool = False  # leave a current result that was edited by hand, and name the files
    progress: Progress = SilentProgress()  # noqa: RUF009


def run_stage(
    experiment: Experiment,
    stage: str,
    work: Callable[[StageRun], Json],
    data_hashes: Mapping[str, str],
    options: RunOptions,
) -> Outcome:
    """Run a stage unless its result is current, and put its result in place in one rename.

    Parameters
    ----------
    work
        Writes the stage's files into `StageRun.folder` and returns the content of the result file (for a result file
        that is not JSON, it writes that itself and returns a summary).
    data_hashes
        SHA-256 of each event file, by process.

    Raises
    ------
    InputError
        If an earlier stage is missing, stale or edited, or this stage's result was edited by hand.
    """
    spec = experiment.spec(stage)
    folder = experiment.stage_folder(stage)
    with lock(experiment.folder):
        _recover(folder)
        edited = _verify_upstream(experiment, spec, data_hashes)
        wanted = _wanted(experiment, spec, data_hashes)
        if not options.force and (current := _current(experiment, spec, wanted, options.keep_edited)) is not None:
            return current
        if not options.force:
            _refuse_to_lose_edits(experiment, spec)
        partial = experiment.folder / f".{stage}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        require_space(partial, _MIN_FREE_BYTES)
        scratch = _scratch(experiment, stage, wanted)
        started = time.perf_counter()
        run = StageRun(experiment, partial, scratch, data_hashes, edited, options.progress)
        try:
            result = work(run)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)  # give the space back; the scratch folder stays
            raise
        if spec.result_file.endswith(".json"):
            write_json(partial / spec.result_file, result)
        manifest = {
            "stage": stage,
            "fingerprint": wanted,
            "config_file": str(experiment.config_file),
            "config": experiment.config.model_dump(mode="json"),
            "seed": experiment.config.seed,
            "inputs": _input_hashes(experiment, spec, data_hashes),
            "outputs": hash_tree(partial),
            "versions": _versions(),
            "git_commit": _git_commit(),
            "wall_time_s": round(time.perf_counter() - started, 3),
        }
        write_json(partial / MANIFEST, manifest)
        _replace_folder(partial, folder)
        shutil.rmtree(scratch, ignore_errors=True)
        return Outcome(result, False, edited)


def find_current(experiment: Experiment, stage: str, data_hashes: Mapping[str, str]) -> Json | None:
    """Give the result of a stage if it is finished and made from the config and events as they are now.

    Raises
    ------
    InputError
        If it was edited by hand.
    """
    spec = experiment.spec(stage)
    current = _current(experiment, spec, _wanted(experiment, spec, data_hashes), False)
    return None if current is None else current.result


def _current(experiment: Experiment, spec: StageSpec, wanted: str, keep_edited: bool) -> Outcome | None:
    """Give the stage's present result if it need not be made anew."""
    folder = experiment.stage_folder(spec.name)
    if not (folder / MANIFEST).is_file() or read_json(folder / MANIFEST).get("fingerprint") != wanted:
        return None
    edited = edited_files(folder)
    _refuse_edits(experiment, spec, edited, may_be_edited=keep_edited)
    result_file = folder / spec.result_file
    result = read_json(result_file) if result_file.suffix == ".json" else {"file": str(result_file)}
    if spec.is_check and not result.get("passed"):
        return None
    return Outcome(result, True, edited)


def _verify_upstream(experiment: Experiment, spec: StageSpec, data_hashes: Mapping[str, str]) -> tuple[str, ...]:
    """Make sure that every earlier stage is there, current and as it was written; a check only names the edits."""
    edited: list[str] = []
    for name in spec.upstream:
        changed = require_current(experiment, name, data_hashes, may_be_edited=spec.is_check)
        edited += [f"{name}/{file}" for file in changed]
    return tuple(edited)


def require_current(
    experiment: Experiment, stage: str, data_hashes: Mapping[str, str], *, may_be_edited: bool = False
) -> tuple[str, ...]:
    """Make sure that a stage's result is there, current and as it was written; give the files that were edited by hand.

    Raises
    ------
    InputError
        If it is not, or if a file was edited that may not be.
    """
    folder = experiment.stage_folder(stage)
    _recover(folder)
    command = f"`{experiment.command(stage)}`"
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder} has no finished result; run {command} first")
    spec = experiment.spec(stage)
    if read_json(folder / MANIFEST).get("fingerprint") != _wanted(experiment, spec, data_hashes):
        raise InputError(
            f"{folder} was made from another config, other events or other files than "
            f"{experiment.config_file} has now; run {command} again"
        )
    changed = edited_files(folder)
    _refuse_edits(experiment, spec, changed, may_be_edited=may_be_edited)
    if spec.is_check and not read_json(experiment.result_path(stage)).get("passed"):
        raise InputError(f"{experiment.result_path(stage)} says that the check did not pass; run {command} again")
    return changed


def _refuse_to_lose_edits(experiment: Experiment, spec: StageSpec) -> None:
    """Keep a stale result that a user or a synthesis tool worked in from being replaced."""
    folder = experiment.stage_folder(spec.name)
    if spec.editable is None or not (folder / MANIFEST).is_file():
        return
    added = hash_tree(folder).keys() - _recorded(folder).keys()
    theirs = sorted({*edited_files(folder), *added})
    if theirs:
        raise InputError(
            f"{folder / theirs[0]}{_and_more(tuple(theirs))} was edited or added by hand and would be lost, since the "
            f"config or an earlier stage changed; move it away, or run `{experiment.command(spec.name)} "
            "--force` to lose it"
        )


def _refuse_edits(experiment: Experiment, spec: StageSpec, edited: tuple[str, ...], *, may_be_edited: bool) -> None:
    """Refuse results that are not as they were written, but for those that a user may edit and a check compares."""
    refused = tuple(
        name for name in edited if not (may_be_edited and spec.editable and Path(name).parts[0] == spec.editable)
    )
    if refused:
        raise InputError(
            f"{experiment.stage_folder(spec.name) / refused[0]} is not as the stage `{spec.name}` wrote it"
            f"{_and_more(refused)}; run `{experiment.command(spec.name)} --force` to write the stage anew"
        )


def _and_more(files: tuple[str, ...]) -> str:
    return f" (and {len(files) - 1} more)" if len(files) > 1 else ""


def _wanted(experiment: Experiment, spec: StageSpec, data_hashes: Mapping[str, str]) -> str:
    """Give the fingerprint that a current result has; a check is current for exactly the files that it compared."""
    wanted = fingerprint(experiment, spec.name, data_hashes)
    actual: dict[str, Mapping[str, str | None]]
    if spec.optional:
        taken_in = [name for name in spec.optional if _is_current(experiment, name, data_hashes)]
        actual = {name: {**_recorded(experiment.stage_folder(name))} for name in taken_in}
    elif spec.is_check:
        actual = {name: _hash_present(experiment.stage_folder(name)) for name in spec.upstream}
    else:
        return wanted
    return hashlib.sha256(json.dumps([wanted, actual], sort_keys=True).encode()).hexdigest()


def _is_current(experiment: Experiment, stage: str, data_hashes: Mapping[str, str]) -> bool:
    """Tell whether a stage has a result that is of the present config and as it was written."""
    folder = experiment.stage_folder(stage)
    if not (folder / MANIFEST).is_file():
        return False
    recorded = read_json(folder / MANIFEST).get("fingerprint")
    return recorded == _wanted(experiment, experiment.spec(stage), data_hashes) and not edited_files(folder)


def _input_hashes(experiment: Experiment, spec: StageSpec, data_hashes: Mapping[str, str]) -> dict[str, str | None]:
    hashes: dict[str, str | None] = (
        {f"events/{name}": value for name, value in data_hashes.items()} if spec.name == "data" else {}
    )
    if spec.name == "reference" and experiment.taken is not None:
        hashes[f"{experiment.taken.folder}/{MEMBERS_FILE}"] = experiment.taken.sha256
    taken_in = [name for name in spec.optional if _is_current(experiment, name, data_hashes)]
    for name in (*spec.upstream, *taken_in):
        hashes |= {f"{name}/{file}": value for file, value in _hash_present(experiment.stage_folder(name)).items()}
    return hashes


def _scratch(experiment: Experiment, stage: str, wanted: str) -> Path:
    """Give the folder for checkpoints of exactly this work; those of other configs are removed."""
    root = experiment.folder / ".scratch"
    mine = root / f"{stage}-{wanted[:16]}"
    for other in root.glob(f"{stage}-*"):
        if other != mine:
            shutil.rmtree(other, ignore_errors=True)
    mine.mkdir(parents=True, exist_ok=True)
    return mine


def _replace_folder(new: Path, target: Path) -> None:
    """Put a folder in the place of another; `_recover` mends a kill between the two renames."""
    old = _old(target)
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    new.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def _recover(folder: Path) -> None:
    old = _old(folder)
    if old.exists() and not folder.exists():
        old.replace(folder)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _versions() -> dict[str, str]:
    found = {}
    for name in _VERSIONS_OF:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git_commit() -> str | None:
    """Give the commit of the source tree, with `+` when it has changes, or None outside a checkout."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+"],
            cwd=here, capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip() or None
