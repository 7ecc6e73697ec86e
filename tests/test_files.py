from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fpgaae.doctor import require_compiler
from fpgaae.errors import InputError
from fpgaae.files import load_library, new_folder, read_sealed, write_sealed


@pytest.mark.usefixtures("compiler")
def test_a_library_that_was_replaced_is_loaded_anew(tmp_path: Path) -> None:
    source, library = tmp_path / "value.cpp", tmp_path / "value.so"
    loaded = []
    for value in (1, 2):
        source.write_text(f'extern "C" int value() {{ return {value}; }}\n')
        subprocess.run([str(require_compiler()), "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
        loaded += [load_library(library), load_library(library)]
    assert [one.value() for one in loaded] == [1, 1, 2, 2]


def test_a_new_folder_comes_whole_and_leaves_nothing(tmp_path: Path) -> None:
    target, killed, working = tmp_path / "out", tmp_path / ".out-abcd1234", tmp_path / ".out-efgh5678"
    for left in (killed, working):
        left.mkdir()
        (left / "half").write_text("x")
    with working_on(working):
        with pytest.raises(IsADirectoryError), new_folder(target) as partial:
            partial.write_text("x")
        assert [path.name for path in tmp_path.iterdir()] == [working.name]
        with new_folder(target) as partial:
            (partial / "file").write_text("x")
            assert not target.exists()
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted([working.name, "half", "out", "file"])
    with pytest.raises(InputError, match="out exists already"), new_folder(target):
        pass


@contextmanager
def working_on(folder: Path) -> Iterator[None]:
    """Hold a folder as another process does."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def test_what_is_sealed_shows_an_edit(tmp_path: Path) -> None:
    file = tmp_path / "data" / "x.json"
    file.parent.mkdir()
    write_sealed(file, {"a": [1, 2.5], "b": None})
    assert read_sealed(file) == {"a": [1, 2.5], "b": None}
    text = file.read_text()
    for edited in (text.replace("2.5", "2.6"), text.replace('"b"', '"c"')):
        file.write_text(edited)
        with pytest.raises(InputError, match=r"x\.json is not as the stage `data` wrote it; run the stage `data`"):
            read_sealed(file)
        with pytest.raises(InputError, match="; write it anew"):
            read_sealed(file, "write it anew")
    file.write_text('{"a": 1}')
    assert read_sealed(file) == {"a": 1}


def test_a_library_that_is_missing_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.so"):
        load_library(tmp_path / "none.so")
