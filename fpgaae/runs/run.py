"""Running a stage: what its work is given, whether its result is current, and how the new one takes its place.

A stage writes `runs/<experiment>/<stage>/` with a `manifest.json`: fingerprint, hashes of inputs and outputs, versions.
It writes into a temporary folder that is renamed at the end, so that a killed stage leaves the previous result whole.
What a stage computes does not belong here.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Generic, TypeVar

from fpgaae.cluster import Workers
from fpgaae.config.experiment import Config
from fpgaae.errors import FpgaaeError, InputError
from fpgaae.files import lock, read_json, require_space, write_sealed
from fpgaae.processes import programs_limited
from fpgaae.progress import Progress, SilentProgress
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.fingerprint import input_hashes, wanted_fingerprint
from fpgaae.runs.folder import (
    MANIFEST,
    edited_files,
    git_commit,
    hash_tree,
    package_versions,
    read_manifest,
    recorded_hashes,
    recover_folder,
    replace_folder,
)
from fpgaae.runs.results.base import Result, StageResult
from fpgaae.runs.stages import STAGES, StageSpec

Content_co = TypeVar("Content_co", bound=StageResult, covariant=True)
_MIN_FREE_BYTES = 64 * 2**20
_NAMED_FILES = 10  # of those that were edited, in an error


@dataclass(frozen=True)
class StageRun:
    """What a stage's work is given: where to write, and the verified folders of the stages before it."""

    experiment: Experiment
    folder: Path  # becomes the stage's folder when the work returns
    scratch: Path  # kept when the work is killed, removed when it returns
    data_hashes: Mapping[str, str]
    edited: tuple[str, ...] = ()  # upstream files edited by hand (checks only; otherwise an error)
    progress: Progress = SilentProgress()  # noqa: RUF009
    workers: Workers = Workers()  # noqa: RUF009

    @property
    def config(self) -> Config:
        """The experiment's config."""
        return self.experiment.config

    def upstream(self, stage: str) -> Path:
        """Give the folder of an earlier stage."""
        return self.experiment.stage_folder(stage)

    def result(self, kind: type[Result]) -> Result:
        """Read the result file of an earlier stage."""
        return self.experiment.result(kind)

    def optional_result(self, kind: type[Result]) -> Result | None:
        """Read the result file of one of the spec's optional stages; None where it is not there, or stale.

        Raises
        ------
        InputError
            If it was edited by hand, or has lost its manifest.
        """
        if self.is_stale(kind) or not self.upstream(kind.STAGE).is_dir():
            return None
        changed = edited_files(self.upstream(kind.STAGE))
        _refuse_edits(self.experiment, self.experiment.spec(kind.STAGE), changed, may_be_edited=False)
        return self.result(kind)

    def optional_to_check(self, kind: type[Result]) -> tuple[Result, tuple[str, ...]] | None:
        """Read the result of an optional stage that a check compares as it stands; give the edited files with it.

        Raises
        ------
        InputError
            If a file was edited that may not be.
        """
        if self.is_stale(kind) or not self.upstream(kind.STAGE).is_dir():
            return None
        changed = edited_files(self.upstream(kind.STAGE))
        _refuse_edits(self.experiment, self.experiment.spec(kind.STAGE), changed, may_be_edited=True)
        return self.result(kind), tuple(f"{kind.STAGE}/{name}" for name in changed)

    def is_stale(self, kind: type[Result]) -> bool:
        """Tell whether there is a result of an optional stage that was made from something else."""
        folder = self.upstream(kind.STAGE)
        if not folder.is_dir():
            return False
        wanted = wanted_fingerprint(self.experiment, self.experiment.spec(kind.STAGE), self.data_hashes)
        return bool(read_manifest(folder).get("fingerprint") != wanted)


@dataclass(frozen=True)
class Outcome(Generic[Content_co]):
    """The content of a stage's result file, and whether it was there already."""

    result: Content_co
    was_current: bool
    edited: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunOptions:
    """How to run a stage."""

    force: bool = False  # although the result is current or edited
    keep_edited: bool = False  # leave a current result that was edited by hand, and name the files
    progress: Progress = SilentProgress()  # noqa: RUF009
    workers: Workers = Workers()  # noqa: RUF009 - of what can be spread


def run_stage(
    experiment: Experiment,
    kind: type[Result],
    work: Callable[[StageRun], Result],
    data_hashes: Mapping[str, str],
    options: RunOptions,
) -> Outcome[Result]:
    """Run a stage unless its result is current, and put its result in place in one rename.

    Parameters
    ----------
    kind
        Class of the stage's result, which names the stage.
    work
        Writes the stage's files into `StageRun.folder`, all but the result file, and returns the result.
    data_hashes
        SHA-256 of each event file, by process.

    Raises
    ------
    InputError
        If an earlier stage is missing, stale or edited, or this stage's result was edited by hand.
    FpgaaeError
        What the work raises; the files that were edited by hand are named in it.
    """
    stage = kind.STAGE
    spec = experiment.spec(stage)
    folder = experiment.stage_folder(stage)
    with lock(experiment.folder):
        recover_folder(folder)
        edited = _verify_upstream(experiment, spec, data_hashes)
        wanted = wanted_fingerprint(experiment, spec, data_hashes)
        if not options.force and (current := _current(experiment, kind, wanted, options.keep_edited)) is not None:
            return current
        if not options.force:
            _refuse_to_lose_edits(experiment, spec)
        partial = experiment.folder / f".{stage}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        require_space(partial, _MIN_FREE_BYTES)
        scratch = _scratch(experiment, stage, wanted)
        started = time.perf_counter()
        run = StageRun(experiment, partial, scratch, data_hashes, edited, options.progress, options.workers)
        try:
            with programs_limited(experiment.config.tools.limit_s):
                result = work(run)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)  # give the space back; the scratch folder stays
            if edited and isinstance(error, FpgaaeError):
                raise type(error)(f"after edits by hand of {_some(edited)}: {error}") from error
            raise
        result.write(partial / spec.result_file)
        manifest = {
            "stage": stage,
            "fingerprint": wanted,
            "config_file": str(experiment.config_file),
            "config": experiment.config.model_dump(mode="json"),
            "seed": experiment.config.seed,
            "inputs": input_hashes(experiment, spec, data_hashes),
            "outputs": hash_tree(partial),
            "versions": package_versions(),
            "git_commit": git_commit(),
            "wall_time_s": round(time.perf_counter() - started, 3),
            "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        write_sealed(partial / MANIFEST, manifest)
        replace_folder(partial, folder)
        shutil.rmtree(scratch, ignore_errors=True)
        return Outcome(result, False, edited)


def find_current(experiment: Experiment, kind: type[Result], data_hashes: Mapping[str, str]) -> Result | None:
    """Give the result of a stage if it is finished and made from the config and events as they are now.

    Raises
    ------
    InputError
        If it was edited by hand.
    """
    spec = experiment.spec(kind.STAGE)
    current = _current(experiment, kind, wanted_fingerprint(experiment, spec, data_hashes), False)
    return None if current is None else current.result


def _current(experiment: Experiment, kind: type[Result], wanted: str, keep_edited: bool) -> Outcome[Result] | None:
    """Give the stage's present result if it need not be made anew."""
    spec = experiment.spec(kind.STAGE)
    folder = experiment.stage_folder(spec.name)
    if not (folder / MANIFEST).is_file() or read_manifest(folder).get("fingerprint") != wanted:
        return None
    edited = edited_files(folder)
    _refuse_edits(experiment, spec, edited, may_be_edited=keep_edited)
    if spec.is_check and not _says_passed(folder / spec.result_file):
        return None
    return Outcome(experiment.result(kind), True, edited)


def _says_passed(result_file: Path) -> bool:
    """Tell whether the result of a check, of whichever stage, says that it passed."""
    return bool(read_json(result_file).get("passed"))


def _verify_upstream(experiment: Experiment, spec: StageSpec, data_hashes: Mapping[str, str]) -> tuple[str, ...]:
    """Make sure that every earlier stage is there, current and as it was written; a check only names the edits."""
    edited: list[str] = []
    for name in spec.upstream:
        changed = require_current(experiment, name, data_hashes, may_be_edited=spec.is_check, wanted=spec.name)
        edited += [f"{name}/{file}" for file in changed]
    return tuple(edited)


def require_current(
    experiment: Experiment, stage: str, data_hashes: Mapping[str, str], *, may_be_edited: bool = False, wanted: str = ""
) -> tuple[str, ...]:
    """Make sure that a stage's result is there, current and as it was written; give the files that were edited by hand.

    Parameters
    ----------
    wanted
        The stage that needs it, or the last of several that are needed; by default itself.

    Raises
    ------
    InputError
        If it is not, or if a file was edited that may not be.
    """
    folder = experiment.stage_folder(stage)
    recover_folder(folder)
    command = f"`{experiment.command_up_to(wanted if wanted in STAGES and stage in STAGES else stage)}`"
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder} has no finished result; run {command}, which makes what is missing")
    spec = experiment.spec(stage)
    if read_manifest(folder).get("fingerprint") != wanted_fingerprint(experiment, spec, data_hashes):
        raise InputError(
            f"{folder} was made from another config, other events or other files than "
            f"{experiment.config_file} has now; run {command}, which makes anew what has changed"
        )
    changed = edited_files(folder)
    _refuse_edits(experiment, spec, changed, may_be_edited=may_be_edited)
    if spec.is_check and not _says_passed(experiment.result_path(stage)):
        raise InputError(
            f"{experiment.result_path(stage)} says that the check did not pass; run `{experiment.command(stage)}` again"
        )
    return changed


def _refuse_to_lose_edits(experiment: Experiment, spec: StageSpec) -> None:
    """Keep a stale result that a user or a synthesis tool worked in from being replaced."""
    folder = experiment.stage_folder(spec.name)
    if spec.editable is None or not (folder / MANIFEST).is_file():
        return
    added = hash_tree(folder).keys() - recorded_hashes(folder).keys()
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


def _some(files: tuple[str, ...]) -> str:
    return ", ".join(files[:_NAMED_FILES]) + (f" and {more} more" if (more := len(files) - _NAMED_FILES) > 0 else "")


def _and_more(files: tuple[str, ...]) -> str:
    return f" (and {len(files) - 1} more)" if len(files) > 1 else ""


def _scratch(experiment: Experiment, stage: str, wanted: str) -> Path:
    """Give the folder for checkpoints of exactly this work; those of other configs are removed."""
    root = experiment.folder / ".scratch"
    mine = root / f"{stage}-{wanted[:16]}"
    for other in root.glob(f"{stage}-*"):
        if other != mine:
            shutil.rmtree(other, ignore_errors=True)
    mine.mkdir(parents=True, exist_ok=True)
    return mine
