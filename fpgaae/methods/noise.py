"""How inputs are corrupted for a denoising autoencoder (Vincent et al., ICML 2008 and JMLR 11 (2010) 3371)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fpgaae.methods.base import MethodOptions, Setting, Step, Tensor
from fpgaae.methods.lazy import ops


class NoiseOptions(MethodOptions):
    """Keys of `method` for what is trained to undo a corruption."""

    noise: Literal["gaussian", "masking"] = "gaussian"
    amount: Annotated[float, Field(ge=0, le=1e6)] = (
        0.3  # gaussian: in spreads of each input; masking: share of the inputs
    )


def corrupted(options: NoiseOptions, setting: Setting, x: Tensor, step: Step) -> Tensor:
    """Add Gaussian noise, or replace a share of the inputs by their mean in training."""
    amount = step.knobs["amount"]
    if options.noise == "gaussian":
        spread = ops.sqrt(ops.convert_to_tensor(setting.variance))
        return x + amount * spread * step.normal(ops.shape(x))
    kept = ops.cast(step.uniform(ops.shape(x)) >= amount, x.dtype)
    return kept * x + (1 - kept) * ops.convert_to_tensor(setting.mean)
