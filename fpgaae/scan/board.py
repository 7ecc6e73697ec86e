"""What is known of a scan's points: which are finished, which failed, and which were asked for before a kill.

Who runs a trial belongs to `run`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fpgaae.data.readers import event_hashes
from fpgaae.errors import ConfigError
from fpgaae.files import write_json
from fpgaae.optional import require
from fpgaae.runs.record import as_json, read_record
from fpgaae.runs.results.scan import AskedPoints, BaselineResult, TrialEntry, TrialResult
from fpgaae.scan.layout import Trial, make_trial, point_label
from fpgaae.scan.measurement import Measurement
from fpgaae.scan.plan import Scan, Values
from fpgaae.scan.results import FinishedPoint, objective_values
from fpgaae.scan.search import GridSearch, Search, Tried

_POINTS_FILE = "points.json"


class Point(NamedTuple):
    """Values of the axes, and a trial for each seed."""

    label: str
    values: Values
    trials: tuple[Trial, ...]


class Board:
    """The points of one scan.

    Raises
    ------
    InputError
        If an event file is missing.
    """

    def __init__(self, scan: Scan, folder: Path) -> None:
        self._begun: dict[str, FinishedPoint | None] = {}  # in the order of the search
        self.failed: dict[str, str] = {}
        self._scan, self._folder = scan, folder
        self.hashes = event_hashes(scan.base_config, scan.base_file)
        self._asked: list[Values] = []

    @property
    def finished(self) -> list[FinishedPoint]:
        """The points whose trials are all finished, in the order in which the search gave them."""
        return [point for point in self._begun.values() if point is not None]

    @property
    def first_failure(self) -> str:
        """The sentence of the first trial that failed."""
        return next(iter(self.failed.values()), "no trial began")

    def search(self) -> Search:
        """Give the search that the scan asks for; one by Optuna knows what an earlier process tried."""
        if self._scan.settings.optuna is None:
            return GridSearch(self._scan)
        require("optuna", "it proposes the points of this scan")
        from fpgaae.scan.proposals import OptunaSearch  # noqa: PLC0415

        return OptunaSearch(self._scan.settings, list(self._tried()))

    def begin(self, values: Values) -> Point | None:
        """Take up a point; None if its values make no valid experiment, which counts as failed."""
        seeds = self._scan.settings.seeds
        try:
            trials = tuple(make_trial(self._scan, self._folder, values, seed, self.hashes) for seed in seeds)
        except ConfigError as error:
            self.failed[point_label(values)] = str(error)
            return None
        if (entry := dict(values)) not in self._asked and self._scan.settings.optuna is not None:
            self._asked.append(entry)
            asked = AskedPoints(scan=self._identity(), points=tuple(self._asked))
            write_json(self._folder / _POINTS_FILE, as_json(asked))
        self._begun.setdefault(point_label(values), None)
        return Point(point_label(values), values, trials)

    def missing(self, point: Point) -> list[Trial]:
        """Give the trials of a point that have to be run."""
        return [trial for trial in point.trials if not trial.is_finished(self.hashes)]

    def finish(self, point: Point) -> list[float] | None:
        """Read the results of a point whose trials have all ended, and give its objectives; None if one failed."""
        if any(trial.label in self.failed for trial in point.trials):
            return None
        found = self._begun[point.label] = _read(point)
        return objective_values(self._scan.settings, found)

    def _tried(self) -> Iterator[Tried]:
        """Give the points that were asked for before, if the scan is still the same."""
        file = self._folder / _POINTS_FILE
        if not file.is_file():
            return
        asked = read_record(AskedPoints, file, "remove it, so that the search begins anew")
        if asked.scan != self._identity():
            return
        for values in asked.points:
            point = self.begin(values)
            if point is not None:
                yield Tried(values, None if self.missing(point) else self.finish(point))

    def _identity(self) -> str:
        """Identify what points mean: the axes, seeds, base and events, not how many are wanted or what counts."""
        settings = self._scan.settings.model_dump(mode="json", include={"axes", "set", "seeds"})
        base = self._scan.base_config.model_dump(mode="json")
        return hashlib.sha256(json.dumps([settings, base, self.hashes], sort_keys=True).encode()).hexdigest()


def _read(point: Point) -> FinishedPoint:
    return FinishedPoint(
        point.label,
        point.values,
        tuple(TrialEntry(label=t.label, seed=t.seed, **vars(t.experiment.result(TrialResult))) for t in point.trials),
        tuple(Measurement.load(trial.experiment.stage_folder(TrialResult.STAGE)) for trial in point.trials),
        tuple(Measurement.load(trial.reference.stage_folder(BaselineResult.STAGE)) for trial in point.trials),
    )
