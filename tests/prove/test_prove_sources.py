"""The sources of random networks are proven, and each damage to them is refuted or left open, never proven."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import word_objects
from conftest import WrittenNetwork, autoencoder, convolutional, embedded, random_hardware, small_model, variational

from fpgaae.config.data import Hardware
from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Model, Score
from fpgaae.golden.network import ACCEPT_LAYER
from fpgaae.golden.scores.max_absolute_error import MaxAbsoluteError
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.front_end import TriggerBlock
from fpgaae.hls.harness import write_harness
from fpgaae.prove.branches import as_synthesized, is_data, is_of_a_vendor, other_branches, synthesis_header
from fpgaae.prove.build import prepare
from fpgaae.prove.influence import may_branch
from fpgaae.prove.judges import judge
from fpgaae.prove.refute import _candidates, find_refutation
from fpgaae.prove.sources import SourceProof, Sources, prove_sources
from fpgaae.prove.symbols import Form

pytestmark = pytest.mark.usefixtures("compiler")
PARALLEL, STREAM = Firmware(), Firmware(io_type="io_stream")
SMALL = autoencoder((3,), 2)
Prove = Callable[[Sources], SourceProof]


def sources_of(written: WrittenNetwork, project: Path | None = None) -> Sources:
    """Give what is proven of a written network, or of an edited copy of its project."""
    top, names = written.block.top, written.golden_names
    behind = [
        *(port.name for port in written.network.ports),
        top.output.layer,
        ACCEPT_LAYER,
    ]  # as the driver records them
    in_order = {name: names[name] for name in [*(name for name in names if name not in behind), *behind]}
    return Sources(project or written.project, top.project_name, written.trigger, in_order, top.weights)


def wrong(proof: SourceProof) -> dict[str, str]:
    """Give by layer why it is not proven."""
    return {
        layer: finding.open or finding.differences[0].reason
        for layer, finding in proof.findings.items()
        if finding.open or finding.differences
    }


@pytest.fixture(scope="module")
def prove(compiler: None, tmp_path_factory: pytest.TempPathFactory) -> Prove:
    """Give a function that proves a project; what all projects share is compiled once."""
    prepared = prepare(tmp_path_factory.mktemp("prepared"))
    return lambda sources: prove_sources(sources, tmp_path_factory.mktemp("proof"), prepared)


@pytest.fixture(scope="module")
def prove_model(written: Callable[..., WrittenNetwork], prove: Prove) -> Callable[..., SourceProof]:
    """Give a function that writes the project of a model and proves it."""
    return lambda model, firmware, n_features=9: prove(sources_of(written(model, n_features, firmware)))


@pytest.fixture(scope="module")
def small(written: Callable[..., WrittenNetwork]) -> WrittenNetwork:
    """Give the written project that is damaged."""
    return written(SMALL, 6, PARALLEL)


Change = Callable[[str], str]


def edited(small: WrittenNetwork, folder: Path, *changes: tuple[str, Change]) -> Sources:
    """Give a copy of a project with some files changed."""
    project = Path(shutil.copytree(small.project, folder / "project"))
    for file, change in changes:
        before = (project / file).read_text()
        after = change(before)
        assert after != before, f"{file} has nothing to change"
        (project / file).write_text(after)
    return sources_of(small, project)


def swap(old: str, new: str) -> Change:
    """Give a change of the first place where a text stands."""
    return lambda text: text.replace(old, new, 1)


def narrower(name: str, *, low: bool = False) -> Change:
    """Give a change that takes the highest or the lowest bit from a type."""
    pattern = re.compile(rf"ap_(u?)fixed<(\d+),(-?\d+)([^>]*)> {name};")
    return lambda text: pattern.sub(
        lambda m: f"ap_{m[1]}fixed<{int(m[2]) - 1},{int(m[3]) - (not low)}{m[4]}> {name};", text
    )


def changed_weight(text: str) -> str:
    """Change the last number of a table by one of its steps."""
    last = re.findall(r"-?\d+\.\d+", text.rsplit("= {", maxsplit=1)[-1])[-1]

    return text.replace(f"{last}}}", f"{float(last) + 2.0**-5}}}")


def test_a_dense_network_is_proven_for_every_event(small: WrittenNetwork, prove: Prove) -> None:
    proof = prove(sources_of(small))
    assert not wrong(proof)
    assert list(proof.findings)[-2:] == ["score", "accept"]
    assert proof.trace.events >= 3, "a state would be seen in the events behind it"


DEFINES, TRIGGER, NETWORK = "firmware/defines.h", "firmware/autoencoder_trigger.cpp", "firmware/autoencoder.cpp"
FRONT_END, TEMPLATES = "firmware/fpgaae_front_end.h", "firmware/nnet_utils"
# file, change, the layer that it damages, and what is said of it
DAMAGES: dict[str, tuple[str, Change, str, str]] = {
    "a weight": ("firmware/weights/w3.h", changed_weight, "encoder_1", "its coefficient of value 5"),
    "a bias": ("firmware/weights/b9.h", changed_weight, "decoder_1", "its constant is"),
    "a missing weight": (
        "firmware/weights/w6.h", lambda text: re.sub(r", [^,]*\};", "};", text), "latent", "its coefficient of",
    ),
    "a coarser weight": (DEFINES, narrower("latent_weight_t", low=True), "latent", "its coefficient of value"),
    "a sum overflows": (DEFINES, narrower("encoder_1_accum_t"), "encoder_1", "in a type of 16 bits"),
    "a sum is cut off": (DEFINES, narrower("latent_accum_t", low=True), "latent", "a sum may round or overflow"),
    "a result overflows": (DEFINES, narrower("decoder_1_t"), "decoder_1", "a sum may round or overflow"),
    "a rounding": (
        DEFINES, swap("AP_RND_CONV,AP_SAT,0> layer5_t", "AP_RND,AP_SAT,0> layer5_t"), "encoder_1_relu", "codes differ",
    ),
    "a saturation": (
        DEFINES, swap("AP_RND_CONV,AP_SAT,0> layer5_t", "AP_RND_CONV,AP_WRAP,0> layer5_t"), "encoder_1_relu",
        "codes differ",
    ),
    "a narrower activation": (DEFINES, narrower("layer11_t", low=True), "decoder_1_relu", "codes differ"),
    "a rounding of inputs": (
        DEFINES, swap("AP_RND_CONV,AP_SAT,0> features_t", "AP_TRN,AP_SAT,0> features_t"), "features", "codes differ",
    ),
    "a score that overflows": (DEFINES, narrower("score_accum_t"), "score", "may round or overflow"),
    "two inputs swapped": (
        TRIGGER, swap("(met[0].phi, 0)", "(muon[0].phi, 0)"), "features", "a hardware integer stands in it",
    ),
    "an offset of an input": (TRIGGER, swap("(met[0].pt, 77)", "(met[0].pt, 78)"), "features", "codes differ"),
    "a shift of an input": (TRIGGER, swap("scale<4>(muon[0].phi", "scale<5>(muon[0].phi"), "features", "codes differ"),
    "a narrower port": (
        "firmware/autoencoder_trigger.h", swap("ap_uint<12> pt;", "ap_uint<11> pt;"), "features",
        "its port carries 0 to 2047 where 0 to 4095 is right",
    ),
    "a threshold": (
        "firmware/thresholds.h", lambda text: re.sub(r"(\d+)\};", lambda m: f"{int(m[1]) + 1}}};", text), "accept",
        "its threshold is",
    ),
    "a comparison": (FRONT_END, swap("code > thresholds[i]", "code >= thresholds[i]"), "accept", "its threshold is"),
    "an order of decisions": (FRONT_END, swap("accept[i] =", "accept[N - 1 - i] ="), "accept", "its threshold is"),
    "a sign in the score": (
        f"{TEMPLATES}/fpgaae_scores.h", swap("difference = x - y", "difference = x + y"),
        "score", "its polynomial is another",
    ),
    "a value left out of the score": (
        f"{TEMPLATES}/fpgaae_scores.h",
        lambda text: text.replace("TERM::add(sum, x[i], y", "if (i) TERM::add(sum, x[i], y"),
        "score", "its polynomial is another",
    ),
    "a relu that lets less pass": (
        f"{TEMPLATES}/nnet_activation.h", lambda text: text.replace("if (datareg > 0)", "if (datareg > 1)"),
        "encoder_1_relu", "codes differ",
    ),
    "a state between events": (
        NETWORK,
        swap("    nnet::relu<", "    static encoder_1_t last; std::swap(last, layer3_out[0]);\n    nnet::relu<"),
        "encoder_1_relu", "codes differ",
    ),
    "a tap that is missing": (
        NETWORK, lambda text: re.sub(r"    csim::tap\(layer6_out, .*\n", "", text), "latent", "recorded in its place",
    ),
}  # fmt: skip
# Layers are judged one by one, so that several may be damaged at once.
TOGETHER = (
    ("two inputs swapped", "a weight", "a rounding", "a missing weight", "a bias", "a narrower activation",
     "a sign in the score", "a threshold"),
    ("an offset of an input", "a sum overflows", "a saturation", "a coarser weight", "a result overflows",
     "a score that overflows", "a comparison"),
    ("a shift of an input", "a sum is cut off", "a value left out of the score", "an order of decisions"),
    ("a narrower port", "a relu that lets less pass"),
    ("a rounding of inputs", "a state between events"),
    ("a tap that is missing",),
)  # fmt: skip


@pytest.fixture(scope="module")
def damaged(
    small: WrittenNetwork, prove: Prove, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[tuple[str, ...]], SourceProof]:
    """Give a function that proves a project with some damages, once."""

    @cache
    def proof(damages: tuple[str, ...]) -> SourceProof:
        changes = ((DAMAGES[damage][0], DAMAGES[damage][1]) for damage in damages)
        return prove(edited(small, tmp_path_factory.mktemp("damaged"), *changes))

    return proof


@pytest.mark.slow
@pytest.mark.parametrize("damages", TOGETHER, ids=lambda damages: damages[0])
def test_a_damage_is_not_proven(
    damaged: Callable[[tuple[str, ...]], SourceProof], damages: tuple[str, ...]
) -> None:  # fmt: skip
    found = wrong(damaged(damages))
    for damage in damages:
        assert DAMAGES[damage][3] in found[DAMAGES[damage][2]], damage
    if "a tap that is missing" not in damages:  # all behind it are others then
        also = {"decoder_1_relu"} if "a relu that lets less pass" in damages else set()
        assert set(found) == {DAMAGES[damage][2] for damage in damages} | also


@pytest.mark.slow
def test_another_way_to_the_same_value_is_proven(small: WrittenNetwork, prove: Prove, tmp_path: Path) -> None:
    x = "fpgaae::scale<3>(met[0].phi, 0)"
    assert not wrong(prove(edited(small, tmp_path, (TRIGGER, swap(x, f"-({x} - {x} * 2)")))))


NOTHING = Form(0, {})
RULES: dict[str, tuple[str, Callable[..., object], set[str]]] = {
    "symbols that are not read": (
        "fpgaae.prove.subject.Subject.foreign", lambda *_: None, {"a sum overflows", "a sum is cut off"},
    ),
    "coefficients": ("fpgaae.prove.judges.scaled", lambda *_: True, {"a weight", "a bias", "a missing weight"}),
    "codes": (
        "fpgaae.prove.codes.not_equal", lambda found, *_: np.zeros(len(found), dtype=bool),
        {"a rounding", "a saturation", "a narrower activation", "an offset of an input"},
    ),
    "codes of inputs": (
        "fpgaae.prove.front_end.codes_differ", lambda *_: None,
        {"two inputs swapped", "an offset of an input", "a shift of an input", "a rounding of inputs"},
    ),
    "codes of activations": (
        "fpgaae.prove.judges.codes_differ", lambda *_: None, {"a rounding", "a relu that lets less pass"},
    ),
    "what a port carries": ("fpgaae.prove.front_end._FrontEnd._other_codes", lambda *_: None, {"a narrower port"}),
    "thresholds": (
        "fpgaae.prove.judges._decision_differs", lambda *_: None,
        {"a threshold", "a comparison", "an order of decisions"},
    ),
    "polynomials": (
        "fpgaae.prove.symbols.Form.minus", lambda *_: NOTHING, {"a sign in the score", "a value left out of the score"},
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_damages_that_no_other_finds(
    damaged: Callable[[tuple[str, ...]], SourceProof], monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    place, broken, only = RULES[rule]
    proofs = {damage: damaged(damages) for damages in TOGETHER for damage in damages if damage in only}
    assert set(proofs) == only
    monkeypatch.setattr(place, broken)
    for damage, proof in proofs.items():
        *_, layer, reason = DAMAGES[damage]
        (subject,) = (subject for subject in proof.subjects if subject.traced.name == layer)
        found = judge(subject)
        assert not any(reason in difference.reason for difference in found.differences), damage


def test_every_damage_is_tried() -> None:
    assert sorted(damage for damages in TOGETHER for damage in damages) == sorted(DAMAGES)
    assert len(DAMAGES) > 20


@pytest.mark.slow
def test_an_event_shows_a_damage_in_the_c_simulation(small: WrittenNetwork, prove: Prove, tmp_path: Path) -> None:
    sources = edited(small, tmp_path, DAMAGES["a rounding"][:2])
    found = find_refutation(sources, prove(sources), random_hardware(small.features, 400), 1, tmp_path)
    assert found is not None
    assert found.layer == "encoder_1_relu"
    golden = small.trigger.run(np.array([found.hardware]))["encoder_1_relu"].codes[0, found.channel]
    assert golden == found.expected_code != found.found_code


@pytest.mark.slow
def test_a_score_at_the_threshold_shows_a_damaged_comparison(
    small: WrittenNetwork, prove: Prove, tmp_path: Path
) -> None:
    sources = edited(small, tmp_path, DAMAGES["a comparison"][:2])
    few = random_hardware(small.features, 4)
    candidates = list(_candidates(sources, prove(sources), few, 1))
    scores = {int(of.replaced["score"][0, 0]) for of in candidates if of.replaced}
    assert scores >= set(small.trigger.thresholds.tolist())
    assert not any(of.is_sure for of in candidates)


def test_a_branch_that_only_synthesis_sees_is_named(small: WrittenNetwork, tmp_path: Path) -> None:
    assert not list(other_branches(small.project))
    change = swap("    decide(", "#ifndef FPGAAE_CSIM\n    features[0] = 0;\n#endif\n    decide(")
    sources = edited(small, tmp_path, (TRIGGER, change))
    assert list(other_branches(sources.project)) == ["firmware/autoencoder_trigger.cpp: #ifndef FPGAAE_CSIM"]


@pytest.mark.slow
def test_a_construct_that_is_not_followed_is_named(small: WrittenNetwork, prove: Prove, tmp_path: Path) -> None:
    found = wrong(prove(edited(small, tmp_path, (FRONT_END, swap("code > thresholds[i]", "code != thresholds[i]")))))
    reason = "the bit of a comparison for equality"
    assert found.pop("score") == reason  # the decisions are made in front of its tap
    assert "nothing behind" in found.pop("accept")
    assert set(found) == {"encoder_1_relu", "decoder_1_relu"}
    assert all(said.endswith(f"stops all: {reason}") for said in found.values())


@pytest.mark.slow
def test_what_an_edit_may_have_changed_is_left_open(small: WrittenNetwork, prove: Prove) -> None:
    whole = sources_of(small)
    relus = {"encoder_1_relu", "decoder_1_relu"}
    for edit, layers in (
        ("firmware/nnet_utils/nnet_activation.h", relus),
        (NETWORK, set()),
        (DEFINES, set()),
        ("csim_driver.cpp", {"accept"}),
    ):
        found = wrong(prove(replace(whole, edited=(edit,))))
        assert set(found) == layers, edit
        assert all("was edited" in reason or "another source" in reason for reason in found.values())


def test_an_edit_reaches_the_layers_whose_code_it_is_in(small: WrittenNetwork, tmp_path: Path) -> None:
    scores = f"{TEMPLATES}/fpgaae_scores.h"
    project = edited(small, tmp_path, (DEFINES, lambda text: f"{text}\n")).project

    def reached(file: str, layer: str, more: str = "") -> bool:
        before = (project / file).read_text()
        (project / file).write_text(before.replace("\n#endif", f"\n{more}\n#endif") if more else before)
        found = may_branch(project, "autoencoder", file, layer)
        (project / file).write_text(before)
        return found

    assert reached(scores, "score")
    assert not reached(scores, "encoder_1_relu")
    assert reached(scores, "encoder_1_relu", "namespace nnet { template <class T> void relu(T x) { } }")
    assert reached(scores, "encoder_1_relu", "#define REGISTER 1")
    assert reached(scores, "encoder_1_relu", "inline int ceillog2(int x) { return x; }")
    assert reached(f"{TEMPLATES}/nnet_activation.h", "encoder_1_relu")
    assert not reached(FRONT_END, "encoder_1_relu")
    assert reached(FRONT_END, "features")
    assert reached(FRONT_END, "accept")
    assert not reached(scores, "accept")
    assert not reached(NETWORK, "encoder_1_relu")
    file = project / NETWORK
    for line in ("    if (layer3_out[0] > 0) layer3_out[1] = 0;", "    layer3_out[1] = layer3_out[0] > 0 ? 1 : 0;"):
        before = file.read_text()
        file.write_text(before.replace("    nnet::relu<", f"{line}\n    nnet::relu<", 1))
        assert may_branch(project, "autoencoder", NETWORK, "encoder_1_relu")
        file.write_text(before)


def test_the_copy_that_synthesis_sees_keeps_taps_and_tables(small: WrittenNetwork, tmp_path: Path) -> None:
    decided = "accept[i] = code > thresholds[i];"
    only = f"\n#ifdef __SYNTHESIS__\naccept[i] = 0;\n#else\n{decided}\n#endif\n"
    weights, table = "firmware/weights/w3.h", "_weight_t w3["
    zero = "encoder_1_weight_t w3[18] = {0};\nstatic encoder_1_weight_t other[18] = {"
    change = (weights, lambda text: re.sub(r"^\w+ w3\[18\] = \{(?=\n#else)", zero, text, flags=re.M))
    sources = edited(small, tmp_path, (FRONT_END, swap(decided, only)), change)
    copy = as_synthesized(sources.project, tmp_path / "copy")
    assert (copy / NETWORK).read_text() == (sources.project / NETWORK).read_text()
    assert (copy / "firmware/weights/w6.h").samefile(sources.project / "firmware/weights/w6.h")
    assert "#ifdef FPGAAE_AS_SYNTHESIZED" in (copy / FRONT_END).read_text()
    assert "FPGAAE_CSIM" not in (copy / weights).read_text()
    assert table in (copy / weights).read_text()
    assert synthesis_header(copy).read_text() == "#define FPGAAE_AS_SYNTHESIZED\n"
    assert not is_of_a_vendor(next(other_branches(sources.project)))
    assert is_of_a_vendor("firmware/x.h: #if __VITIS_HLS__ > 2022")


def test_tables_and_types_that_hold_code_are_no_data(small: WrittenNetwork, tmp_path: Path) -> None:
    files = ("defines", "parameters", "thresholds", "weights/w3", "weights/b3")
    assert all(is_data(small.project, f"firmware/{file}.h") for file in files)
    assert not is_data(small.project, FRONT_END)
    sources = edited(small, tmp_path, (DEFINES, lambda text: f"{text}\ninline int f(int x) {{ return x; }}\n"))
    assert not is_data(sources.project, DEFINES)
    assert not is_data(sources.project, "firmware/weights/w99.h")


# ---- words ----


def with_words(small: WrittenNetwork, folder: Path, *kinds: int) -> Sources:
    """Give a copy of a project whose ports carry words instead of hardware integers."""
    hardware = Hardware.model_validate({"objects": [word_objects.OBJECTS[kind] for kind in kinds]})
    trigger = GoldenTrigger(word_objects.word_features(hardware), small.network)
    project = Path(shutil.copytree(small.project, folder / "project"))
    block = TriggerBlock(small.block.top, hardware, trigger)
    block.write(project)
    write_harness(project, block, PARALLEL)
    return replace(sources_of(small, project), trigger=trigger)


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [(1,), (2, 3)], ids=["muons", "jet-and-tau"])
def test_every_word_of_every_port_is_proven(
    small: WrittenNetwork, prove: Prove, tmp_path: Path, kinds: tuple[int, ...]
) -> None:
    proof = prove(with_words(small, tmp_path, *kinds))
    assert not wrong(proof)
    assert proof.findings["features"].how.startswith("every word of each port")


@pytest.mark.slow
def test_damaged_words_are_refuted(small: WrittenNetwork, prove: Prove, tmp_path: Path) -> None:
    damages = {
        0: (
            "(muon[0].pt, fpgaae::is_empty<0, 511>(",
            "(muon[0].pt, fpgaae::is_empty<0, -1>(",
        ),  # an overflow that empties
        2: ("phi_code<10, 576, 288, 2>(muon[0].phi", "phi_code<10, 576, 288, 1>(muon[0].phi"),  # a turn left out
        4: ("eta_code<9, 0>(muon[1].eta", "eta_code<9, 1>(muon[1].eta"),  # an offset
        5: ("is_empty<0, 511>(muon[1].pt)), -1)", "is_empty<0, 511>(muon[0].pt)), -1)"),  # emptied by another object
    }
    sources = with_words(small, tmp_path, 1)
    file = sources.project / TRIGGER
    for right, damaged in damages.values():
        before = file.read_text()
        assert before.count(right) == 1, before
        file.write_text(before.replace(right, damaged))
    proof = prove(sources)
    assert {difference.place for difference in proof.findings["features"].differences} == set(damages)
    found = list(_candidates(sources, proof, random_hardware(small.features, 2000) & 255, 1))
    assert found
    assert all(event.hardware is not None and len(event.hardware[0]) == 6 for event in found)


# ---- every kind of layer ----


@pytest.mark.slow
@pytest.mark.parametrize(
    ("score", "firmware"),
    [
        (Score.MASKED_SQUARED_ERROR, STREAM), (Score.ABSOLUTE_ERROR, PARALLEL),
        (Score.MU_SQUARED_OVER_VARIANCE, PARALLEL), (Score.KL_DIVERGENCE, STREAM),
    ],
    ids=lambda of: getattr(of, "value", None) or of.io_type,
)  # fmt: skip
def test_every_score_is_proven(prove_model: Callable[..., SourceProof], score: Score, firmware: Firmware) -> None:
    assert not wrong(prove_model(small_model(score), firmware))


def test_a_score_that_is_not_followed_is_named(small: WrittenNetwork, prove: Prove) -> None:
    score = prove(sources_of(small)).subjects[-2]
    other = MaxAbsoluteError(**vars(score.golden))
    assert judge(replace(score, golden=other)).open == "the score max_absolute_error is not followed"


@pytest.mark.slow
@pytest.mark.parametrize("firmware", [PARALLEL, STREAM], ids=lambda of: of.io_type)
def test_convolutions_are_proven(prove_model: Callable[..., SourceProof], firmware: Firmware) -> None:
    assert not wrong(prove_model(convolutional(), firmware, 18))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "firmware"),
    [
        (embedded(), STREAM),
        (SMALL, Firmware(strategy="resource", reuse_factor=2, io_type="io_stream")),
        (SMALL, Firmware(strategy="distributed_arithmetic")),
        (variational((6,), 3), Firmware(reloadable_weights=True, output_latents=True)),
    ],
    ids=["embedding", "resource", "distributed-arithmetic", "reloadable-weights"],
)
def test_every_strategy_is_proven(
    prove_model: Callable[..., SourceProof], model: Model, firmware: Firmware
) -> None:  # fmt: skip
    assert not wrong(prove_model(model, firmware))
