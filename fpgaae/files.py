"""Files that others rely on: hashed, written whole or not at all, locked, and refused in one sentence.

What the files of a run folder mean does not belong here: `artifacts` says that.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from fpgaae.errors import InputError
from fpgaae.limits import JSON_BYTES, in_mebibytes

Json = dict[str, Any]
_SEAL = "seal"
_LOCK_TRIES, _LOCK_WAIT_S = 10, 0.05
_LIBRARIES: dict[Path, list[tuple[int, int]]] = {}  # by path, those that this process loaded, as inode and time


def sha256(file: Path) -> str:
    """Give the SHA-256 of a file's content."""
    with file.open("rb") as stream:
        if hasattr(hashlib, "file_digest"):
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()


def sha256_of_text(text: str) -> str:
    """Give the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_text(file: Path, text: str) -> None:
    """Write a text atomically: to a temporary name, then renamed."""
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


def write_json(file: Path, content: Json) -> None:
    """Write JSON atomically."""
    write_text(file, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(file: Path) -> Json:
    """Read a JSON file that a stage wrote.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    try:
        if file.stat().st_size > JSON_BYTES:
            raise ValueError(f"it has more than {in_mebibytes(JSON_BYTES)}")
        content = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise InputError(f"{file} is missing; run the stage `{file.parent.name}` again") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} can't be read ({error}); run the stage `{file.parent.name}` with --force") from None
    if not isinstance(content, dict):
        raise InputError(f"{file} does not hold a JSON object; run the stage `{file.parent.name}` with --force")
    return content


def write_sealed(file: Path, content: Json) -> None:
    """Write JSON with the SHA-256 of its content in it, so that an edit is seen."""
    write_json(file, {**content, _SEAL: _seal(content)})


def read_sealed(file: Path, cure: str = "") -> Json:
    """Read what `write_sealed` wrote, without the seal; earlier versions sealed nothing.

    Parameters
    ----------
    cure
        Of a file that is not as it was written; by default the stage whose folder it lies in.

    Raises
    ------
    InputError
        If it is missing, damaged, or not as it was written.
    """
    content = read_json(file)
    if _SEAL in content and content.pop(_SEAL) != _seal(content):
        stage = file.parent.name
        raise InputError(
            f"{file} is not as the stage `{stage}` wrote it; {cure or f'run the stage `{stage}` with --force'}"
        )
    return content


def _seal(content: Json) -> str:
    return sha256_of_text(json.dumps(content, sort_keys=True))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _try_lock(stream: IO[str]) -> bool:
    """Take the lock, trying for a moment: a child that a killed process had just started may hold it until its exec."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_WAIT_S)
        else:
            return True
    return False


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Keep a second process out of a folder, which is made; the lock falls with the process, however it ends.

    Raises
    ------
    InputError
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as stream:
        if not _try_lock(stream):
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            raise InputError(f"another fpgaae process ({holder}) is working on {folder}; wait for it to end")
        stream.truncate(0)
        stream.write(f"process {os.getpid()}")
        stream.flush()
        yield


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write into that comes to stand under its name when the block ends, and not before.

    What a process that was killed left of it is removed.

    Raises
    ------
    InputError
        If the folder exists.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already; remove it, or export to another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}-"
    for left in folder.parent.glob(f"{glob.escape(prefix)}????????"):
        with _held(left) as is_free:
            if is_free:
                shutil.rmtree(left, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=prefix))
    try:
        with _held(partial):
            yield partial
            partial.chmod(0o755)
            partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a folder, without a file in it, as long as this process lives; tell whether nobody else does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def require_space(folder: Path, n_bytes: int) -> None:
    """Refuse to start what would fill the disk: HDF5 does not survive a full one.

    Raises
    ------
    OSError
        With ENOSPC, if fewer than `n_bytes` are free.
    """
    if shutil.disk_usage(folder).free < n_bytes:
        raise OSError(errno.ENOSPC, f"fewer than {n_bytes / 2**20:,.0f} MiB are free", str(folder))


def load_library(file: Path) -> ctypes.CDLL:
    """Load a shared library as it is on the disk now.

    The system's loader knows a library by its path and would give the one that it loaded before, although the file was
    replaced; so each one that comes to lie under a path is spelled in another way.

    Raises
    ------
    OSError
        If there is none, or it can't be loaded.
    """
    file = file.absolute()
    stat = file.stat()
    seen = _LIBRARIES.setdefault(file, [])
    identity = (stat.st_ino, stat.st_mtime_ns)
    if identity not in seen:
        seen.append(identity)
    return ctypes.CDLL("/".join([str(file.parent), *["."] * seen.index(identity), file.name]))
