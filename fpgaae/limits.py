"""How large what comes from elsewhere may be: configs, JSON, models and event files; what is larger is refused.

Each is checked before the memory is used, and lies far beyond what any firmware needs. `docs/limits.md` lists them.
"""

from __future__ import annotations

YAML_BYTES = 2**20  # of one file
YAML_NODES = 20_000  # values of a config with everything that it extends; an alias counts as what it stands for
YAML_DEPTH = 40  # sections within sections
YAML_FILES = 50  # that one config extends, directly or not
YAML_NUMBER = 100  # characters of a number, a date or another value that is no text

JSON_BYTES = 2**26  # of a result or manifest

MODEL_CONFIG_BYTES = 2**24  # of the architecture in a model file
MODEL_WEIGHTS_BYTES = 2**28  # of all arrays in a model file, unfolded
MODEL_LAYERS = 1_000
LAYER_VALUES = 2**20  # that a layer of a model puts out for one event

EVENT_VALUES = 4096  # hardware integers of an event
CHUNK_BYTES = 2**28  # of one chunk of an HDF5 dataset, which is read as a whole
ROW_BYTES = 2**24  # of what an event file holds for one event
READ_BYTES = 2**27  # of the events that are read at a time
ITEM_BYTES = 2**12  # of one text in a column
TRIGGER_BITS = 4096  # of an event in `data.columns.existing_trigger`
IMAGES_BYTES = 2**29  # of a file of images, unfolded


def in_mebibytes(n_bytes: int) -> str:
    """Give a size as it stands in a sentence."""
    return f"{n_bytes / 2**20:,.0f} MiB"
