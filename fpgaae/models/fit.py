"""Whether an imported network fits the experiment: its input, its output, its score and its widths (NumPy only)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from fpgaae.config.experiment import Config
from fpgaae.config.model import Score
from fpgaae.errors import ConfigError, InputError
from fpgaae.models.calibrate import quantizer_sites
from fpgaae.models.cut import choices, listed
from fpgaae.models.description import NetworkDescription
from fpgaae.models.keras_layers import score_kind
from fpgaae.models.prepare import Prepared
from fpgaae.models.shapes import Shape, shapes_of_layers


def check_fit(config: Config, given: NetworkDescription, prepared: Prepared) -> None:
    """Make sure that a model fits a config.

    Parameters
    ----------
    given
        The model as it is in its file.

    Raises
    ------
    InputError
        If its input, its output or its score is another.
    """
    image = config.data.hardware.image_shape
    check_input(prepared.twin, image)
    shapes = shapes_of_layers(prepared.twin)
    check_outputs(config.model.score, given, [shapes.get(name) for name in prepared.twin.outputs])
    shape = shapes.get(prepared.twin.outputs[0])
    if shape is not None:
        check_score(config, given, prod(image), shape)
    if prepared.quantized is None:
        check_widths(config, prepared.twin)


def check_widths(config: Config, network: NetworkDescription) -> None:
    """Refuse widths for layers that a model has not.

    Raises
    ------
    ConfigError
        With the layers that it has.
    """
    weighted = [layer.name for layer in network.layers if layer.has_weights]
    try:
        config.check_layers(dict.fromkeys([*weighted, *(site.layer for site in quantizer_sites(network))]))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def check_input(network: NetworkDescription, image: Shape) -> None:
    """Make sure that a network takes the events of the config: flat, or as an image with or without its one channel.

    Parameters
    ----------
    image
        Height, width and channels of an event.

    Raises
    ------
    InputError
        If its input has another shape.
    """
    *_, n_channels = image
    shapes = [image] if n_channels > 1 else [image[:-1], image]
    allowed = list(dict.fromkeys([(prod(image),), *shapes]))
    if network.input_shape not in allowed:
        raise InputError(
            f"the model takes events of shape {network.input_shape}, but those of the config are "
            f"{', '.join(map(str, allowed[:-1]))} or {allowed[-1]}; change `data.hardware` or the model"
        )


def check_outputs(score: Score, given: NetworkDescription, shapes: Sequence[Shape | None]) -> None:
    """Make sure that a model puts out what a score reads: mu and log sigma^2, or one of all that it could.

    Parameters
    ----------
    shapes
        Of one event of each output, where they are known.

    Raises
    ------
    InputError
        With what can be chosen.
    """
    if score.needs_variance and len(shapes) != 2:
        raise InputError(
            f"the score {score.value} of the config needs mu and log sigma^2, and the model puts out one of them; name "
            f"both layers, mu first, with `--output MU --output LOG_VARIANCE` ({listed(choices(given))}), or set "
            "`model.score` to mu_squared"
        )
    if not score.needs_variance and len(shapes) != 1:
        raise InputError(
            f"the model has {len(shapes)} outputs, but `model.score` is {score.value}, which reads one; choose it with "
            f"`--output` from {listed(choices(given))}, or set `model.score` to kl_divergence, which reads two"
        )
    if score.needs_variance and None not in shapes and len({prod(shape) for shape in shapes if shape}) != 1:
        raise InputError(
            f"the layers of mu and log sigma^2 put out {shapes[0]} and {shapes[1]} values; `--output` takes two of one "
            "size, mu first"
        )


def check_score(config: Config, given: NetworkDescription, n_inputs: int, output_shape: tuple[int, ...]) -> None:
    """Make sure that the config's score can be made from what a network puts out.

    Raises
    ------
    InputError
        If the model and `model.score` contradict each other.
    """
    score = config.model.score
    wanted = score_kind(score)
    if given.score is not None and given.score.kind != wanted:
        raise InputError(
            f"the model ends in a {given.score.kind}, but `model.score` is {score.value}; change one of them"
        )
    n_outputs = prod(output_shape)
    if score is Score.REGRESSION:
        if n_outputs != 1:
            raise InputError(
                f"the model puts out {n_outputs} values, but `model.score` is regression, which is one number; give a "
                "model with one output behind a ReLU"
            )
        return
    if not score.of_reconstruction and n_outputs == n_inputs:
        raise InputError(
            f"the model puts out as many values as it takes in ({n_inputs}), a reconstruction, but `model.score` is "
            f"{score.value}; set `model.kind` to autoencoder and `model.score` to squared_error"
        )
    if score.of_reconstruction and n_outputs != n_inputs:
        raise InputError(
            f"the model takes in {n_inputs} values and puts out {n_outputs}, no reconstruction, but `model.score` is "
            f"{score.value}; set `model.kind` to variational and `model.score` to mu_squared"
        )
