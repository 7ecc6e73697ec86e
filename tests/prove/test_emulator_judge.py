"""Mutants of the emulator: what the proof says of each, and the event that was replayed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import networks
import numpy as np
import pytest

from fpgaae.config.model import Score
from fpgaae.emulator.mutants import KINDS
from fpgaae.emulator.package import write_package
from fpgaae.emulator.package_sources import KERNELS, Damage, PackageSources
from fpgaae.errors import CheckFailed
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.mutant import Mutant, make_mutants
from fpgaae.progress import SilentProgress
from fpgaae.prove.emulator_mutants import EmulatorJudge
from fpgaae.prove.verdicts import Outcome, Verdict, judge_all

pytestmark = pytest.mark.usefixtures("compiler")
CODE = "trigger_emulator.cpp"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> PackageSources:
    folder, features = tmp_path_factory.mktemp("package"), networks.feature_map()
    trigger = GoldenTrigger(features, networks.random_network(Score.SQUARED_ERROR, features))
    write_package(folder, "trigger", trigger, networks.events(features, 300))
    return PackageSources(folder, "trigger", trigger)


@pytest.fixture(scope="module")
def judge(compiler: None, sources: PackageSources, tmp_path_factory: pytest.TempPathFactory) -> EmulatorJudge:
    return EmulatorJudge(sources, tmp_path_factory.mktemp("mutants"))


@pytest.fixture(scope="module")
def said_of(judge: EmulatorJudge, sources: PackageSources) -> Callable[[str, str, str], Verdict]:
    """Give a function that judges an edit: a file, a pattern of a text in it, and what stands in its place."""

    def verdict(file: str, old: str, new: str) -> Verdict:
        edited, n = re.subn(old, new, sources.text(file), count=1)
        assert n == 1, f"{file} has no {old}"
        return judge.judge(0, Mutant(Damage.WEIGHT, file, "one", {file: edited}))

    return verdict


def test_another_weight_is_refuted_with_the_event_that_was_replayed(
    said_of: Callable[[str, str, str], Verdict], sources: PackageSources
) -> None:
    found = said_of(CODE, r"(hidden_codes_weight\[\d+\] = \{\n    -?)(\d+)", r"\g<1>1\2")
    assert (found.outcome, found.by) == (Outcome.REFUTED, "event")
    assert found.detail.startswith("the score is not that of the model; ")
    words = [int(word) for word in found.detail.rsplit(": ", 1)[1].split()]
    vectors = np.loadtxt(sources.project / "vectors.dat", dtype=np.int64)
    assert words in vectors[:, : len(words)].tolist()
    assert len(words) == len(sources.trigger.features)


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        (KERNELS, r"zero \+ bias\[j\]", "zero - bias[j]", "of zeros in lane 0"),
        (KERNELS, r"v < low \? low", "v < low ? low + 1", "coefficients are the same"),
        (CODE, r"scores\[e\] > thresholds", "scores[e] >= thresholds", "beside its calls and constants"),
        (CODE, r"Row<int32_t> score;", "Row<int32_t> scores_of;", "it reads `score`"),
    ],
)
def test_what_is_no_proof_is_replayed(
    said_of: Callable[[str, str, str], Verdict], file: str, old: str, new: str, why: str
) -> None:
    found = said_of(file, old, new)
    assert found.outcome is Outcome.REFUTED
    assert why in found.detail


def test_what_computes_the_same_is_proven(said_of: Callable[[str, str, str], Verdict]) -> None:
    swapped = said_of(CODE, r"(thresholds\[\d+\] = \{\n? *)(\d+)", r"\g<1>0\2")
    assert swapped == Verdict(Outcome.PROVEN, "proof", "score and decisions equal the golden ones")
    same = said_of(
        KERNELS, r"return v < low \? low : v > high \? high : v;", "return !(v >= low) ? low : v > high ? high : v;"
    )
    assert (same.outcome, same.by) == (Outcome.PROVEN, "machine code")


def test_mutants_of_every_kind_are_refuted_or_proven(judge: EmulatorJudge, sources: PackageSources) -> None:
    result = judge_all(judge, make_mutants(sources, KINDS, 12, seed=4), "emulator", 4, "print", SilentProgress())
    assert (result.total, result.open, result.wrong) == (12, 0, 0), result
    assert result.refuted >= 8


def test_an_emulator_that_is_not_proven_has_no_mutants(sources: PackageSources, tmp_path: Path) -> None:
    features = networks.feature_map()
    other = GoldenTrigger(features, networks.random_network(Score.SQUARED_ERROR, features, seed=9))
    with pytest.raises(CheckFailed, match="the emulator itself is not proven"):
        EmulatorJudge(PackageSources(sources.project, "trigger", other), tmp_path)
