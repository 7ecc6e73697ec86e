"""A commented config for event files: what they hold, and a network, training and firmware of a size that fits."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpgaae.config.data import RESERVED_ORIGINS
from fpgaae.config.file import load_config
from fpgaae.errors import InputError
from fpgaae.files import write_text
from fpgaae.propose.columns import is_of_interest, is_pt, pt_beside
from fpgaae.propose.event_columns import is_group
from fpgaae.propose.events import Described, describe, quoted
from fpgaae.propose.model import GivenModel, is_model, look_at_model, require_fit
from fpgaae.propose.survey import Names, survey, with_ranges_of

_BACKGROUND = re.compile(r"zero_?bias|background|min_?bias|^bkg|normal|soup|single_?neutrino|pileup", re.I)
_TRAIN_SHARE = 0.55
_TRAINED_EVENTS = 2_500_000  # over all epochs of a training: a minute or two on two cores
_MOST_EPOCHS, _FEWEST_EPOCHS = 25, 3
_MOST_BATCH, _FEWEST_BATCH = 1024, 16
_SIMULATED_VALUES = 3_000_000  # hardware integers of a process
_WIDE = 128  # inputs above which multipliers are reused
_HIDDEN, _LATENT = (32, 16), 8
_MOST_REUSE = 128
_UNIT = "the model gets each input less its mean, over its spread; `data.scaling` says another unit"
_EVENTS_OF_A_RATE = 20  # background events that a threshold is chosen by, at least


class Draft(NamedTuple):
    """A config that was written."""

    file: Path
    preset: str | None
    background: str
    processes: Mapping[str, int]  # events of each
    notes: tuple[str, ...]  # what has to be looked at
    steps: tuple[str, ...]  # the commands that follow


def write_draft(
    paths: Sequence[Path], output: Path | None = None, choose: Callable[[Sequence[str]], str] | None = None
) -> Draft:
    """Look at event files, a process each, and write a config for them.

    Parameters
    ----------
    paths
        Files, or folders of them; and the file of a model, whose inputs they are.
    output
        The config; by default the first of the files under another ending, in this folder.
    choose
        Asked which process is the background where no name says it; by default the first one is.

    Raises
    ------
    InputError
        If a file can't be described, the model is none for these events, or the config is there already.
    """
    models = [path for path in paths if is_model(path)]
    paths = [path for path in paths if path not in models]
    if len(models) > 1:
        raise InputError(f"{models[0]} and {models[1]} are both models; give one")
    if not paths:
        beside = f" beside {models[0]}: a model does not say what its inputs are" if models else ""
        raise InputError(f"give event files, or folders of them{beside}")
    output = output or Path(f"{_stem(paths[0])}.yaml")
    if output.exists():
        raise InputError(f"{output} is there already; remove it, or give another name to `--output`")
    named = _named(paths)
    background = _background([*named], choose)
    names = Names(is_of_interest, is_pt, is_group, pt_beside)
    found = {name: survey(path, names) for name, path in named.items()}
    files = {name: os.path.relpath(path, output.parent) for name, path in named.items()}
    for name, own in found.items():
        if type(own) is not type(found[background]):
            raise InputError(f"{named[name]} is of another kind than {named[background]}; give files of one kind")
    described = describe(with_ranges_of(found[background], [*found.values()]))
    events = {name: describe(own).n_events for name, own in found.items()}
    model = _model(models[0], described.n_features) if models else None
    steps = (*([model.command(output)] if model else []), f"fpgaae run {output}")
    notes = (*described.notes, *([_UNIT] if model else []))
    plan = _Plan(steps, notes, files, events, background, model)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, _text(plan, described))
    load_config(output)
    return Draft(output, described.preset, background, events, notes, steps)


class _Plan(NamedTuple):
    """What a config says beside what the events look like."""

    steps: tuple[str, ...]
    notes: tuple[str, ...]
    files: Mapping[str, str]
    events: Mapping[str, int]
    background: str
    model: GivenModel | None


def _model(file: Path, n_features: int) -> GivenModel:
    model = look_at_model(file)
    require_fit(model, n_features)
    return model


def _stem(path: Path) -> str:
    return path.resolve().name if path.is_dir() else path.name.split(".")[0]


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        name = _stem(path)
        name = f"{name}_events" if name in RESERVED_ORIGINS else name
        if name in named:
            raise InputError(f"{named[name]} and {path} would both be the process {name}; rename one")
        named[name] = path
    return named


def _background(names: Sequence[str], choose: Callable[[Sequence[str]], str] | None) -> str:
    hinted = [name for name in names if _BACKGROUND.search(name)]
    if len(names) == 1 or (len(hinted) != 1 and choose is None):
        return names[0]
    return hinted[0] if len(hinted) == 1 or choose is None else choose(names)


def _text(plan: _Plan, data: Described) -> str:
    lines = [
        f"# Written by `fpgaae init` from what the files hold. Next: {', then '.join(plan.steps)}",
        "# Widths count bits; `integer_bits` counts them without the sign, `auto` finds them from the data.",
        *(f"# To be looked at: {note}." for note in plan.notes),
        *([f"extends: preset:{data.preset}  # a kind of files that is known"] if data.preset else []),
        "seed: 1",
        "",
        "data:",
        "  files:  # process: files",
        *(f"    {quoted(name)}: {quoted(path)}  # {plan.events[name]:,} events" for name, path in plan.files.items()),
        f"  background: {quoted(plan.background)}  # the process that is trained on; the others are signals",
        *data.lines,
        "",
        *_network(data, plan.model),
        *_training(data),
        *_firmware(data),
        *_trigger(data),
    ]
    return "\n".join(lines) + "\n"


def _network(data: Described, model: GivenModel | None) -> list[str]:
    latent = min(_LATENT, max(data.n_features // 2, 1))
    hidden, back = list(_HIDDEN), list(_HIDDEN[::-1])
    integer_bits = 4 if data.is_array else 5
    kind, score = "autoencoder", "squared_error  # sum over the inputs of (x - x')^2"
    if model is not None and not model.has_reconstruction:
        kind, score = "variational", "mu_squared  # sum over the outputs of mu^2"
    return [
        "model:" if model is None else "model:  # an imported model has its own layers; these would be trained here",
        f"  kind: {kind}",
        f"  encoder: {hidden}",
        f"  latent: {latent}",
        f"  decoder: {back}",
        f"  score: {score}",
        "",
        "quantization:" + ("  # the model has its own widths" if model is not None and model.is_quantized else ""),
        f"  inputs: {{bits: 10, integer_bits: {integer_bits}}}  # the reconstruction has the same type",
        "  weights: {bits: 8, integer_bits: auto}",
        "  activations: {bits: 8, integer_bits: auto}",
        "",
    ]


def _training(data: Described) -> list[str]:
    train = max(int(_TRAIN_SHARE * data.n_events), 1)
    epochs = max(_FEWEST_EPOCHS, min(_MOST_EPOCHS, _TRAINED_EVENTS // train))
    batch = _MOST_BATCH
    while batch > _FEWEST_BATCH and batch * 8 > train:
        batch //= 2
    steps = max(train // batch, 1)
    return [
        f"pruning: {{sparsity: 0.5, begin_epoch: 0, end_epoch: {max(epochs // 2, 1)}, "
        f"steps_between_updates: {min(20, steps)}}}",
        "",
        "training:",
        f"  reference: {{epochs: {epochs}, batch_size: {batch}}}",
        f"  quantized: {{epochs: {epochs}, batch_size: {batch}}}",
        "",
    ]


def _firmware(data: Described) -> list[str]:
    strategy, reuse = "latency", 1
    if data.n_features > _WIDE:
        reuse = _MOST_REUSE
        while data.n_features % reuse:
            reuse //= 2
        strategy = "resource" if reuse > 1 else strategy
    events = max(1000, min(100_000, _SIMULATED_VALUES // data.n_features))
    return [
        "firmware:",
        "  backend: Vitis",
        "  part: xcvu9p-flga2104-2L-e",
        "  clock_ns: 5",
        "  io_type: io_parallel",
        f"  strategy: {strategy}" + ("  # the inputs are many: multipliers are reused" if reuse > 1 else ""),
        f"  reuse_factor: {reuse}",
        "",
        f"csim: {{max_events_per_process: {events}}}  # that are compared bit for bit, beside made-up ones",
        "",
    ]


def _trigger(data: Described) -> list[str]:
    train = _TRAIN_SHARE * data.n_events
    rate = next((rate for rate in (1e-3, 1e-2) if rate * train >= _EVENTS_OF_A_RATE), 0.05)
    lines = []
    if data.preset != "cmsl1t_parquet":
        lines += [
            "trigger:  # an event is accepted above a threshold of the score's integer code; up to 8 thresholds",
            "  thresholds:",
            f"    - {{false_positive_rate: {rate!r}}}  # or rate_khz, of bunch_crossing_rate_khz",
        ]
    if data.n_features < 34:
        lines += ["", f"evaluation: {{pca_components: {max(data.n_features // 2, 1)}}}"]
    if data.groups_of_clips:
        lines += ["", "evaluation: {average_over_groups: true}  # also the mean score of each clip"]
    return lines
