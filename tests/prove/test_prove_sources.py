"""The sources of random networks are proven, and each damage to them is refuted."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import WrittenNetwork, autoencoder, convolutional, random_hardware, small_model, variational

from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Model, Score
from fpgaae.golden.network import ACCEPT_LAYER
from fpgaae.prove.branches import other_branches
from fpgaae.prove.refute import find_refutation
from fpgaae.prove.sources import SourceProof, Sources, prove_sources

pytestmark = pytest.mark.usefixtures("compiler")
PARALLEL = Firmware()
SMALL = autoencoder((6,), 3)


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
def prove_model(
    written: Callable[..., WrittenNetwork], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., SourceProof]:
    """Give a function that writes the project of a model and proves it."""

    def prove(model: Model, firmware: Firmware = PARALLEL, n_features: int = 6) -> SourceProof:
        made = written(model, n_features, firmware)
        return prove_sources(sources_of(made), tmp_path_factory.mktemp("proof"))

    return prove


@pytest.fixture(scope="module")
def small(written: Callable[..., WrittenNetwork]) -> WrittenNetwork:
    """Give the written project that is damaged."""
    return written(SMALL, 6, PARALLEL)


def edited(small: WrittenNetwork, folder: Path, file: str, change: Callable[[str], str]) -> Sources:
    """Give a copy of a project with one file changed."""
    project = Path(shutil.copytree(small.project, folder / "project"))
    before = (project / "firmware" / file).read_text()
    after = change(before)
    assert after != before, f"{file} has nothing to change"
    (project / "firmware" / file).write_text(after)
    return sources_of(small, project)


def narrower(name: str) -> Callable[[str], str]:
    """Give a change that takes the highest bit from a type."""
    pattern = re.compile(rf"ap_(u?)fixed<(\d+),(-?\d+)([^>]*)> {name};")
    return lambda text: pattern.sub(lambda m: f"ap_{m[1]}fixed<{int(m[2]) - 1},{int(m[3]) - 1}{m[4]}> {name};", text)


def test_a_dense_network_is_proven_for_every_event(small: WrittenNetwork, tmp_path: Path) -> None:
    proof = prove_sources(sources_of(small), tmp_path)
    assert not wrong(proof)
    assert list(proof.findings)[-2:] == ["score", "accept"]
    assert proof.trace.events >= 3, "a state would be seen in the events behind it"


DAMAGES = {
    "a sum overflows": ("defines.h", narrower("encoder_1_accum_t"), "encoder_1"),
    "a rounding": (
        "defines.h", lambda text: text.replace("AP_RND_CONV,AP_SAT,0> layer5_t", "AP_RND,AP_SAT,0> layer5_t"),
        "encoder_1_relu",
    ),
    "two inputs swapped": (
        "autoencoder_trigger.cpp",
        lambda text: text.replace("features[0]", "features[x]").replace("features[3]", "features[0]").replace(
            "features[x]", "features[3]"),
        "features",
    ),
    "a state": (
        "autoencoder.cpp",
        lambda text: text.replace(
            "    nnet::relu<", "    static encoder_1_t last; std::swap(last, layer3_out[0]);\n    nnet::relu<", 1),
        "encoder_1_relu",
    ),
    "a threshold": (
        "fpgaae_front_end.h", lambda text: text.replace("code > thresholds[i]", "code >= thresholds[i]"), "accept",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_refuted_by_an_event(small: WrittenNetwork, tmp_path: Path, damage: str) -> None:
    file, change, layer = DAMAGES[damage]
    sources = edited(small, tmp_path, file, change)
    proof = prove_sources(sources, tmp_path)
    assert next(iter(wrong(proof))) == layer
    if damage == "a state":
        return  # an event alone does not show what the one before it left
    found = find_refutation(sources, proof, random_hardware(small.features, 400), 1, tmp_path)
    assert found is not None
    assert found.layer == layer


def test_a_branch_that_only_synthesis_sees_is_named(small: WrittenNetwork, tmp_path: Path) -> None:
    assert not list(other_branches(small.project))
    sources = edited(
        small, tmp_path, "autoencoder_trigger.cpp",
        lambda text: text.replace("    decide(", "#ifndef FPGAAE_CSIM\n    features[0] = 0;\n#endif\n    decide("),
    )  # fmt: skip
    assert list(other_branches(sources.project)) == ["firmware/autoencoder_trigger.cpp: #ifndef FPGAAE_CSIM"]


@pytest.mark.slow
def test_branches_of_an_edited_template_are_left_open(small: WrittenNetwork, tmp_path: Path) -> None:
    sources = replace(sources_of(small), edited_templates=("firmware/nnet_utils/nnet_activation.h",))
    found = wrong(prove_sources(sources, tmp_path))
    assert set(found) == {"encoder_1_relu", "decoder_1_relu"}
    assert all("was edited" in reason for reason in found.values())


SCORES = [score for score in Score if score is not Score.MAX_ABSOLUTE_ERROR]


@pytest.mark.slow
@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.value)
@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_every_score_is_proven(prove_model: Callable[..., SourceProof], score: Score, io_type: str) -> None:
    proof = prove_model(small_model(score), Firmware(io_type=io_type))
    assert not wrong(proof)


@pytest.mark.slow
@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_convolutions_are_proven(prove_model: Callable[..., SourceProof], io_type: str) -> None:
    assert not wrong(prove_model(convolutional(), Firmware(io_type=io_type), 18))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["resource", "distributed_arithmetic"])
@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_every_strategy_is_proven(prove_model: Callable[..., SourceProof], strategy: str, io_type: str) -> None:
    reuse = 2 if strategy == "resource" else 1
    assert not wrong(prove_model(SMALL, Firmware(strategy=strategy, reuse_factor=reuse, io_type=io_type)))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["latency", "resource"])
def test_any_reloadable_weights_are_proven(prove_model: Callable[..., SourceProof], strategy: str) -> None:
    firmware = Firmware(reloadable_weights=True, output_latents=True, strategy=strategy)
    assert not wrong(prove_model(variational((6,), 3), firmware))
