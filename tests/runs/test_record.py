"""Records come back from their JSON as they were, and a file that holds something else is one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from results import csim_result, metrics_result, rtl_result, synth_result, threshold

from fpgaae.errors import InputError
from fpgaae.files import Json, write_json
from fpgaae.runs.record import as_json, from_json, read_record
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.csim import ComparedLayer, CsimResult, Mismatch
from fpgaae.runs.results.imported import ImportedFrom
from fpgaae.runs.results.reference import ImportedReference, ReferenceResult, TrainedReference
from fpgaae.runs.results.report import ReportResult

CURE = "run `fpgaae data a.yaml --force`"


class Ends(NamedTuple):
    """Two numbers."""

    low: float
    high: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part."""

    type: str
    ends: Ends
    count: int | None


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Every kind of field."""

    parts: tuple[Part, ...]
    pair: tuple[float, float]
    note: str | None = None
    by_name: Mapping[str, tuple[bool, ...]]
    value: int | str | tuple[int, ...]
    optional: Part | None = None


WHOLE = Whole(
    parts=(Part(type="ap_fixed<8,4>", ends=Ends(0.5), count=None), Part(type="", ends=Ends(1.0, 2.0), count=3)),
    pair=(0.0, 1.5),
    by_name={"a": (True, False), "b": ()},
    value=(1, 2),
)
CONTENT = {
    "parts": [
        {"type": "ap_fixed<8,4>", "ends": {"low": 0.5}, "count": None},
        {"type": "", "ends": {"low": 1.0, "high": 2.0}, "count": 3},
    ],
    "pair": [0.0, 1.5],
    "by_name": {"a": [True, False], "b": []},
    "value": [1, 2],
}


def _changed(path: str, value: Any) -> Json:  # noqa: ANN401
    """Give the content with another value somewhere; a key ends in `!` to be removed."""
    content: Any = json.loads(json.dumps(CONTENT))
    keys: list[Any] = [int(key) if key.isdigit() else key for key in re.findall(r"\w+", path)]
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    if path.endswith("!"):
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    assert isinstance(content, dict)
    return content


def test_the_keys_are_the_fields_in_their_order_without_defaults() -> None:
    assert json.dumps(as_json(WHOLE)) == json.dumps(CONTENT)
    noted = replace(WHOLE, note="seen", optional=WHOLE.parts[1])
    assert list(as_json(noted)) == ["parts", "pair", "note", "by_name", "value", "optional"]


@pytest.mark.parametrize(
    "whole",
    [WHOLE, replace(WHOLE, note="seen", optional=WHOLE.parts[1], value="x"), replace(WHOLE, value=7, parts=())],
    ids=["defaults", "all", "empty"],
)
def test_what_was_written_is_read(whole: Whole) -> None:
    assert from_json(Whole, json.loads(json.dumps(as_json(whole))), "", "") == whole


def test_a_whole_number_is_a_number_and_stays_one() -> None:
    found = from_json(Whole, _changed("pair", [0, 1]), "", "")
    assert json.dumps(as_json(found)["pair"]) == "[0, 1]"


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("parts.1.type!", None, "parts[1].type is missing"),
        ("parts!", None, "parts is missing"),
        ("parts.0.ends.low!", None, "parts[0].ends.low is missing"),
        ("parts.0.colour", "red", "parts[0].colour is unknown to this version"),
        ("parts.1.type", 5, "parts[1].type is 5, not a text"),
        ("parts.1.count", 2.5, "parts[1].count is 2.5, not a whole number or null"),
        ("parts.1.count", True, "parts[1].count is true, not a whole number or null"),
        ("parts.0.ends.low", "0.5", 'parts[0].ends.low is "0.5", not a number'),
        ("parts.0.ends.low", None, "parts[0].ends.low is null, not a number"),
        ("parts.0.ends", [0, 1], "parts[0].ends is a list, not an object"),
        ("parts.1", 3, "parts[1] is 3, not an object"),
        ("parts", {"a": 1}, "parts is an object, not a list"),
        ("pair", [1.0], "pair has 1 entries instead of 2"),
        ("by_name", [], "by_name is a list, not an object"),
        ("by_name.a", [True, 1], "by_name.a[1] is 1, not true or false"),
        ("value", [1, "x"], 'value[1] is "x", not a whole number'),
        ("optional", 4, "optional is 4, not an object"),
    ],
)
def test_a_wrong_key_is_named_with_its_path_and_the_cure(
    tmp_path: Path,
    path: str,
    value: Any,  # noqa: ANN401
    sentence: str,
) -> None:
    file = tmp_path / "whole.json"
    write_json(file, _changed(path, value))
    with pytest.raises(InputError) as caught:
        read_record(Whole, file, CURE)
    assert str(caught.value) == f"{file}: {sentence}; {CURE}"


def test_a_file_that_holds_no_object_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "whole.json"
    file.write_text("[1, 2]")
    with pytest.raises(InputError, match="does not hold a JSON object"):
        read_record(Whole, file, CURE)
    with pytest.raises(InputError, match="x: the content is a list, not an object"):
        from_json(Whole, [], "x: ", CURE)


def _results() -> list[StageResult]:
    first = Mismatch("mu", 2, 17, "signal", -5, -3, 2, 0.25)
    layer = ComparedLayer(name="mu", values=9, mismatched_values=1, max_lsb=2, first_mismatch=first)
    return [
        csim_result(passed=False, first_mismatch=first, layers=(layer,), thresholds=(threshold(code=3),)),
        rtl_result(first_mismatch=first),
        synth_result(),
        metrics_result(),
    ]


@pytest.mark.parametrize("result", _results(), ids=lambda result: type(result).__name__)
def test_results_come_back_from_their_files(result: StageResult, tmp_path: Path) -> None:
    result.write(tmp_path / "result.json")
    found = type(result).read(tmp_path / "result.json", CURE)
    assert found == result
    assert found.to_json() == result.to_json()


def test_a_reference_is_read_in_its_form(tmp_path: Path) -> None:
    source = ImportedFrom(file="a.keras", sha256="1", kind="float", taken_as_it_is=False)
    imported = ImportedReference(
        backend="tensorflow", device="cpu", epochs=0, events_per_second=None, val_loss=None, imported=source
    )
    trained = TrainedReference(
        backend="jax", device="gpu", epochs=1, loss=(0.5,), val_loss=0.25, val_losses=(0.25,), events_per_second=3.0,
        weights=7,
    )  # fmt: skip
    for result in (imported, trained):
        result.write(tmp_path / "reference.json")
        assert ReferenceResult.read(tmp_path / "reference.json", CURE) == result
    assert "teacher" not in trained.to_json()
    assert imported.to_json()["val_loss"] is None, "a key that has no default is always there"


def test_a_page_is_named_and_not_read(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text("<html>")
    result = ReportResult(file=str(page))
    result.write(page)
    assert page.read_text() == "<html>"
    assert ReportResult.read(page, CURE) == result


def test_a_check_names_its_first_mismatch_by_key() -> None:
    content = as_json(csim_result(first_mismatch=Mismatch("mu", 2, 17, "signal", -5, -3, 2, 0.25)))
    assert content["first_mismatch"]["expected_code"] == -5
    del content["first_mismatch"]["lsb"]
    with pytest.raises(InputError, match=r"^csim\.json: first_mismatch\.lsb is missing; run"):
        from_json(CsimResult, content, "csim.json: ", CURE)
