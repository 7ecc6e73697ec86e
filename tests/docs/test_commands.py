"""Every command that the documentation shows is one: the parser takes it, and the files and targets in it are there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from pages import PAGES, Command, commands, inline
from support import REPOSITORY

from fpgaae.cli.commands import app
from fpgaae.config.shipped import shipped_configs

COMMANDS = sorted({command for page in PAGES for command in commands(page)})
OF_THE_READER = {"configs/mine.yaml"}  # what the reader of a page is to write
_PLACEHOLDER = re.compile(r"[A-Z]+(?:\.\.\.)?|\.\.\.")
_USAGE_ERROR = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")
_VARIABLES = {
    "CONFIG",
    "ARGS",
    "PYTHON",
    "TEST_WORKERS",
    "HLS4ML_INCLUDE",
}  # the last of an exported package's own make
_FOLDERS = ("fpgaae/", "tests/", "firmware/", "benchmarks/", "docs/", "configs/")


def _group() -> Any:  # noqa: ANN401 - typer brings a click of its own
    return typer.main.get_command(app)


def _of(program: str) -> list[Command]:
    return [command for command in COMMANDS if command.words[0].rpartition("/")[2] == program]


def test_there_are_commands() -> None:
    assert {command.page for command in COMMANDS} >= {"README.md", "docs/tutorial.md", "docs/rtl.md", "docs/scan.md"}
    assert len(_of("fpgaae")) > 50
    assert len(_of("make")) > 30


@pytest.mark.parametrize("command", _of("fpgaae"), ids=str)
def test_the_parser_takes_it(command: Command) -> None:
    """A word in capitals stands for the user's own, a number among others; `[USE...]` for what may be left out."""
    name, *rest = command.words[1:]
    if name.startswith("--"):
        assert name in {"--version", "--help", "--install-completion", "--show-completion"}
        return
    if _PLACEHOLDER.fullmatch(name):
        return
    assert name in _group().commands, f"there is no command {name}"
    words = [word.strip("[]") for word in rest if word != "..."]
    words = ["1" if before.startswith("--") and _PLACEHOLDER.fullmatch(word) else word
             for before, word in zip([name, *words], words, strict=False)]  # fmt: skip
    if "--help" in words:
        return
    try:
        _group().commands[name].make_context(name, words)
    except _USAGE_ERROR as error:
        if command.is_whole or type(error).__name__ != "MissingParameter":
            pytest.fail(f"{command}: {error!r} {getattr(error, 'message', '')}")


@pytest.mark.parametrize("command", _of("make"), ids=str)
def test_the_makefile_has_its_targets(command: Command) -> None:
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (stages,) = re.findall(r"^STAGES := (.*)$", text, re.MULTILINE)
    targets = {*re.findall(r"^([a-z]+):", text, re.MULTILINE), *stages.split()}
    for word in command.words[1:]:
        if "=" not in word and not _PLACEHOLDER.fullmatch(word):
            assert word in targets, f"{command}: no target {word}"
        elif "=" in word:
            assert word.split("=")[0] in _VARIABLES, command


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_the_files_in_it_are_shipped(command: Command) -> None:
    for word in " ".join(command.words).replace("CONFIG=", "").split():
        if word.startswith("configs/") and word not in OF_THE_READER and "NAME" not in word:
            assert [*REPOSITORY.glob(word)], f"{command}: {word} is not there"
    if command.words[1:2] == ("configs",) and command.words[2:3] != ("NAME",):
        assert {*command.words[2:3]} <= {config.name for config in shipped_configs()}


def test_benchmarks_and_extras_are_there() -> None:
    toml = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = toml.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for command in _of("python"):
        assert (REPOSITORY / Path(*command.words[2].split(".")).with_suffix(".py")).is_file(), command
        for before, word in zip(command.words, command.words[1:], strict=False):
            if before == "--only" and not _PLACEHOLDER.fullmatch(word):
                assert (REPOSITORY / "benchmarks" / f"{word}.py").is_file(), command
    for command in _of("pip"):
        for extra in re.findall(r"\[(.*?)\]", " ".join(command.words)):
            assert {*extra.split(",")} <= {*project["optional-dependencies"]}, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    for code in inline(page.read_text(encoding="utf-8")):
        is_path = code.startswith(_FOLDERS) and re.fullmatch(r"[\w./*-]+", code) is not None
        if is_path and code not in OF_THE_READER and "NAME" not in code and "_build" not in code:
            assert [*REPOSITORY.glob(code)], f"{page.name}: {code}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == REPOSITORY], ids=lambda page: page.name)
def test_the_links_of_a_page_that_is_read_in_the_repository_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert link.startswith("https://") or (page.parent / link).exists(), link
