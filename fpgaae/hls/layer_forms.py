"""How hls4ml stands for each kind of golden layer: the one place that says so for the HLS project.

What corrects its types where they are not exact stands in `fpgaae.hls.image_layers` and `fpgaae.hls.open_weights`.
"""

from __future__ import annotations

from typing import NamedTuple

from fpgaae.errors import InputError
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import Cell
from fpgaae.golden.layers.leaky_relu import LeakyRelu
from fpgaae.golden.layers.moved import Port, Reshape, UpSampling, ZeroPadding
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Input, Quantizer
from fpgaae.golden.layers.spread import Spread
from fpgaae.golden.layers.tabulated import Tabulated
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.registry import entry_of
from fpgaae.golden.scores.base import ScoreLayer


class Form(NamedTuple):
    """What is known of a kind of layer in a written project."""

    has_tap: bool = True  # a layer of its own, which the C simulation records
    has_golden_type: bool = True  # the very type; otherwise without the lowest bits that no sum uses
    follows_weights: bool = False  # hls4ml's type follows from the weights that it sees, so that open ones need another


FORMS: dict[type, Form] = {
    Input: Form(),
    Weighted: Form(has_golden_type=False, follows_weights=True),
    Quantizer: Form(),
    Tabulated: Form(),
    LeakyRelu: Form(has_golden_type=False, follows_weights=True),
    MaxPooling: Form(has_golden_type=False, follows_weights=True),
    AveragePooling: Form(has_golden_type=False),
    UpSampling: Form(has_golden_type=False),
    ZeroPadding: Form(has_golden_type=False, follows_weights=True),
    Spread: Form(has_golden_type=False, follows_weights=True),
    Reshape: Form(has_tap=False),  # passes its input on, under another shape or not
    Port: Form(has_tap=False),
    ScoreLayer: Form(),
    Cell: Form(),  # of the trigger block around the network, as the next
    Accept: Form(),
}


def form_of(kind: type[Layer]) -> Form:
    """Give the form of a kind of layer.

    Raises
    ------
    InputError
        If an HLS project can't have it.
    """
    found = entry_of(FORMS, kind)
    if found is None:
        raise InputError(f"an HLS project can't have a layer of the kind {kind.kind}; make the model without it")
    return found
