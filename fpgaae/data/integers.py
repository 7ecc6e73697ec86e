"""Physical quantities to hardware integers, as a Level-1 trigger sends them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpgaae.config import Hardware
from fpgaae.data.layout import code_limits, hardware_features
from fpgaae.fixedpoint import Codes

_FAR = 2.0**62  # beyond every width, and still an int64


def hardware_codes(particles: NDArray[np.floating], hardware: Hardware) -> Codes:
    """Turn objects into hardware integers: rounded to the nearest LSB, then saturated to their width.

    Phi goes round: the code of +pi is that of -pi. A slot without pT is empty, and all its codes are 0.

    Parameters
    ----------
    particles
        (n_events, n_slots, >= 3): pT in GeV, eta, phi in rad; finite.

    Returns
    -------
    (n_events, 3 * n_slots) codes, in the order of `hardware_features`.
    """
    values = particles[..., :3].astype(np.float64)
    lsb = np.array([hardware.pt_lsb_gev, hardware.eta_lsb, 2 * np.pi / hardware.phi_steps])
    codes = np.clip(np.rint(values / lsb), -_FAR, _FAR).astype(np.int64)
    half_turn = hardware.phi_steps // 2
    codes[..., 2] = (codes[..., 2] + half_turn) % hardware.phi_steps - half_turn
    codes[values[..., 0] == 0] = 0
    low, high = code_limits(hardware_features(hardware))
    return np.asarray(np.clip(codes.reshape(len(codes), -1), low, high), dtype=np.int64)
