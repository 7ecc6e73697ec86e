"""Experiments: opened, run up to a stage or by single stages, or begun with a model from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from fpgaae import pipeline
from fpgaae.api.configs import RUNS, ConfigSource, load_config
from fpgaae.api.results import Run
from fpgaae.cluster import Workers
from fpgaae.config.yaml_source import EXTENDS
from fpgaae.errors import InputError
from fpgaae.files import write_text
from fpgaae.meeting import find_place
from fpgaae.models.model_file import ModelFiles
from fpgaae.pipeline import error_of
from fpgaae.progress import Progress, SilentProgress
from fpgaae.runs.choices import ImportChoices
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.run import Outcome, RunOptions

__all__ = ["error_of", "import_model", "last_stage", "open_run", "run", "run_stage", "train_together"]

OnResult = Callable[[str, Outcome[StageResult]], None]


def open_run(config: ConfigSource, *, runs: str | Path = RUNS, name: str | None = None) -> Run:
    """Open the run folder of an experiment; nothing is run.

    Parameters
    ----------
    config
        A YAML file, or its content as a mapping, which is then written into the run folder.
    runs
        Where the run folders are.
    name
        Of an experiment that is given as a mapping.

    Raises
    ------
    ConfigError
        If the config is wrong.

    Examples
    --------
    >>> run = fpgaae.open_run("small.yaml")
    >>> run.csim.passed
    True
    """
    return Run(open_experiment(_config_file(config, Path(runs), name), Path(runs)))


def _config_file(config: ConfigSource, runs: Path, name: str | None) -> Path:
    """Give the file of a config; one that is given as a mapping is written into its run folder."""
    if isinstance(config, str | Path):
        return Path(config)
    if not name:
        raise InputError("an experiment that is given as a mapping needs a `name`, that of its run folder")
    load_config(config)
    file = runs / name / f"{name}.yaml"
    text = yaml.safe_dump(_from_anywhere(config), sort_keys=False, allow_unicode=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)
    return file


def _from_anywhere(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the content of a config that starts from the same files, wherever it lies."""
    if (bases := config.get(EXTENDS)) is None:
        return {**config}
    names = [bases] if isinstance(bases, str) else bases
    return {**config, EXTENDS: [name if ":" in name else str(Path(name).resolve()) for name in names]}


def run(  # noqa: PLR0913 - all but two are named
    config: ConfigSource,
    to: str | None = None,
    *,
    runs: str | Path = RUNS,
    name: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    on_result: OnResult | None = None,
    scheduler: str | None = None,
    workers: int | Literal["auto"] | None = None,
) -> Run:  # fmt: skip
    """Run an experiment up to a stage; stages whose results are current are left.

    Parameters
    ----------
    config, runs, name
        As `open_run`.
    to
        A stage; by default `csim`, the proof, or of a float method `reference`.
    force
        Run the stage itself although its result is current.
    progress
        What shows how far the work is; by default nothing does.
    on_result
        Called with the name and the outcome of each stage as soon as it is there.
    scheduler
        Address of your own Dask scheduler, for the stages that hand out work: `data` and `evaluate`.
    workers
        How many processes here do that work. By default this process does; "auto" starts one a core where there is
        enough to code, which takes a script whose own work stands behind `if __name__ == "__main__"`.

    Raises
    ------
    CheckFailed
        If a bit differs.
    FpgaaeError
        If something else is wrong, with the way out.

    Examples
    --------
    >>> run = fpgaae.run("small.yaml", to="evaluate")
    >>> run.csim.passed, run.csim.mismatched_events
    (True, 0)
    >>> sorted(run.evaluate.models)[:2]
    ['firmware', 'float']
    """
    opened = open_run(config, runs=runs, name=name)
    options = RunOptions(force, progress=progress or SilentProgress(), workers=Workers.of(scheduler, workers))
    for stage, outcome in pipeline.run_up_to(
        opened.experiment, to or pipeline.last_stage(opened.experiment), options
    ):  # fmt: skip
        if on_result is not None:
            on_result(stage, outcome)
        if (error := pipeline.error_of(outcome.result)) is not None:
            raise error
    return opened


def run_stage(  # noqa: PLR0913 - all but two are named
    opened: Run,
    stage: str,
    *,
    force: bool = False,
    keep_edited: bool = False,
    progress: Progress | None = None,
    scheduler: str | None = None,
    workers: int | Literal["auto"] | None = None,
) -> Outcome[StageResult]:  # fmt: skip
    """Run a single stage of an experiment, unless its result is current; those before it must be there.

    Parameters
    ----------
    force
        Run it although its result is current, or was edited by hand.
    keep_edited
        Leave a current result that was edited by hand as it is, and name the files.
    scheduler, workers
        As of `run`.

    Returns
    -------
    The result, and whether it was current. A check that did not pass is no exception: `error_of` gives what it says.

    Raises
    ------
    FpgaaeError
        With what is wrong, and the way out.

    Examples
    --------
    >>> outcome = fpgaae.run_stage(fpgaae.open_run("small.yaml"), "csim")
    >>> outcome.was_current, fpgaae.error_of(outcome.result) is None
    (True, True)
    """
    options = RunOptions(force, keep_edited, progress or SilentProgress(), Workers.of(scheduler, workers))
    return pipeline.run(opened.experiment, stage, options)


def train_together(
    opened: Run,
    *,
    coordinator: str | None = None,
    processes: int | None = None,
    process_id: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Outcome[StageResult] | None:  # fmt: skip
    """Train the float method of an experiment on several processes or hosts on JAX, this process being one of them.

    The same must be called in each. What is not given is taken from the environment of Slurm or Open MPI.

    Parameters
    ----------
    coordinator
        Host of the first process, and a free port there, as in `node1:6123`.
    processes
        How many there are.
    process_id
        Which one this is, from 0.
    force
        Train although the result is current.

    Returns
    -------
    The outcome in the first process, which writes it; None in the others.

    Raises
    ------
    CheckFailed
        If a process is lost; started again, the training goes on from its last checkpoint.
    InputError
        If the processes do not come together, or have not the same config, events or versions.

    Examples
    --------
    >>> run = fpgaae.open_run("small.yaml")
    >>> try:
    ...     fpgaae.train_together(run, coordinator="node1:6123", processes=2, process_id=0)
    ... except fpgaae.InputError as error:
    ...     print(str(error).partition(",")[0])
    small.yaml has no `method`
    """
    place = find_place(coordinator, processes, process_id)
    return pipeline.train_together(opened.experiment, place, RunOptions(force, progress=progress or SilentProgress()))


def last_stage(opened: Run) -> str:
    """Name the stage that proves an experiment, or of a float method trains it.

    Examples
    --------
    >>> fpgaae.last_stage(fpgaae.open_run("small.yaml"))
    'csim'
    """
    return pipeline.last_stage(opened.experiment)


def import_model(  # noqa: PLR0913 - all but two are named
    model: str | Path,
    config: ConfigSource,
    *,
    weights: str | Path | None = None,
    outputs: Sequence[str] = (),
    encoder: bool = False,
    quantize: bool = False,
    keep_db: float | None = None,
    runs: str | Path = RUNS,
    name: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    on_result: OnResult | None = None,
    scheduler: str | None = None,
    workers: int | Literal["auto"] | None = None,
) -> Run:  # fmt: skip
    """Take a Keras, QKeras, ONNX or QONNX model from a file instead of a training.

    Parameters
    ----------
    model
        A .keras, .h5, .onnx or .json file, or the folder of a SavedModel.
    weights
        The weights of a .json file.
    outputs
        Layers that the model is taken up to, as z_mean of a variational one.
    encoder
        Take an autoencoder up to its bottleneck.
    quantize
        Quantize a QKeras or QONNX model anew, by the config, instead of as it is.
    keep_db
        Search the smallest widths with which every layer keeps this signal-to-noise ratio.
    config, runs, name, force, progress, on_result
        As `run`; the stage whose outcome is given is `train`.

    Raises
    ------
    FpgaaeError
        With what is wrong with the model; what was there before is then untouched.

    Examples
    --------
    >>> imported = fpgaae.import_model("runs/small/train/model.h5", "small.yaml", runs="imported")
    >>> imported.experiment.imported.file_name
    'model.h5'
    """
    file = _config_file(config, Path(runs), name)
    options = RunOptions(force, progress=progress or SilentProgress())
    files = ModelFiles(Path(model), None if weights is None else Path(weights))
    choices = ImportChoices(quantize, encoder, tuple(outputs), keep_db)
    outcome = pipeline.import_model(files, file, Path(runs), options, choices)
    if on_result is not None:
        on_result("train", outcome)
    return Run(open_experiment(file, Path(runs)))
