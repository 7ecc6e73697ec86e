"""Rules about a written HLS project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fpgaae.errors import InputError
from fpgaae.hls.lint.findings import Finding
from fpgaae.hls.lint.rules import finding
from fpgaae.hls.project import EXPECTED_FILE, STIMULUS_FILE, VECTORS_FOLDER


def lint_project(project: Path) -> tuple[Finding, ...]:
    """Look at the testbench of a project and at its vectors.

    Raises
    ------
    InputError
        If the folder is no HLS project.
    """
    if not (project / "firmware").is_dir():
        raise InputError(f"{project} is no HLS project: it has no folder firmware/; give the folder that holds one")
    return tuple(_check(project))


def _check(project: Path) -> Iterator[Finding]:
    testbenches = sorted(project.glob("*_test.cpp"))
    if not testbenches:
        yield finding("testbench-never-compares", "", "there is no testbench")
    for testbench in testbenches:
        text = testbench.read_text(encoding="utf-8", errors="replace")
        if f'"{EXPECTED_FILE}"' not in text and f"/{EXPECTED_FILE}" not in text:
            yield finding("testbench-never-compares", "", f"{testbench.name} reads no {EXPECTED_FILE}")
    for name in (STIMULUS_FILE, EXPECTED_FILE):
        vectors = project / VECTORS_FOLDER / name
        if not vectors.is_file() or vectors.stat().st_size == 0:
            yield finding("golden-vectors-missing", "", f"{VECTORS_FOLDER}/{name}")
