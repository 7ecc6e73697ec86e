"""The recurrent autoencoder: the objects of an event are read one after the other, and written one after the other.

A gated recurrent unit (Cho et al., arXiv 1406.1078) with state h reads the values x of a slot,

    z = sigmoid(W_z [x, h]),  r = sigmoid(W_r [x, h]),  c = tanh(W_c [x, r h]),  h <- (1 - z) h + z c,

and its last state gives the latents; a second unit starts from these and writes the slots from the last to the first,
as Srivastava, Mansimov & Salakhutdinov (arXiv 1502.04681) do with the frames of a video. One set of weights serves all
slots.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fpgaae.methods.autoencoder import Autoencoder
from fpgaae.methods.base import MethodOptions, Networks, Tensor
from fpgaae.methods.lazy import ops
from fpgaae.methods.networks import linear_network

_GATES = ("update", "reset", "candidate")


class RecurrentOptions(MethodOptions):
    """Keys of `method` for a recurrent autoencoder."""

    units: Annotated[int, Field(ge=1, le=1024)] = 32  # of the state, in encoder and decoder


class RecurrentAutoencoder(Autoencoder):
    """Two gated recurrent units with the latents between them; of an array, a slot is a row of its image."""

    options_class = RecurrentOptions
    options: RecurrentOptions

    def build(self) -> dict[str, Any]:
        """Build the gates of both units, and what reads and writes the latents and slots."""
        units, slot = self.options.units, self.slot_size
        return {
            **{f"encoder_{gate}": linear_network(f"encoder_{gate}", "gate", slot + units, units) for gate in _GATES},
            **{f"decoder_{gate}": linear_network(f"decoder_{gate}", "gate", slot + units, units) for gate in _GATES},
            "latent": linear_network("latent", "latent", units, self.setting.latent),
            "start": linear_network("start", "start", self.setting.latent, units),
            "slot": linear_network("slot", "slot", units, slot),
        }

    @property
    def n_slots(self) -> int:
        """Number of slots of an event."""
        return self.setting.image_shape[0]

    @property
    def slot_size(self) -> int:
        """Number of values of a slot."""
        return self.setting.n_features // self.n_slots

    def encode(self, networks: Networks, x: Tensor) -> Tensor:
        """Give the latents (n, k) of events (n, n_features)."""
        slots = ops.reshape(x, (-1, self.n_slots, self.slot_size))
        state = ops.zeros_like(ops.repeat(x[:, :1], self.options.units, axis=-1))
        for slot in range(self.n_slots):
            state = gated(networks, "encoder", slots[:, slot], state)
        return networks["latent"](state)

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the events (n, n_features) of latents (n, k); each slot is read for the next one."""
        state = ops.tanh(networks["start"](z))
        written = [networks["slot"](state)]
        for _ in range(self.n_slots - 1):
            state = gated(networks, "decoder", written[-1], state)
            written.append(networks["slot"](state))
        return ops.concatenate(written[::-1], axis=-1)


def gated(networks: Networks, unit: str, x: Tensor, state: Tensor) -> Tensor:
    """Give the next state of a unit that reads x, (n, values), in a state (n, units)."""
    both = ops.concatenate([x, state], axis=-1)
    update, reset = (ops.sigmoid(networks[f"{unit}_{gate}"](both)) for gate in ("update", "reset"))
    candidate = ops.tanh(networks[f"{unit}_candidate"](ops.concatenate([x, reset * state], axis=-1)))
    return (1 - update) * state + update * candidate
