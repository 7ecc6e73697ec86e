"""The firmware's exact score and decisions for events in many files, spread over workers.

    OUTPUT/NAME_scores.h5   of each event file: `score` (n,) int64 codes, `accept` (n, n_thresholds) 0 or 1; where the
                            config has `data.where`, `kept` (n,) 0 or 1, the events that count
    OUTPUT/emulate.json     what was done with which file, how many events each threshold accepts, and at which rate

Workers write parts; this process puts the parts of a file together in order, so that the bytes of a result depend on
its events and the network only. A run that was killed goes on behind its last part.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fpgaae.cluster import SPREADING, completed, open_cluster
from fpgaae.data.hdf5_writing import HDF5Writer
from fpgaae.data.parts import SpanDone, part_files
from fpgaae.data.paths import each_file
from fpgaae.data.readers import content_hash, event_spans
from fpgaae.emulator.export import Deployed, build_package, open_deployed
from fpgaae.emulator.hashes import network_hashes
from fpgaae.emulator.loaded import read_thresholds
from fpgaae.emulator.spans import PART_EVENTS, Job, read_part, score_span, scored_data
from fpgaae.errors import InputError
from fpgaae.files import lock, require_space, sha256, write_json
from fpgaae.hls.working_points import rate_khz
from fpgaae.optional import require
from fpgaae.progress import Progress, SilentProgress, Task
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.record import as_json, read_record
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.emulate import EmulatedFile, EmulatedThreshold, EmulateFiles, EmulateResult
from fpgaae.runs.results.thresholds import ThresholdSet
from fpgaae.statistics import clopper_pearson

if TYPE_CHECKING:
    from distributed import Client

RESULT_FILE = "emulate.json"
_PARTS_FOLDER, _PACKAGE_PREFIX = ".parts", ".emulator-"
_CHUNK_ROWS = 16_384  # events an HDF5 chunk; divides PART_EVENTS, so that each chunk is written once
_BYTES_AN_EVENT = 2 * (8 + 8)  # a score and up to 8 decisions, as part and as result


class EmulateOptions(NamedTuple):
    """Who does the work, and who shows it."""

    scheduler: str | None = None
    workers: int | None = None
    progress: Progress = SilentProgress()
    thresholds: Path | None = None  # a file of `fpgaae thresholds`; None: the trained ones


@dataclass
class _File:
    """An event file, what identifies its content, and what is still to be done."""

    source: Path
    target: Path
    key: str
    done: EmulatedFile | None = None
    n_events: int = 0
    waiting: set[range] = field(default_factory=set)
    failure: str | None = None


def emulate(experiment: Experiment, sources: Sequence[Path], folder: Path, options: EmulateOptions) -> EmulateResult:
    """Score event files, and write a result file for each; those whose results are current are left.

    The workers of the user's own scheduler must see the event files and `folder` under the same paths.

    Parameters
    ----------
    sources
        Event files of the layout that the config describes, folders of them, or patterns; they need no groups.
    folder
        Made where it is missing.

    Returns
    -------
    The content of `emulate.json`; `failed` says what is wrong with the files that could not be read.

    Raises
    ------
    InputError
        If two files would have one result, a folder has no event file, no scheduler answers, or the thresholds are of
        another network.
    CheckFailed
        If the emulator does not give the golden codes, or a worker dies.
    ToolMissing
        If Dask is not installed.
    """
    require("distributed", SPREADING)
    deployed = open_deployed(experiment)
    loaded = None if options.thresholds is None else read_thresholds(options.thresholds, deployed)
    targets = _targets(each_file(sources, deployed.experiment.config.data), folder)
    started = time.perf_counter()
    with lock(folder):
        files = [_identify(deployed, source, target, loaded) for source, target in targets.items()]
        run = _Run(deployed, folder, files, loaded)
        run.plan()
        for left in folder.glob(f"{_PACKAGE_PREFIX}*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        if run.open_files:
            run.write_result()  # does not know the results that will be replaced: a kill may come right behind that
            with tempfile.TemporaryDirectory(dir=folder, prefix=_PACKAGE_PREFIX) as package:
                local = options.scheduler is None
                build_package(deployed, Path(package), for_this_machine=local)
                with open_cluster(options.scheduler, options.workers) as client:
                    run.score(client, Path(package).absolute(), options.progress)
        result = run.write_result()
    seconds = time.perf_counter() - started
    return EmulateResult(
        **vars(result), seconds=round(seconds, 2), events_per_second=round(run.events_scored / seconds, 1)
    )


def _targets(sources: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """Give the result file of each event file."""
    targets: dict[Path, Path] = {}
    for source in dict.fromkeys(source.absolute() for source in sources):
        target = folder.absolute() / f"{source.stem}_scores.h5"
        other = next((known for known, of in targets.items() if of == target), None)
        if other is not None:
            raise InputError(f"{other} and {source} would both be {target}; rename one, or give them different outputs")
        targets[source] = target
    overwritten = sorted(targets.keys() & set(targets.values()))
    if overwritten:
        raise InputError(f"{overwritten[0]} is an event file and would be overwritten; give another --output")
    return targets


def _identify(deployed: Deployed, source: Path, target: Path, loaded: ThresholdSet | None = None) -> _File:
    """Say what a result depends on, the content of its file; a missing one is found when it is opened."""
    data = deployed.experiment.config.data.model_dump(mode="json")
    entry = {
        "file": str(source),
        "content": content_hash(source) if source.exists() else None,
        "network": network_hashes(deployed.trigger).network,
        "dataset": data["dataset"],
        "hardware": data["hardware"],
        "read_as": {key: data[key] for key in ("values", "table", "order", "clip", "where", "reader", "options")},
    }
    if loaded is not None:
        entry["thresholds"] = loaded.codes
    key = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:16]
    return _File(source, target, key)


class _Run:
    """The files of one call, and what became of them so far."""

    def __init__(
        self, deployed: Deployed, folder: Path, files: Sequence[_File], loaded: ThresholdSet | None = None
    ) -> None:  # fmt: skip
        self._deployed = deployed
        self._loaded = loaded
        self._folder = folder
        self._files = files
        self._data = scored_data(deployed.experiment.config.data)
        self._parts = folder.absolute() / _PARTS_FOLDER
        self.events_scored = 0

    @property
    def open_files(self) -> list[_File]:
        """Files that are still to be scored."""
        return [file for file in self._files if file.waiting and not file.failure]

    def plan(self) -> None:
        """Take over the results that are current, and divide the other files into spans."""
        known = self._known_entries()
        for file in self._files:
            entry = known.get(file.key)
            if entry is not None and entry.sha256 and file.target.is_file():
                if sha256(file.target) == entry.sha256:
                    file.done = entry
                else:
                    file.failure = f"{file.target} is not as `emulate` wrote it; remove it to have it written anew"
                continue
            try:
                if not file.source.exists():
                    raise InputError(f"the event file {file.source} does not exist; correct its name")
                spans = event_spans(file.source, self._data, PART_EVENTS)
            except InputError as error:
                file.failure = str(error)
                continue
            file.n_events, file.waiting = spans[-1].stop, set(spans)
        keys = {file.key for file in self.open_files}
        for other in self._parts.glob("*"):
            if other.name not in keys:  # of files that have changed since
                shutil.rmtree(other, ignore_errors=True)
        require_space(self._folder, sum(file.n_events for file in self.open_files) * _BYTES_AN_EVENT)

    def _known_entries(self) -> dict[str, EmulatedFile]:
        file = self._folder / RESULT_FILE
        if not file.is_file():
            return {}
        cure = "remove it, so that every file is scored anew"
        known = read_record(EmulateFiles, file, cure)
        if not known.is_whole and any(entry.sha256 for entry in known.files):  # those of earlier versions have none
            raise InputError(f"{file} is not as `emulate` wrote it; {cure}")
        return {entry.key: entry for entry in known.files}

    def score(self, client: Client, package: Path, progress: Progress) -> None:
        """Let the workers score every open file, and put a file together when its last part is there."""
        tasks = {}
        for file in self.open_files:
            parts = self._parts / file.key
            parts.mkdir(parents=True, exist_ok=True)
            codes = None if self._loaded is None else self._loaded.codes
            job = Job(file.source, self._data, package, self._deployed.name, parts, codes)
            for span in sorted(file.waiting, key=lambda span: span.start):
                tasks[client.submit(score_span, job, span, pure=False)] = (file, span)
        with progress.task("emulating", sum(file.n_events for file in self.open_files)) as task:
            for future, done in completed(client, tasks):
                self._take(*tasks.pop(future), done, task)
        for file in self._files:
            if file.failure:
                shutil.rmtree(self._parts / file.key, ignore_errors=True)

    def _take(self, file: _File, span: range, done: SpanDone, task: Task) -> None:
        file.waiting.discard(span)
        file.failure = file.failure or done.failure
        self.events_scored += done.events
        task.advance(len(span))
        if not file.waiting and not file.failure:
            self._put_together(file)
            self.write_result()

    def _put_together(self, file: _File) -> None:
        """Write the result file of an event file from its parts, atomically."""
        folder = self._parts / file.key
        accepted = np.zeros(self._deployed.trigger.accept.size, dtype=np.int64)
        kinds = [kind.name for kind in self._data.hardware.objects]
        objects = np.zeros((len(kinds), 2), dtype=np.int64)
        n_kept = 0
        partial = file.target.with_name(f".{file.target.name}.partial")
        with HDF5Writer(partial) as writer:
            stored: dict[str, Any] = {"compression": "lzf", "shuffle": True, "track_times": False}
            rows = min(_CHUNK_ROWS, file.n_events)
            shape = (file.n_events, len(accepted))
            kept = None
            with writer.writing() as output:
                output.attrs.update(self._attributes())
                scores = output.create_dataset("score", (file.n_events,), "<i8", chunks=(rows,), **stored)
                accept = output.create_dataset("accept", shape, "u1", chunks=(rows, len(accepted)), **stored)
                if self._data.where:
                    kept = output.create_dataset("kept", (file.n_events,), "u1", chunks=(rows,), **stored)
            for index, name in enumerate(part_files(folder, file.n_events, PART_EVENTS)):
                part = read_part(name)
                here = slice(index * PART_EVENTS, index * PART_EVENTS + len(part.scores))
                with writer.writing():
                    scores[here], accept[here] = part.scores, part.accept
                    if kept is not None:
                        kept[here] = part.kept
                objects += part.objects.sum(axis=0)
                accepted += (part.accept & part.kept[:, None]).sum(axis=0, dtype=np.int64)
                n_kept += int(part.kept.sum())
        partial.replace(file.target)
        file.done = EmulatedFile(
            file=str(file.source),
            output=file.target.name,
            key=file.key,
            events=file.n_events,
            accepted=tuple(accepted.tolist()),
            objects=dict(zip(kinds, objects[:, 0].tolist(), strict=True)),
            largest_pt=dict(zip(kinds, objects[:, 1].tolist(), strict=True)),
            kept=None if kept is None else n_kept,
            sha256=sha256(file.target),
        )
        shutil.rmtree(folder, ignore_errors=True)

    def _attributes(self) -> dict[str, Any]:
        trigger = self._deployed.trigger
        return {
            "network": network_hashes(trigger).network,
            "score_fraction": trigger.network.score.type.fraction,
            "thresholds": trigger.thresholds if self._loaded is None else np.array(self._loaded.codes),
        }

    def write_result(self) -> EmulateFiles:
        """Write what is known so far."""
        finished = tuple(file.done for file in self._files if file.done is not None)
        attributes = self._attributes()
        result = EmulateFiles(
            network=attributes["network"],
            score_fraction=attributes["score_fraction"],
            events=sum(entry.events for entry in finished),
            thresholds=tuple(self._thresholds(finished)),
            files=finished,
            failed={str(file.source): file.failure for file in self._files if file.failure},
            loaded=self._loaded is not None,
        ).sealed()
        write_json(self._folder / RESULT_FILE, as_json(result))
        if self._parts.is_dir() and not any(self._parts.iterdir()):
            self._parts.rmdir()
        return result

    def _thresholds(self, finished: Sequence[EmulatedFile]) -> Iterator[EmulatedThreshold]:
        """Count what each threshold accepts of all events, and give the rate if these are the trigger's input.

        Groups are not read here: the intervals take the design effect that the threshold had where it was chosen.
        """
        config = self._deployed.experiment.config
        converted = self._deployed.experiment.result(ConvertResult).trigger.thresholds
        chosen = converted if self._loaded is None else self._loaded.thresholds
        level = config.evaluation.confidence_level
        events = sum(entry.counted for entry in finished)
        for index, point in enumerate(chosen):
            accepted = sum(entry.accepted[index] for entry in finished)
            rate = clopper_pearson(accepted, events, level, point.design_effect) if events else None
            yield EmulatedThreshold(
                code=point.code,
                accepted=accepted,
                accepted_share=rate,
                rate_khz=rate and rate_khz(rate, config.trigger),
            )
