"""Running a scan: its trials go to the workers of a Dask cluster, and those that are finished are not run again.

A trial is a stage of a run folder: it is finished when its result stands there, made from the config, events and
versions as they are now. So a killed scan goes on where it was, and a training at its last epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fpgaae.cluster import SPREADING, Pending, open_cluster
from fpgaae.errors import CheckFailed
from fpgaae.files import lock
from fpgaae.optional import require
from fpgaae.progress import Progress, SilentProgress, Task
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.scan import ScanResult
from fpgaae.scan import work
from fpgaae.scan.board import Board, Point
from fpgaae.scan.front import write_front
from fpgaae.scan.layout import Trial, scan_folder
from fpgaae.scan.plan import Scan
from fpgaae.scan.results import summarize_points
from fpgaae.scan.search import Search
from fpgaae.scan.write import write_results

if TYPE_CHECKING:
    from distributed import Client, Future


@dataclass(frozen=True)
class ScanOptions:
    """Where a scan runs."""

    scheduler: str | None = None  # address of the user's Dask scheduler; None: a local cluster
    workers: int | None = None  # processes of the local cluster; None: one a core
    progress: Progress = SilentProgress()  # noqa: RUF009


def run_scan(scan: Scan, runs: Path, options: ScanOptions) -> ScanResult:
    """Run what is missing of a scan, and write its table, figure and front.

    Raises
    ------
    FpgaaeError
        With what is wrong and the way out; what was finished stays finished.
    """
    _require_packages(scan)
    folder = scan_folder(scan, runs)
    started = time.perf_counter()
    with lock(folder), ExitStack() as stack:
        board = Board(scan, folder)
        search = board.search()
        workers = _Workers(options, board, stack)
        n_trials = search.n_points * len(scan.settings.seeds)
        with options.progress.task(f"trials of {scan.name}", n_trials) as task:
            _Conductor(board, search, workers, task).run()
        if not board.finished:
            raise CheckFailed(f"no point of {scan.file} was finished; the first failure: {board.first_failure}")
        found = summarize_points(scan, board.finished, board.failed)
        on_front = [p.values for p, own in zip(board.finished, found.points, strict=True) if own.on_front]
        front = write_front(scan, folder, runs, on_front, board.hashes)
        result = ScanResult(
            **vars(found),
            folder=str(folder),
            front=tuple(front),
            trials_run=workers.n_run,
            wall_time_s=round(time.perf_counter() - started, 1),
        )
        write_results(folder, result)
        return result


def _require_packages(scan: Scan) -> None:
    """Say what is missing before hours of trials, not behind them."""
    require("distributed", SPREADING)
    require("da4ml", work.COUNTING)
    if scan.settings.optuna is not None:
        require("optuna", "it proposes the points of this scan")


class _Ended(NamedTuple):
    label: str
    error: str | None


class _Workers:
    """The cluster, brought up for the first trial that is not finished."""

    def __init__(self, options: ScanOptions, board: Board, stack: ExitStack) -> None:
        self._options, self._board, self._stack = options, board, stack
        self._client: Client | None = None
        self._upstream: dict[Path, Future[work.Done]] = {}
        self._trials: dict[Future[work.Done], Trial] = {}
        self._n_submitted = 0
        self.n_run = 0

    @property
    def n_open(self) -> int:
        """Trials that were submitted and have not ended."""
        return len(self._trials)

    @property
    def n_slots(self) -> int:
        """Trials that can run at the same time."""
        return 1 if self._client is None else max(sum(self._client.nthreads().values()), 1)

    def submit(self, trial: Trial) -> None:
        """Have a trial run, after the events and the reference that it needs."""
        if self._client is None:
            self._client = self._stack.enter_context(open_cluster(self._options.scheduler, self._options.workers))
            self._ended = Pending(self._client)
        events = self._once(work.make_events, trial.events)
        reference = self._once(work.make_reference, trial.reference, events)
        future = self._submit(work.make_trial, trial.experiment, reference)
        self._trials[future] = trial
        self._ended.add(future)
        self.n_run += 1

    def _once(
        self, task: Callable[..., work.Done], experiment: Experiment, *upstream: Future[work.Done]
    ) -> Future[work.Done]:
        if experiment.folder not in self._upstream:
            self._upstream[experiment.folder] = self._submit(task, experiment, *upstream)
        return self._upstream[experiment.folder]

    def _submit(
        self, task: Callable[..., work.Done], experiment: Experiment, *upstream: Future[work.Done]
    ) -> Future[work.Done]:
        if self._client is None:
            raise RuntimeError("no cluster is open")
        self._n_submitted += 1
        return self._client.submit(
            task, experiment, self._board.hashes, *upstream, pure=False, priority=-self._n_submitted
        )

    def next_ended(self) -> _Ended:
        """Wait until a trial ends."""
        future = self._ended.next()
        trial = self._trials.pop(future)
        try:
            done: work.Done = future.result()
        except require("distributed", SPREADING).KilledWorker:
            return _Ended(trial.label, "its worker died several times, perhaps for want of memory; use fewer --workers")
        return _Ended(trial.label, done.error)


class _Conductor:
    """Asks the search for points, has their trials run, and tells the search what they gave."""

    def __init__(self, board: Board, search: Search, workers: _Workers, task: Task) -> None:
        self._board, self._search, self._workers, self._task = board, search, workers, task
        self._open: dict[str, tuple[Point, set[str]]] = {}  # by label: a point and its trials under way

    def run(self) -> None:
        """Go on until the search has enough and every trial has ended."""
        self._task.advance(sum(len(point.trials) for point in self._board.finished))  # of an earlier process
        self._fill()
        while self._workers.n_open:
            self._end(self._workers.next_ended())
            self._fill()

    def _fill(self) -> None:
        """Begin points while workers are free, or all of them where none depends on another."""
        while self._search.all_at_once or self._workers.n_open < self._workers.n_slots:
            values = self._search.ask()
            if values is None:
                return
            point = self._board.begin(values)
            if point is None:
                self._search.tell(values, None)
                continue
            if point.label in self._open:  # proposed twice: told when it ends
                continue
            missing = self._board.missing(point)
            self._task.advance(len(point.trials) - len(missing))
            if missing:
                self._open[point.label] = (point, {trial.label for trial in missing})
                for trial in missing:
                    self._workers.submit(trial)
            else:
                self._search.tell(values, self._board.finish(point))

    def _end(self, ended: _Ended) -> None:
        self._task.advance()
        self._task.note(ended.label)
        if ended.error is not None:
            self._board.failed[ended.label] = ended.error
        point, under_way = next(entry for entry in self._open.values() if ended.label in entry[1])
        under_way.discard(ended.label)
        if not under_way:
            del self._open[point.label]
            self._search.tell(point.values, self._board.finish(point))
