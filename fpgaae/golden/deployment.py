"""The golden network as the firmware section asks for it: weights that can be reloaded, a port of its latents."""

from __future__ import annotations

from fpgaae.config.experiment import Firmware
from fpgaae.golden.latents import with_latents
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.reloadable import make_reloadable


def deploy(network: IntegerNetwork, firmware: Firmware) -> IntegerNetwork:
    """Give a trained network the ports of its firmware.

    Raises
    ------
    InputError
        If the network can't have them; the message says why.
    """
    if firmware.reloadable_weights:
        network = make_reloadable(network)
    return with_latents(network) if firmware.output_latents else network
