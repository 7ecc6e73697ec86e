"""What holds for all notebooks; they run where other tests have trained what they need (`run_notebook`)."""

from __future__ import annotations

import re
from pathlib import Path

from notebooks import FOLDER, cells
from support import REPOSITORY


def test_every_notebook_is_executed_by_a_test() -> None:
    names = {path.stem for path in FOLDER.glob("*.md")} - {"index"}
    assert len(names) == 6
    tests = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    assert {*re.findall(r'run_notebook\(\s*"(\w+)"', tests)} == names


def test_every_notebook_says_that_it_is_one_and_begins_with_its_settings() -> None:
    for path in {*FOLDER.glob("*.md")} - {Path(FOLDER, "index.md")}:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("---\njupytext:\n")
        assert "extension: .md" in text.split("---")[1]
        assert all(re.match(r"\w+ = ", line) for line in cells(path.stem)[0].splitlines())


def test_the_main_job_takes_at_most_twelve_lines() -> None:
    job = "".join(cells("your_events")[:3])
    assert "fpgaae.run(draft.file)" in job
    assert len([line for line in job.splitlines() if line.strip()]) <= 12
