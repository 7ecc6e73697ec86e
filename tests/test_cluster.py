"""The workers: a local cluster of the size that was asked for, the user's own by its address, or one sentence."""

from __future__ import annotations

import os
import signal
import socket
import time
from unittest.mock import Mock

import pytest
from distributed import KilledWorker, LocalCluster

from fpgaae.cluster import NO_DASHBOARD, Workers, completed, open_cluster, open_workers
from fpgaae.errors import CheckFailed, InputError


def _process(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def _ignores_interrupts() -> bool:
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.slow
def test_the_local_cluster_has_the_workers_that_were_asked_for() -> None:
    with open_cluster(workers=2) as client:
        found = set(client.gather(client.map(_process, range(8))))
        assert client.submit(_ignores_interrupts).result()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(found) == 2
    assert os.getpid() not in found


def test_the_scheduler_of_the_user_is_used_and_left_running() -> None:
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **NO_DASHBOARD) as cluster:
        with open_cluster(cluster.scheduler_address) as client:
            assert client.submit(sum, [1, 2]).result() == 3
        with open_cluster(cluster.scheduler_address) as client:
            assert client.submit(sum, [3, 4]).result() == 7


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x", "tls://127.0.0.1:1"])
def test_an_address_where_nobody_answers_gets_its_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpgaae.cluster._CONNECT_TIMEOUT_S", 0.5)
    wanted = r"no Dask scheduler answers at .*; start one with `dask scheduler`"
    with pytest.raises(InputError, match=wanted), open_cluster(address):
        pass


def test_what_listens_and_says_nothing_gets_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpgaae.cluster._IMPORT_S", 3)
    monkeypatch.setattr("fpgaae.cluster._CONNECT_TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        wanted = f"no Dask scheduler answers at {address} \\(what listens there says nothing in 4 s\\); start one"
        with pytest.raises(InputError, match=wanted), open_cluster(address):
            pass


def test_workers_that_are_gone_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpgaae.cluster._WITHOUT_WORKERS_S", 0.5)
    monkeypatch.setattr("fpgaae.cluster._ASK_S", 0.1)
    with LocalCluster(n_workers=0, processes=False, **NO_DASHBOARD) as cluster, cluster.get_client() as client:
        with pytest.raises(CheckFailed, match=r"has had no worker for 0.5 s; start one with `dask worker inproc://"):
            list(completed(client, [client.submit(abs, -1)]))
        monkeypatch.setattr(client, "sync", Mock(side_effect=TimeoutError))
        with pytest.raises(CheckFailed, match=r"the Dask scheduler at inproc://.* no longer answers; what is finished"):
            list(completed(client, [client.submit(abs, -2)]))
        monkeypatch.undo()


def test_work_that_was_taken_away_is_one_sentence() -> None:
    with LocalCluster(n_workers=0, processes=False, **NO_DASHBOARD) as cluster, cluster.get_client() as client:
        future = client.submit(abs, -1)
        future.cancel()
        with pytest.raises(CheckFailed, match="no longer answers"):
            list(completed(client, [future]))


def test_work_comes_back_as_it_is_done() -> None:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **NO_DASHBOARD) as cluster,
        open_cluster(cluster.scheduler_address) as client,
    ):
        assert {result for _, result in completed(client, client.map(abs, [-1, 2, -3]))} == {1, 2, 3}


def _after(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_results_come_in_the_order_of_their_calls() -> None:
    calls = [(0.3,), (0.0,), (0.1,)]
    with (
        LocalCluster(n_workers=3, threads_per_worker=1, processes=False, **NO_DASHBOARD) as cluster,
        open_workers(Workers(cluster.scheduler_address)) as do,
    ):
        assert list(do(_after, calls)) == [0.3, 0.0, 0.1]
    with open_workers(Workers()) as do:
        assert list(do(_after, calls)) == [0.3, 0.0, 0.1]


def test_workers_that_die_of_their_work_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise KilledWorker("work", None, 3)

    monkeypatch.setattr("distributed.as_completed", die)
    with pytest.raises(CheckFailed, match=r"several workers died .* the same command goes on from there"):
        list(completed(Mock(), []))
