"""Workers for work that is spread over files or trials: a local Dask cluster, or the user's own by its address.

What the workers do does not belong here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client, LocalCluster

from fpgaae.errors import InputError

_CONNECT_TIMEOUT_S = 10


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
    """
    if address is not None:
        try:
            client = Client(address, timeout=_CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {address} ({error}); start one with `dask scheduler`, or leave the "
                "address out for a local cluster"
            ) from None
        with client:
            yield client
        return
    n_workers = workers or len(os.sched_getaffinity(0))
    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
