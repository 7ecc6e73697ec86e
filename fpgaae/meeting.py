"""Processes on one or several hosts that do one piece of work together: they meet, agree, and hear of each other's end.

The first one listens, the others come to it, and all stay connected, by lines of JSON, while a program of each does the
work. What dies, a program, a process or a machine, is so known to all, whatever the programs have noticed of it.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Container, Iterable, Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import NamedTuple

from fpgaae.errors import CheckFailed, FpgaaeError, InputError, ToolMissing
from fpgaae.files import Json

WAIT_S = 300.0  # for all processes to come
_GRACE_S = 3.0  # for word of what has ended to arrive from everywhere
_LAST_S = 10.0  # for programs to end that are about to
_LOOK_S = 0.1
_LINE_BYTES = 65_536
_ALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}  # a host that is gone is known to be in 50 s
_PORTS = 61_440, 4_096  # of Slurm's and Open MPI's jobs, by their number: the first, and how many
_DONE, _ERROR, _CUT, _DIED = "done", "error", "cut", "died"
_AGAIN = "start all again, and the training goes on from its last checkpoint"


class Place(NamedTuple):
    """Which of the processes that work together this one is."""

    process: int  # from 0
    processes: int
    coordinator: str  # host and port of the first


class End(NamedTuple):
    """How the program of a process has ended."""

    how: str
    what: str = ""
    exit_code: int = 0


def find_place(coordinator: str | None, processes: int | None, process: int | None) -> Place:
    """Say which process this is: as given, and what is not given by Slurm's or Open MPI's environment.

    Raises
    ------
    InputError
        If something is missing or wrong.
    """
    given, found = (coordinator, processes, process), _of_scheduler(os.environ)
    options = ("--coordinator HOST:PORT", "--processes N", "--process-id I")
    if missing := [option for option, own, other in zip(options, given, found, strict=True) if own is other is None]:
        raise InputError(
            f"training on several processes needs {' and '.join(missing)}, which neither Slurm nor Open MPI says here; "
            "give the same to every process, but for its own number from 0"
        )
    address, n, own_id = (own if own is not None else other for own, other in zip(given, found, strict=True))
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(f"--coordinator {address} is no host and port; give those of process 0, as in node1:6123")
    place = Place(int(own_id or 0), int(n or 0), str(address))
    if place.processes < 2:
        raise InputError(
            f"{place.processes} process{'es' * (place.processes != 1)} can't train together; give 2 or more to "
            "`--processes`, or leave out `--together` and the others"
        )
    if not 0 <= place.process < place.processes:
        raise InputError(
            f"--process-id {place.process} is none of {place.processes} processes; give each its own number from 0 to "
            f"{place.processes - 1}"
        )
    return place


def _of_scheduler(environment: Mapping[str, str]) -> tuple[str | None, int | None, int | None]:
    """Give coordinator, number of processes and this one's number, as far as a scheduler's environment says them."""
    for job, n, own in (
        ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_PROCID"),
        ("OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ):
        numbers = environment.get(n, ""), environment.get(own, "")
        if not all(number.isdecimal() for number in numbers):
            continue
        host, number = _slurm_host(environment), environment.get(job, "")
        if job.startswith("OMPI"):
            address = re.search(r"tcp6?://\[?([^],;]+)", number)
            host, number = (None if address is None else address[1].split(":")[0]), number.split(".")[0]
        port = _PORTS[0] + int(number) % _PORTS[1] if number.isdecimal() else None
        return (None if host is None or port is None else f"{host}:{port}"), int(numbers[0]), int(numbers[1])
    return None, None, None


def _slurm_host(environment: Mapping[str, str]) -> str | None:
    """Give the first host of a list such as `node[001-004,007],other`."""
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST") or ""
    first = re.match(r"([^,\[]+)(?:\[([^-,\]]+))?", nodes)
    return None if first is None else first[1] + (first[2] or "")


class _Line:
    """A connection on which lines of JSON come and go."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _ALIVE.items():
            if hasattr(socket, option):  # of Linux
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)

    def say(self, content: Json) -> None:
        """Send a line; one who is gone is not told."""
        with suppress(OSError):
            self._connection.sendall(json.dumps(content).encode() + b"\n")

    def hear(self, seconds: float) -> Json | None:
        """Give the next line, or None where none comes within a time.

        Raises
        ------
        EOFError
            If the other one is gone, or says something else.
        """
        until = time.monotonic() + seconds
        while b"\n" not in self._received:
            left = max(0.0, until - time.monotonic())
            if not select.select([self._connection], [], [], left)[0]:
                return None
            try:
                block = self._connection.recv(4096)
            except OSError:
                block = b""
            if not block or len(self._received) > _LINE_BYTES:
                raise EOFError
            self._received += block
        line, _, self._received = self._received.partition(b"\n")
        try:
            content = json.loads(line)
        except ValueError:
            raise EOFError from None
        if not isinstance(content, dict):
            raise EOFError
        return content

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Meeting:
    """The processes that have met; hung up at the end of the block."""

    def __init__(self, place: Place, lines: dict[int, _Line], agreed: Json) -> None:
        self._place = place
        self._lines = lines  # by process: of the first to all others, of another to the first
        self.agreed = agreed  # what the first process has said to all

    def __enter__(self) -> Meeting:
        """Keep the connections."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        for line in self._lines.values():
            line.close()

    def watch(self, program: subprocess.Popen[str]) -> None:
        """Wait for the program of this process; what ends the work anywhere ends the wait here.

        Raises
        ------
        FpgaaeError
            With what is wrong: with this program, or else with that of another process.
        """
        if self._place.process:
            self._watch_and_tell(program)
        else:
            self._watch_all(program)

    def _watch_all(self, program: subprocess.Popen[str]) -> None:
        """Be the first process: hear how all programs end, and tell the others if one did not end well."""
        ends: dict[int, End] = {}
        until = None
        while until is None or (time.monotonic() < until and len(ends) < self._place.processes):
            time.sleep(_LOOK_S)
            if 0 not in ends and (own := _look(program)) is not None:
                ends[0] = own
            for process, line in self._lines.items():
                if process not in ends and (end := _heard(line)) is not None:
                    ends[process] = end
            if 0 in ends and ends[0].how == _DONE:
                return
            if until is None and any(end.how != _DONE for end in ends.values()):
                until = time.monotonic() + _GRACE_S
        error = _judged(ends, self._place.processes)
        for line in self._lines.values():
            line.say({"sentence": str(error), "exit_code": error.exit_code})
        raise _error_of(ends.get(0)) or error

    def _watch_and_tell(self, program: subprocess.Popen[str]) -> None:
        """Be another process: tell the first how this program ends, and hear from it what ends the work elsewhere."""
        (line,) = self._lines.values()
        own, told, until = None, None, None
        while until is None or time.monotonic() < until:
            time.sleep(_LOOK_S)
            if own is None and (own := _look(program)) is not None:
                line.say(own._asdict())
                if own.how == _DONE:
                    return
                if (error := _error_of(own)) is not None:
                    raise error
                if own.how == _DIED:
                    break
                until = until or time.monotonic() + _LAST_S
            if told is None and (told := _told(line)) is not None:
                until = time.monotonic() + (_GRACE_S if told[1] else _LAST_S)
            if told is not None and own is not None:
                break
        if own is not None and own.how == _DIED:
            raise _judged({self._place.process: own}, self._place.processes)
        if told is not None and told[1]:
            raise _error(*told)
        ends = {} if told is None else {0: End(_DIED, "the connection to it broke")}
        raise _judged(ends, self._place.processes)


def meet(place: Place, same: Mapping[str, str], agreed: Json, wait_s: float = WAIT_S) -> Meeting:
    """Wait until all processes are there and have the same.

    Parameters
    ----------
    same
        What all must have alike, by its name in a sentence.
    agreed
        What the first process says to all.

    Raises
    ------
    InputError
        If some do not come, or are not alike; all that have come get the same sentence.
    """
    until = time.monotonic() + wait_s
    return _call(place, same, until, wait_s) if place.process else _receive(place, same, agreed, until, wait_s)


def free_port() -> int:
    """Give a port that nobody listens on now."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])


def _receive(place: Place, same: Mapping[str, str], agreed: Json, until: float, wait_s: float) -> Meeting:
    host, _, port = place.coordinator.rpartition(":")
    is_local = host == "localhost" or host.startswith("127.")
    try:
        server = socket.create_server((host if is_local else "", int(port)), backlog=place.processes)
    except OSError as error:
        raise InputError(
            f"process 0 can't listen on port {port} of {host} ({error.strerror or error}); give another "
            "`--coordinator HOST:PORT` to all processes"
        ) from None
    lines: dict[int, _Line] = {}
    with server, ExitStack() as stack:
        while len(lines) < place.processes - 1:
            server.settimeout(max(0.01, until - time.monotonic()))
            try:
                line = _Line(server.accept()[0])
            except TimeoutError:
                missing = [str(i) for i in range(1, place.processes) if i not in lines]
                raise _refused(
                    lines.values(),
                    f"process {', '.join(missing)} of {place.processes} did not come to {place.coordinator} within "
                    f"{wait_s:g} s; start the same command everywhere, each with its own `--process-id`",
                ) from None
            stack.callback(line.close)
            hello = _hello(line, until)
            if hello is None:  # whoever that was
                line.close()
                continue
            if problem := _problem(place, same, hello, lines):
                raise _refused([*lines.values(), line], problem)
            lines[hello["process"]] = line
        for line in lines.values():
            line.say({"agreed": agreed})
        stack.pop_all()
    return Meeting(place, lines, agreed)


def _hello(line: _Line, until: float) -> Json | None:
    """Give what a process says of itself, or None where something else has come."""
    try:
        hello = line.hear(min(_LAST_S, max(0.0, until - time.monotonic())))
    except EOFError:
        return None
    return hello if hello is not None and isinstance(hello.get("process"), int) else None


def _problem(place: Place, same: Mapping[str, str], hello: Json, come: Container[int]) -> str | None:
    """Say what is wrong with a process that has come."""
    process, n = hello["process"], hello.get("processes")
    if n != place.processes:
        return (
            f"process {process} was started as one of {n}, and process 0 as one of {place.processes}; give all the same"
        )
    if process in come or process == 0:
        return f"two processes have the number {process}; give each its own `--process-id`"
    theirs = hello.get("same") or {}
    for name, own in same.items():
        if theirs.get(name) != own:
            return (
                f"process {process} has another {name} than process 0 ({theirs.get(name)}, not {own}); give all "
                "processes the same"
            )
    return None


def _refused(lines: Iterable[_Line], sentence: str) -> InputError:
    """Tell all that have come that nothing comes of it."""
    for line in lines:
        line.say({"refused": sentence})
    return InputError(sentence)


def _call(place: Place, same: Mapping[str, str], until: float, wait_s: float) -> Meeting:
    line = _connected(place, until, wait_s)
    line.say({"process": place.process, "processes": place.processes, "same": dict(same)})
    try:
        answer = line.hear(max(0.0, until + _LAST_S - time.monotonic()))
    except EOFError:
        answer = {}
    if answer is None or "agreed" not in answer:
        line.close()
        raise InputError(
            str((answer or {}).get("refused") or "")
            or f"what listens at {place.coordinator} hung up or says nothing; look what process 0 says, and give its "
            "host and a free port of it to all processes"
        )
    return Meeting(place, {0: line}, answer["agreed"])


def _connected(place: Place, until: float, wait_s: float) -> _Line:
    host, _, port = place.coordinator.rpartition(":")
    while True:
        try:
            connection = socket.create_connection((host, int(port)), timeout=max(0.1, until - time.monotonic()))
        except socket.gaierror as error:
            raise InputError(
                f"the host of --coordinator {place.coordinator} is not known here ({error.strerror}); give that of "
                "process 0"
            ) from None
        except OSError as error:
            if time.monotonic() > until:
                raise InputError(
                    f"no process 0 listens at {place.coordinator} within {wait_s:g} s ({error.strerror or error}); "
                    "start it there, with the same `--coordinator`"
                ) from None
            time.sleep(_LOOK_S)
        else:
            connection.settimeout(None)
            return _Line(connection)


def _look(program: subprocess.Popen[str]) -> End | None:
    """Say how a program has ended, or None while it runs. It says so in a line of JSON, if it can."""
    code = program.poll()
    if code is None:
        return None
    said = "" if program.stdout is None else program.stdout.read()
    try:
        own = End(**json.loads(said.splitlines()[-1]))
    except (IndexError, TypeError, ValueError):
        own = None
    if own is not None and (own.how != _DONE or code == 0):
        return own
    if code == -signal.SIGABRT:  # how JAX ends a process whose others are gone
        return End(_CUT)
    return End(_DIED, f"it was killed by signal {-code}" if code < 0 else f"it ended with {code}")


def _heard(line: _Line) -> End | None:
    """Give how the program of another process has ended, if that is known."""
    try:
        content = line.hear(0)
    except EOFError:
        return End(_DIED, "the connection to it broke")
    try:
        return None if content is None else End(**content)
    except TypeError:
        return End(_DIED, "it says what is not understood")


def _told(line: _Line) -> tuple[str, int] | None:
    """Give what the first process says of the end of the work; no exit code: it is gone itself."""
    try:
        content = line.hear(0)
    except EOFError:
        return "", 0
    return None if content is None else (str(content.get("sentence")), int(content.get("exit_code", 1)))


def _error_of(end: End | None) -> FpgaaeError | None:
    """Give what a program itself says to be wrong."""
    return _error(end.what, end.exit_code) if end is not None and end.how == _ERROR else None


def _error(sentence: str, exit_code: int) -> FpgaaeError:
    kinds = {kind.exit_code: kind for kind in (CheckFailed, InputError, ToolMissing)}
    return kinds.get(exit_code, CheckFailed)(sentence)


def _judged(ends: Mapping[int, End], n: int) -> FpgaaeError:
    """Say which process ended the work of all: rather one that died than one that says why, or was cut off."""
    for process, end in sorted(ends.items()):
        if end.how == _DIED:
            return CheckFailed(f"process {process} of {n} was lost ({end.what}); {_AGAIN}")
    for process, end in sorted(ends.items()):
        if end.how == _ERROR:
            return _error(f"process {process} of {n} has ended: {end.what}", end.exit_code)
    return CheckFailed(f"the {n} processes have lost each other; {_AGAIN}")
