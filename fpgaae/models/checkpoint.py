"""The arrays in the checkpoint of a SavedModel folder, by the path of their object from the model on.

This module imports TensorFlow inside its functions, for the formats of the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import InputError
from fpgaae.limits import MODEL_WEIGHTS_BYTES, in_mebibytes

VARIABLES = "variables/variables"  # the beginning of the names of the checkpoint's files
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"


class Checkpoint:
    """The checkpoint in a folder.

    Raises
    ------
    InputError
        If it can't be read, or is larger than any model for firmware.
    """

    def __init__(self, folder: Path) -> None:
        from tensorflow.core.protobuf import trackable_object_graph_pb2  # noqa: PLC0415
        from tensorflow.errors import OpError  # noqa: PLC0415
        from tensorflow.train import load_checkpoint  # noqa: PLC0415

        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        try:
            self._reader = load_checkpoint(str(folder / VARIABLES))
            shapes, types = self._reader.get_variable_to_shape_map(), self._reader.get_variable_to_dtype_map()
            n_bytes = sum(int(np.prod(shape, dtype=np.int64)) * types[key].size for key, shape in shapes.items())
            if n_bytes > MODEL_WEIGHTS_BYTES:
                raise InputError(f"its weights have more than {in_mebibytes(MODEL_WEIGHTS_BYTES)}")
            parse(graph, self._reader.get_tensor(_OBJECTS))
        except OpError as error:
            raise _unreadable(error) from None
        self._nodes = graph.nodes

    def array(self, path: tuple[str, ...]) -> NDArray[np.float32] | None:
        """Give the array of a variable, None where there is none.

        Raises
        ------
        InputError
            If it can't be read.
        """
        from tensorflow.errors import OpError  # noqa: PLC0415

        key = self._key(path)
        try:
            return None if key is None else np.asarray(self._reader.get_tensor(key), np.float32)
        except OpError as error:
            raise _unreadable(error) from None

    def _key(self, path: tuple[str, ...]) -> str | None:
        index: int | None = 0
        for name in path:
            children = self._nodes[index].children
            index = next((child.node_id for child in children if child.local_name == name), None)
            if index is None:
                return None
        attributes = self._nodes[index].attributes
        return attributes[0].checkpoint_key if attributes else None


def parse(message: Any, serialized: bytes) -> None:  # noqa: ANN401
    """Parse a message of a SavedModel.

    Raises
    ------
    InputError
        If it is damaged.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        message.ParseFromString(serialized)
    except DecodeError:
        raise InputError(f"its {type(message).__name__} is damaged") from None


def _unreadable(error: Exception) -> InputError:
    return InputError(f"its checkpoint can't be read ({str(error).splitlines()[0][:200]})")
