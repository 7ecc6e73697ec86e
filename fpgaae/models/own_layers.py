"""The project's own Keras 2 layers by class name, as Keras needs them to read a model (imports TensorFlow)."""

from __future__ import annotations

from typing import Any

from fpgaae.models.function_layers import FUNCTION_LAYERS
from fpgaae.models.score_layers import SCORE_LAYERS
from fpgaae.models.spread_layer import Spread

OWN_LAYERS: dict[str, Any] = {**SCORE_LAYERS, **FUNCTION_LAYERS, "Spread": Spread}
