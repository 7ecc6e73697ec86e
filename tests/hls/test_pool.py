"""Work on several processes: results in the order of the plan, and a process that dies is said."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from fpgaae.errors import CheckFailed
from fpgaae.hls.pool import in_order, n_processes


def _start(first: int) -> Callable[[int], tuple[int, int]]:
    def work(item: int) -> tuple[int, int]:
        if item < 0:
            os._exit(1)
        time.sleep(0.3 if item == first else 0)
        return item**2, os.getpid()

    return work


def test_results_come_in_order_though_the_first_takes_longest() -> None:
    found = list(in_order(_start, 0, range(20), 2))
    assert [(item, square) for item, (square, _) in found] == [(item, item**2) for item in range(20)]
    workers = {pid for _, (_, pid) in found}
    assert len(workers) == 2
    assert os.getpid() not in workers


def test_a_process_that_dies_is_said() -> None:
    with pytest.raises(CheckFailed, match="a simulation process died"):
        list(in_order(_start, 0, [1, -1], 1))


@pytest.mark.parametrize(("wanted", "items", "expected"), [(4, 10, 4), (4, 3, 3), (1, 3, 1), (2, 0, 1)])
def test_no_more_processes_than_items(wanted: int, items: int, expected: int) -> None:
    assert n_processes(wanted, items) == expected
    assert n_processes("auto", items) <= max(1, items)
