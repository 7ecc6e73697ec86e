"""Processes that work together: they come to each other or get one sentence, and the end of one is that of all."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fpgaae import meeting
from fpgaae.errors import CheckFailed, FpgaaeError, InputError
from fpgaae.meeting import Meeting, Place, find_place, free_port, meet
from fpgaae.processes import program_beside

SAME = {"config": "a", "version of jax": "1"}
DONE = f"echo '{json.dumps({'how': 'done'})}'"
CUT = f"echo '{json.dumps({'how': 'cut'})}'; exit 1"
REFUSED = f"echo '{json.dumps({'how': 'error', 'what': 'the loss is not finite', 'exit_code': 1})}'; exit 1"
WAITS = "sleep 30"


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_PROCID", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "_GRACE_S", 0.4)
    monkeypatch.setattr(meeting, "_LAST_S", 1.0)
    monkeypatch.setattr(meeting, "_LOOK_S", 0.02)


@pytest.mark.parametrize(
    ("environment", "address", "process"),
    [
        ({"SLURM_STEP_NODELIST": "node[007-012,20],other"}, "node007:61442", 1),
        ({"SLURM_STEP_NODELIST": "alpha,beta"}, "alpha:61442", 1),
        ({"SLURM_JOB_NODELIST": "gpu[3,5]"}, "gpu3:61442", 1),
        ({"SLURM_JOB_NODELIST": "gpu-3.site", "SLURM_PROCID": "0"}, "gpu-3.site:61442", 0),
    ],
)
def test_slurm_says_which_process_this_is(
    environment: dict[str, str], address: str, process: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SLURM_JOB_ID": "4098", "SLURM_NTASKS": "4", "SLURM_PROCID": "1", **environment}.items():
        monkeypatch.setenv(name, value)
    assert find_place(None, None, None) == Place(process, 4, address)
    assert find_place("other:1", 2, 0) == Place(0, 2, "other:1")


def test_open_mpi_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "2")
    with pytest.raises(InputError, match=r"needs --coordinator HOST:PORT, which"):
        find_place(None, None, None)
    monkeypatch.setenv("OMPI_MCA_orte_hnp_uri", "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911")
    assert find_place(None, None, None) == Place(2, 3, f"10.96.0.1:{61_440 + 1531576320 % 4096}")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((None, None, None), r"needs --coordinator HOST:PORT and --processes N and --process-id I, which neither"),
        ((None, 2, 0), r"needs --coordinator HOST:PORT, which neither Slurm nor Open MPI says here"),
        (("node1:6123", 2, None), r"needs --process-id I, which"),
        (("node1", 2, 0), r"--coordinator node1 is no host and port; .* as in node1:6123"),
        (("node1:70000", 2, 0), r"--coordinator node1:70000 is no host and port"),
        (("node1:6123", 1, 0), r"1 process can't train together; give 2 or more"),
        (("node1:6123", 2, 2), r"--process-id 2 is none of 2 processes; give each its own number from 0 to 1"),
        (("node1:6123", 2, -1), r"--process-id -1 is none of 2 processes"),
    ],
)
def test_a_wrong_place_is_one_sentence(given: tuple[str | None, int | None, int | None], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        find_place(*given)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def _met(pool: ThreadPoolExecutor, n: int, others: dict[int, Place | dict[str, str]] | None = None) -> list[Meeting]:
    """Let processes meet, some of them with another place or other things than the first has."""
    address = f"localhost:{free_port()}"
    waiting = []
    for process in range(n):
        place, same = Place(process, n, address), SAME
        match (others or {}).get(process):
            case Place() as wrong:
                place = wrong._replace(coordinator=address)
            case dict() as other:
                same = {**SAME, **other}
        waiting.append(pool.submit(meet, place, same, {"go": 1 + process}, 2.0))
    errors = [str(done.exception()) for done in waiting if done.exception() is not None]
    if errors:
        assert len({*errors}) == 1, "all have come, and get the same sentence"
        raise InputError(errors[0])
    return [done.result() for done in waiting]


def test_all_hear_what_the_first_says(pool: ThreadPoolExecutor) -> None:
    met = _met(pool, 3)
    assert [one.agreed for one in met] == [{"go": 1}] * 3
    for one in met:
        one.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"config": "b"}, r"process 1 has another config than process 0 \(b, not a\); give all processes the same"),
        ({"version of jax": "2"}, r"process 1 has another version of jax than process 0 \(2, not 1\)"),
        (Place(1, 3, ""), r"process 1 was started as one of 3, and process 0 as one of 2"),
    ],
)
def test_processes_that_are_not_alike_are_one_sentence(
    other: Place | dict[str, str], sentence: str, pool: ThreadPoolExecutor
) -> None:
    with pytest.raises(InputError, match=sentence):
        _met(pool, 2, {1: other})


def test_a_number_that_is_given_twice_is_one_sentence(pool: ThreadPoolExecutor) -> None:
    with pytest.raises(InputError, match=r"two processes have the number 1; give each its own `--process-id`"):
        _met(pool, 3, {2: Place(1, 3, "")})


def test_processes_that_do_not_come_are_named() -> None:
    with pytest.raises(
        InputError, match=r"process 1, 2 of 3 did not come to localhost:\d+ within 0.2 s; start the same"
    ):
        meet(Place(0, 3, f"localhost:{free_port()}"), SAME, {}, 0.2)


def test_a_first_process_that_does_not_listen_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"no process 0 listens at localhost:\d+ within 0.2 s"):
        meet(Place(1, 2, f"localhost:{free_port()}"), SAME, {}, 0.2)
    with pytest.raises(InputError, match=r"the host of --coordinator nowhere.invalid:1 is not known here"):
        meet(Place(1, 2, "nowhere.invalid:1"), SAME, {}, 0.2)


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("localhost", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=r"process 0 can't listen on port \d+ of localhost .*; give another"):
            meet(Place(0, 2, address), SAME, {}, 0.2)
        with pytest.raises(InputError, match=r"what listens at localhost:\d+ hung up or says nothing"):
            meet(Place(1, 2, address), SAME, {}, 0.2)


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n", b"[]\n", b'{"process": "one"}\n', b""])
def test_what_is_no_process_is_not_counted(nonsense: bytes, pool: ThreadPoolExecutor) -> None:
    port = free_port()
    first = pool.submit(meet, Place(0, 2, f"localhost:{port}"), SAME, {}, 5.0)
    stranger = meeting._connected(Place(1, 2, f"localhost:{port}"), time.monotonic() + 5, 5.0)
    stranger._connection.sendall(nonsense)
    with meet(Place(1, 2, f"localhost:{port}"), SAME, {}, 5.0), first.result():
        stranger.close()


def _ended(pool: ThreadPoolExecutor, *programs: str) -> list[FpgaaeError | None]:
    """Let processes that have met run a program each, and give what is wrong for each of them."""

    def run(met: Meeting, program: str) -> FpgaaeError | None:
        try:
            with met, program_beside(["/bin/sh", "-c", program]) as started:
                met.watch(started)
        except FpgaaeError as error:
            return error
        return None

    return [*pool.map(run, _met(pool, len(programs)), programs)]


def test_programs_that_end_well_end_well(pool: ThreadPoolExecutor) -> None:
    assert _ended(pool, f"sleep 0.3; {DONE}", DONE, f"sleep 0.1; {DONE}") == [None] * 3


@pytest.mark.parametrize(
    ("programs", "sentence"),
    [
        ((WAITS, "kill -9 $$", WAITS), "process 1 of 3 was lost (it was killed by signal 9); start all again"),
        ((CUT, CUT, "kill -9 $$"), "process 2 of 3 was lost (it was killed by signal 9); start all again"),
        (("kill -9 $$", CUT, WAITS), "process 0 of 3 was lost (it was killed by signal 9); start all again"),
        ((WAITS, "kill -ABRT $$", "exit 7"), "process 2 of 3 was lost (it ended with 7); start all again"),
        (("kill -ABRT $$", CUT, CUT), "the 3 processes have lost each other; start all again"),
    ],
    ids=["killed", "noticed", "first", "aborted", "nobody"],
)
def test_a_lost_process_ends_all_with_its_name(
    programs: tuple[str, ...], sentence: str, pool: ThreadPoolExecutor
) -> None:
    errors = _ended(pool, *programs)
    assert all(isinstance(error, CheckFailed) for error in errors)
    assert {str(error).partition(",")[0] for error in errors} == {sentence}


def test_what_is_wrong_with_one_is_said_by_all(pool: ThreadPoolExecutor) -> None:
    errors = [str(error) for error in _ended(pool, WAITS, REFUSED, CUT)]
    assert errors[1] == "the loss is not finite"
    assert errors[0] == errors[2] == "process 1 of 3 has ended: the loss is not finite"


def test_each_says_its_own_sentence_where_all_have_one(pool: ThreadPoolExecutor) -> None:
    assert [str(error) for error in _ended(pool, REFUSED, REFUSED)] == ["the loss is not finite"] * 2


def test_a_whole_process_that_dies_ends_the_others(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """As when its machine goes: nobody is left to say anything."""
    port = free_port()
    for dying in (1, 0):
        place = Place(1 - dying, 2, f"localhost:{port}")
        other = (
            f"from fpgaae.meeting import *; import os; m = meet(Place({dying}, 2, 'localhost:{port}'), {SAME}, {{}});"
            f"os.kill(os.getpid(), {signal.SIGKILL})"
        )
        with (
            program_beside([sys.executable, "-c", other]),
            meet(place, SAME, {}, 20.0) as met,
            program_beside(["/bin/sh", "-c", WAITS]) as program,
            pytest.raises(CheckFailed) as caught,
        ):
            met.watch(program)
        assert str(caught.value).startswith(f"process {dying} of 2 was lost (the connection to it broke)")
        port = free_port()


def test_the_program_is_ended_with_the_block() -> None:
    with program_beside(["/bin/sh", "-c", WAITS]) as program:
        assert program.poll() is None
    assert program.poll() == -signal.SIGKILL
    assert threading.active_count() < 10
