"""QKeras quantizers as data: read from what a saved layer says of them, never evaluated.

`read_quantizer` reads every form in which QKeras writes them, and `quantizer_type` gives the one exact fixed-point type
of those that have one. Text of QKeras is written in `qkeras_text` only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding

_GRADIENTS = {"var_name": None, "use_ste": True, "use_variables": False}  # without effect where there is no noise
# Arguments by position, with their defaults, as QKeras 0.9.0 declares them; a test compares them with the classes.
SIGNATURES: Mapping[str, Mapping[str, Any]] = {
    "quantized_bits": {
        "bits": 8, "integer": 0, "symmetric": 0, "keep_negative": True, "alpha": None,
        "use_stochastic_rounding": False, "scale_axis": None, "qnoise_factor": 1.0, **_GRADIENTS,
    },
    "quantized_relu": {
        "bits": 8, "integer": 0, "use_sigmoid": 0, "negative_slope": 0.0, "use_stochastic_rounding": False,
        "relu_upper_bound": None, "is_quantized_clip": True, "qnoise_factor": 1.0, **_GRADIENTS,
    },
    "quantized_tanh": {"bits": 8, "use_stochastic_rounding": False, "symmetric": False, "use_real_tanh": False},
    "quantized_sigmoid": {"bits": 8, "symmetric": False, "use_real_sigmoid": False},
}  # fmt: skip
# Of those with a type, `scale_axis` has no effect either: it says along which axis a scale is searched, and alpha is 1.
FIXED_POINT = frozenset({"quantized_bits", "quantized_relu"})
QUANT = "Quant"  # of a QONNX file, where its grid is not that of a fixed-point type
_STRAIGHT = frozenset({"quantized_bits", "quantized_linear", QUANT})
_LONGEST_TEXT = 1000
_MAX_BITS = 64


class Quantizer(NamedTuple):
    """A quantizer by its class name (or the name of a function) and its options, defaults filled in."""

    kind: str
    options: Mapping[str, Any]

    @classmethod
    def of(cls, of: FixedPointType) -> Quantizer:
        """Give the quantizer whose grid a type is."""
        kind = "quantized_bits" if of.signed else "quantized_relu"
        options = {**SIGNATURES[kind], "bits": of.width, "integer": of.integer - of.signed}
        if of.signed:
            options |= {"alpha": 1, "symmetric": int(of.overflow is Overflow.SATURATE_SYMMETRIC)}
        return cls(kind, options)

    def __str__(self) -> str:
        """Write it as in Python, without the options that have their defaults."""
        defaults = SIGNATURES.get(self.kind, {})
        shown = [
            f"{name}={value!r}" for name, value in self.options.items()
            if name not in defaults or value != defaults[name]
        ]  # fmt: skip
        text = f"{self.kind}({', '.join(shown)})" if shown else self.kind
        return "".join(character if character.isprintable() else "_" for character in text[:200])

    def number(self, name: str) -> float | None:
        """Give an option if it is a number."""
        value = self.options.get(name)
        return value if isinstance(value, int | float) else None

    def whole(self, name: str) -> int | None:
        """Give an option if it is a whole number."""
        value = self.number(name)
        return int(value) if value is not None and float(value).is_integer() else None

    @property
    def is_rectifier(self) -> bool:
        """Whether it lets no negative values through, as a layer of its own is called `<layer>_relu`."""
        return "relu" in self.kind or (self.kind in _STRAIGHT and not self.is_signed)

    @property
    def is_straight(self) -> bool:
        """Whether it gives, but for rounding and saturation, what it reads, or that where it is not negative."""
        if self.kind in _STRAIGHT:
            return self.whole("bits") != 1
        is_bent = self.options.get("use_sigmoid") or self.options.get("relu_upper_bound") is not None
        return self.kind == "relu" or (self.kind == "quantized_relu" and not self.is_signed and not is_bent)

    @property
    def is_signed(self) -> bool:
        """Whether it lets negative values through."""
        if self.kind == "quantized_relu":
            return bool(self.options.get("negative_slope"))
        if self.kind == QUANT:
            return bool(self.options.get("signed", True))
        return bool(self.options.get("keep_negative", True))

    @property
    def type(self) -> FixedPointType | None:
        """The fixed-point type of its grid, None where it has none."""
        bits, integer = self.whole("bits"), self.whole("integer")
        if self.kind not in FIXED_POINT or bits is None or integer is None:
            return None
        if not 1 <= bits <= _MAX_BITS or abs(integer) > _MAX_BITS:
            return None
        overflow = Overflow.SATURATE_SYMMETRIC if self.options.get("symmetric") else Overflow.SATURATE
        return FixedPointType(bits, integer + self.is_signed, self.is_signed, Rounding.HALF_EVEN, overflow)

    @property
    def faults(self) -> tuple[str, ...]:
        """The rules of lint that it breaks wherever it stands: what keeps it from being exactly its type."""
        return tuple(dict.fromkeys(self._faults()))

    def _faults(self) -> Iterator[str]:
        if "po2" in self.kind:
            yield "power-of-two-weights"
        elif self.kind == QUANT:
            yield "quant-node"
        elif self.kind == "softmax":
            yield "softmax"
        elif (
            self.kind in {"tanh", "sigmoid"}
            or self.options.get("use_real_tanh")
            or self.options.get("use_real_sigmoid")
        ):
            yield "real-tanh-sigmoid"
        elif self.type is None:
            yield "quantizer-unsupported"
        else:
            yield from self._faults_of_options()

    def _faults_of_options(self) -> Iterator[str]:
        options = self.options
        noise = options.get("use_stochastic_rounding") or self.number("qnoise_factor") != 1
        if noise or options.get("use_sigmoid") or not options.keys() <= SIGNATURES[self.kind].keys():
            yield "quantizer-option"
        if (self.whole("integer") or 0) < 0:
            yield "negative-integer-bits"
        if self.kind == "quantized_bits":
            yield from self._faults_of_bits()
            return
        if options.get("negative_slope"):
            yield "leaky-slope"
        if options.get("relu_upper_bound") is not None or not options.get("is_quantized_clip", True):
            yield "relu-upper-bound"

    def _faults_of_bits(self) -> Iterator[str]:
        alpha = self.options.get("alpha")
        if alpha is None:
            yield "alpha-missing"
        elif isinstance(alpha, str):
            yield "alpha-auto"
        elif self.number("alpha") != 1:
            yield "alpha-scaled"
        if self.number("symmetric") not in {0, 1}:
            yield "quantizer-option"
        if self.number("keep_negative") != 1:
            yield "keep-negative"
        if self.whole("bits") == 1:
            yield "one-bit-quantizer"


def read_quantizer(value: object) -> Quantizer | None:
    """Read a quantizer as a layer's config holds it: a name, a call written out, or a class name with its options.

    What can't be read becomes a quantizer of the kind `unreadable`; None and `linear` mean that there is none.
    """
    if value is None or value == "linear":
        return None
    if isinstance(value, FixedPointType):
        return Quantizer.of(value)
    if isinstance(value, Mapping):
        return _of_config(value)
    if isinstance(value, str):
        return _parse_text(value)
    return value if isinstance(value, Quantizer) else Quantizer("unreadable", {})


def _of_config(value: Mapping[str, Any]) -> Quantizer | None:
    kind, options = value.get("class_name"), value.get("config")
    if not isinstance(kind, str):
        return Quantizer("unreadable", {})
    if kind == "function":  # Keras 3 writes a plain function so
        return read_quantizer(str(options))
    return _filled(kind.split(">")[-1], dict(options) if isinstance(options, Mapping) else {})


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


def _of_object(quantizer: Any) -> Quantizer:  # noqa: ANN401
    """Read a QKeras quantizer in memory by its attributes: its config leaves some of its options out."""
    kind = type(quantizer).__name__
    names = SIGNATURES.get(kind, {})
    return _filled(kind, {name: _plain(getattr(quantizer, name)) for name in names if hasattr(quantizer, name)})


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Give the number in a variable of TensorFlow, anything else as it is."""
    return float(value.numpy()) if hasattr(value, "numpy") else value


def quantizer_type(quantizer: Any, where: str) -> FixedPointType:  # noqa: ANN401
    """Give the fixed-point type of a quantizer: one of QKeras in memory, or what `read_quantizer` reads.

    `quantized_bits(n, i)` is `ap_fixed<n, i+1>` and `quantized_relu(n, i)` is `ap_ufixed<n, i>`; TensorFlow rounds half
    to even.

    Raises
    ------
    InputError
        If the quantizer has no exact fixed-point form: scaled (`alpha`), leaky, noisy, or of another class.
    """
    is_data = isinstance(quantizer, str | Mapping | tuple | None)
    found = read_quantizer(quantizer) if is_data else _of_object(quantizer)
    if found is None or found.faults or found.type is None:
        why = "" if found is None else f" ({', '.join(found.faults)})"
        raise InputError(
            f"the quantizer {found}{why} of the layer {where} has no exact fixed-point form; use "
            "quantized_bits(n, i, 0, alpha=1) or quantized_relu(n, i)"
        )
    return found.type


def qkeras_text(of: FixedPointType) -> str:
    """Write the QKeras quantizer of a type."""
    if not of.signed:
        return f"quantized_relu({of.width},{of.integer})"
    symmetric = int(of.overflow is Overflow.SATURATE_SYMMETRIC)
    return f"quantized_bits({of.width},{of.integer - 1},{symmetric},alpha=1)"
