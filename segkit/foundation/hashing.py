"""Hashes of content: what finished work is recognised by."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.foundation.plain import plain

if TYPE_CHECKING:
    import numpy as np

_SLAB_BYTES = 1 << 24


def file_hash(path: str | os.PathLike[str]) -> str:
    """Hash a file's bytes.

    Returns:
        The sha256 in hexadecimal, 64 characters.

    Raises:
        OSError: when the file cannot be read.
    """
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def value_hash(value: Any) -> str:
    """Hash a value by its canonical JSON: sorted keys, no spaces, tuples as lists.

    Args:
        value: what `plain` accepts: also dataclasses, paths, NumPy scalars and arrays.

    Returns:
        The sha256 in hexadecimal; the same for a value before and after a trip through JSON or YAML.

    Raises:
        TypeError: when something in `value` has no plain form.
    """
    text = json.dumps(_with_text_keys(plain(value)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _with_text_keys(value: Any) -> Any:
    # JSON turns the key 1 into "1", and mixed keys cannot be sorted.
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else json.dumps(key): _with_text_keys(member) for key, member in value.items()
        }
    if isinstance(value, list):
        return [_with_text_keys(member) for member in value]
    return value


def array_hash(array: np.ndarray[Any, Any]) -> str:
    """Hash an array's dtype, shape and values, whatever its memory order.

    Args:
        array: any shape; byte orders count as different dtypes.

    Returns:
        The sha256 in hexadecimal.

    Raises:
        TypeError: when the array holds Python objects.
    """
    import numpy as np

    if array.dtype.hasobject:
        raise TypeError("an array of Python objects has no content hash")
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    rows = array.reshape(1) if array.ndim == 0 else array
    # Slab by slab: a volume in Fortran order is never copied as a whole.
    step = max(1, _SLAB_BYTES // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), step):
        digest.update(np.ascontiguousarray(rows[start : start + step]).view(np.uint8).data)
    return digest.hexdigest()
