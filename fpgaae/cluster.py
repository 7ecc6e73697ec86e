"""Workers for work that is spread over files or trials: a local Dask cluster, or the user's own by its address.

What the workers do does not belong here.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fpgaae.errors import CheckFailed, InputError
from fpgaae.optional import require

if TYPE_CHECKING:
    from distributed import Client, Future

SPREADING = "work is spread over processes with it"  # why Dask is needed
_CONNECT_TIMEOUT_S = 10
# Without an address the scheduler would still open a web server on port 8787, and warn where that is taken.
NO_DASHBOARD: dict[str, Any] = {"dashboard_address": "127.0.0.1:0", "scheduler_kwargs": {"dashboard": False}}


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
        try:
            client = distributed.Client(address, timeout=_CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {address} ({error}); start one with `dask scheduler`, or leave the "
                "address out for a local cluster"
            ) from None
        with client:
            yield client
        return
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


def completed(client: Client, futures: Iterable[Future[Any]]) -> Iterator[tuple[Future[Any], Any]]:
    """Give each piece of work and its result as it comes.

    Raises
    ------
    CheckFailed
        If the workers that had one and the same piece died, each in turn.
    """
    distributed = require("distributed", SPREADING)
    try:
        yield from distributed.as_completed(list(futures), with_results=True, loop=client.loop)
    except distributed.KilledWorker:
        raise CheckFailed(
            "several workers died on the same piece of work (memory, or the machine); what is finished is kept, and "
            "the same command goes on from there"
        ) from None
