"""Physical quantities to hardware integers, as a Level-1 trigger or a detector sends them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpgaae.config import ArrayWidth, Hardware
from fpgaae.data.layout import code_limits, hardware_features
from fpgaae.fixedpoint import Codes

_FAR = 2.0**62  # beyond every width, and still an int64


def hardware_codes(values: NDArray[np.number], hardware: Hardware) -> Codes:
    """Turn objects or cells into hardware integers: rounded to the nearest LSB, then saturated to their width.

    Phi goes round: the code of +pi is that of -pi. A slot without pT is empty, and all its codes are 0.

    Parameters
    ----------
    values
        (n_events, n_slots, >= 3): pT in GeV, eta, phi in rad, or (n_events, *shape) of an array; finite.

    Returns
    -------
    (n_events, n_features) codes, in the order of `hardware_features`.
    """
    if hardware.array is not None:
        return _array_codes(values, hardware.array)
    values = values[..., :3].astype(np.float64)
    lsb = np.array([hardware.pt_lsb_gev, hardware.eta_lsb, 2 * np.pi / hardware.phi_steps])
    codes = np.clip(np.rint(values / lsb), -_FAR, _FAR).astype(np.int64)
    half_turn = hardware.phi_steps // 2
    codes[..., 2] = (codes[..., 2] + half_turn) % hardware.phi_steps - half_turn
    codes[values[..., 0] == 0] = 0
    low, high = code_limits(hardware_features(hardware))
    return np.asarray(np.clip(codes.reshape(len(codes), -1), low, high), dtype=np.int64)


def _array_codes(values: NDArray[np.number], array: ArrayWidth) -> Codes:
    scaled = np.rint(values.reshape(len(values), -1).astype(np.float64) / array.lsb)
    low, high = (-(1 << (array.bits - 1)), (1 << (array.bits - 1)) - 1) if array.signed else (0, (1 << array.bits) - 1)
    return np.asarray(np.clip(scaled, low, high), dtype=np.int64)
