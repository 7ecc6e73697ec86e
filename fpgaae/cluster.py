"""Workers for work that is spread over files or trials: a local Dask cluster, or the user's own by its address.

What the workers do does not belong here.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fpgaae.errors import CheckFailed, InputError
from fpgaae.optional import require
from fpgaae.processes import ProgramHangs, run_program

if TYPE_CHECKING:
    from distributed import Client, Future

SPREADING = "work is spread over processes with it"  # why Dask is needed
_CONNECT_TIMEOUT_S = 10
_IMPORT_S = 10  # of Dask, by the process that asks first
_ANSWER_TIMEOUT_S = 30  # of a scheduler that is asked for its workers
_WITHOUT_WORKERS_S = 30  # a worker that died may be started again
_OF_THIS_PROCESS = "inproc://"
_LOOK_S, _ASK_S = 0.02, 2.0  # how often for ended work, and for workers
_START = "start one with `dask scheduler`, or leave the address out for a local cluster"
# What answers may be no scheduler: it can keep a client waiting, or announce any size.
_CONNECT = """
import os, resource, sys
from distributed import Client
resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
try:
    Client(sys.argv[1], timeout=float(sys.argv[2]), set_as_default=False)
except BaseException as error:
    print(" ".join(str(error).split())[:200] or type(error).__name__, flush=True)
    os._exit(1)
os._exit(0)
"""
# Without an address the scheduler would still open a web server on port 8787, and warn where that is taken.
NO_DASHBOARD: dict[str, Any] = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}


Do = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]


class Workers(NamedTuple):
    """Who does work that can be spread; by default this process."""

    scheduler: str | None = None  # address of the user's Dask scheduler
    processes: int | None = None  # here
    automatic: bool = False  # processes here where there is enough to do; starting them takes `__main__` guarded

    @property
    def are_asked_for(self) -> bool:
        """Whether the user wants others than this process."""
        return self.scheduler is not None or self.processes is not None

    @classmethod
    def of(cls, scheduler: str | None, workers: int | Literal["auto"] | None) -> Workers:
        """Take what the user says; `auto` leaves the choice to the work."""
        if workers == "auto":
            return cls(scheduler, automatic=True)
        return cls(scheduler, workers)


@contextmanager
def open_cluster(address: str | None = None, workers: int | None = None) -> Iterator[Client]:
    """Give a client of the scheduler at `address`, or of a local cluster of one-threaded processes that ends with it.

    Parameters
    ----------
    address
        Of the user's scheduler, as in `tcp://host:8786`; None for a local cluster.
    workers
        Processes of the local cluster; None for one a core.

    Raises
    ------
    InputError
        If no scheduler answers at the address.
    ToolMissing
        If Dask is not installed.
    """
    distributed = require("distributed", SPREADING)
    if address is not None:
        if not address.startswith(_OF_THIS_PROCESS):
            _require_scheduler(address)
        for chatty in ("client", "core", "comm"):  # tracebacks of a scheduler that goes, beside the sentence
            logging.getLogger(f"distributed.{chatty}").setLevel(logging.CRITICAL + 1)
        with distributed.Client(address, timeout=_CONNECT_TIMEOUT_S, set_as_default=False) as client:
            yield client
        return
    logging.getLogger("distributed").setLevel(logging.ERROR)  # its import has set it, a cluster that ends restores it
    n_workers = workers or len(os.sched_getaffinity(0))
    with _interrupts_for_this_process_only():
        local = distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, memory_limit=0,
            silence_logs=logging.ERROR, **NO_DASHBOARD,
        )  # fmt: skip
    with local as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@contextmanager
def _interrupts_for_this_process_only() -> Iterator[None]:
    """Let processes that start meanwhile ignore Ctrl-C: a terminal sends it to all, and this one ends the others."""
    if threading.current_thread() is not threading.main_thread():  # no other may change it
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _require_scheduler(address: str) -> None:
    """Refuse an address where no scheduler answers, asked by a process of its own."""
    command = [sys.executable, "-c", _CONNECT, address, str(_CONNECT_TIMEOUT_S)]
    try:
        done = run_program(command, "connecting", limit_s=_CONNECT_TIMEOUT_S + _IMPORT_S)
    except ProgramHangs:
        reason = f"what listens there says nothing in {_CONNECT_TIMEOUT_S + _IMPORT_S:g} s"
    else:
        if not done.returncode:
            return
        reason = (done.stdout.strip().splitlines() or ["what listens there is no scheduler"])[-1]
    raise InputError(f"no Dask scheduler answers at {address} ({reason}); {_START}")


class Pending:
    """Work that was handed to workers, given as it ends; workers that are gone are one sentence."""

    def __init__(self, client: Client, futures: Iterable[Future[Any]] = ()) -> None:
        self._client = client
        self._ended = require("distributed", SPREADING).as_completed(list(futures), loop=client.loop)
        self._asked = self._had_workers = time.monotonic()

    def add(self, future: Future[Any]) -> None:
        """Wait for this one, too."""
        self._ended.add(future)

    def next(self) -> Future[Any]:
        """Wait until a piece of work has ended.

        Raises
        ------
        CheckFailed
            If there are no workers for a while, or the scheduler is gone.
        """
        self._had_workers = time.monotonic()
        while not self._ended.has_ready():
            time.sleep(_LOOK_S)
            if time.monotonic() > self._asked + _ASK_S:
                self._require_workers()
                self._asked = time.monotonic()
        future: Future[Any] = next(self._ended)
        if future.cancelled():
            raise CheckFailed(_gone(self._client))
        return future

    def __iter__(self) -> Iterator[Future[Any]]:
        """Give what has ended until nothing is under way."""
        while self._ended.count():
            yield self.next()

    def _require_workers(self) -> None:
        scheduler = self._client.scheduler
        if scheduler is None:
            raise CheckFailed(_gone(self._client))
        try:
            known = self._client.sync(scheduler.identity, callback_timeout=_ANSWER_TIMEOUT_S)
        except (OSError, TimeoutError):
            raise CheckFailed(_gone(self._client)) from None
        now = time.monotonic()
        if known["workers"]:
            self._had_workers = now
        elif now > self._had_workers + _WITHOUT_WORKERS_S:
            raise CheckFailed(
                f"the Dask scheduler at {known['address']} has had no worker for {_WITHOUT_WORKERS_S:g} s; start one "
                f"with `dask worker {known['address']}`; what is finished is kept, and the same command goes on from "
                "there"
            )


def _gone(client: Client) -> str:
    where = client.scheduler.address if client.scheduler is not None else "its address"
    return (
        f"the Dask scheduler at {where} no longer answers; what is finished is kept, and the same command with another "
        "scheduler goes on from there"
    )


def completed(client: Client, futures: Iterable[Future[Any]]) -> Iterator[tuple[Future[Any], Any]]:
    """Give each piece of work and its result as it comes.

    Raises
    ------
    CheckFailed
        If the workers that had one and the same piece died, each in turn, or none is left.
    """
    distributed = require("distributed", SPREADING)
    try:
        for future in Pending(client, futures):
            yield future, future.result()
    except distributed.KilledWorker:
        raise CheckFailed(
            "several workers died on the same piece of work (memory, or the machine); what is finished is kept, and "
            "the same command goes on from there"
        ) from None


def completed_in_order(client: Client, futures: Sequence[Future[Any]]) -> Iterator[Any]:
    """Give the result of each piece of work in the order of the pieces, as soon as those before it are there.

    Raises
    ------
    CheckFailed
        As `completed`.
    """
    early: dict[Future[Any], Any] = {}
    coming = iter(futures)
    wanted = next(coming, None)
    for future, result in completed(client, futures):
        early[future] = result
        while wanted in early:
            yield early.pop(wanted)
            wanted = next(coming, None)


@contextmanager
def open_workers(workers: Workers) -> Iterator[Do]:
    """Give a function that does one and the same for many arguments, and gives what becomes of each in order.

    Who does it is who was asked for, and else this process.

    Raises
    ------
    InputError
        As `open_cluster`.
    ToolMissing
        If others are asked for, and Dask is not installed.
    """
    if not workers.are_asked_for:
        yield lambda work, calls: (work(*call) for call in calls)
        return
    with open_cluster(workers.scheduler, workers.processes) as client:
        yield lambda work, calls: completed_in_order(client, [client.submit(work, *call, pure=False) for call in calls])
