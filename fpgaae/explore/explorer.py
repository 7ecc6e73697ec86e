"""A trained method as functions of NumPy arrays, and what a use of it gives.

Of an ensemble the first member is used. This module imports Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.config.experiment import Config, Explore
from fpgaae.data.inputs import open_split
from fpgaae.evaluation.two_sample import one_event_a_group
from fpgaae.methods.base import Method
from fpgaae.methods.registry import method_class
from fpgaae.models.method_networks import variables_of_all
from fpgaae.models.method_scorer import make_step
from fpgaae.runs.results.explore import UseResult
from fpgaae.runs.run import StageRun
from fpgaae.training.methods.dataset import load_columns
from fpgaae.training.methods.job import Trained
from fpgaae.training.methods.mixtures import unseen_columns, unseen_groups
from fpgaae.training.methods.stage import open_trained, train

Floats = NDArray[np.float32]
_BLOCK_EVENTS = 8192
ENCODE, DECODE, SAMPLE = "encode", "decode", "sample"
_MEANING = {ENCODE: "latents", DECODE: "way back from latents to events", SAMPLE: "distribution to sample from"}


class Found(NamedTuple):
    """What a use gives."""

    result: UseResult
    figure: Figure


class Use(NamedTuple):
    """What a trained method is good for."""

    title: str
    needs: tuple[str, ...]  # which of `encode` and `decode` the method must have
    explore: Callable[[Explorer], Found]
    compresses: bool = False  # whether there must be a bottleneck
    samples: bool = False  # whether the method must have a distribution, or latents that one can be fitted to


class Explorer:
    """The first member of a trained method.

    Parameters
    ----------
    run
        Of anything behind the stage `reference`.
    """

    def __init__(self, run: StageRun) -> None:
        self.run = run
        self.config = run.config
        self.job, self.trained = open_trained(run)
        self.method: Method = self.job.method
        self._adopt(self.trained)
        self.features = open_split(run, "train").features

    @property
    def settings(self) -> Explore:
        """What the config says of the uses."""
        return self.config.explore

    @property
    def seed(self) -> int:
        """The experiment's seed."""
        return self.config.seed

    @property
    def background(self) -> str:
        """Name of the process that is trained on."""
        return self.config.data.background

    @property
    def processes(self) -> tuple[str, ...]:
        """The processes that are shown, as the config says."""
        return self.settings.processes or tuple(self.config.data.files)

    def training(self) -> Floats:
        """Give the training events of the background, (n, n_features)."""
        return load_columns(self.run, self.background, "train")["x"]

    def events(self, process: str, limit: int | None = None) -> Floats:
        """Give test events of a process, (n, n_features), drawn at random where there are more than the limit."""
        x = unseen_columns(self.run, process, type(self.method))["x"]
        if limit is None or len(x) <= limit:
            return x
        return x[np.sort(np.random.default_rng(self.seed).permutation(len(x))[:limit])]

    def independent_events(self, process: str, limit: int) -> Floats:
        """Give test events of a process in random order, one of each group, (n, n_features)."""
        kind = type(self.method)
        x, groups = unseen_columns(self.run, process, kind)["x"], unseen_groups(self.run, process, kind)
        return x[one_event_a_group(groups, np.random.default_rng(self.seed))[:limit]]

    def encode(self, x: Floats) -> Floats:
        """Give the latents (n, k) of events."""
        return _in_blocks(lambda part: self.method.encode(self.trained.networks, part), x)

    def decode(self, z: Floats) -> Floats:
        """Give the events (n, n_features) of latents."""
        return _in_blocks(lambda part: self.method.decode(self.trained.networks, part), z)

    def reconstruct(self, x: Floats) -> Floats:
        """Give what comes out for events that are put in, (n, n_features)."""
        return self.decode(self.encode(x))

    def posterior(self, x: Floats) -> tuple[Floats, Floats]:
        """Give mean and spread of the latents (n, k) of events, of a variational autoencoder."""
        variational: Any = self.method
        mu, log_variance = variational.posterior(self.trained.networks, ops.convert_to_tensor(x))
        return np.asarray(ops.convert_to_numpy(mu)), np.exp(0.5 * np.asarray(ops.convert_to_numpy(log_variance)))

    def sample(self, n: int) -> Floats:
        """Give new events, (n, n_features)."""
        step = make_step(
            keras.random.SeedGenerator(self.seed), self.job.knobs(self.job.members[0]), 1.0, training=False
        )
        return np.asarray(ops.convert_to_numpy(self.method.sample(self.trained.networks, n, step)), dtype=np.float32)

    def codes(self, x: Floats) -> NDArray[np.float64]:
        """Give events in units of the hardware integers, not rounded, (n, n_features)."""
        wide = x.astype(np.float64) * np.ldexp(1.0, self.features.shifts) + self.features.offsets
        return np.asarray(wide)

    def images(self, x: Floats) -> NDArray[np.float64] | None:
        """Give events as images in hardware integers, (n, height, width), or None where they are not."""
        height, width, channels = self.config.data.hardware.image_shape
        if self.config.data.hardware.array is None or min(height, width) < 4 or channels != 1:
            return None
        return self.codes(x).reshape(-1, height, width)

    def another(self, method: Method) -> Explorer:
        """Give the same experiment with a method that is trained now, with the first member's seed."""
        twin = object.__new__(Explorer)
        twin.run, twin.config, twin.features = self.run, self.config, self.features
        scratch = self.run.scratch / method.options.kind  # its checkpoints are none of the stage's
        scratch.mkdir(parents=True, exist_ok=True)
        twin.job = self.job._replace(method=method, members=self.job.members[:1], scratch=scratch)
        twin.method = method
        twin.trained = train(twin.job)
        twin._adopt(twin.trained)
        return twin

    def _adopt(self, trained: Trained) -> None:
        for variable, value in zip(variables_of_all(trained.networks), trained.values[0], strict=True):
            variable.assign(value)


def lack(known: Use, config: Config) -> str | None:
    """Say what the method of a config lacks for a use, or None."""
    if config.method is None:
        return "trained float method"
    method = method_class(config.method.kind)
    for need in known.needs:
        if not has(method, need):
            return _MEANING[need]
    if known.compresses and method.one_to_one:
        return "bottleneck"
    if known.samples and not (has(method, SAMPLE) or (has(method, ENCODE) and has(method, DECODE))):
        return _MEANING[SAMPLE]
    return None


def has(method: type[Method], need: str) -> bool:
    """Say whether a method has `encode`, `decode` or `sample`."""
    return getattr(method, need) is not getattr(Method, need)


def _in_blocks(function: Callable[[Any], Any], values: Floats) -> Floats:
    parts = [
        np.asarray(ops.convert_to_numpy(function(ops.convert_to_tensor(values[start : start + _BLOCK_EVENTS]))))
        for start in range(0, len(values), _BLOCK_EVENTS)
    ]
    return np.concatenate(parts).astype(np.float32)
