"""QKeras quantizers as data: read from what a saved layer says of them, never evaluated."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, NamedTuple

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding

# Arguments by position, with their defaults, as QKeras 0.9.0 declares them; a test compares them with the classes.
SIGNATURES: Mapping[str, Mapping[str, Any]] = {
    "quantized_bits": {
        "bits": 8, "integer": 0, "symmetric": 0, "keep_negative": True, "alpha": None,
        "use_stochastic_rounding": False, "scale_axis": None, "qnoise_factor": 1.0,
    },
    "quantized_relu": {
        "bits": 8, "integer": 0, "use_sigmoid": 0, "negative_slope": 0.0, "use_stochastic_rounding": False,
        "relu_upper_bound": None, "is_quantized_clip": True, "qnoise_factor": 1.0,
    },
    "quantized_tanh": {"bits": 8, "use_stochastic_rounding": False, "symmetric": False, "use_real_tanh": False},
    "quantized_sigmoid": {"bits": 8, "symmetric": False, "use_real_sigmoid": False},
}  # fmt: skip
_LONGEST_TEXT = 1000
_MAX_BITS = 64


class Quantizer(NamedTuple):
    """A quantizer by its class name (or the name of a function) and its options, defaults filled in."""

    kind: str
    options: Mapping[str, Any]

    def __str__(self) -> str:
        """Write it as in Python, without the options that have their defaults."""
        defaults = SIGNATURES.get(self.kind, {"bits": None})
        shown = [f"{name}={value!r}" for name, value in self.options.items() if value != defaults.get(name)]
        known = [text for text in shown if text.split("=")[0] in defaults]
        return f"{self.kind}({', '.join(known)})" if known else self.kind

    def number(self, name: str) -> float | None:
        """Give an option if it is a number."""
        value = self.options.get(name)
        return value if isinstance(value, int | float) else None

    def whole(self, name: str) -> int | None:
        """Give an option if it is a whole number."""
        value = self.number(name)
        return int(value) if value is not None and float(value).is_integer() else None

    @property
    def is_fixed_point(self) -> bool:
        """Whether it is of a class that has a fixed-point type."""
        return self.kind in {"quantized_bits", "quantized_relu"}

    @property
    def is_signed(self) -> bool:
        """Whether it lets negative values through."""
        if self.kind == "quantized_relu":
            return bool(self.options.get("negative_slope"))
        return bool(self.options.get("keep_negative", True))

    @property
    def type(self) -> FixedPointType | None:
        """The fixed-point type of its grid, None where it has none."""
        bits, integer = self.whole("bits"), self.whole("integer")
        if not self.is_fixed_point or bits is None or integer is None:
            return None
        if not 1 <= bits <= _MAX_BITS or abs(integer) > _MAX_BITS:
            return None
        overflow = Overflow.SATURATE_SYMMETRIC if self.options.get("symmetric") else Overflow.SATURATE
        return FixedPointType(bits, integer + self.is_signed, self.is_signed, Rounding.HALF_EVEN, overflow)


def parse_quantizer(value: object) -> Quantizer | None:
    """Read a quantizer as a layer's config holds it: a name, a call written out, or a class name with its options.

    What can't be read becomes a quantizer of the kind `unreadable`; None and `linear` mean that there is none.
    """
    if value is None or value == "linear":
        return None
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, Mapping) and isinstance(value.get("class_name"), str):
        kind = value["class_name"].split(">")[-1]
        if kind == "function":  # Keras 3 writes a plain function so
            return Quantizer(str(value.get("config")), {})
        options = value.get("config")
        return _filled(kind, dict(options) if isinstance(options, Mapping) else {})
    return Quantizer("unreadable", {})


def _filled(kind: str, options: Mapping[str, Any]) -> Quantizer:
    return Quantizer(kind, {**SIGNATURES.get(kind, {}), **options})


def _parse_text(text: str) -> Quantizer:
    """Read `quantized_bits(8,2,0,alpha=1)`; only literals can be arguments."""
    unreadable = Quantizer("unreadable", {"text": text[:_LONGEST_TEXT]})
    if len(text) > _LONGEST_TEXT:
        return unreadable
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if isinstance(tree, ast.Name):
            return _filled(tree.id, {})
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
            return unreadable
        given = [ast.literal_eval(argument) for argument in tree.args]
        named = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in tree.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return unreadable
    names = list(SIGNATURES.get(tree.func.id, {}))
    names += [f"argument_{index}" for index in range(len(names), len(given))]
    return _filled(tree.func.id, dict(zip(names, given, strict=False)) | named)


def quantizer_type(quantizer: Any, where: str) -> FixedPointType:  # noqa: ANN401
    """Give the fixed-point type of a QKeras quantizer.

    `quantized_bits(n, i)` is `ap_fixed<n, i+1>` and `quantized_relu(n, i)` is `ap_ufixed<n, i>`; TensorFlow rounds half
    to even.

    Raises
    ------
    InputError
        If the quantizer has no exact fixed-point form: scaled (`alpha`), leaky, or of another class.
    """
    kind = type(quantizer).__name__
    if kind == "quantized_bits" and quantizer.alpha in {1} and quantizer.keep_negative:
        overflow = Overflow.SATURATE_SYMMETRIC if quantizer.symmetric else Overflow.SATURATE
        return FixedPointType(int(quantizer.bits), int(quantizer.integer) + 1, True, Rounding.HALF_EVEN, overflow)
    if kind == "quantized_relu" and not quantizer.negative_slope and quantizer.relu_upper_bound is None:
        return FixedPointType(int(quantizer.bits), int(quantizer.integer), False, Rounding.HALF_EVEN, Overflow.SATURATE)
    raise InputError(
        f"the quantizer {quantizer} of the layer {where} has no exact fixed-point form; "
        "use quantized_bits(n, i, 0, alpha=1) or quantized_relu(n, i)"
    )
