"""The page in a real browser: no console error, nothing loaded, a slider that works, and room on every screen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from results import estimate, metrics_result, signal_metrics

from fpgaae.config.experiment import Trigger
from fpgaae.evaluation.comparison import FIRMWARE, FLOAT
from fpgaae.evaluation.rates import Columns, RateSettings, rate_curve
from fpgaae.report.page import BitCheck, LayerRow, PageContent, PageFigure, render_page
from fpgaae.runs.results.metrics import Decision, Estimate, Rates
from fpgaae.statistics import EventGroups, Interval, threshold_at_fpr

pytestmark = pytest.mark.slow

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
RNG = np.random.default_rng(1)
EXACT = {"background": RNG.gamma(2, 10, 4000), "signal<1>": RNG.gamma(4, 20, 500)}
SCORES = {FLOAT: EXACT, FIRMWARE: {process: np.rint(own * 4) / 4 for process, own in EXACT.items()}}
GROUPS = {process: EventGroups(np.arange(len(own))) for process, own in EXACT.items()}
TRIGGER = Trigger()
TAKEN = {"background": {"existing_trigger": (np.arange(4000) % 3 == 0).astype(float)}}


def interval(value: float) -> Estimate:
    return estimate(value, value - 0.01, value + 0.01, background_events_above=40)


def content(
    scores: dict[str, dict[str, NDArray[np.float64]]] = SCORES, taken: Columns = TAKEN, trigger: Trigger = TRIGGER
) -> PageContent:  # fmt: skip
    settings = RateSettings("background", trigger, 0.6827)
    threshold = threshold_at_fpr(SCORES[FIRMWARE]["background"], 1e-2)
    metrics = metrics_result(
        background_events=4000,
        models={m: {"signal<1>": signal_metrics(interval(0.8), at_1e_02=interval(0.3))} for m in SCORES},
        rates=Rates(
            bunch_crossing_rate_khz=28_608.8,
            taken_share=None,
            models={model: rate_curve(own, GROUPS, taken, settings) for model, own in scores.items()},
            by_column={},
        ),
        decisions=(_decision(float(threshold)),),
    )
    layers = tuple(LayerRow(f"layer_{i}", "ap_fixed<18,8,AP_RND_CONV,AP_SAT>", 64, 912, 912, 0) for i in range(9))
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 4"><path d="M0 0L9 4" stroke="black"/></svg>'
    return PageContent(
        "browser",
        (BitCheck("C simulation", True, 4000, 0, 0, 0),),
        metrics,
        layers=layers,
        figures=(PageFigure("F", "a", svg),),
    )


def _decision(threshold: float) -> Decision:
    return Decision(
        code=int(threshold * 4), value=threshold, requested_false_positive_rate=1e-2, requested_rate_khz=286.0,
        false_positive_rate=Interval(0.01, 0.0, 0.02), rate_khz=Interval(286.0, 285.99, 286.01), background_events=4000,
        background_events_passed=40, p_value=0.5, agrees=True, processes={},
    )  # fmt: skip


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("browser") / "index.html"
    file.write_text(render_page(content()), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium")
    if chromium is None and not os.environ.get("FPGAAE_REQUIRE_TOOLS"):
        pytest.skip("needs chromium")
    assert chromium is not None, "needs chromium"
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


class Opened:
    """The page on one screen, and all that the browser complained of."""

    def __init__(self, browser: Any, file: Path, width: int = 1200, scheme: str = "light") -> None:  # noqa: ANN401
        self.complaints: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._requested(request.url))
        self.page.goto(file.as_uri())

    def _requested(self, url: str) -> None:
        if not url.startswith(("file:", "data:")):
            self.complaints.append(url)

    def text(self, selector: str) -> str:
        return " ".join(self.page.inner_text(selector).split())


@pytest.mark.parametrize("width", [360, 1200], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_a_complaint_and_fits(browser: Any, page_file: Path, width: int, scheme: str) -> None:  # noqa: ANN401
    opened = Opened(browser, page_file, width, scheme)
    assert opened.complaints == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width, "only tables and figures scroll"
    colours = opened.page.evaluate(
        "(() => {const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]})()"
    )
    ink, paper = (sum(map(int, colour.strip("rgb()").split(","))) for colour in colours)
    darker, lighter = (ink, paper) if scheme == "light" else (paper, ink)
    assert darker < 200
    assert lighter > 600


def test_the_slider_updates_rate_and_efficiencies(browser: Any, page_file: Path) -> None:  # noqa: ANN401
    opened = Opened(browser, page_file)
    curve = rate_curve(SCORES[FIRMWARE], GROUPS, TAKEN, RateSettings("background", Trigger(), 0.6827))
    n = len(curve.threshold)
    seen = set()
    for index in (0, n // 2, n - 1):
        opened.page.locator("#threshold").fill(str(index))
        threshold = curve.threshold[index]
        assert float(opened.text("#threshold-value")) == pytest.approx(threshold, rel=0.01)
        passed = int((SCORES[FIRMWARE]["background"] > threshold).sum())
        assert opened.text("#rate-events").startswith(f"{passed:,} of 4,000")
        assert ("too few" in opened.text("#rate-events")) == (passed < 5)
        rate = float(opened.text("#rate-value").split()[0])
        assert rate == pytest.approx(28_608.8 * passed / 4000, rel=0.01)
        pure = float(opened.text("#pure-value").split()[0])
        fresh = TAKEN["background"]["existing_trigger"] == 0
        expected = np.mean((SCORES[FIRMWARE]["background"] > threshold) & fresh)
        assert pure == pytest.approx(28_608.8 * expected, rel=0.01)
        cells = opened.page.locator("#rate-rows [data-signal] td").all_inner_texts()
        efficiency = 100 * np.mean(SCORES[FIRMWARE]["signal<1>"] > threshold)
        assert float(cells[0].split()[0]) == pytest.approx(efficiency, abs=0.01)
        seen.add(opened.page.locator("#rate-point circle").get_attribute("cx"))
    assert len(seen) == 3, "the marker moves along the curve"
    assert opened.complaints == []


@pytest.mark.parametrize("above", [0, 1000], ids=["no event", "a quarter"])
def test_scores_of_one_or_two_values_draw_a_chart(browser: Any, tmp_path: Path, above: int) -> None:  # noqa: ANN401
    flat = {process: np.where(np.arange(len(own)) < above, 2.0, 1.0) for process, own in EXACT.items()}
    whole = content(dict.fromkeys(SCORES, flat), {}, Trigger(bunch_crossing_rate_khz=40_000))  # of which 10,000 pass
    (tmp_path / "index.html").write_text(render_page(whole), encoding="utf-8")
    opened = Opened(browser, tmp_path / "index.html")
    assert opened.complaints == []
    drawn = opened.page.inner_html("#rate-chart")
    assert "NaN" not in drawn
    assert "Infinity" not in drawn


def test_float_is_shown_at_the_rate_of_the_firmware_or_below(browser: Any, page_file: Path) -> None:  # noqa: ANN401
    opened = Opened(browser, page_file)
    exact = rate_curve(SCORES[FLOAT], GROUPS, {}, RateSettings("background", Trigger(), 0.6827))
    firmware = rate_curve(SCORES[FIRMWARE], GROUPS, {}, RateSettings("background", Trigger(), 0.6827))

    def efficiency(index: int) -> float:
        return 100 * float(np.mean(SCORES[FLOAT]["signal<1>"] > exact.threshold[index]))

    def allowed(index: int) -> int:
        passed = firmware.background_passed[index]
        return next(i for i, own in enumerate(exact.background_passed) if own <= passed)

    told_apart = [
        i for i in range(len(firmware.threshold) - 1)
        if efficiency(allowed(i)) > efficiency(min(allowed(i) + 1, len(exact.threshold) - 1))
    ]  # fmt: skip
    equal = [firmware.background_passed[i] in exact.background_passed for i in told_apart]
    assert {True, False} == set(equal)
    for index in (told_apart[equal.index(True)], told_apart[equal.index(False)]):
        opened.page.locator("#threshold").fill(str(index))
        cells = opened.page.locator("#rate-rows [data-signal] td").all_inner_texts()
        assert float(cells[1].split()[0]) == pytest.approx(efficiency(allowed(index)), abs=0.01)


def test_it_prints_on_paper(browser: Any, page_file: Path) -> None:  # noqa: ANN401
    opened = Opened(browser, page_file, scheme="dark")
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not opened.page.locator("#threshold").is_visible()
    printed = opened.page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert opened.complaints == []
