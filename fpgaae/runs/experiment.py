"""An experiment: a config and its run folder, and the model or the weights that it takes from elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fpgaae.config.experiment import Config
from fpgaae.config.file import load_config
from fpgaae.config.shipped import CONFIG_PREFIX
from fpgaae.errors import InputError
from fpgaae.files import lock
from fpgaae.runs.choices import ImportChoices
from fpgaae.runs.folder import MANIFEST, recorded_hashes, replaced_folder
from fpgaae.runs.results.base import Result
from fpgaae.runs.results.imported import ImportResult
from fpgaae.runs.stages import (
    DISTILLATION,
    EMBEDDING,
    IMPORT,
    STAGES,
    STAGES_OF_IMPORT,
    STAGES_OF_METHOD,
    STAGES_OF_POST_TRAINING,
    STAGES_OF_SCAN,
    STAGES_OF_USES,
    StageSpec,
    use_of,
)

MEMBERS_FILE = "members.npz"  # the weights of a float method, every member of its ensemble


class ImportedModel(NamedTuple):
    """The model file that a run folder is made from instead of a training."""

    file_name: str
    sha256: str
    choices: ImportChoices = ImportChoices()
    weights_name: str | None = None  # of the file with the weights of an architecture
    weights_sha256: str | None = None

    def identity(self) -> list[Any]:
        """Give what a result depends on."""
        others = {**self.choices.others(), **({"weights": self.weights_sha256} if self.weights_sha256 else {})}
        return [self.file_name, self.sha256, self.choices.quantize, *([others] if others else [])]


class TakenWeights(NamedTuple):
    """A float method whose weights the reference takes, or whose score it learns."""

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
    teachers: tuple[TakenWeights, ...] = ()  # the float methods whose scores a student learns
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

    def result(self, kind: type[Result]) -> Result:
        """Read the result file of a stage.

        Raises
        ------
        InputError
            If it is missing, damaged, or holds something else.
        """
        return kind.read(self.result_path(kind.STAGE), f"run `{self.command(kind.STAGE)} --force`")

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
        if stage == "reference" and self.imported is None:
            further = {DISTILLATION: self.config.distillation, EMBEDDING: self.config.training.embedding}
            read = (key for key, section in further.items() if section is not None)
            spec = spec._replace(sections=(*spec.sections, *read))
        return spec

    def command(self, stage: str) -> str:
        """Give the command that runs a stage."""
        if stage == IMPORT:
            return f"fpgaae import MODEL --config {self.config_file}"
        if (use := use_of(stage)) is not None:
            return f"fpgaae explore {self.config_file} {use}"
        return f"fpgaae {stage} {self.config_file}"

    def command_up_to(self, stage: str) -> str:
        """Give the one command that runs a stage and whatever it needs."""
        return f"fpgaae run {self.config_file} --to {stage}" if stage in STAGES else self.command(stage)

    def stages_up_to(self, stage: str) -> tuple[str, ...]:
        """Give the stages that a result needs, in the order in which they run, the last its own."""
        needed, waiting = set(), [stage]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += self.spec(name).upstream
        return tuple(name for name in STAGES if name in needed)


def open_experiment(config_file: Path, runs: Path, importing: ImportedModel | None = None) -> Experiment:
    """Load a config and name its run folder; its model is the one that is imported now, or was before.

    Raises
    ------
    ConfigError
        If the config is wrong.
    """
    folder = runs / experiment_name(config_file)
    imported = importing or find_import(folder)
    config = load_config(config_file, imported=imported is not None)
    return Experiment(config_file, config, folder, imported, _find_taken(config, runs), find_teachers(config, runs))


def experiment_name(config_file: Path) -> str:
    """Give the name of an experiment, which its run folder and its report have, too.

    Raises
    ------
    InputError
        If the file's name can't be one.
    """
    name = config_file.stem
    if not name.isprintable() or name.startswith(".") or not name:
        raise InputError(f"{config_file.name!a} can't be an experiment's name; call the file as in l1_ae.yaml")
    return name


def _find_taken(config: Config, runs: Path) -> TakenWeights | None:
    """Give the weights that `training.reference.weights_of` names, as they are now."""
    source = config.training.reference.weights_of
    return None if source is None else _finished_method(source, runs)


def find_teachers(config: Config, runs: Path) -> tuple[TakenWeights, ...]:
    """Give the weights of the finished methods that `distillation.teacher` names, as they are now."""
    scores = () if config.distillation is None else config.distillation.finished_teachers
    return tuple(_finished_method(score.weights_of, runs) for score in scores)


def _finished_method(config_file: str, runs: Path) -> TakenWeights:
    folder = runs / Path(config_file.removeprefix(CONFIG_PREFIX)).stem / "reference"
    recorded = recorded_hashes(folder) if (folder / MANIFEST).is_file() else {}
    return TakenWeights(str(folder), recorded.get(MEMBERS_FILE))


def find_import(folder: Path) -> ImportedModel | None:
    """Give the model that was imported into a run folder."""
    places = (folder / IMPORT, replaced_folder(folder / IMPORT))  # the second after a kill between two renames
    place = next((place for place in places if (place / MANIFEST).is_file()), None)
    if place is None:
        return None
    result = ImportResult.read(
        place / STAGES_OF_IMPORT[IMPORT].result_file, "run `fpgaae import MODEL --config CONFIG --force`"
    )
    choices = ImportChoices(result.quantize, result.encoder, result.outputs, result.keep_db)
    return ImportedModel(result.file, result.sha256, choices, result.weights, result.weights_sha256)


def discard_import(experiment: Experiment) -> Experiment:
    """Forget the imported model, so that `reference` and `train` train again; give the experiment without it."""
    with lock(experiment.folder):
        for folder in (experiment.stage_folder(IMPORT), replaced_folder(experiment.stage_folder(IMPORT))):
            (folder / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
    return open_experiment(experiment.config_file, experiment.folder.parent)
