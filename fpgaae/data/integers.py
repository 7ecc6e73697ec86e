"""Physical quantities to hardware integers, as a Level-1 trigger or a detector sends them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Hardware
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
    codes = _object_codes(values, hardware) if hardware.array is None else _whole(values, hardware.array.lsb)
    low, high = code_limits(hardware_features(hardware))
    return np.asarray(np.clip(codes.reshape(len(codes), -1), low, high), dtype=np.int64)


def _whole(values: NDArray[np.number], lsb: float | NDArray[np.float64]) -> Codes:
    return np.asarray(np.clip(np.rint(values / lsb), -_FAR, _FAR), dtype=np.int64)


def _object_codes(values: NDArray[np.number], hardware: Hardware) -> Codes:
    values = values[..., :3].astype(np.float64)
    lsb = np.array([hardware.pt_lsb_gev, hardware.eta_lsb, 2 * np.pi / hardware.phi_steps])
    codes = _whole(values, lsb)
    half_turn = hardware.phi_steps // 2
    codes[..., 2] = (codes[..., 2] + half_turn) % hardware.phi_steps - half_turn
    codes[values[..., 0] == 0] = 0
    return codes
