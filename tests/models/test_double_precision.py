"""QKeras searches its scales in double precision, too: a kernel without `alpha`, as most are published, has one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.usefixtures("tensorflow"), pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("kernel", ["quantized_bits(4,0)", "quantized_bits(4,0,alpha='auto_po2')"])
def test_a_kernel_whose_scale_is_searched_is_compared(kernel: str, tmp_path: Path) -> None:
    import tf_keras  # noqa: PLC0415
    from qkeras import QDense  # noqa: PLC0415

    from fpgaae.fixedpoint import FixedPointType  # noqa: PLC0415
    from fpgaae.models.file_graph import evaluate_file  # noqa: PLC0415
    from fpgaae.models.model_file import read_model_file  # noqa: PLC0415
    from fpgaae.models.prepare import prepare_network  # noqa: PLC0415
    from fpgaae.models.twin_check import check_prepared  # noqa: PLC0415

    features = tf_keras.layers.Input((6,))
    x = QDense(4, kernel_quantizer=kernel, bias_quantizer="quantized_bits(6,0,alpha=1)")(features)
    model, rng = tf_keras.Model(features, x), np.random.default_rng(0)
    model.set_weights([rng.uniform(-1, 1, weight.shape) for weight in model.get_weights()])
    model.save(tmp_path / "model.h5")
    given = read_model_file(tmp_path / "model.h5")
    prepared = prepare_network(given, FixedPointType(9, 5), quantize=True)
    found = check_prepared(
        tmp_path / "model.h5", given, prepared, rng.normal(size=(8, 6)),
        lambda file, x, modes: {mode: evaluate_file(file, x, tmp_path, mode) for mode in modes},
    )  # fmt: skip
    assert found.largest <= 1e-9 * found.magnitude
    assert tf_keras.backend.floatx() == "float32"
