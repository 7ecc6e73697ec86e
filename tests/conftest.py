"""Fixtures that several test packages use. TensorFlow is brought up only for the tests that ask for it."""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import quick_compiler
from hypothesis import settings
from numpy.typing import NDArray
from results import StandIn, nothing_of, stand_in
from support import REPOSITORY, small_config, trigger_objects
from typer.testing import CliRunner

from fpgaae import pipeline
from fpgaae.cli.commands import app
from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Embedding, Model, ModelKind, Score
from fpgaae.data.features import FeatureMap
from fpgaae.data.readers import event_hashes
from fpgaae.files import Json, read_json
from fpgaae.fixedpoint import Codes, FixedPointType, requantize
from fpgaae.golden.network import ACCEPT_LAYER, IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.front_end import TriggerBlock
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.convert import ConvertedLayer
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import Outcome, RunOptions, StageRun, run_stage

settings.register_profile("tests", deadline=None)  # two workers share the cores with what they compile
settings.load_profile("tests")

XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
_XLA_FUSION = "--xla_cpu_use_fusion_emitters=false"  # what compiles loops through MLIR takes half of the time
_WITH_XLA_FUSION = {"jaxlib": "0.10.2", "tensorflow": "2.21.0"}  # a flag that XLA does not know ends the process
JAX_CACHE = {  # what one training or process compiled, the next takes
    "JAX_COMPILATION_CACHE_DIR": str(REPOSITORY / ".pytest_cache" / "jax"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
FINE_BITS = 4  # stimuli lie on a grid this much finer than the input's, so that its rounding is exercised


class RandomNetwork(NamedTuple):
    """A deployed QKeras model with random weights, and its integer form."""

    model: Any
    network: IntegerNetwork


class Events(NamedTuple):
    """Values for a network and the input codes that exact rounding gives for them."""

    values: NDArray[np.float64]
    input_codes: Codes


@pytest.fixture(scope="session")
def compiler() -> None:
    """Skip a test that needs g++ where there is none."""
    if shutil.which("g++") is None and not os.environ.get("FPGAAE_REQUIRE_TOOLS"):
        pytest.skip("needs g++")


@pytest.fixture(scope="session")
def onnx_package() -> None:
    """Skip a test that writes ONNX files where the package for them is missing."""
    if importlib.util.find_spec("onnx") is None and not os.environ.get("FPGAAE_REQUIRE_TOOLS"):
        pytest.skip("needs the package onnx")


@pytest.fixture(scope="session")
def qonnx_package() -> None:
    """Skip a test that executes QONNX files where the package for them is missing; it takes no Python below 3.11."""
    is_required = os.environ.get("FPGAAE_REQUIRE_TOOLS") and sys.version_info >= (3, 11)
    if importlib.util.find_spec("qonnx") is None and not is_required:
        pytest.skip("needs the package qonnx")


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """Bring up TensorFlow with the Keras 2 API, as every stage does."""
    from fpgaae.tensorflow_setup import prepare  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the import of third-party packages only
        prepare()
        import hls4ml  # noqa: F401, PLC0415
        import keras  # noqa: F401, PLC0415
        import qkeras  # noqa: F401, PLC0415
        import tensorflow_model_optimization  # noqa: F401, PLC0415
        import tf_keras  # noqa: F401, PLC0415


COMPILING = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure() -> None:
    """Compile sooner than a user does, C++ (`quick_compiler.py`) and JAX; every process of the tests inherits it."""
    if XLA_FLAGS not in (flags := os.environ.get("XLA_FLAGS", "")):
        fusion = _XLA_FUSION if _versions([*_WITH_XLA_FUSION]) == _WITH_XLA_FUSION else ""
        os.environ["XLA_FLAGS"] = f"{flags} {XLA_FLAGS} {fusion}"
    for name, value in JAX_CACHE.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("NUMBA_OPT", "1")  # as `fpgaae.optional.require`: tests import da4ml without it
    quick_compiler.put_in_front(REPOSITORY / ".pytest_cache" / "compiler")


def _versions(packages: list[str]) -> dict[str, str]:
    """Give the versions of those packages that are installed."""
    return {name: importlib.metadata.version(name) for name in packages if importlib.util.find_spec(name)}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile what da4ml runs beside the first tests of a whole run (`compile_da4ml.py`)."""
    config, tests = session.config, REPOSITORY / "tests"
    in_parallel = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
    if in_parallel and not config.getoption("markexpr") and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        path = os.pathsep.join(map(str, (tests, *filter(None, [os.environ.get("PYTHONPATH")]))))
        config.stash[COMPILING] = subprocess.Popen(
            [sys.executable, str(tests / "compile_da4ml.py")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what is still being compiled."""
    if COMPILING in session.config.stash:
        session.config.stash[COMPILING].kill()
        session.config.stash[COMPILING].wait()


@pytest.hookimpl(tryfirst=True)  # before marks are counted
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what needs TensorFlow out of `make check`: bringing it up takes longer than the tests."""
    for item in items:
        if "tensorflow" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Keep what was imported and collected out of every later search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def production_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile the C simulation with the very command of a user."""
    monkeypatch.setenv(quick_compiler.OPTIMIZATION, quick_compiler.PRODUCTION)


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `evaluate` draw nothing, in a test that reads its numbers: drawing is most of its time."""
    from fpgaae.evaluation import stage  # noqa: PLC0415

    monkeypatch.setattr(stage, "_write_figures", lambda *_: {})


@pytest.fixture(scope="session")
def run_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs the command `fpgaae` in a process of its own, which takes seconds to start."""

    def run(*arguments: str | Path, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fpgaae", *map(str, arguments)],
            capture_output=True, text=True, check=False, timeout=timeout, env=os.environ | environment,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def run_cli() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs the command `fpgaae` in this process, and gives what a process of its own would."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pytest makes errors of them, which a process of its own does not
            done = CliRunner().invoke(app, [*map(str, arguments)], env=environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess([*map(str, arguments)], done.exit_code, done.stdout, done.stderr)

    return run


def autoencoder(encoder: tuple[int, ...], latent: int, score: Score = Score.SQUARED_ERROR) -> Model:
    """Describe a symmetric autoencoder."""
    return Model(encoder=encoder, latent=latent, decoder=encoder[::-1], score=score)


def embedded(score: Score = Score.SQUARED_ERROR) -> Model:
    """Describe an autoencoder of an embedding of four values."""
    front = Embedding(encoder=(6,), width=4)
    return Model(embedding=front, encoder=(5,), latent=2, decoder=(5,), score=score)


def variational(encoder: tuple[int, ...], latent: int, score: Score = Score.MU_SQUARED) -> Model:
    """Describe a variational autoencoder, of which the encoder is deployed."""
    return Model(kind=ModelKind.VARIATIONAL, encoder=encoder, latent=latent, decoder=encoder[::-1], score=score)


def convolutional(score: Score = Score.SQUARED_ERROR) -> Model:
    """Describe a model of events of 6 x 3 x 1 with every layer that a config may name."""
    encoder = [
        {"pad": [[1, 0], [0, 1]]},
        {"filters": 3, "kernel": [3, 3]},
        {"pool": [2, 1], "kind": "max"},
        {"filters": 4, "kernel": [2, 3], "padding": "same", "strides": [1, 2]},
        {"pool": [2, 1]},
    ]
    decoder = [
        6,
        {"reshape": [3, 1, 2]},
        {"upsample": [2, 3]},
        {"filters": 2, "kernel": [3, 2], "padding": "same"},
        {"pad": [[1, 1], [0, 0]]},
        {"filters": 1, "kernel": [3, 1]},
    ]
    kind = ModelKind.AUTOENCODER if score.of_reconstruction else ModelKind.VARIATIONAL
    return Model.model_validate({"kind": kind, "encoder": encoder, "latent": 2, "decoder": decoder, "score": score})


def student(encoder: tuple[int, ...]) -> Model:
    """Describe a student, whose one output is the score."""
    return Model(kind=ModelKind.STUDENT, encoder=encoder, latent=1, decoder=(), score=Score.REGRESSION)


def small_model(score: Score, encoder: tuple[int, ...] = (6, 4), latent: int = 3) -> Model:
    """Describe a model that has the score."""
    if score.kind is ModelKind.STUDENT:
        return student(encoder)
    return (autoencoder if score.of_reconstruction else variational)(encoder, latent, score)


@pytest.fixture(scope="session")
def random_network(tensorflow: None) -> Callable[..., RandomNetwork]:
    """Give a function that makes a deployed network with random weights off the grid, some zero, some saturating."""
    from fpgaae.models.extract import extract_network  # noqa: PLC0415
    from fpgaae.models.quantized import build_quantized  # noqa: PLC0415
    from fpgaae.models.resolved_widths import ResolvedWidth, Widths  # noqa: PLC0415

    def make(
        model: Model, features: int | FeatureMap, seed: int = 1, *, bits: int = 8, input_bits: int = 10,
        more_integer: int = 0, table_bits: int = 8,
    ) -> RandomNetwork:  # fmt: skip
        rng = np.random.default_rng(seed)
        names = model.deployed_layers
        widths = Widths(
            ResolvedWidth(input_bits, 4),
            {name: ResolvedWidth(bits, index % 3) for index, name in enumerate(names)},
            {
                name: ResolvedWidth(input_bits, 4)
                if name == "reconstruction"
                else ResolvedWidth(bits, min(2 + index % 3, bits - 2) + more_integer)
                for index, name in enumerate(model.rounded_layers)
            },
            table_bits,
        )
        if isinstance(features, int):
            features = trigger_objects(features).features
        deployed = build_quantized(model, (len(features) // 3, 3, 1), features, widths).deployed()
        for name in names:
            layer = deployed.get_layer(name)
            kernel, bias = layer.get_weights()
            reach = 2.0 ** widths.weights[name].integer_bits
            random = (
                rng.uniform(-1.1, 1.1, kernel.shape) * reach * rng.choice([0, 0.2, 1], kernel.shape, p=[0.3, 0.6, 0.1])
            )
            layer.set_weights([random, rng.uniform(-1, 1, bias.shape) * reach])
        return RandomNetwork(deployed, extract_network(deployed))

    return make


def random_events(kind: FixedPointType, n_features: int, n: int, seed: int = 2) -> Events:
    """Make events for a network: off the grid and beyond the range, on its ends, and sparse as real ones."""
    rng = np.random.default_rng(seed)
    fine = kind.fraction + FINE_BITS
    reach = 1 << (kind.width + FINE_BITS - 1)
    wide = rng.integers(-2 * reach, 2 * reach, size=(n // 4, n_features))
    narrow = rng.integers(-(1 << fine), 1 << fine, size=(n // 4, n_features))
    ends = rng.choice([kind.min_code, 0, kind.max_code], size=(n // 4, n_features)) << FINE_BITS
    rest = n - 3 * (n // 4)
    sparse = np.rint(rng.exponential(1 << fine, size=(rest, n_features))).astype(np.int64)
    sparse *= rng.random((rest, n_features)) < 0.3
    uniform_ends = np.array([[kind.min_code] * n_features, [kind.max_code] * n_features]) << FINE_BITS
    codes = np.concatenate([wide, narrow, ends, sparse, uniform_ends]).astype(np.int64)
    return Events(np.ldexp(codes.astype(np.float64), -fine), requantize(codes, fine, kind))


class WrittenNetwork(NamedTuple):
    """A random network with thresholds, its objects, and its HLS project on the disk."""

    network: IntegerNetwork
    project: Path
    golden_names: dict[str, str]
    layers: tuple[ConvertedLayer, ...]  # of the network without the decisions
    block: TriggerBlock
    features: FeatureMap

    @property
    def trigger(self) -> GoldenTrigger:
        """Features, network and thresholds as one."""
        return GoldenTrigger(self.features, self.network)


@pytest.fixture(scope="session")
def written(
    random_network: Callable[..., RandomNetwork], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., WrittenNetwork]:
    """Give a function that writes the project of a random network, once for the same arguments."""
    known: dict[tuple[Any, ...], WrittenNetwork] = {}

    def write(
        model: Model, n_features: int, firmware: Firmware, n_thresholds: int = 3, **options: Any  # noqa: ANN401
    ) -> WrittenNetwork:  # fmt: skip
        key = (model, n_features, firmware, n_thresholds, *options.items())
        if key not in known:
            made = random_network(model, n_features, **options)
            project = tmp_path_factory.mktemp("written") / "project"
            known[key] = write_trigger(made, firmware, project, n_thresholds)
        return known[key]

    return write


def write_trigger(
    made: RandomNetwork, firmware: Firmware, project: Path, n_thresholds: int = 3, **options: Any  # noqa: ANN401
) -> WrittenNetwork:  # fmt: skip
    """Write the project of a network with its trigger block and what runs it, as the stage `convert` does.

    Parameters
    ----------
    options
        Go to `write_project`.
    """
    from fpgaae.golden.deployment import deploy  # noqa: PLC0415
    from fpgaae.hls.convert import write_project  # noqa: PLC0415
    from fpgaae.hls.harness import write_harness  # noqa: PLC0415

    hardware, features = trigger_objects(made.network.layers[0].size)
    network = deploy(made.network, firmware)
    thresholds = quantile_thresholds(made.network, features, n_thresholds)
    done = write_project(made.model, network, firmware, project, **options)
    trigger = GoldenTrigger(features, network).with_thresholds(thresholds, reloadable=firmware.reloadable_thresholds)
    block = TriggerBlock(done.top, hardware, trigger)
    block.write(project)
    write_harness(project, block, firmware)
    names = {**done.golden_names, **{name: name for name in [*(port.name for port in network.ports), ACCEPT_LAYER]}}
    return WrittenNetwork(trigger.network, project, names, done.layers, block, features)


def random_hardware(features: FeatureMap, n: int, seed: int = 3) -> Codes:
    """Give hardware integers (n, n_features): uniform ones, then small ones with empty slots."""
    rng = np.random.default_rng(seed)
    low, high = features.limits
    codes = rng.integers(low, high + 1, size=(n, len(features)))
    small = np.clip(np.rint(rng.normal(features.offsets, 20, size=codes.shape)).astype(np.int64), low, high)
    empty = np.repeat(rng.random((n, len(features) // 3)) < 0.4, 3, axis=1)
    return np.where(np.arange(n)[:, None] % 2, np.where(empty, 0, small), codes)


def quantile_thresholds(network: IntegerNetwork, features: FeatureMap, n: int) -> Codes:
    """Give the codes of the score at n quantiles of random events."""
    scores = np.sort(GoldenTrigger(features, network).scores(random_hardware(features, 999)))
    return scores[np.linspace(300, 950, n).astype(int)]


class Workspace(NamedTuple):
    """An experiment on the disk."""

    folder: Path
    experiment: Experiment

    @property
    def project(self) -> Path:
        """The written HLS project."""
        return self.experiment.stage_folder("convert") / "project"

    @property
    def network(self) -> IntegerNetwork:
        """The golden network."""
        return IntegerNetwork.load(self.experiment.stage_folder("convert") / "golden.npz")

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the command line needs behind the name of a stage."""
        return str(self.experiment.config_file), "--runs", str(self.folder / "runs")

    def run(self, stage: str, **options: Any) -> Outcome[Any]:  # noqa: ANN401
        """Run a stage in this process."""
        return pipeline.run(self.experiment, stage, RunOptions(**options))

    def result(self, stage: str) -> Json:
        """Read the result file of a stage."""
        return read_json(self.experiment.result_path(stage))

    def copy(self, folder: Path) -> Workspace:
        """Give a copy that may be damaged."""
        shutil.copytree(self.folder, folder)
        return open_workspace(folder, self.experiment.config_file.stem)


def open_workspace(folder: Path, name: str = "small") -> Workspace:
    """Open the experiment `name` whose config, events and runs lie in one folder."""
    return Workspace(folder, open_experiment(folder / f"{name}.yaml", folder / "runs"))


def trained_workspace(folder: Path) -> Workspace:
    """Open the experiment of a folder and run it up to its quantized training."""
    workspace = open_workspace(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for stage in ("data", "reference", "train"):
            workspace.run(stage)
    return workspace


@pytest.fixture(scope="session")
def converted(
    random_network: Callable[..., RandomNetwork], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Workspace]:
    """Give a function that makes a converted experiment with random weights, without a training."""

    def make(model: Model, prepare: Callable[[Any], None] = lambda _: None, **overrides: Any) -> Workspace:  # noqa: ANN401
        folder = tmp_path_factory.mktemp("converted")
        small_config(folder, n_events=1500, model=model.model_dump(mode="json"), **overrides)
        workspace = open_workspace(folder)
        hashes = event_hashes(workspace.experiment.config, workspace.experiment.config_file)

        def train(run: StageRun) -> StandIn:
            features = FeatureMap.of(run.result(DataResult))
            made = random_network(model, features).model
            prepare(made)
            made.save(run.folder / "model.h5", save_format="h5")
            return nothing_of("train")

        workspace.run("data")
        run_stage(workspace.experiment, stand_in("reference"), lambda _: nothing_of("reference"), hashes, RunOptions())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras 2 advises against its own format
            run_stage(workspace.experiment, stand_in("train"), train, hashes, RunOptions())
            workspace.run("convert")
        return workspace

    return make


@pytest.fixture(scope="session")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Give an experiment with a random golden network, traced; a test that damages it takes a copy."""
    import networks  # noqa: PLC0415 - it imports this module

    workspace = networks.five_objects_workspace(tmp_path_factory.mktemp("traced"))
    workspace.run("trace")
    return workspace


@pytest.fixture
def without_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the stages of the RTL unproven: a test of something else need not wait for it."""
    from fpgaae.rtl import simulate  # noqa: PLC0415

    monkeypatch.setattr(simulate, "_prove_stages", lambda *_: {})


@pytest.fixture
def evaluation_in_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let Keras evaluate an imported model's file in this process, which saves a start of TensorFlow for each."""
    from fpgaae.models.file_graph import evaluate_file  # noqa: PLC0415
    from fpgaae.models.model_file import is_onnx  # noqa: PLC0415
    from fpgaae.models.twin_check import evaluate_apart  # noqa: PLC0415

    def evaluate(file: Path, x: Any, rounded: Any, weights: Path | None = None) -> Any:  # noqa: ANN401
        if is_onnx(file):  # which needs no TensorFlow
            return evaluate_apart(file, x, rounded)
        return {mode: evaluate_file(file, x, tmp_path, mode, weights) for mode in rounded}

    monkeypatch.setattr("fpgaae.training.imported.evaluate_apart", evaluate)
