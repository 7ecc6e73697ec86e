"""HDF5 files that are written where a quota, a limit or a full disk may bite in the middle.

HDF5 does not survive a write that fails: it ends the process when it closes the file. So it writes through an object
that takes everything and remembers the first error, which is raised from Python; so is what interrupts the process.
"""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, BinaryIO

import h5py


class _Sheltered:
    """A file that takes what can't be written into memory, until somebody asks for the error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("w+b", buffering=0)
        self._at = self._end = 0
        self._lost: list[tuple[int, bytes]] = []
        self._error: OSError | None = None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        """Give the place."""
        return self._at

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Take bytes, and write them as long as that is possible."""
        content = bytes(data)
        if self._error is None:
            try:
                self._file.seek(self._at)
                left = memoryview(content)
                while left:
                    left = left[self._file.write(left) :]
            except OSError as error:
                self._error = error
        if self._error is not None:
            self._lost.append((self._at, content))
        self._at += len(content)
        self._end = max(self._end, self._at)
        return len(content)

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        """Give what was written, where it is in memory from there."""
        view = memoryview(buffer).cast("B")
        size = max(0, min(len(view), self._end - self._at))
        self._file.seek(self._at)
        found = bytearray(size)
        on_disk = self._file.read(size)
        found[: len(on_disk)] = on_disk
        for start, content in self._lost:
            low, high = max(start, self._at), min(start + len(content), self._at + size)
            if low < high:
                found[low - self._at : high - self._at] = content[low - start : high - start]
        view[:size] = found
        self._at += size
        return size

    def read(self, size: int) -> bytes:
        """Give the next bytes."""
        found = bytearray(size)
        return bytes(found[: self.readinto(found)])

    def truncate(self, size: int) -> int:
        """Change the length."""
        self._end = size
        if self._error is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self._error = error
        return size

    def flush(self) -> None:
        """Do nothing: nothing is buffered here."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def check(self) -> None:
        """Raise the first error, with the file's name."""
        if self._error is not None:
            raise OSError(self._error.errno, self._error.strerror, str(self._path)) from None


@contextmanager
def _signals_later() -> Iterator[None]:
    """Let what interrupts this process wait: in the midst of HDF5, an exception of Python ends the process, too."""
    if threading.current_thread() is not threading.main_thread():  # no other is interrupted
        yield
        return
    arrived: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        arrived.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if callable(handler):
            signal.signal(number, remember)
    try:
        yield
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])


class HDF5Writer:
    """A new HDF5 file, in a `with` statement.

    Parameters
    ----------
    options
        Of `h5py.File`.
    """

    def __init__(self, path: Path, **options: Any) -> None:  # noqa: ANN401
        self._target = _Sheltered(path)
        with _signals_later():
            self._file = h5py.File(self._target, "w", **options)

    @contextmanager
    def writing(self) -> Iterator[h5py.File]:
        """Give the file; everything that writes is done in here.

        Raises
        ------
        OSError
            At the end of the block, if something could not be written so far: its number and the name of the file.
        """
        with _signals_later():
            yield self._file
        self._target.check()

    def __enter__(self) -> HDF5Writer:
        """Open for writing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        with _signals_later():
            self._file.close()
        self._target.close()
        if kind is None:
            self._target.check()


def save_by_keras(save: Callable[..., object], file: Path, **options: Any) -> None:  # noqa: ANN401
    """Let a model of Keras write itself, or its weights, into an HDF5 file.

    Keras takes a path and opens it with `h5py.File`, which is another class meanwhile.

    Parameters
    ----------
    save
        A method of the model, called with the file and the options.

    Raises
    ------
    OSError
        If something could not be written: its number and the name of the file.
    """
    opened: list[_Sheltered] = []
    usual = h5py.File

    class File(h5py.File):  # type: ignore[misc]  # h5py has no types
        def __init__(self, name: Any, mode: str = "r", **more: Any) -> None:  # noqa: ANN401
            if mode == "w":
                opened.append(_Sheltered(Path(name)))
                name = opened[-1]
            super().__init__(name, mode, **more)

    with _signals_later():
        h5py.File = File
        try:
            save(file, **options)
        finally:
            h5py.File = usual
    for target in opened:
        target.close()
        target.check()
