"""Whether an imported network fits the experiment."""

from __future__ import annotations

import pytest

from fpgaae.errors import InputError
from fpgaae.models.description import LayerDescription, NetworkDescription

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_a_masked_score_must_call_the_same_slots_empty() -> None:
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.score_layers import MaskedSquaredErrorScore  # noqa: PLC0415
    from fpgaae.training.import_checks import check_empty_slots  # noqa: PLC0415

    x = tf_keras.layers.Input((6,))
    deployed = tf_keras.Model(x, MaskedSquaredErrorScore([0.5, -1.0], name="score")([x, x]))

    def scored(kind: str, **settings: object) -> NetworkDescription:
        start = LayerDescription("x", "InputLayer", (), {"shape": (6,)})
        return NetworkDescription((start, LayerDescription("s", kind, ("x", "x"), settings)), ("s",))

    check_empty_slots(scored("MaskedSquaredErrorScore", empty=(0.5, -1.0)), deployed)
    check_empty_slots(scored("SquaredErrorScore"), deployed)
    for empty in ((0.5, 0.0), (0.5,), None):
        with pytest.raises(InputError, match="the score of the model takes a slot for empty up to"):
            check_empty_slots(scored("MaskedSquaredErrorScore", empty=empty), deployed)
