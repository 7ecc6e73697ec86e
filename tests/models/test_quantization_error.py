"""The error of a quantized layer, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fpgaae.fixedpoint import parse_type
from fpgaae.models.quantization_error import QuantizationError
from fpgaae.runs.record import as_json

TYPE = parse_type("ap_fixed<4,2,AP_RND_CONV,AP_SAT>")  # -2 .. 1.75 in quarters


def test_the_error_of_four_values() -> None:
    error = QuantizationError(TYPE)
    error.add(np.array([[1.0, 0.1]]), np.array([[1.0, 0.0]]))
    error.add(np.array([[3.0, -2.1]]), np.array([[1.75, -2.0]]))  # -2.1 rounds to -2, 3 does not fit
    found = as_json(error.entry())
    noise, signal = 0.1**2 + 1.25**2 + 0.1**2, 1 + 0.1**2 + 9 + 2.1**2
    assert found["type"] == str(TYPE)
    assert found["rms"] == pytest.approx(np.sqrt(noise / 4))
    assert found["sqnr_db"] == pytest.approx(10 * np.log10(signal / noise), abs=0.005)
    assert found["saturated"] == 0.25


def test_without_noise_or_signal_there_is_no_ratio() -> None:
    for values in (np.zeros((2, 3)), np.ones((2, 3))):
        error = QuantizationError(TYPE)
        error.add(values, values)
        assert as_json(error.entry()) == {"type": str(TYPE), "rms": 0.0, "sqnr_db": None, "saturated": 0.0}
