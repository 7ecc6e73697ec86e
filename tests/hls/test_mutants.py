"""Damaged copies of a project: what is damaged, what proves two equal, and that a missed mutant is a failure."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Workspace, WrittenNetwork, small_model, variational

from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Score
from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.files import read_json
from fpgaae.fixedpoint import Codes, FixedPointType, parse_type
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls import mutation
from fpgaae.hls.equivalence import Original, prove_equivalent
from fpgaae.hls.mutant import Made, Mutant, make_mutants
from fpgaae.hls.mutants import VALUE_KINDS
from fpgaae.hls.mutation import run_mutation
from fpgaae.hls.project_sources import SCORES, Damage, ProjectSources
from fpgaae.hls.text_mutants import TEXT_KINDS
from fpgaae.hls.verdicts import missed_sentence
from fpgaae.progress import SilentProgress
from fpgaae.runs.record import as_json
from fpgaae.runs.results.data import DataResult

Write = Callable[..., WrittenNetwork]
_FEW = {"csim": {"max_events_per_process": 200, "random_events": 100, "processes": 1}}


@pytest.fixture(
    params=[("io_parallel", Score.SQUARED_ERROR), ("io_stream", Score.KL_DIVERGENCE)], ids=["ae", "kl_stream"]
)
def made(request: pytest.FixtureRequest, written: Write) -> WrittenNetwork:
    io_type, score = request.param
    return written(small_model(score), 9, Firmware(io_type=io_type))


def _sources(made: WrittenNetwork) -> ProjectSources:
    return ProjectSources(made.project, "autoencoder", list(made.golden_names))


def _make(sources: ProjectSources, n: int, seed: int) -> Made:
    return make_mutants(sources, (*VALUE_KINDS, *TEXT_KINDS), n, seed)


def _original(made: WrittenNetwork) -> Original:
    return Original(_sources(made), made.trigger, made.golden_names)


def _type_mutant(made: WrittenNetwork, name: str, new: FixedPointType) -> Mutant:
    return Mutant(Damage.WIDTH, _sources(made).type_layers[name], "by hand", {}, name, new)


def test_every_kind_of_damage_is_made_and_changes_its_file(made: WrittenNetwork) -> None:
    sources = _sources(made)
    mutants, not_made = _make(sources, 120, seed=3)
    absent = {Damage.HELD_WEIGHT, Damage.HELD_THRESHOLD, Damage.LATENTS_PORT}  # of ports that the project has not
    absent |= {Damage.CELL, Damage.CELL_THRESHOLD}  # of thresholds that follow nothing
    if sources.calls[-1]["kernel"] != "kl_divergence":
        absent |= {Damage.TABLE_ENTRY, Damage.TABLE_PLACE}
    else:  # streams
        absent |= {Damage.EXCHANGED_ARRAYS}
    assert {mutant.damage for mutant in mutants} == set(Damage) - absent
    assert {kind.damage for kind in not_made} == {damage.value for damage in absent}
    assert all(kind.reason for kind in not_made)
    assert len({mutant.description for mutant in mutants}) == 120
    for mutant in mutants:
        assert mutant.layer in made.golden_names
        for file, text in mutant.edits.items():
            assert text != sources.text(file), mutant.description


def test_the_mutants_follow_from_the_seed(made: WrittenNetwork) -> None:
    first, again, other = (_make(_sources(made), 40, seed).mutants for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_what_is_the_same_in_every_event_is_not_delayed(made: WrittenNetwork) -> None:
    sources = _sources(made)
    assert "(ap_uint<1>(0)," in sources.text(sources.trigger), "eta of the MET has no bits"
    delayed = [kind for kind in TEXT_KINDS if kind.damage is Damage.STATE]
    mutants = [mutant for seed in range(8) for mutant in make_mutants(sources, delayed, 8, seed).mutants]
    texts = [text for mutant in mutants for text in mutant.edits.values()]
    lines = [line for text in texts for line in text.splitlines() if "auto late" in line]
    assert lines
    assert not any("ap_uint<1>(0)" in line for line in lines)


@pytest.mark.slow
def test_more_mutants_than_places_are_refused(written: Write) -> None:
    made = written(small_model(Score.ABSOLUTE_ERROR, (2,), 1), 3, Firmware(), 1)
    with pytest.raises(InputError, match="different places to damage; ask for fewer"):
        _make(_sources(made), 5000, seed=1)


def test_a_project_without_calls_is_refused(made: WrittenNetwork) -> None:
    with pytest.raises(InputError, match="calls no layer"):
        ProjectSources(made.project, "autoencoder", ["other", "accept"])


def test_a_type_that_holds_every_value_is_equivalent_and_a_narrower_one_is_not(made: WrittenNetwork) -> None:
    original = _original(made)
    name = "encoder_1_t"
    dense, old = made.network["encoder_1"], original.sources.types[name]
    low, high = dense.range(made.network.sources(dense))
    wider = prove_equivalent(
        _type_mutant(made, name, old._replace(width=old.width + 1, integer=old.integer + 1)), original
    )
    assert wider is not None
    assert f"from {low} to {high}" in wider
    assert prove_equivalent(_type_mutant(made, name, old._replace(width=old.width - 1)), original) is None
    narrow = old._replace(width=old.width - 2, integer=old.integer - 2)
    assert prove_equivalent(_type_mutant(made, name, narrow), original) is None


@pytest.mark.parametrize(
    ("new", "same"),
    [
        ("ap_fixed<{w},{i},AP_RND,AP_SAT>", True),  # no sum has bits to round
        ("ap_fixed<{w1},{i1}>", True),
        ("ap_fixed<{w0},{i}>", False),  # the lowest bit of the products is cut off
        ("ap_fixed<{w2},{i2}>", False),  # no final sum may overflow
    ],
    ids=["modes", "wider", "coarser", "too_narrow"],
)
def test_accumulators_are_compared_by_their_sums(made: WrittenNetwork, new: str, same: bool) -> None:
    original = _original(made)
    old = original.sources.types["encoder_1_accum_t"]
    text = new.format(
        w=old.width + 8, i=old.integer + 8, w1=old.width + 1, i1=old.integer + 1, w0=old.width - 1, w2=old.width - 3,
        i2=old.integer - 3,
    ).replace(f"{old.width - 1},{old.integer + 8}", f"{old.width - 1},{old.integer}")  # fmt: skip
    proof = prove_equivalent(_type_mutant(made, "encoder_1_accum_t", parse_type(text)), original)
    assert (proof is not None) is same, proof


def test_rounding_is_compared_on_every_code_of_the_layer_before(made: WrittenNetwork) -> None:
    original = _original(made)
    name = next(
        n for n, layer in original.sources.type_layers.items() if layer == "encoder_1_relu" and "table" not in n
    )
    old = original.sources.types[name]
    for text in (
        f"ap_ufixed<{old.width},{old.integer},AP_TRN,AP_SAT>",
        f"ap_ufixed<{old.width},{old.integer},AP_RND_CONV>",
    ):
        assert prove_equivalent(_type_mutant(made, name, parse_type(text)), original) is None
    same = prove_equivalent(_type_mutant(made, name, old), original)
    assert same is not None
    assert "codes that encoder_1 can put out" in same


def test_left_out_values_are_equivalent_only_where_they_are_zero(made: WrittenNetwork) -> None:
    original = _original(made)
    array = next(array for array in original.sources.arrays if array.name.startswith("w"))
    text = original.sources.text(array.file)
    head, values = text.split("#endif\n", 1)
    numbers = values.split("}")[0].split(", ")

    def without_last(n: int, last: str) -> str | None:
        kept = [*numbers[:-1], last][: len(numbers) - n]
        edits = {array.file: f"{head}#endif\n{', '.join(kept)}}};\n"}
        return prove_equivalent(Mutant(Damage.TRUNCATED_FILE, array.layer, "cut", edits, array.name), original)

    assert without_last(0, numbers[-1]) is not None
    assert (without_last(1, "0.5") is not None) == (float(numbers[-1]) == 0)
    assert without_last(len(numbers) - 1, numbers[-1]) is None


def test_the_scaling_is_compared_on_every_code_of_the_feature(made: WrittenNetwork) -> None:
    original = _original(made)
    text = original.sources.text("firmware/autoencoder_trigger.cpp")
    unused = [i for i, feature in enumerate(made.features.features) if feature.hardware.bits == 0]
    lines = [line for line in text.splitlines() if "fpgaae::scale<" in line]
    for index, line in enumerate(lines):
        feature = made.features.features[index]
        new = line.replace(f"scale<{feature.shift}>", f"scale<{feature.shift + 1}>")
        edits = {"firmware/autoencoder_trigger.cpp": text.replace(line, new)}
        proof = prove_equivalent(Mutant(Damage.SCALING, "features", "by hand", edits, str(index)), original)
        assert (proof is not None) == (index in unused and feature.offset == 0), line


def test_only_what_a_project_calls_of_a_header_is_damaged(made: WrittenNetwork) -> None:
    sources = _sources(made)
    text = sources.text(SCORES)
    streams = sources.calls[-1]["kernel"] == "kl_divergence"
    used = "struct DivergenceTerm" if streams else "struct SquaredErrorTerm"
    assert sources.is_used(SCORES, text.index(used) + 10)
    assert not sources.is_used(SCORES, text.index("struct AbsoluteErrorTerm") + 10)
    heads = [i for i in range(len(text)) if text.startswith("sum_of_pairs(", i)]
    assert [sources.is_used(SCORES, place + 200) for place in heads] == [not streams, streams]


@pytest.fixture(scope="session")
def proven(converted: Callable[..., Workspace]) -> Workspace:
    """A converted experiment whose C simulation passed."""
    workspace = converted(variational((6,), 3), **_FEW)
    assert workspace.run("csim").result.passed
    return workspace


@pytest.mark.slow
def test_every_mutant_is_caught_or_proven_equivalent(proven: Workspace) -> None:
    result = run_mutation(proven.experiment, 10, SilentProgress())
    assert as_json(result) == read_json(proven.experiment.stage_folder("csim") / "mutants.json")
    assert result.passed, missed_sentence(result)
    assert (result.total, result.missed, result.misattributed) == (10, 0, 0)
    assert result.caught + result.equivalent == 10
    assert result.caught > 5
    layers = [layer["name"] for layer in proven.result("convert")["layers"]]
    sources = ProjectSources(proven.project, "autoencoder", layers)
    golden = {layer["name"]: layer["golden"] for layer in proven.result("convert")["layers"]}
    features = FeatureMap.of(proven.experiment.result(DataResult))
    original = Original(sources, GoldenTrigger(features, proven.network), golden)
    for mutant, entry in zip(_make(sources, 10, proven.experiment.config.seed).mutants, result.mutants, strict=True):
        assert mutant.description == entry.description
        if entry.outcome == "caught":
            assert prove_equivalent(mutant, original) is None, f"a proof of what differs: {mutant.description}"
            assert layers.index(entry.named_layer) >= layers.index(entry.layer)
        else:
            assert entry.detail


@pytest.mark.slow
def test_a_missed_mutant_is_a_failure(proven: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stimulus of one event and no proofs leave holes."""
    batches = mutation._batches

    def nearly_nothing(*arguments: Any) -> dict[str, Codes]:  # noqa: ANN401
        found = batches(*arguments)
        return {
            name: codes[:1] if "/" in name and not name.startswith("fraction/") else codes
            for name, codes in found.items()
        }

    monkeypatch.setattr(mutation, "_batches", nearly_nothing)
    monkeypatch.setattr(mutation, "prove_equivalent", lambda *_: None)
    result = run_mutation(proven.experiment, 4, SilentProgress())  # those that the command makes below
    assert result.missed > 0
    assert result.passed is False
    assert "mutants were missed; first " in missed_sentence(result)


@pytest.mark.slow
def test_the_command_proves_the_check(
    proven: Workspace, tmp_path: Path, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    workspace = proven.copy(tmp_path / "copy")
    done = run_cli("csim", *workspace.arguments, "--mutate", "4")
    assert done.returncode == 0, done.stderr
    assert "of 4 mutants" in done.stdout
    weight = next((workspace.project / "firmware" / "weights").glob("w*.h"))
    weight.write_text(weight.read_text().replace("#endif\n", "#endif\n0.5, ", 1))
    done = run_cli("csim", *workspace.arguments, "--mutate", "4")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_ranges_of_a_dense_layer_are_reached(made: WrittenNetwork) -> None:
    network: IntegerNetwork = made.network
    dense = network["encoder_1"]
    low, high = dense.range(network.sources(dense))
    of = network.input_type
    corners = [np.where(sign * dense.kernel.T > 0, of.max_code, of.min_code) for sign in (1, -1)]
    found = network.run(np.concatenate(corners))["encoder_1"].codes
    assert (found.min(), found.max()) == (low, high)
