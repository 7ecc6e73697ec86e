"""What `prove` says of damaged copies: refuted with an event that is replayed, proven, or open; and a wrong verdict."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import pytest
from conftest import Workspace, WrittenNetwork, autoencoder, random_hardware
from examples import examples_of, run_examples

from fpgaae import api
from fpgaae.config.experiment import Firmware
from fpgaae.errors import InputError
from fpgaae.hls.mutant import Made, Mutant
from fpgaae.progress import SilentProgress
from fpgaae.prove.source_mutants import SourceJudge
from fpgaae.prove.verdicts import Outcome, Verdict, judge_all, undecided_sentence

SMALL = autoencoder((3,), 2)
FRONT_END = "firmware/fpgaae_front_end.h"


class Damage(Enum):
    ANY = "any"


def mutant(name: str, edits: dict[str, str] | None = None) -> Mutant:
    return Mutant(Damage.ANY, "layer", name, edits or {})


class Said:
    """A judge that says what it is told, and a simulation that contradicts some of it."""

    def __init__(self, outcomes: dict[str, Outcome], contradicted: str = "") -> None:
        self._outcomes = outcomes
        self._contradicted = contradicted
        self.simulated: list[str] = []

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        return Verdict(self._outcomes[mutant.description], "event", "why")

    def contradicted(self, index: int, mutant: Mutant) -> str | None:
        self.simulated.append(mutant.description)
        return "it differs" if mutant.description == self._contradicted else None


OUTCOMES = {"a": Outcome.REFUTED, "b": Outcome.PROVEN, "c": Outcome.REFUTED}


def counted(judge: Said, names: str) -> tuple[bool, int, int, int, int, str]:
    made = Made([mutant(name) for name in names], ())
    result = judge_all(judge, made, "hls", 1, "print", SilentProgress())
    said = "" if result.passed else undecided_sentence(result)
    assert result.total == len(names)
    return result.passed, result.refuted, result.proven, result.open, result.wrong, said


def test_only_what_is_proven_is_simulated_before_the_verdict_stands() -> None:
    judge = Said(OUTCOMES)
    assert counted(judge, "abc") == (True, 2, 1, 0, 0, "")
    assert judge.simulated == ["b"]


def test_a_proof_that_simulation_contradicts_is_wrong() -> None:
    said = "1 of 2 verdicts are wrong; first b: why; but it differs"
    assert counted(Said(OUTCOMES, "b"), "ab") == (False, 1, 0, 0, 1, said)


def test_nothing_may_be_left_open() -> None:
    said = "1 of 2 mutants are neither refuted nor proven to compute the same; first d: why"
    assert counted(Said({**OUTCOMES, "d": Outcome.OPEN}), "ad") == (False, 1, 0, 1, 0, said)


# ---- the sources ----


@pytest.fixture(scope="module")
def judged(
    compiler: None, written: Callable[..., WrittenNetwork], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str, str], Verdict]:
    """Give a function that judges an edit of a written project: a file, a text in it, and what stands in its place."""
    from test_prove_sources import sources_of  # noqa: PLC0415 - a file of tests beside this one

    small = written(SMALL, 6, Firmware())
    pool = random_hardware(small.features, 200)
    judge = SourceJudge(sources_of(small), None, pool, 1, tmp_path_factory.mktemp("mutants"))  # type: ignore[arg-type]

    def verdict(file: str, old: str, new: str) -> Verdict:
        text = (small.project / file).read_text()
        assert old in text
        return judge.judge(0, mutant("one", {file: text.replace(old, new, 1)}))

    return verdict


@pytest.mark.slow
def test_mutants_of_the_sources_are_refuted_by_what_was_replayed(judged: Callable[[str, str, str], Verdict]) -> None:
    decided = "accept[i] = code > thresholds[i];"
    late = "static ap_uint<N> before = 0;\n accept[i] = before[i] | (code > thresholds[i]);\n before[i] = accept[i];"
    found = judged(FRONT_END, decided, late)
    assert (found.outcome, found.by) == (Outcome.REFUTED, "events in a row")
    only = f"\n#ifdef __SYNTHESIS__\naccept[i] = code < thresholds[i];\n#else\n{decided}\n#endif\n"
    found = judged(FRONT_END, decided, only)
    assert (found.outcome, found.by) == (Outcome.REFUTED, "event in the branch that is synthesized")
    found = judged("firmware/defines.h", "typedef", "typedefs")
    assert (found.outcome, found.by) == (Outcome.REFUTED, "compiler")


@pytest.mark.slow
def test_a_mutant_that_computes_the_same_is_proven(judged: Callable[[str, str, str], Verdict]) -> None:
    same = judged(FRONT_END, "code > thresholds[i];", "!(code <= thresholds[i]);")
    assert same == Verdict(Outcome.PROVEN, "proof", "every layer equals the golden one")


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_the_proof_of_an_experiment_is_tried_from_python(converted: Callable[..., Workspace]) -> None:
    workspace = converted(SMALL)
    run_examples(examples_of("mutate_proof"), workspace.folder)
    with pytest.raises(InputError, match=r"there is no proof of netlist; there are hls, verilog, emulator"):
        api.mutate_proof(api.Run(workspace.experiment), "netlist", 1)
    found = api.mutate_proof(api.Run(workspace.experiment), "emulator", 3)
    assert (found.total, found.open, found.wrong) == (3, 0, 0), found


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_the_verilog_of_the_present_config_is_damaged_and_no_other(
    converted: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reached(Exception):
        pass

    def judge(*_: object) -> None:
        raise Reached

    monkeypatch.setattr("fpgaae.prove.verilog_mutants.VerilogJudge", judge)
    workspace = converted(SMALL)
    workspace.run("prove")
    with pytest.raises(InputError, match="there is no Verilog of the present config; run `fpgaae trace"):
        api.mutate_proof(api.Run(workspace.experiment), "verilog", 1)
    workspace.run("trace")
    with pytest.raises(Reached):
        api.mutate_proof(api.Run(workspace.experiment), "verilog", 1)
