"""Every setting of a quantizer is honoured or refused, alike in every form and by everything that reads one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lint_models import NARROW, by_hand, layer

from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.findings import Severity
from fpgaae.hls.lint.models import lint_model
from fpgaae.models.quantizers import SIGNATURES, Quantizer, qkeras_text, quantizer_type, read_quantizer

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]

_USUAL = {"quantized_bits": {"bits": 6, "integer": 1, "alpha": 1}, "quantized_relu": {"bits": 6, "integer": 1}}
# What else each setting can be, and whether such a quantizer is still exactly a fixed-point type.
OTHERS: dict[str, dict[str, list[tuple[Any, bool]]]] = {
    "quantized_bits": {
        "bits": [(9, True), (1, False), (6.5, False)],
        "integer": [(3, True), (-1, False), (0.5, False)],
        "symmetric": [(1, True), (True, True), (2, False)],
        "keep_negative": [(False, False), (0, False)],
        "alpha": [(None, False), ("auto", False), ("auto_po2", False), (0.5, False), (1.0, True)],
        "use_stochastic_rounding": [(True, False)],
        "scale_axis": [(0, True)],  # along which a scale would be searched
        "qnoise_factor": [(0.5, False), (0.0, False), (1, True)],
    },
    "quantized_relu": {
        "bits": [(9, True), (6.5, False)],
        "integer": [(3, True), (-1, False)],
        "use_sigmoid": [(1, False)],
        "negative_slope": [(0.25, False)],
        "use_stochastic_rounding": [(True, False)],
        "relu_upper_bound": [(1.5, False)],
        "is_quantized_clip": [(False, False)],
        "qnoise_factor": [(0.5, False)],
    },
}
SINGLE = [
    (kind, name, value, exact)
    for kind, settings in OTHERS.items() for name, values in settings.items() for value, exact in values
]  # fmt: skip


def _forms(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """Write a quantizer in every form: text with names, text by position, class and settings, an object."""
    import qkeras  # noqa: PLC0415

    every = {**SIGNATURES[kind], **options}
    forms: dict[str, Any] = {
        "named": f"{kind}({', '.join(f'{name}={value!r}' for name, value in options.items())})",
        "by position": f"{kind}({', '.join(repr(value) for value in every.values())})",
        "config": {"class_name": kind, "config": options},
        "registered": {"module": "qkeras", "class_name": f"qkeras>{kind}", "config": every, "registered_name": kind},
    }
    made = getattr(qkeras, kind)(**options)
    saved = made.get_config()
    if {name for name, value in every.items() if value != SIGNATURES[kind][name]} <= saved.keys():
        forms["saved"] = {"class_name": kind, "config": saved}
    return {**forms, "object": made}


def _verdict(form: Any) -> FixedPointType | None:  # noqa: ANN401
    try:
        return quantizer_type(form, "it")
    except InputError:
        return None


def _lint_errors(form: Any) -> set[str]:  # noqa: ANN401
    """Give what lint says of such a quantizer of a kernel."""
    dense = layer("it", "QDense", "q", units=2, kernel_quantizer=form, bias_quantizer=NARROW)
    found = lint_model(by_hand(dense).model, Conversion())
    return {finding.rule for finding in found if finding.severity is Severity.ERROR}


def _same(kind: str, options: dict[str, Any]) -> FixedPointType | None:
    """Read a quantizer in every form, and give the verdict, which must be one; an exact type rounds as QKeras does."""
    forms = _forms(kind, options)
    verdicts = {name: _verdict(form) for name, form in forms.items()}
    assert len(set(verdicts.values())) == 1, (kind, options, verdicts)
    found = verdicts["object"]
    for name in ("named", "config", "registered"):
        assert bool(_lint_errors(forms[name])) == (found is None), (name, options)
    if found is not None:
        x = np.random.default_rng(1).normal(0, 4, 400).astype(np.float32)
        codes = np.clip(np.rint(x.astype(np.float64) * 2.0**found.fraction), found.min_code, found.max_code)
        np.testing.assert_array_equal(np.asarray(forms["object"](x)), codes * 2.0**-found.fraction)
    return found


@pytest.mark.parametrize("kind", _USUAL)
def test_the_usual_quantizer_is_exact(kind: str) -> None:
    assert _same(kind, _USUAL[kind]) is not None


@pytest.mark.parametrize(("kind", "name", "value", "exact"), SINGLE, ids=[f"{k}-{n}-{v}" for k, n, v, _ in SINGLE])
def test_every_setting_is_honoured_or_refused(kind: str, name: str, value: Any, exact: bool) -> None:  # noqa: ANN401
    assert (_same(kind, {**_USUAL[kind], name: value}) is not None) == exact


def test_random_settings_are_judged_alike_in_every_form() -> None:
    rng = np.random.default_rng(3)
    n_exact = 0
    for _ in range(150):
        kind = str(rng.choice(list(OTHERS)))
        options = dict(_USUAL[kind])
        exact = True
        for name, values in OTHERS[kind].items():
            if rng.random() < 0.2:
                options[name], is_exact = values[int(rng.integers(len(values)))]
                exact &= is_exact
        assert (_same(kind, options) is not None) == exact
        n_exact += exact
    assert 20 < n_exact < 130


@pytest.mark.parametrize("kind", _USUAL)
def test_a_setting_that_qkeras_does_not_have_is_refused(kind: str) -> None:
    options = ", ".join(f"{name}={value}" for name, value in _USUAL[kind].items())
    for text in (f"{kind}({options}, elements_per_scale=4)", f"{kind}({options}, post_training_scale=None)"):
        with pytest.raises(InputError, match=r"elements_per_scale=4|post_training_scale=None"):
            quantizer_type(text, "it")
        assert "quantizer-option" in _lint_errors(text)


@pytest.mark.parametrize(
    "text", ["quantized_po2(4)", "quantized_relu_po2(4)", "ternary()", "binary()", "stochastic_ternary()",
             "bernoulli()", "quantized_tanh(6)", "quantized_sigmoid(6)", "quantized_linear(8,0)", "quantized_hswish(8)",
             "quantized_ulaw(6)", "hard_tanh", "relu", "tanh"],
)  # fmt: skip
def test_other_quantizers_are_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=text.split("(", maxsplit=1)[0]):
        quantizer_type(text, "it")
    assert _lint_errors(text)


@pytest.mark.parametrize("of", [FixedPointType(7, 3), FixedPointType(7, 3, signed=False)], ids=["signed", "unsigned"])
def test_a_type_is_a_quantizer_and_back(of: FixedPointType) -> None:
    exact = quantizer_type(qkeras_text(of), "it")
    assert exact[:3] == of[:3]
    assert quantizer_type(exact, "it") == exact
    read = read_quantizer(qkeras_text(exact))
    assert read is not None
    assert quantizer_type(Quantizer.of(exact), "it") == exact
    assert Quantizer.of(exact).options.items() <= read.options.items()
