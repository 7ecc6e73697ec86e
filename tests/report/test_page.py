from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest
from results import NO_RATES, csim_result, estimate, metrics_result, place_result, rtl_result, signal_metrics

from fpgaae.report.page import BitCheck, LayerRow, PageContent, PageFigure, render_page, verdict
from fpgaae.runs.results.metrics import Estimate, Intervals, RateCurve, StudentComparison, StudentSignal, StudentSizes
from fpgaae.runs.results.reference import TargetOfScores

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
PASSED = BitCheck("C simulation", True, 76_000, 0, 0, 0)
VOID = {"meta", "img", "br", "link", "hr"}


def interval(value: float) -> Estimate:
    return estimate(value, value - 0.004, value + 0.004)


NOT_MEASURED = estimate(None, note="not measurable: 0 of 76000 pass")
METRICS = metrics_result(
    background_events=76_000,
    models={
        model: {"a_to_4l": signal_metrics(interval(0.894), at_1e_03=estimate(0.2, 0.19, 0.22), at_1e_05=NOT_MEASURED)}
        for model in ("float", "firmware")
    },
    delta={"a_to_4l": signal_metrics(interval(-0.001))},
)
FULL = PageContent(
    experiment="bits8",
    checks=(PASSED, BitCheck("RTL simulation", True, 2000, 0)),
    metrics=METRICS,
    layers=(
        LayerRow("q_dense", "ap_fixed<18,8,RND_CONV,SAT>", 32, 1824, 912, 0, weights=1824, compared=2_432_000),
        LayerRow("relu", "ap_ufixed<8,3>"),
    ),
    figures=(PageFigure("Curves", "How to read them", SVG),),
    firmware={"Latency": "12 cycles"},
    ports={"muon[4].phi": "10 bits, unsigned; word * 2 pi / 576"},
    configuration="seed: 1\n",
    hashes={"model.npz": "3f79bb7b"},
    versions={"numpy": "2.4.6"},
    commit="2b0c9d1",
    finished="2026-11-29 19:20 UTC",
    headings=("CMS Simulation", "14 TeV"),
)


class Balance(HTMLParser):
    """Collects text and addresses, and fails if an element is closed that isn't open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def parse(page: str) -> Balance:
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def text_of(content: PageContent) -> str:
    return re.sub(r"\s+", " ", " ".join(parse(render_page(content)).words))


def test_a_student_is_set_against_its_teacher() -> None:
    kept = StudentSignal(student_auc=0.89, teacher_auc=0.9, kept=estimate(0.975, 0.97, 0.98))
    distillation = StudentComparison(
        signals={"a_to_4l": kept},
        rank_correlation={"background": 0.98, "a_to_4l": None},
        weights=StudentSizes(student=1_073, student_nonzero=600, teacher=12_161, share=1_073 / 12_161),
        target=TargetOfScores(low=0.0, high=1.0, scale=1.0),
    )
    metrics = dataclasses.replace(METRICS, distillation=distillation)
    text = text_of(dataclasses.replace(FULL, metrics=metrics))
    assert "What the student keeps of its teacher" in text
    assert "The student has 1,073 weights, 8.8 % of the 12,161 of its teacher, and 600 of them are not zero." in text
    assert "Background: rank correlation of student and teacher 0.980." in text
    assert "AUC 0.8900 of 0.9000; kept of the teacher's AUC above 1/2: 97.5(5) %." in text
    assert "student" not in text_of(FULL)


def test_the_whole_page() -> None:
    text = text_of(FULL)
    for expected in (
        "bits8",
        "Bit check passed",
        "C simulation: 0 of 76,000 events differ (0 scores, 0 decisions).",
        "RTL simulation: 0 of 2,000 events differ.",
        "12 cycles",
        "0.894(4)",
        "firmware \N{MINUS SIGN} float",
        "\N{MINUS SIGN}0.001(4)",
        "Not measurable: 0 of 76000 pass.",
        "ap_fixed<18,8,RND_CONV,SAT>",
        "2,432,000",
        "seed: 1",
        "3f79bb7b",
        "2.4.6",
        "2b0c9d1",
        "2026-11-29 19:20 UTC",
        "CMS Simulation, 14 TeV",
    ):
        assert expected in text


def test_the_page_holds_everything_itself() -> None:
    page = render_page(FULL)
    links, (address,) = ([a for a in parse(page).addresses if a.startswith("#") is inside] for inside in (True, False))
    assert links
    assert all(f'id="{link[1:]}"' in page for link in links), "every link leads to a section"
    assert base64.b64decode(address.removeprefix("data:image/svg+xml;base64,")).decode() == SVG
    assert re.search(r"url\(|@import|<link|<script|https?:", page) is None


def test_asymmetric_errors_are_stacked() -> None:
    assert '20.0<span class="errors"><span>+2.0</span> <span>\N{MINUS SIGN}1.0</span></span>' in render_page(FULL)


@pytest.mark.parametrize("part", [f.name for f in dataclasses.fields(PageContent) if f.name != "experiment"])
def test_any_part_may_be_missing(part: str) -> None:
    default = getattr(PageContent("bits8"), part)
    parse(render_page(dataclasses.replace(FULL, **{part: default})))


def test_missing_stages_give_sentences() -> None:
    text = text_of(PageContent("bits8"))
    for expected in (
        "Not proven: no bit check has been run",
        "There are no metrics: the stage evaluate has not been run.",
        "There are no layers to show: the stage convert has not been run.",
        "The configuration is not known.",
        "No file is recorded.",
        "No package is recorded.",
    ):
        assert expected in text
    assert "passed" not in text


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (PASSED, "passed"),
        (BitCheck("RTL", True, 10, 0), "passed"),
        (BitCheck("RTL", False, 10, 1), "failed"),
        (BitCheck("RTL", False, 10, 0), "failed"),
        (BitCheck("RTL", True, 0, 0), "failed"),
        (BitCheck("RTL", True, 10, 1), "failed"),
        (BitCheck("RTL", True, 10, 0, 1, 0), "failed"),
        (BitCheck("RTL", True, 10, 0, 0, 1), "failed"),
    ],
    ids=["csim", "rtl", "mismatch", "says failed", "no events", "contradicts itself", "score", "decision"],
)
def test_only_a_proof_is_green(check: BitCheck, state: str) -> None:
    assert verdict((check,)).state == state
    assert verdict((PASSED, check)).state == state
    page = render_page(dataclasses.replace(FULL, checks=(PASSED, check)))
    assert f'class="verdict {state}"' in page
    assert ("Bit check passed" in page) == (state == "passed")


def test_a_failed_check_is_named() -> None:
    found = verdict((PASSED, BitCheck("RTL simulation", False, 10, 3)))
    assert found.headline == "Bit check failed: RTL simulation"
    assert found.details[1] == "RTL simulation: 3 of 10 events differ."


def test_checks_are_read_from_result_files() -> None:
    assert BitCheck.of("C simulation", csim_result(events=5)) == BitCheck("C simulation", True, 5, 0, 0, 0)
    rtl = rtl_result(passed=False, events=5, mismatched_events=2, score_mismatches=1)
    assert BitCheck.of("RTL simulation", rtl) == BitCheck("RTL simulation", False, 5, 2, 1, 0)


def test_mismatches_of_a_layer_stand_out() -> None:
    assert 'class="wrong"' not in render_page(FULL)
    wrong = (LayerRow("q_dense", "ap_fixed<8,2>", 10, mismatched_values=3),)
    assert '<td class="wrong">3</td>' in render_page(dataclasses.replace(FULL, layers=wrong))


def test_layers_without_any_error_are_shown_with_the_others() -> None:
    exact = LayerRow("inputs", "ap_fixed<8,2>", saturated=0.25, zero=0.5, ranges=((0, 1), (-2, 2)))
    hidden = dataclasses.replace(exact, name="hidden", sqnr_db=9.5)
    figures = (PageFigure("Losses", "", SVG, "losses"),)
    page = render_page(dataclasses.replace(FULL, layers=(exact, hidden), figures=figures))
    assert "Error, saturation and zeros of each layer" in page, "also behind a first layer without any error"
    assert "<td>\N{EN DASH}</td><td>25 %</td><td>50 %</td>" in page
    assert "<td>9.5 dB</td>" in page


def test_everything_is_escaped() -> None:
    evil = '<script>alert("1")</script>'
    content = PageContent(
        experiment=evil,
        checks=(BitCheck(evil, True, 1, 0),),
        layers=(LayerRow(evil, evil),),
        figures=(PageFigure(evil, evil, SVG),),
        firmware={evil: evil},
        configuration=evil,
        hashes={evil: evil},
        versions={evil: evil},
        commit=evil,
        finished=evil,
        headings=(evil,),
    )
    assert "<script" not in render_page(content)


def test_the_policy_allows_the_own_style_and_script_and_no_network() -> None:
    nothing = Intervals(value=(), low=(), high=())
    curve = RateCurve(threshold=(), background_passed=(), rate_khz=nothing, efficiency={})
    rates = replace(NO_RATES, models={"firmware": curve, "float": curve})
    page = render_page(replace(FULL, metrics=replace(METRICS, rates=rates)))  # with the slider's script
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    policy = dict(part.strip().split(" ", 1) for part in unescape(found[1]).split(";"))
    assert policy.pop("default-src") == "'none'"
    assert {policy.pop("base-uri"), policy.pop("form-action")} == {"'none'"}
    assert policy.pop("img-src") == "data:"
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(text) > 1000
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert not policy


def test_what_is_left_out_is_said() -> None:
    page = render_page(replace(FULL, left_out=("rtl.json was made from another config",)))
    assert '<p class="wrong">rtl.json was made from another config.</p>' in page
    assert "have not been run" not in page


def test_the_same_content_gives_the_same_page() -> None:
    assert render_page(FULL) == render_page(FULL)


def test_the_routed_chip_is_shown_with_its_command_and_its_check() -> None:
    placed = {"clock after routing": "71.5 MHz, wanted 60 MHz"}
    content = replace(FULL, placed=placed, commands={"place": "fpgaae place bits8.yaml"})
    page = render_page(content)
    assert "Placed and routed" in page
    assert "71.5 MHz, wanted 60 MHz" in page
    assert "fpgaae place bits8.yaml" in page
    assert "Placed and routed" not in render_page(FULL)
    assert BitCheck.of("Routed netlist", place_result()).proven
    missed = BitCheck.of("Routed netlist", place_result(passed=False, clock_mhz=50.0))
    assert not missed.proven
    assert missed.sentence.endswith("The check itself reports a failure.")
