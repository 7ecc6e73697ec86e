"""Generated models of many shapes are rebuilt as what their files compute, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.foreign_draws import ModelBuilder
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding
from fpgaae.models.model_file import read_model_file
from fpgaae.models.prepare import prepare_network

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]
_INPUTS = FixedPointType(10, 6, True, Rounding.HALF_EVEN, Overflow.SATURATE)
# Of the kinds of model, how many a generator makes, and with which library and ending they are saved.
_SAVED = (("3", ".keras"), ("2", ".h5"), ("2", ".keras"), ("3", ".h5"))
_MODELS = [(kind, index) for kind, n in (("float", 26), ("quantized", 5)) for index in range(n)]


@pytest.mark.parametrize(("kind", "index"), _MODELS, ids=[f"{kind}-{index}" for kind, index in _MODELS])
def test_a_generated_model_is_rebuilt_as_its_file(kind: str, index: int, tmp_path: Path) -> None:
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    from fpgaae.models.file_graph import Rounded, evaluate_file  # noqa: PLC0415
    from fpgaae.models.twin_check import check_prepared  # noqa: PLC0415

    version, ending = ("2", _SAVED[index % 2 + 1][1]) if kind == "quantized" else _SAVED[index % len(_SAVED)]
    is_quantized = kind == "quantized"
    rng, library = np.random.default_rng([index, is_quantized]), keras if version == "3" else tf_keras
    model = ModelBuilder(rng, library, is_quantized=is_quantized).model()
    model.save(tmp_path / f"model{ending}")
    given = read_model_file(tmp_path / f"model{ending}")

    def evaluate(file: Path, x: Any, rounded: Any) -> Any:  # noqa: ANN401
        return {mode: evaluate_file(file, x, tmp_path, mode) for mode in rounded}

    try:
        prepared = prepare_network(given, _INPUTS, quantize=False)
    except InputError as error:  # where a normalization stands at a place at which it can't be folded
        if "can't be folded away" not in str(error):
            raise
        return
    found = check_prepared(tmp_path / f"model{ending}", given, prepared, rng.normal(size=(16, 12)), evaluate)
    assert found.largest <= 1e-7 * max(found.magnitude, 1)  # Keras 3 rounds the numbers of a Rescaling to float32
    x = rng.normal(size=(8, *given.input_shape)).astype(np.float32)
    own = evaluate(tmp_path / f"model{ending}", x, [Rounded.ALL])
    last = list(own[Rounded.ALL].values())[-1]
    np.testing.assert_allclose(np.asarray(model(x)).reshape(last.shape), last, rtol=1e-3, atol=1e-3 * found.magnitude)
