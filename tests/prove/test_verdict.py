"""What is said of a proof: in a sentence, in a table and on the page of the report."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fpgaae.cli.summary import summarize
from fpgaae.pipeline import failure_of
from fpgaae.report.page import PageContent, render_page
from fpgaae.runs.results.prove import Proven, ProvenLayer, ProveResult, Refutation

FEATURES = ProvenLayer(
    name="features", golden="features", kind="input", values=6, outcome=Proven.PROVEN.value,
    how="every code of each port (300 in all)", reason=None, channel=None,
)  # fmt: skip
DENSE = replace(FEATURES, name="encoder_1", golden="encoder_1", kind="dense", how="its coefficients")
PASSED = ProveResult(
    passed=True, input_bits=49, weight_bits=0, paths=3, layers=(FEATURES, DENSE), refutation=None,
    assumptions=("g++ compiles what the sources say",), edited_files=(), seconds=1.5,
)  # fmt: skip
REFUTED = replace(
    PASSED,
    passed=False,
    layers=(
        FEATURES,
        replace(DENSE, outcome=Proven.REFUTED.value, reason="its constant is 3 where 2 is right", channel=4),
    ),
)
OPEN = replace(
    PASSED, passed=False, layers=(replace(FEATURES, outcome=Proven.OPEN.value, reason="a product"), DENSE)
)  # fmt: skip
_DIFFERS = "the layer encoder_1 is not that of the model, first in value 4: its constant is 3 where 2 is right"
EVENT = Refutation(
    hardware=(1, 2, 3), replaced=None, layer="encoder_1", channel=4, expected_code=2, found_code=3,
    score_differs=True, decision_differs=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (PASSED, None),
        (OPEN, "the layer features could not be proven: a product"),
        (
            REFUTED,
            f"{_DIFFERS}; no event was found that shows it",
        ),
        (
            replace(REFUTED, refutation=EVENT),
            f"{_DIFFERS}; the event in prove.json gives code 3 instead of 2 in value 4 of encoder_1",
        ),
        (
            replace(REFUTED, refutation=replace(EVENT, hardware=None, replaced={"features": (1,)})),
            f"{_DIFFERS}; the codes in prove.json, in the place of layers, give code 3 instead of 2 in value 4 of "
            "encoder_1",
        ),
    ],
    ids=["passed", "open", "no event", "event", "replaced"],
)
def test_a_failure_is_one_sentence(result: ProveResult, sentence: str | None) -> None:
    assert failure_of(result) == sentence


@pytest.mark.parametrize("result", [PASSED, OPEN, replace(REFUTED, refutation=EVENT)], ids=["passed", "open", "event"])
def test_a_result_is_read_as_it_was_written(result: ProveResult, tmp_path: Path) -> None:
    result.write(tmp_path / "prove.json")
    assert ProveResult.read(tmp_path / "prove.json", "run it again") == result


def _printed(result: ProveResult) -> str:
    console = Console(file=StringIO(), width=120)
    console.print(summarize("prove", result))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_table_says_how_each_layer_was_proven_or_why_it_is_not() -> None:
    assert "proven for 2^49 events in 1.5 s" in _printed(PASSED)
    assert "proven for 2^49 events and any of 2^8 weights in" in _printed(replace(PASSED, weight_bits=8))
    said = _printed(replace(REFUTED, edited_files=("convert/project/firmware/weights/b3.h",)))
    assert "refuted" in said
    assert "its constant is 3 where 2 is right" in said
    assert "edited by hand: convert/project/firmware/weights/b3.h" in said
    assert "2^49" not in said


def test_the_report_shows_it() -> None:
    page = render_page(PageContent("small", proof=PASSED))
    assert "Proven for 2<sup>49</sup> events: every event that the ports can carry." in page
    assert "Assumed: g++ compiles what the sources say." in page
    page = render_page(PageContent("small", proof=REFUTED))
    assert 'Not proven: layer <span class="code">encoder_1</span>, its constant is 3 where 2 is right.' in page
    assert "Proof of the HLS sources" not in render_page(PageContent("small"))
