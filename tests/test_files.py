from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fpgaae.doctor import require_compiler
from fpgaae.files import load_library


@pytest.mark.usefixtures("compiler")
def test_a_library_that_was_replaced_is_loaded_anew(tmp_path: Path) -> None:
    source, library = tmp_path / "value.cpp", tmp_path / "value.so"
    loaded = []
    for value in (1, 2):
        source.write_text(f'extern "C" int value() {{ return {value}; }}\n')
        subprocess.run([str(require_compiler()), "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
        loaded += [load_library(library), load_library(library)]
    assert [one.value() for one in loaded] == [1, 1, 2, 2]


def test_a_library_that_is_missing_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.so"):
        load_library(tmp_path / "none.so")
