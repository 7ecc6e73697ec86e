"""The measures of compressed images, against values worked by hand and an independent solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from fpgaae.evaluation.compression import compare_images, earth_movers_distance, telescope_error
from fpgaae.runs.record import plain


def _single(place: tuple[int, int], charge: float = 8.0) -> np.ndarray:
    image = np.zeros((1, 8, 8))
    image[0][place] = charge
    return image


def test_a_charge_that_moves_inside_a_block_costs_less_than_one_that_leaves_it() -> None:
    start = _single((0, 0))
    same, near, far = (telescope_error(start, _single(place))[0] for place in ((0, 0), (0, 1), (0, 7)))
    cells = 4 * 2 * 8.0**3 / 64  # two cells of 64 are wrong by 8, the larger being 8
    blocks = 2 * 2 * 8.0**3 / 16 + 1 * 2 * 8.0**3 / 4
    assert (same, near, far) == (0, cells, cells + blocks)


def test_blocks_that_do_not_tile_the_image_are_left_out() -> None:
    a, b = np.zeros((1, 6, 6)), np.zeros((1, 6, 6))
    a[0, 0, 0] = 2.0
    assert telescope_error(a, b)[0] == 4 * 8.0 / 36 + 2 * 8.0 / 9


@pytest.mark.parametrize(("place", "distance"), [((0, 3), 3.0), ((4, 3), 5.0), ((0, 0), 0.0)])
def test_a_single_charge_moves_as_far_as_it_is_away(place: tuple[int, int], distance: float) -> None:
    assert earth_movers_distance(_single((0, 0)), _single(place, charge=3.0))[0] == pytest.approx(distance)


def test_the_work_is_that_of_the_best_assignment() -> None:
    """Of images with as many charges of the same size, the best assignment of one to one is the optimum."""
    rng = np.random.default_rng(2)
    pair = []
    for _ in range(2):
        image = np.zeros(64)
        image[rng.choice(64, size=9, replace=False)] = 1.0
        pair.append(image.reshape(1, 8, 8))
    ends = [np.argwhere(image[0]) for image in pair]
    distances = np.linalg.norm(ends[0][:, None] - ends[1][None], axis=-1)
    best = distances[linear_sum_assignment(distances)].sum() / 9
    assert earth_movers_distance(*pair)[0] == pytest.approx(best)


def test_an_empty_image_has_no_distance_and_is_not_counted() -> None:
    images = np.concatenate([_single((1, 1)), np.zeros((1, 8, 8)), _single((2, 2))])
    found = plain(compare_images(images, {"firmware": images}, np.arange(len(images)), 0.68)["firmware"])
    assert np.isnan(earth_movers_distance(images, images)).tolist() == [False, True, False]
    assert found["earth_movers_distance"] == {"value": 0.0, "low": 0.0, "high": 0.0, "events": 2}
    assert found["telescope"]["events"] == 3
