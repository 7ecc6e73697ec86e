"""Whether a network takes the events of a config."""

from __future__ import annotations

import pytest

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.fit import check_input, check_outputs


def _network(shape: tuple[int, ...]) -> NetworkDescription:
    return NetworkDescription((LayerDescription("x", "InputLayer", (), {"batch_shape": (None, *shape)}),), ("x",))


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        ((19, 3, 1), (57,)), ((19, 3, 1), (19, 3)), ((19, 3, 1), (19, 3, 1)),
        ((8, 8, 1), (64,)), ((8, 8, 1), (8, 8)), ((8, 8, 1), (8, 8, 1)),
        ((64, 1, 1), (64,)), ((64, 1, 1), (64, 1)), ((4, 4, 3), (4, 4, 3)), ((4, 4, 3), (48,)),
    ],
)  # fmt: skip
def test_events_are_taken_flat_and_as_images_with_or_without_their_channel(
    image: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    check_input(_network(shape), image)


@pytest.mark.parametrize(
    ("image", "shape", "said"),
    [
        ((8, 8, 1), (21, 3), r"\(21, 3\), but those of the config are \(64,\), \(8, 8\) or \(8, 8, 1\); change"),
        ((4, 4, 3), (4, 4), r"of shape \(4, 4\), but those of the config are \(48,\) or \(4, 4, 3\); change"),
        ((8, 8, 1), (1, 8, 8), r"of shape \(1, 8, 8\)"),
        ((19, 3, 1), (3, 19), r"of shape \(3, 19\)"),
    ],
)  # fmt: skip
def test_another_shape_is_refused(image: tuple[int, ...], shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_input(_network(shape), image)


def test_an_input_that_says_no_shape_is_refused() -> None:
    with pytest.raises(InputError, match="the model does not say the shape of its input"):
        check_input(_network((0,)), (3, 3, 1))
    with pytest.raises(InputError, match=r"leaves the shape of its input open, \(None, None, None, 1\); build it"):
        check_input(_network((None, None, 1)), (3, 3, 1))


@pytest.mark.parametrize(
    ("score", "shapes", "said"),
    [
        (
            Score.KL_DIVERGENCE,
            [(3,)],
            r"needs mu and log sigma\^2, and the model puts out one of them; .* \(x\), or set `mod",
        ),
        (
            Score.MU_SQUARED_OVER_VARIANCE,
            [(3,), (4,)],
            r"put out \(3,\) and \(4,\) values; `--output` takes two of one size",
        ),
        (Score.MU_SQUARED, [(3,), (3,)], "2 outputs, but `model.score` is mu_squared, which reads one; choose it with"),
        (Score.SQUARED_ERROR, [(3,), None], "2 outputs, but `model.score` is squared_error, which reads one"),
    ],
)
def test_a_score_gets_the_outputs_that_it_reads(score: Score, shapes: list[tuple[int, ...] | None], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_outputs(score, _network((6,)), shapes)
    for fits in ([(3,), (3,)], [(1, 3), (3,)], [None, (3,)]) if score.needs_variance else ([(3,)], [None]):
        check_outputs(score, _network((6,)), fits)
