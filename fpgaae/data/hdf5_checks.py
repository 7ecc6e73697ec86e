"""What an HDF5 file says of its datasets that would be read as something else, or not at all."""

from __future__ import annotations

from math import prod
from pathlib import Path

import h5py
import numpy as np

from fpgaae.errors import InputError
from fpgaae.limits import CHUNK_BYTES, in_mebibytes

_KNOWN_FILTERS = {32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle", 32013: "ZFP", 32015: "Zstandard", 32026: "Blosc2"}


def refuse_what_is_elsewhere(file: h5py.File, name: str, path: Path) -> None:
    """Refuse a dataset whose values are not in this file, or that this machine can't decompress.

    Only the file that is named is hashed, and a missing part would be read as the fill value.

    Raises
    ------
    InputError
        If it is a link or a view into other files, lies outside, has a type that NumPy has not, is compressed by an
        unknown filter, is packed by a scale in its attributes, or has chunks that are too large, or were never written.
    """
    if (other := _file_linked_to(file, name)) is not None:
        raise InputError(f"{path}: `{name}` is a link into {other}; name that file in `data.files`")
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        return
    if dataset.file.filename != file.filename:  # by a soft link to an external one
        raise InputError(f"{path}: `{name}` lies in {dataset.file.filename}; name that file in `data.files`")
    if not has_numpy_type(dataset):
        raise InputError(f"{path}: `{name}` is of a type that is no number (as times are); write numbers")
    if dataset.external:
        raise InputError(f"{path}: the values of `{name}` lie in {dataset.external[0][0]}; copy them into the file")
    if dataset.is_virtual:
        _refuse_virtual(dataset, name, path)
    _refuse_unknown_filter(dataset, name, path)
    _refuse_packed(dataset, name, path)
    if dataset.chunks is not None:
        _refuse_chunks(dataset, name, path)
    elif dataset.size and not dataset.is_virtual and dataset.id.get_storage_size() == 0:
        raise InputError(
            f"{path}: `{name}` was never written, and would be read as its fill value; write the whole file"
        )


def has_numpy_type(dataset: h5py.Dataset) -> bool:
    """Tell whether NumPy has a type for the values of a dataset; it has none for times."""
    try:
        return dataset.dtype is not None
    except TypeError:
        return False


def _file_linked_to(file: h5py.File, name: str) -> str | None:
    """Give the other file that a link leads to, whether it is there or not."""
    group: object = file
    for part in name.strip("/").encode().split(b"/"):
        if not isinstance(group, h5py.Group) or not group.id.links.exists(part):
            return None
        if group.id.links.get_info(part).type == h5py.h5l.TYPE_EXTERNAL:
            return str(group.id.links.get_val(part)[0].decode("utf-8", "replace"))
        group = group.get(part)
    return None


def _refuse_virtual(dataset: h5py.Dataset, name: str, path: Path) -> None:
    others = sorted({source.file_name for source in dataset.virtual_sources()} - {"."})
    if not others:
        raise InputError(
            f"{path}: `{name}` is a view of other datasets, and what they lack would be read as its fill value; copy "
            "its values into a dataset of its own"
        )
    missing = [other for other in others if not (path.parent / other).is_file()]
    lacking = f", of which {len(missing)} are missing, the first {missing[0]}" if missing else ""
    raise InputError(
        f"{path}: `{name}` is a view of {len(others)} other files{lacking}; name the files themselves in `data.files`, "
        "as a list"
    )


def _refuse_packed(dataset: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse numbers that stand for others, as netCDF packs them."""
    for key, nothing in (("scale_factor", 1), ("add_offset", 0)):
        if key in dataset.attrs and bool(np.any(dataset.attrs[key] != nothing)):
            raise InputError(
                f"{path}: the numbers of `{name}` are packed (its attribute {key} is {dataset.attrs[key]}); write the "
                "values that they stand for"
            )


def _refuse_chunks(dataset: h5py.Dataset, name: str, path: Path) -> None:
    """Refuse chunks that fill the memory, since each is read as a whole, and missing ones, read as fill values."""
    n_bytes = prod(dataset.chunks) * dataset.dtype.itemsize
    if n_bytes > CHUNK_BYTES:
        raise InputError(
            f"{path}: `{name}` has chunks of {in_mebibytes(n_bytes)}, more than {in_mebibytes(CHUNK_BYTES)}; write it "
            "in smaller ones, as h5repack -l CHUNK=1024x19x4 does"
        )
    expected = prod(-(-extent // size) for extent, size in zip(dataset.shape, dataset.chunks, strict=True))
    if (written := dataset.id.get_num_chunks()) < expected:
        raise InputError(
            f"{path}: {expected - written:,} of the {expected:,} chunks of `{name}` were never written, and would be "
            "read as its fill value; write the whole file"
        )


def _refuse_unknown_filter(dataset: h5py.Dataset, name: str, path: Path) -> None:
    filters = dataset.id.get_create_plist()
    for index in range(filters.get_nfilters()):
        code, _, _, said = filters.get_filter(index)
        if not h5py.h5z.filter_avail(code):
            shown = _KNOWN_FILTERS.get(code) or said.decode("utf-8", "replace") or "unknown"
            raise InputError(
                f"{path}: `{name}` is compressed by the filter {code} ({shown}), which this h5py has not; write the "
                "file with gzip or lzf, as h5repack -f GZIP=4 does"
            )
