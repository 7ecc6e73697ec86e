"""A new order of the events for each epoch, computed on the device.

A Feistel network is a bijection whatever its round function is; numbers beyond the last event are sent through again
until they fall below it (cycle walking, Black & Rogaway, CT-RSA 2002). It costs a few milliseconds a million events,
where sorting random keys, as `jax.random.permutation` does, costs a CPU as much time as the training itself. This
module imports JAX.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

_ROUNDS = 6
_MULTIPLIERS = (0x9E3779B1, 0x85EBCA77)  # of xxHash32


def shuffled(key: Any, n: int) -> Any:  # noqa: ANN401
    """Give the numbers 0 to n - 1 in an order that depends on the key only, (n,)."""
    bits = max((n - 1).bit_length(), 2)
    low_bits = bits // 2
    round_keys = jax.random.bits(key, (_ROUNDS,), dtype=jnp.uint32)

    def permuted(numbers: Any) -> Any:  # noqa: ANN401
        left_bits, right_bits = bits - low_bits, low_bits
        left, right = numbers >> low_bits, numbers & ((1 << low_bits) - 1)
        for index in range(_ROUNDS):
            mixed = (right ^ round_keys[index]) * jnp.uint32(_MULTIPLIERS[0])
            mixed = (mixed ^ (mixed >> 15)) * jnp.uint32(_MULTIPLIERS[1])
            left, right = right, left ^ ((mixed >> 13) & ((1 << left_bits) - 1))
            left_bits, right_bits = right_bits, left_bits
        return (left << right_bits) | right

    def beyond(numbers: Any) -> Any:  # noqa: ANN401
        return jnp.any(numbers >= n)

    def again(numbers: Any) -> Any:  # noqa: ANN401
        return jnp.where(numbers >= n, permuted(numbers), numbers)

    first = permuted(jnp.arange(n, dtype=jnp.uint32))
    return jax.lax.while_loop(beyond, again, first).astype(jnp.int32)
