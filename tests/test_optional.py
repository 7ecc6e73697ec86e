"""A package of an extra that is missing is one sentence with the line that installs it; what can do without runs."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from rich.console import Console
from scipy.io import wavfile
from support import CONFIGS, REPOSITORY, small_config

from fpgaae import pipeline
from fpgaae.cli.commands import main
from fpgaae.cli.tables import findings_table
from fpgaae.cluster import open_cluster
from fpgaae.doctor import Finding, Status, run_checks
from fpgaae.errors import ToolMissing
from fpgaae.evaluation.compression import earth_movers_distance
from fpgaae.hls.conversion import Conversion
from fpgaae.optional import EXTRAS, distribution, install_line, installed_version, require
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.fingerprint import fingerprint

MODULES = [(extra, module) for extra, own in EXTRAS.items() for module in own.modules]
Block = Callable[..., None]


@pytest.fixture
def block(monkeypatch: pytest.MonkeyPatch) -> Block:
    """Make imports of packages fail as where they are not installed."""

    def forget(*packages: str) -> None:
        for loaded in [name for name in sys.modules if name.partition(".")[0] in packages]:
            monkeypatch.delitem(sys.modules, loaded)
        for package in packages:
            monkeypatch.setitem(sys.modules, package, None)

    return forget


def _run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[object, str]:
    """Run the command line in this process; its exit code and what it says on standard error."""
    monkeypatch.setattr(sys, "argv", ["fpgaae", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().err


def _write_wav(folder: Path) -> Path:
    wavfile.write(folder / "clip.wav", 16_000, np.zeros(16_000, dtype=np.int16))
    return folder / "clip.wav"


def _sounds(folder: Path) -> Path:
    content = yaml.safe_load((CONFIGS / "sounds.yaml").read_text(encoding="utf-8"))
    content["data"]["files"] = {name: str(_write_wav(folder)) for name in content["data"]["files"]}
    (folder / "sounds.yaml").write_text(yaml.safe_dump(content))
    return folder / "sounds.yaml"


def _table(folder: Path, content: bytes, name: str) -> Path:
    """Write an experiment whose events are a table."""
    config = small_config(folder)
    settings = yaml.safe_load(config.read_text())
    (folder / name).write_bytes(content)
    settings["data"]["files"] = {"background": name}
    kinds = [kind["name"] for kind in settings["data"]["hardware"]["objects"]]
    settings["data"]["table"] = {"objects": {kind: {"pt": f"{kind}_pt"} for kind in kinds}}
    config.write_text(yaml.safe_dump(settings))
    return config


def _scan(folder: Path, **keys: object) -> Path:
    small_config(folder)
    axes = {"bits": {"keys": ["quantization.weights.bits"], "values": [4, 8]}}
    (folder / "scan.yaml").write_text(yaml.safe_dump({"base": "small.yaml", "axes": axes, **keys}))
    return folder / "scan.yaml"


def _charges(folder: Path) -> Path:
    content = yaml.safe_load((CONFIGS / "econ_t.yaml").read_text(encoding="utf-8"))
    content["extends"] = str(CONFIGS / content["extends"])
    (folder / "charges.csv").write_text("\n".join([",".join(["1"] * 48)] * 10))
    content["data"]["files"] = {name: str(folder / "charges.csv") for name in content["data"]["files"]}
    (folder / "charges.yaml").write_text(yaml.safe_dump(content))
    return folder / "charges.yaml"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "words"),
    [
        pytest.param("librosa", lambda folder: ("data", _sounds(folder)), id="sounds"),
        pytest.param("pyarrow", lambda folder: ("data", _table(folder, b"pt\n1\n", "t.csv")), id="csv"),
        pytest.param("pyarrow", lambda folder: ("data", _table(folder, b"PAR1", "t.parquet")), id="parquet"),
        pytest.param("pyarrow", lambda folder: ("data", _charges(folder)), id="econ-t"),
        pytest.param("uproot", lambda folder: ("data", _table(folder, b"root", "t.root")), id="root"),
        pytest.param("awkward", lambda folder: ("data", _table(folder, b"root", "t.root")), id="root-awkward"),
        pytest.param("distributed", lambda folder: ("scan", _scan(folder)), id="scan"),
        pytest.param("da4ml", lambda folder: ("scan", _scan(folder)), id="scan-cost"),
        pytest.param("optuna", lambda folder: ("scan", _scan(folder, optuna={"trials": 2})), id="scan-optuna"),
        pytest.param(
            "distributed",
            lambda folder: ("emulate", small_config(folder), folder / "background.h5", "--output", folder / "out"),
            id="emulate",
        ),
    ],
)
def test_a_missing_package_is_one_sentence_and_exit_code_3(
    package: str,
    words: Callable[[Path], tuple[Any, ...]],
    tmp_path: Path,
    block: Block,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = words(tmp_path)
    block(package)
    code, said = _run(capsys, monkeypatch, *command, "--runs", tmp_path / "runs")
    extra = next(name for name, own in EXTRAS.items() if package in own.modules)
    assert code == 3
    sentence = said.strip().splitlines()[-1]
    uses = "(.* with it|it proposes the points of this scan)"
    assert re.fullmatch(rf"fpgaae: {package} is not installed, and {uses}: pip install 'fpgaae\[{extra}\]'", sentence)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("package", "use"),
    [
        pytest.param("da4ml", lambda: pipeline._STAGES["trace"].work(Mock()), id="trace"),
        pytest.param("da4ml", lambda: pipeline._STAGES["rtl"].work(Mock()), id="rtl"),
        pytest.param("ot", lambda: earth_movers_distance(np.ones((1, 2, 2)), np.ones((1, 2, 2))), id="compress"),
        pytest.param("distributed", lambda: open_cluster().__enter__(), id="cluster"),
    ],
)
def test_what_is_called_from_python_says_it_too(package: str, use: Callable[[], object], block: Block) -> None:
    block(package)
    with pytest.raises(ToolMissing, match=rf"^{distribution(package)} is not installed, and .*: pip install 'fpgaae\["):
        use()


@pytest.mark.usefixtures("tensorflow")
def test_images_are_compared_with_scikit_image(block: Block) -> None:
    from fpgaae.explore.uses.impute import similarity  # noqa: PLC0415 - Keras

    block("skimage")
    with pytest.raises(ToolMissing, match=r"^scikit-image is not installed, and .*: pip install 'fpgaae\[methods\]'$"):
        similarity(np.zeros((1, 8, 8)), np.zeros((1, 8, 8)))


@pytest.mark.usefixtures("tensorflow")
def test_adders_in_the_place_of_multipliers_need_da4ml(block: Block) -> None:
    from fpgaae.hls.convert import _convert  # noqa: PLC0415 - hls4ml

    block("da4ml")
    with pytest.raises(ToolMissing, match=r"distributed_arithmetic.*fpgaae\[rtl\]"):
        _convert(None, Mock(), Conversion(strategy="distributed_arithmetic"), Mock(), Path())


_WITHOUT = """
import os, sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Nothing())
from fpgaae.__main__ import main
for words in {commands!r}:
    sys.argv = ["fpgaae", *words]
    try:
        main()
    except SystemExit as ended:
        print("exit", words[0], ended.code or 0, flush=True)
"""


def _run_without(blocked: list[str], *commands: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    program = _WITHOUT.format(blocked=blocked, commands=list(commands))
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300, env=environment
    )


@pytest.mark.slow
def test_what_needs_no_extra_runs_without_any(tmp_path: Path) -> None:
    config, runs = str(small_config(tmp_path)), ["--runs", str(tmp_path / "runs")]
    commands = [["--help"], ["data", config, *runs], ["lint", config, *runs], ["rtl", "--help"]]
    done = _run_without([module for _, module in MODULES], *commands, PATH="")
    exits = [line for line in done.stdout.splitlines() if line.startswith("exit ")]
    assert exits == [f"exit {words[0]} 0" for words in commands], done.stdout + done.stderr
    assert (tmp_path / "runs" / "small" / "data" / "data.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_float_method_without_its_backend(backend: str, tmp_path: Path) -> None:
    config = str(CONFIGS / "reference" / "pca.yaml")
    command = ["explore", config, "--runs", str(tmp_path)]
    done = _run_without([backend], command, KERAS_BACKEND=backend, PATH="")
    assert done.stdout.splitlines()[-1] == "exit explore 3", done.stderr
    extra = "methods" if backend == "jax" else "torch"
    assert done.stderr.splitlines()[-1] == (
        f"fpgaae: {backend} is not installed, and the float methods train on it (KERAS_BACKEND chooses another "
        f"backend): {install_line(extra)}"
    )


def test_a_package_that_is_broken_says_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ImportError("libsndfile.so is\nnot there")

    monkeypatch.setattr("fpgaae.optional.import_module", fail)
    wanted = r"^librosa can't be imported \(libsndfile.so is not there\), and so: pip install 'fpgaae\[domains\]'$"
    with pytest.raises(ToolMissing, match=wanted):
        require("librosa", "so")


def test_what_a_package_itself_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError("No module named 'numba'", name="numba")

    monkeypatch.setattr("fpgaae.optional.import_module", fail)
    with pytest.raises(ToolMissing, match=r"^librosa can't be imported \(No module named 'numba'\)"):
        require("librosa", "so")


def test_a_package_that_is_there_is_given() -> None:
    assert require("optuna", "so") is sys.modules["optuna"]
    assert require("skimage.metrics", "so") is sys.modules["skimage.metrics"]


def test_tensorflow_built_for_the_processor_counts_as_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name != "tensorflow-cpu":
            raise metadata.PackageNotFoundError(name)
        return "2.21.0"

    monkeypatch.setattr(metadata, "version", version)
    assert (installed_version("tensorflow"), installed_version("tf_keras")) == ("2.21.0", None)


def test_the_extras_are_those_of_pyproject() -> None:
    toml = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = toml.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    written = project["optional-dependencies"]
    for extra, own in EXTRAS.items():
        assert {Requirement(line).name for line in written[extra]} == set(map(distribution, own.modules)), extra
    assert set(written) == {*EXTRAS, "all", "dev", "docs"}
    base = {Requirement(line).name for line in project["dependencies"]}
    assert not base & {distribution(module) for _, module in MODULES}
    (everything,) = written["all"]
    assert Requirement(everything).extras == set(EXTRAS) - {"torch", "estimates"}


def test_the_doctor_names_extras_that_are_missing_and_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpgaae.doctor.installed_version", lambda package: None if package == "pot" else "9999")
    findings = {finding.name: finding for finding in run_checks()}
    domains = findings["fpgaae[domains]"]
    assert domains.status is Status.WARNING
    assert domains.detail == f"optional, not installed (pot): {EXTRAS['domains'].purpose}"
    assert domains.cure == "pip install 'fpgaae[domains]'"
    assert findings["fpgaae[scan]"].status is Status.OK
    assert findings["fpgaae[scan]"].detail == "dask 9999, distributed 9999, optuna 9999"


def test_the_doctor_names_versions_that_an_extra_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpgaae.doctor.metadata.requires", lambda _: ['da4ml<0.6,>=0.5.2; extra == "rtl"'])
    monkeypatch.setattr("fpgaae.doctor.installed_version", lambda package: "0.6.1" if package == "da4ml" else "1")
    rtl = next(finding for finding in run_checks() if finding.name == "fpgaae[rtl]")
    assert rtl.status is Status.WARNING
    assert rtl.detail == f"da4ml 0.6.1 is outside <0.6,>=0.5.2: {EXTRAS['rtl'].purpose}"


def test_the_table_of_the_doctor_shows_the_whole_line() -> None:
    """Brackets are markup where tables are printed."""
    findings = (Finding("fpgaae[scan]", Status.WARNING, "optional, as [it] says", "pip install 'fpgaae[scan]'"),)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(findings_table(findings))
    shown = console.export_text()
    for words in ("fpgaae[scan] ", "optional, as [it] says", "pip install 'fpgaae[scan]'"):
        assert words in shown


def test_a_result_does_not_need_the_packages_that_could_have_decided_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = open_experiment(small_config(tmp_path), tmp_path / "runs")
    there = fingerprint(experiment, "convert", {})
    real = metadata.version

    def version(name: str) -> str:
        if name == "da4ml":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert fingerprint(experiment, "convert", {}) not in {"", there}
    assert fingerprint(experiment, "train", {})


def test_numba_compiles_for_da4ml_at_a_level_of_its_own_unless_one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_OPT", raising=False)
    require("da4ml", "Verilog is traced with it")
    assert os.environ["NUMBA_OPT"] == "1"
    monkeypatch.setenv("NUMBA_OPT", "3")
    require("da4ml", "Verilog is traced with it")
    assert os.environ["NUMBA_OPT"] == "3"
