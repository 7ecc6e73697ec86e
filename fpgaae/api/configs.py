"""Configs: those that are shipped, those that are drafted from event files, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fpgaae.config.experiment import Config
from fpgaae.config.file import read_config, validate_config
from fpgaae.config.shipped import copy_shipped as copy_config
from fpgaae.config.shipped import find_shipped as find_config
from fpgaae.config.shipped import shipped_configs as list_configs
from fpgaae.hls.lint.findings import Report
from fpgaae.hls.lint.run import lint_target
from fpgaae.propose.draft import Draft, write_draft
from fpgaae.runs.choices import ImportChoices

__all__ = ["RUNS", "ConfigSource", "copy_config", "draft_config", "find_config", "lint", "list_configs", "load_config"]

ConfigSource = str | Path | Mapping[str, Any]
RUNS = Path("runs")


def load_config(source: ConfigSource) -> Config:
    """Read and validate an experiment.

    Parameters
    ----------
    source
        A YAML file, or its content as a mapping, which may start from others with `extends`.

    Raises
    ------
    ConfigError
        With the key, the file and the line of the first thing that is wrong.

    Examples
    --------
    >>> config = fpgaae.load_config("small.yaml")
    >>> config.model.latent
    3
    >>> config = fpgaae.load_config({"extends": "config:l1_ae", "model": {"latent": 4}})
    >>> config.model.latent, config.data.background
    (4, 'background')
    """
    return validate_config(read_config(Path(source) if isinstance(source, str) else source))


def draft_config(
    files: Sequence[str | Path],
    output: str | Path | None = None,
    choose_background: Callable[[Sequence[str]], str] | None = None,
) -> Draft:
    """Look at event files, a process each, and write a commented config that runs.

    Parameters
    ----------
    files
        Files, or folders of them; where no name says which is the background, the first one is. The file of a model may
        be among them: the config is then one to import it into, and `steps` of what is returned begins with that.
    output
        The config; by default the first of the files under another ending, in this folder.
    choose_background
        Called with the names of the processes where none of them says which is the background.

    Raises
    ------
    InputError
        If a file can't be described, or the config is there already.

    Examples
    --------
    >>> draft = fpgaae.draft_config(["background.h5", "signal.h5"], "drafted.yaml")
    >>> draft.background, fpgaae.load_config(draft.file).data.dataset
    ('background', 'Particles')
    """
    return write_draft([Path(file) for file in files], None if output is None else Path(output), choose_background)


def lint(  # noqa: PLR0913 - all but one are named
    target: str | Path,
    *,
    runs: str | Path = RUNS,
    config: str | Path | None = None,
    weights: str | Path | None = None,
    outputs: Sequence[str] = (),
    encoder: bool = False,
    quantize: bool = False,
) -> tuple[Report, ...]:
    """Find what would make the firmware differ, before training, or keep a model from `import_model`.

    Parameters
    ----------
    target
        A config, the file of a model, or the folder of a project.
    runs
        Where the run folders are, for a config.
    config
        The experiment that a model is to be imported into.
    weights, outputs, encoder, quantize
        As `import_model`, for a model.

    Raises
    ------
    InputError
        If the target can't be read.

    Examples
    --------
    >>> any(report.has_errors for report in fpgaae.lint("small.yaml"))
    False
    """
    return lint_target(
        Path(target),
        Path(runs),
        None if config is None else Path(config),
        None if weights is None else Path(weights),
        ImportChoices(quantize, encoder, tuple(outputs)),
    )
