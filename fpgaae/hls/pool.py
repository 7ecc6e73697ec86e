"""A plan that several processes work off side by side, its results in the order of the plan."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from fpgaae.errors import CheckFailed

Given = TypeVar("Given")
Item = TypeVar("Item")
Found = TypeVar("Found")

_IN_FLIGHT = 4  # items a process that are handed out or wait for those before them


def n_processes(wanted: int | Literal["auto"], n_items: int) -> int:
    """Give how many processes work: as many as wanted (auto: one a core), and no more than there are items."""
    available = len(os.sched_getaffinity(0)) if wanted == "auto" else wanted
    return max(1, min(available, n_items))


def in_order(
    start: Callable[[Given], Callable[[Item], Found]], given: Given, plan: Sequence[Item], processes: int
) -> Iterator[tuple[Item, Found]]:
    """Work off a plan on several processes; few items are in flight, so that memory stays bounded.

    Parameters
    ----------
    start
        A function of a module, which each process calls once: makes from what is given the function that works.
    given
        Picklable, as the items and what is found are.

    Yields
    ------
    Each item and what was found, in the order of the plan.

    Raises
    ------
    CheckFailed
        If a process died.
    """
    with _one_thread_a_process():
        pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(start, given)
        )
        try:
            waiting: list[tuple[Item, Future[Found]]] = []
            for item in plan:
                waiting.append((item, pool.submit(_work, item)))
                if len(waiting) >= _IN_FLIGHT * processes:
                    yield waiting[0][0], waiting.pop(0)[1].result()
            for item, future in waiting:
                yield item, future.result()
        except BrokenProcessPool:
            raise CheckFailed(
                "a simulation process died; the compiled project crashes (memory, or an endless loop)"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _one_thread_a_process() -> Iterator[None]:
    """Keep the BLAS of each worker on one thread; the processes are the parallelism."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _end_with_parent() -> None:
    """End this worker when the main process was killed: nobody would ever ask it for anything again."""
    if (parent := multiprocessing.parent_process()) is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


class _Worker:
    """State of a worker process."""

    work: Callable[[Any], Any]


def _start_worker(start: Callable[[Any], Callable[[Any], Any]], given: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Worker.work = start(given)


def _work(item: Any) -> Any:  # noqa: ANN401
    return _Worker.work(item)
