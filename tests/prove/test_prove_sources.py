"""The sources of random networks are proven, and each damage to them is refuted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import WrittenNetwork, autoencoder, convolutional, small_model, variational

from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Model, Score
from fpgaae.golden.network import ACCEPT_LAYER
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
