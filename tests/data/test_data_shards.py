"""The stage `data` over many files and workers: the same bytes whoever did what, and nothing lost with a worker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from distributed import LocalCluster
from support import array_config, make_events, make_groups, small_config, write_events

from fpgaae.cluster import NO_DASHBOARD, Workers
from fpgaae.data import coding, parts, readers, stage
from fpgaae.errors import InputError
from fpgaae.pipeline import run
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import RunOptions

PART = 256
FILES = {"background": ["a.h5", "b.npz", "c.h5"], "signal": ["signal.h5", "more.h5"]}
_MORTAL = '''
import os, signal
from pathlib import Path
from fpgaae.data.source import Reader
from fpgaae.section import Section

FOLDER = Path(__file__).parent

class Options(Section):
    """None."""

def open_it(file, data, options):
    """End the process that opens for the third time, once; the file is then read as an array."""
    if os.getpid() != int((FOLDER / "main").read_text()):
        with (FOLDER / "opened").open("a") as log:
            log.write(f"{os.getpid()}\\n")
        if len((FOLDER / "opened").read_text().split()) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

READER = Reader(Options, open_it)
'''


@pytest.fixture(scope="module")
def schedulers() -> Iterator[dict[int, str]]:
    """Give schedulers of one, two and four workers, in threads of this process."""
    made = [LocalCluster(n_workers=n, threads_per_worker=1, processes=False, **NO_DASHBOARD) for n in (1, 2, 4)]
    yield {len(cluster.workers): cluster.scheduler_address for cluster in made}
    for cluster in made:
        cluster.close()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files of some hundred events have several parts."""
    monkeypatch.setattr(coding, "_MOST_EVENTS", PART)


def _change(file: Path) -> None:
    """Give events weights, some of them jets that are not sorted, and others no object."""
    with h5py.File(file, "a") as opened:
        n = len(opened["Particles"])
        opened["Particles"][::5, 9:13] = opened["Particles"][::5, 9:13][:, ::-1]
        opened["Particles"][3::11] = 0
        opened["w"] = np.random.default_rng(n).lognormal(0, 9, n)
        opened["good"] = np.arange(n) % 7


def _config(folder: Path, name: str = "small", **data: Any) -> Path:  # noqa: ANN401
    """Write an experiment on several files of each process, which differ in format and length."""
    if not (folder / "a.h5").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for file, n, scale in (("a", 1100, 1), ("c", 300, 1), ("signal", 290, 4), ("more", 40, 4)):
            write_events(folder / f"{file}.h5", n, n, pt_scale=scale)
            _change(folder / f"{file}.h5")
        weights = {"w": np.random.default_rng(7).lognormal(0, 9, 700), "good": np.ones(700)}
        np.savez(folder / "b.npz", Particles=make_events(700, 3), Group=make_groups(700, 3), **weights)
    chosen = {"files": FILES, "columns": {"weight": "w"}, "where": ["good != 3"], "empty_events": "drop"}
    return small_config(folder, name, data=chosen | data)


def _run(config: Path, runs: Path, workers: Workers = Workers()) -> Experiment:  # noqa: B008
    experiment = open_experiment(config, runs)
    run(experiment, "data", RunOptions(workers=workers))
    return experiment


def _bytes(experiment: Experiment) -> tuple[bytes, bytes]:
    folder = experiment.stage_folder("data")
    return (folder / "events.h5").read_bytes(), (folder / "data.json").read_bytes()


@pytest.mark.parametrize(
    ("group", "runs"),
    [("Group", [(None, 97), (None, 10**6), (1, 97), (2, 10_000), (4, 10**6)]), (None, [(2, 97)])],
    ids=["groups", "numbers"],
)
def test_the_bytes_depend_on_neither_workers_nor_chunks(
    group: str | None,
    runs: list[tuple[int | None, int]],
    schedulers: dict[int, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = _config(tmp_path, group=group)
    here = _run(config, tmp_path / "here")
    wanted = _bytes(here)
    seen = here.result(DataResult).seen["background"]
    assert seen.sorted
    assert seen.dropped_weight
    for n, chunk in runs:
        monkeypatch.setattr(readers.read_events, "__defaults__", (chunk, None))
        workers = Workers() if n is None else Workers(schedulers[n])
        again = _run(config, tmp_path / f"{n}-{chunk}", workers)
        assert _bytes(again) == wanted, (n, chunk)
        assert not list((again.folder / ".scratch").glob("*"))


def test_what_was_done_before_a_kill_is_not_done_again(
    schedulers: dict[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(tmp_path)
    wanted = _bytes(_run(config, tmp_path / "whole"))
    runs = tmp_path / "runs"

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stage._Process, "finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _run(config, runs, Workers(schedulers[2]))
    scratch = open_experiment(config, runs).folder / ".scratch"
    kept = sorted(scratch.rglob("*.npz"))
    assert len(kept) >= 5 + 3 + 2  # those of the background
    gone = {kept[1], next(file for file in kept if file.parent.name == "000001")}  # of the file that is one span, too
    for file in gone:
        file.unlink()
    copy = tmp_path / "copy"
    shutil.copytree(runs, copy)
    written: list[Path] = []
    write = parts.write_part
    monkeypatch.setattr(coding, "write_part", lambda file, arrays: (written.append(file), write(file, arrays)))
    assert _bytes(_run(config, runs)) == wanted
    assert {*kept} & {*written} == gone
    damaged = copy / kept[2].relative_to(runs)
    damaged.write_bytes(damaged.read_bytes().replace(b"\x01", b"\x02"))
    with pytest.raises(InputError, match=r"npz is damaged; remove it, and give the same command again"):
        _run(config, copy, Workers(schedulers[1]))
    damaged.unlink()
    assert _bytes(_run(config, copy, Workers(schedulers[1]))) == wanted


def test_the_first_of_several_bad_files_is_named_whoever_finds_what(
    schedulers: dict[int, str], tmp_path: Path
) -> None:  # fmt: skip
    config = _config(tmp_path)
    for file, event in (("a", 1000), ("c", 0)):
        with h5py.File(tmp_path / f"{file}.h5", "a") as opened:
            opened["Particles"][event, 3, 0] = np.nan
    said = []
    for n, workers in enumerate([Workers(), *map(Workers, schedulers.values())]):
        with pytest.raises(InputError, match=r"a\.h5: event 1000, slot 3 holds a NaN") as caught:
            _run(config, tmp_path / str(n), workers)
        said.append(str(caught.value))
    assert len({*said}) == 1


@pytest.mark.slow
def test_the_part_of_a_worker_that_dies_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mortal_events").mkdir()
    (tmp_path / "mortal_events" / "__init__.py").touch()
    (tmp_path / "mortal_events" / "reader.py").write_text(_MORTAL)
    (tmp_path / "mortal_events" / "main").write_text(str(os.getpid()))
    monkeypatch.syspath_prepend(str(tmp_path))
    files = {"background": ["background.npz", "more.npz"], "signal": "signal.npz"}
    data = {"reader": "mortal_events.reader", "group": None, "files": files}
    config = array_config(tmp_path, (2, 3), 70_000, data=data)
    shutil.copy(tmp_path / "signal.npz", tmp_path / "more.npz")
    monkeypatch.setattr(coding, "_MOST_EVENTS", 65_536)  # as in the other processes
    wanted = _bytes(_run(config, tmp_path / "here"))
    assert not (tmp_path / "mortal_events" / "opened").exists()
    assert _bytes(_run(config, tmp_path / "spread", Workers(processes=2))) == wanted
    opened = (tmp_path / "mortal_events" / "opened").read_text().split()
    assert len(opened) == 2 + 3 + 1  # for groups, for parts, and once more for the worker that died


def test_processes_are_started_where_they_are_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _config(tmp_path)
    asked: list[Workers | None] = []
    choose = stage._workers

    def note(*arguments: Any) -> None:  # noqa: ANN401
        asked.append(choose(*arguments))

    monkeypatch.setattr(stage, "_workers", note)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(3))
    for n_events, workers in ((3000, Workers(automatic=True)), (10, Workers()), (10, Workers(automatic=True))):
        monkeypatch.setattr(stage, "_WORTH_EVENTS", n_events)
        _run(config, tmp_path / str(len(asked)), workers)
    assert asked == [None, None, Workers(processes=3)]
