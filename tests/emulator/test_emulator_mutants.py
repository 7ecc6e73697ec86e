"""Damaged copies of an emulator: each kind is made, the self-test catches it, and what computes the same is proven."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import pytest

from fpgaae.config.model import Score
from fpgaae.emulator import vectors
from fpgaae.emulator.equivalence import Prover
from fpgaae.emulator.mutants import ARRAY, KINDS
from fpgaae.emulator.mutation import Mutation
from fpgaae.emulator.package import write_package
from fpgaae.emulator.package_sources import Damage, PackageSources
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.reach import reachable_ends
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.mutant import Mutant, make_mutants
from fpgaae.hls.verdicts import Outcome, judge_all
from fpgaae.progress import SilentProgress

pytestmark = pytest.mark.usefixtures("compiler")


def _written(folder: Path, score: Score, n_events: int) -> PackageSources:
    folder.mkdir()
    features = networks.feature_map()
    trigger = GoldenTrigger(features, networks.random_network(score, features))
    write_package(folder, "trigger", trigger, networks.events(features, n_events))
    return PackageSources(folder, "trigger", trigger)


def test_every_kind_is_made_or_named(tmp_path: Path) -> None:
    sources = _written(tmp_path / "package", Score.MU_SQUARED_OVER_VARIANCE, 5)
    made = make_mutants(sources, KINDS, 150, seed=2)
    absent = {kind.damage for kind in made.not_made}
    assert {mutant.damage.value for mutant in made.mutants} == {damage.value for damage in Damage} - absent
    assert {Damage.LOADING.value} <= absent <= {Damage.LOADING.value, Damage.SIGN.value}
    assert made == make_mutants(sources, KINDS, 150, seed=2)
    for mutant in made.mutants:
        assert all(text != sources.text(file) for file, text in mutant.edits.items()), mutant.description


def _threshold_by_one(sources: PackageSources) -> Mutant:
    made = make_mutants(sources, [kind for kind in KINDS if kind.damage is Damage.THRESHOLD_BY_ONE], 1, seed=1)
    return made.mutants[0]


def test_the_self_test_catches_what_its_events_do_not_show(tmp_path: Path) -> None:
    """No event lies at a threshold here: without the check of the decisions the mutant would be missed."""
    sources = _written(tmp_path / "package", Score.SQUARED_ERROR, 5)
    mutant = _threshold_by_one(sources)
    assert Mutation(sources, tmp_path).judge(0, mutant).outcome is Outcome.CAUGHT
    test = sources.project / "self_test.c"
    check = '    run("decisions at the thresholds", run_decisions);\n'
    assert check in test.read_text()
    test.write_text(test.read_text().replace(check, ""))
    assert Mutation(sources, tmp_path).judge(1, mutant).outcome is Outcome.MISSED


def test_mutants_of_lanes_blocks_and_state_are_caught(tmp_path: Path) -> None:
    sources = _written(tmp_path / "package", Score.SQUARED_ERROR, 200)
    kinds = [
        kind for kind in KINDS if kind.damage in {Damage.BLOCKS, Damage.STATE, Damage.SINGLE, Damage.EXCHANGED_OBJECTS}
    ]
    result = judge_all(Mutation(sources, tmp_path), make_mutants(sources, kinds, 8, seed=3), 3, SilentProgress())
    assert (result.total, result.missed) == (8, 0), result
    assert result.caught >= 6


def test_the_order_of_one_accept_bit_is_not_changed(tmp_path: Path) -> None:
    features = networks.feature_map()
    network = IntegerNetwork(networks.random_network(Score.SQUARED_ERROR, features).layers[:-1])
    kinds = [kind for kind in KINDS if kind.damage in {Damage.ACCEPT_ORDER, Damage.BIAS}]
    for n in (1, 2):
        trigger = GoldenTrigger(features, network.with_thresholds(np.arange(1, n + 1)))
        (tmp_path / str(n)).mkdir()
        write_package(tmp_path / str(n), "trigger", trigger, networks.events(features, 5))
        made = make_mutants(PackageSources(tmp_path / str(n), "trigger", trigger), kinds, 4, seed=1)
        assert [kind.damage for kind in made.not_made] == [Damage.ACCEPT_ORDER.value] * (n == 1)


def test_only_what_computes_the_same_is_proven(tmp_path: Path) -> None:
    """A unit that is rectified to zero may have any weight that leaves it there; one that is not, none."""
    sources = _written(tmp_path / "package", Score.SQUARED_ERROR, 5)
    text = sources.text(sources.code)
    prover = Prover(sources)
    layer = next(x for x in sources.trigger.network.weighted)
    bias = next(match for match in ARRAY.finditer(text) if match["name"] == f"{layer.name}_codes_bias")
    values = np.array(bias["values"].split(","), dtype=np.int64)

    def with_first(code: int) -> str:
        new = [code, *values[1:].tolist()]
        return text[: bias.start("values")] + ", ".join(map(str, new)) + text[bias.end("values") :]

    def proof(of: str) -> str | None:
        return prover.prove(Mutant(Damage.BIAS, sources.code, "by hand", {sources.code: of}, bias["name"]))

    assert proof(with_first(int(values[0]) + 64)) is None
    (sources.project / sources.code).write_text(with_first(-(10**7)))
    dead = Prover(sources)
    mutant = Mutant(Damage.BIAS, sources.code, "by hand", {sources.code: with_first(-(10**7) - 5)}, bias["name"])
    found = dead.prove(mutant)
    assert found is not None
    assert "output 0" in found


def test_entries_of_a_table_that_no_argument_reaches_are_proven(tmp_path: Path) -> None:
    features = networks.feature_map()
    network = networks.random_network(Score.KL_DIVERGENCE, features)
    last = network.weighted[-1]
    layers = tuple(replace(last, kernel=last.kernel // 8) if layer is last else layer for layer in network.layers)
    trigger = GoldenTrigger(features, IntegerNetwork(layers))
    write_package(tmp_path, "trigger", trigger, networks.events(features, 5))
    sources = PackageSources(tmp_path, "trigger", trigger)
    text = sources.text(sources.code)
    table = next(match for match in ARRAY.finditer(text) if match["name"] == "score_table")
    values = table["values"].split(",")
    low, high = reachable_ends(sources.trigger)[sources.trigger.network.score.inputs[1]]
    read = {code % len(values) for a, b in zip(low, high, strict=True) for code in range(a, b + 1)}
    assert 0 < len(read) < len(values)
    prover = Prover(sources)
    for entry in range(len(values)):
        new = [*values[:entry], "123456", *values[entry + 1 :]]
        edited = text[: table.start("values")] + ",".join(new) + text[table.end("values") :]
        proof = prover.prove(Mutant(Damage.TABLE, sources.code, "by hand", {sources.code: edited}, "score_table"))
        assert (proof is None) == (entry in read), entry


@pytest.mark.parametrize("rounds", [0, 40], ids=["by the bounds alone", "uphill, too"])
def test_the_self_test_has_events_for_units_that_are_nearly_always_zero(
    rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "_ROUNDS", rounds)
    features = networks.feature_map(12)
    network = networks.random_network(Score.SQUARED_ERROR, features)
    known = networks.events(features, 2000)
    dense, relu = network.weighted[0], network.layers[2]
    assert relu.inputs == (dense.name,)
    trigger = GoldenTrigger(features, network)
    largest = int(reachable_ends(trigger)[dense.name][1][0])
    bias = dense.bias.copy()
    bias[0] -= int(0.9 * largest) >> (dense.types.fraction - dense.bias_types.fraction)
    layers = tuple(replace(dense, bias=bias) if layer is dense else layer for layer in network.layers)
    rare = GoldenTrigger(features, IntegerNetwork(layers))
    cases = dict(vectors._cases(rare, known))
    left = {name: np.maximum(8 - np.count_nonzero(found, axis=0), 0) for name, found in cases.items()}
    assert left[f"{relu.name}, not zero"][0] == 8, "no known event takes it off zero"
    found = vectors._uphill(rare, known, left, np.random.default_rng(1))
    assert (rare.run(found)[relu.name].codes[:, 0] != 0).any()
