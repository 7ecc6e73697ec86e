"""The site is built without a warning, a dead link within it is one, and its reference holds all that the code has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import REPOSITORY

from fpgaae import __all__ as public_names
from fpgaae.cli.commands import app
from fpgaae.config.experiment import Config
from fpgaae.runs.stages import STAGES
from fpgaae.section import Section

pytestmark = pytest.mark.slow
DOCS = REPOSITORY / "docs"


def _build(sources: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(sources), str(site)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what the site is made of, so that a build leaves nothing in the tree."""
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("sources")
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("_build", "generated", "__pycache__"))
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(REPOSITORY / name, folder)
    return folder / "docs"


@pytest.fixture(scope="module")
def site(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = _build(sources, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_a_dead_link_and_a_page_that_nothing_leads_to_are_errors(sources: Path, site: Path) -> None:
    page = sources / "lost.md"
    page.write_text("# Lost\n\n[gone](nowhere.md), [no such part](rtl.md#no-such-part), ![](figures/none.png)\n")
    try:
        done = _build(sources, site)
    finally:
        page.unlink()
    assert done.returncode != 0
    for said in ("'nowhere.md'", "no-such-part", "figures/none.png", "isn't included in any toctree"):
        assert said in done.stderr


def test_the_search_knows_the_pages(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        if not {"_build", "generated"} & {*page.parts}:
            assert f'"{page.relative_to(DOCS).with_suffix("")}"' in index
    assert 'id="searchbox"' in (site / "search.html").read_text(encoding="utf-8") or "search" in index


def _every_section(kind: type[Section]) -> list[type[Section]]:
    return [kind, *(below for own in kind.__subclasses__() for below in _every_section(own))]


def test_every_key_command_stage_and_public_name_is_in_the_reference(site: Path) -> None:
    def source(name: str) -> str:
        return (site / "_sources" / f"{name}.md.txt").read_text(encoding="utf-8")

    keys = source("generated/config")
    sections = [section for section in _every_section(Section)[1:] if section.__module__.startswith("fpgaae.")]
    assert Config in sections
    for section in sections:
        for key in section.model_fields:
            assert f"\n| `{key}` | " in keys, (section, key)
    given = source("generated/commands")
    for command in app.registered_commands:
        assert f"\nfpgaae {command.name} [OPTIONS]" in given
    results = source("generated/results")
    for stage, spec in STAGES.items():
        assert f"\n## `{stage}/{spec.result_file}`" in results
    for name in {*public_names} - {"__version__"}:
        assert re.search(rf'id="fpgaae\.(errors\.)?{name}"', (site / "python.html").read_text(encoding="utf-8")), name
