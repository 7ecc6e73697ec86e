"""The layers that a config may give to encoder and decoder, their names, and the shape of what each puts out.

What a network does with them does not belong here: `fpgaae.models.plan` makes one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import Discriminator, Field, Tag

from fpgaae.section import Section

Shape: TypeAlias = tuple[int, ...]  # (values,) or (height, width, channels)
Units = Annotated[int, Field(ge=1, le=4096)]
Extent = Annotated[int, Field(ge=1, le=1024)]
Border = Annotated[int, Field(ge=0, le=1024)]
RECONSTRUCTION = "reconstruction"


class Dense(Section):
    """A dense layer; a bare number stands for one, too. An image is flattened in front of it."""

    word: ClassVar[str] = ""
    has_weights: ClassVar[bool] = True
    dense: Units  # units

    def shape_after(self, shape: Shape) -> Shape:
        """Give the shape of what it puts out."""
        del shape
        return (self.dense,)


class Convolution(Section):
    """A two-dimensional convolution; at the end of a decoder it puts out the reconstruction."""

    word: ClassVar[str] = ""
    has_weights: ClassVar[bool] = True
    filters: Extent
    kernel: tuple[Extent, Extent]
    padding: Literal["valid", "same"] = "valid"
    strides: tuple[Extent, Extent] = (1, 1)

    def shape_after(self, shape: Shape) -> Shape:
        """Give the shape of what it puts out.

        Raises
        ------
        ValueError
            If its kernel does not fit into the image.
        """
        extents = _image(shape, "a convolution")[:2]
        if self.padding == "same":
            rows, columns = (-(-extent // step) for extent, step in zip(extents, self.strides, strict=True))
            return rows, columns, self.filters
        for extent, size in zip(extents, self.kernel, strict=True):
            if size > extent:
                raise ValueError(
                    f"a kernel of {_sizes(self.kernel)} does not fit into the {_sizes(shape)} that it reads; "
                    "make it smaller, or set padding to same"
                )
        rows, columns = (
            (extent - size) // step + 1
            for extent, size, step in zip(extents, self.kernel, self.strides, strict=True)
        )  # fmt: skip
        return rows, columns, self.filters


class Pooling(Section):
    """The mean or the maximum of each window; windows do not overlap, and a rest at the border is left out."""

    word: ClassVar[str] = "pool"
    has_weights: ClassVar[bool] = False
    pool: tuple[Extent, Extent]
    kind: Literal["average", "max"] = "average"

    def shape_after(self, shape: Shape) -> Shape:
        """Give the shape of what it puts out.

        Raises
        ------
        ValueError
            If its window does not fit into the image.
        """
        height, width, channels = _image(shape, "a pooling")
        rows, columns = height // self.pool[0], width // self.pool[1]
        if not rows or not columns:
            raise ValueError(
                f"a pool of {_sizes(self.pool)} does not fit into the {_sizes(shape)} that it reads; make it smaller"
            )
        return rows, columns, channels


class UpSampling(Section):
    """Every pixel repeated: the nearest neighbour."""

    word: ClassVar[str] = "upsample"
    has_weights: ClassVar[bool] = False
    upsample: tuple[Extent, Extent]

    def shape_after(self, shape: Shape) -> Shape:
        """Give the shape of what it puts out."""
        height, width, channels = _image(shape, "an up-sampling")
        return height * self.upsample[0], width * self.upsample[1], channels


class ZeroPadding(Section):
    """Zeros around an image: [[top, bottom], [left, right]]."""

    word: ClassVar[str] = "pad"
    has_weights: ClassVar[bool] = False
    pad: tuple[tuple[Border, Border], tuple[Border, Border]]

    def shape_after(self, shape: Shape) -> Shape:
        """Give the shape of what it puts out."""
        height, width, channels = _image(shape, "a padding")
        return height + sum(self.pad[0]), width + sum(self.pad[1]), channels


class Reshape(Section):
    """The same values as an image (height, width, channels)."""

    word: ClassVar[str] = "reshape"
    has_weights: ClassVar[bool] = False
    reshape: tuple[Extent, Extent, Extent]

    def shape_after(self, shape: Shape) -> Shape:
        """Give the shape of what it puts out.

        Raises
        ------
        ValueError
            If that has another number of values.
        """
        if prod(shape) != prod(self.reshape):
            raise ValueError(
                f"{_sizes(self.reshape)} are {prod(self.reshape)} values, but {prod(shape)} arrive; make both equal"
            )
        return self.reshape


LAYER_KINDS: Mapping[str, type[Section]] = {  # by what pydantic puts into the path of an error
    f"layer[{kind.__name__}]": kind for kind in (Dense, Convolution, Pooling, UpSampling, ZeroPadding, Reshape)
}
_UNITS = "layer[units]"
_TAG_OF_KEY = {next(iter(kind.model_fields)): tag for tag, kind in LAYER_KINDS.items()}


def _tag(entry: Any) -> str | None:  # noqa: ANN401
    """Tell which kind of layer an entry is meant to be: its first key, such as `filters`, says it."""
    if isinstance(entry, Mapping):
        return next((tag for key, tag in _TAG_OF_KEY.items() if key in entry), None)
    if isinstance(entry, Section):
        return f"layer[{type(entry).__name__}]"
    return _UNITS


NetworkLayer = Annotated[
    Annotated[Units, Tag(_UNITS)]
    | Annotated[Dense, Tag("layer[Dense]")]
    | Annotated[Convolution, Tag("layer[Convolution]")]
    | Annotated[Pooling, Tag("layer[Pooling]")]
    | Annotated[UpSampling, Tag("layer[UpSampling]")]
    | Annotated[ZeroPadding, Tag("layer[ZeroPadding]")]
    | Annotated[Reshape, Tag("layer[Reshape]")],
    Discriminator(
        _tag,
        custom_error_type="layer_kind",
        custom_error_message=f"a layer is a number of units, or has one of the keys {', '.join(_TAG_OF_KEY)}",
    ),
]
ImageLayer: TypeAlias = Convolution | Pooling | UpSampling | ZeroPadding
AnyLayer: TypeAlias = Dense | Reshape | ImageLayer
NetworkLayers: TypeAlias = tuple[NetworkLayer, ...]


class NamedLayer(NamedTuple):
    """A layer and what it is called in the network and in `quantization.layers`."""

    name: str
    layer: AnyLayer

    @property
    def is_rounded(self) -> bool:
        """Whether it computes new values, which a quantizer rounds."""
        return self.layer.has_weights or (isinstance(self.layer, Pooling) and self.layer.kind == "average")


def named_layers(layers: Sequence[int | AnyLayer], part: str) -> tuple[NamedLayer, ...]:
    """Name layers: `encoder_1`, ... those with weights, `encoder_pool_1`, ... others.

    A convolution at the end of a decoder is called `reconstruction`.
    """
    counts: dict[str, int] = {}
    named = []
    for index, entry in enumerate(layers, 1):
        layer = Dense(dense=entry) if isinstance(entry, int) else entry
        counts[layer.word] = counts.get(layer.word, 0) + 1
        stem = f"{part}_{layer.word}" if layer.word else part
        is_last = part == "decoder" and index == len(layers) and isinstance(layer, Convolution)
        named.append(NamedLayer(RECONSTRUCTION if is_last else f"{stem}_{counts[layer.word]}", layer))
    return tuple(named)


def check_shapes(
    encoder: Sequence[NamedLayer], latent: int, decoder: Sequence[NamedLayer], image: Shape, key: str = "model"
) -> None:
    """Make sure that every layer fits what it reads, and that a decoder gives back the image.

    Parameters
    ----------
    key
        Where the network stands in the config.

    Raises
    ------
    ValueError
        With the key of the first layer that does not, in front.
    """
    _follow(encoder, first_shape(encoder, image), f"{key}.encoder")
    shape = _follow(decoder, (latent,), f"{key}.decoder")
    if decoder and decoder[-1].name == RECONSTRUCTION and shape != image:
        raise ValueError(
            f"{key}.decoder.{len(decoder) - 1}: the reconstruction is {_sizes(shape)}, but an event {_sizes(image)}; "
            "change the layers in front of it or its filters, or end with a layer that is no convolution"
        )


def first_shape(encoder: Sequence[NamedLayer], image: Shape) -> Shape:
    """Give the shape in which an encoder gets an event: an image if its first layer reads one."""
    return image if encoder and isinstance(encoder[0].layer, ImageLayer) else (prod(image),)


def _follow(layers: Sequence[NamedLayer], shape: Shape, key: str) -> Shape:
    for index, (_, layer) in enumerate(layers):
        try:
            shape = layer.shape_after(shape)
        except ValueError as error:
            raise ValueError(f"{key}.{index}: {error}") from None
    return shape


def _image(shape: Shape, what: str) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"{what} reads an image, but {shape[0]} values arrive; put a `reshape` in front of it")
    return shape


def _sizes(shape: Shape) -> str:
    return " x ".join(map(str, shape))
