"""The workers: a local cluster of the size that was asked for, the user's own by its address, or one sentence."""

from __future__ import annotations

import os
import time

import pytest
from distributed import LocalCluster

from fpgaae.cluster import open_cluster
from fpgaae.errors import InputError


def _process(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def test_the_local_cluster_has_the_workers_that_were_asked_for() -> None:
    with open_cluster(workers=2) as client:
        found = set(client.gather(client.map(_process, range(8))))
    assert len(found) == 2
    assert os.getpid() not in found


def test_the_scheduler_of_the_user_is_used_and_left_running() -> None:
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        with open_cluster(cluster.scheduler_address) as client:
            assert client.submit(sum, [1, 2]).result() == 3
        with open_cluster(cluster.scheduler_address) as client:
            assert client.submit(sum, [3, 4]).result() == 7


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x"])
def test_an_address_where_nobody_answers_gets_its_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpgaae.cluster._CONNECT_TIMEOUT_S", 0.5)
    wanted = r"no Dask scheduler answers at .*; start one with `dask scheduler`"
    with pytest.raises(InputError, match=wanted), open_cluster(address):
        pass
