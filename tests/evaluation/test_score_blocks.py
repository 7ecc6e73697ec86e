"""Scores of blocks by workers: in order, the same for any number of them, and none computed twice after a kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import open_workspace
from distributed import LocalCluster
from numpy.typing import NDArray
from support import small_config

from fpgaae.cluster import NO_DASHBOARD, Workers
from fpgaae.data.store import EventStore
from fpgaae.evaluation import score_blocks
from fpgaae.evaluation.score_blocks import parts_folder, score_by_workers
from fpgaae.runs.run import StageRun

BLOCK = 100


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StageRun:
    folder = tmp_path_factory.mktemp("scored")
    small_config(folder, n_events=1500)
    workspace = open_workspace(folder)
    workspace.run("data")
    return StageRun(workspace.experiment, folder, folder, {})


@pytest.fixture(scope="module")
def schedulers() -> Iterator[dict[int, str]]:
    """Give schedulers of one worker and of three, in threads of this process."""
    made = [LocalCluster(n_workers=n, threads_per_worker=1, processes=False, **NO_DASHBOARD) for n in (1, 3)]
    yield {len(cluster.workers): cluster.scheduler_address for cluster in made}
    for cluster in made:
        cluster.close()


@pytest.fixture(autouse=True)
def scored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let sums of codes be the networks, small blocks be many, and give how many events each call scored."""
    numbers: list[int] = []

    def total(codes: NDArray[np.int64]) -> NDArray[np.float64]:
        numbers.append(len(codes))
        return codes.sum(axis=1) / 3

    networks = {"float": total, "quantized": lambda codes: codes[:, 0] / 7}
    monkeypatch.setattr(score_blocks, "_networks", lambda _: networks)
    monkeypatch.setattr(score_blocks, "BLOCK_EVENTS", BLOCK)
    monkeypatch.setattr(score_blocks, "used_threads", lambda: 2)
    monkeypatch.setattr(score_blocks, "recorded_hashes", lambda folder: {"a": folder.name})
    return numbers


def _lengths(store: EventStore) -> dict[str, int]:
    return {"background": store.count("background", "test") - 7, "signal": store.count("signal", "test")}


def test_scores_stand_in_the_order_of_the_events(
    run: StageRun, schedulers: dict[int, str], tmp_path: Path, scored: list[int]
) -> None:
    store = EventStore(run.upstream("data"))
    lengths = _lengths(store)
    assert lengths["background"] > 2 * BLOCK
    for n in (None, 1, 3):
        own = StageRun(run.experiment, tmp_path, tmp_path / str(n), {})
        spread = Workers() if n is None else Workers(schedulers[n])
        found = score_by_workers(StageRun(**(vars(own) | {"workers": spread})), lengths)
        assert list(found) == ["float", "quantized"]
        for process, n_events in lengths.items():
            codes = store.read(process, "test", 0, n_events)
            np.testing.assert_array_equal(found["float"][process], codes.sum(axis=1) / 3)
            np.testing.assert_array_equal(found["quantized"][process], codes[:, 0] / 7)
    assert sum(scored) == 3 * sum(lengths.values())
    assert max(scored) == BLOCK


def test_blocks_that_are_there_are_not_scored_again_unless_a_network_is_another(
    run: StageRun, tmp_path: Path, scored: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = StageRun(run.experiment, tmp_path, tmp_path / "scratch", {})
    lengths = _lengths(EventStore(run.upstream("data")))
    first = score_by_workers(own, lengths)
    gone = sorted(parts_folder(own).rglob("*.npz"))[1]
    gone.unlink()
    scored.clear()
    again = score_by_workers(own, lengths)
    assert scored == [BLOCK]
    for model, by_process in first.items():
        for process, scores in by_process.items():
            np.testing.assert_array_equal(again[model][process], scores)
    scored.clear()
    monkeypatch.setattr(score_blocks, "recorded_hashes", lambda _: {"a": "another"})
    score_by_workers(own, lengths)
    assert sum(scored) == sum(lengths.values())
