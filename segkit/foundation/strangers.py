"""The one loader for files of others: nothing that a stranger sends is executed."""

from __future__ import annotations

import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.foundation.archives import Member, checked_members
from segkit.foundation.errors import DataError, reason_of_system, said_by_library
from segkit.foundation.files import read_json
from segkit.foundation.plain import from_yaml, safe_loader
from segkit.foundation.targets import resolve_target

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = [
    "checked_members",
    "load_array",
    "load_checkpoint",
    "load_json",
    "load_json_lines",
    "load_tensors",
    "load_yaml",
    "resolve_target",
]

_DEEPEST = 100
# What a pickle calls to make NumPy's scalars, dtypes and arrays, under the names of NumPy 1 and 2.
_NUMPY = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("numpy.dtype", "numpy.ndarray"),
)


def load_yaml(path: str | os.PathLike[str] | Member) -> Any:
    """Read YAML with safe tags, without aliases and at most 100 levels deep.

    Args:
        path: the file, or a member of a zip that `checked_members` let pass.

    Raises:
        DataError: when the file cannot be read or is not such YAML; the message names it.
    """
    import yaml

    try:
        text = path.read_bytes().decode() if isinstance(path, Member) else Path(path).read_text(encoding="utf-8")
        _check_structure(text)
        return from_yaml(text)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{_shown(path)} is not plain YAML: {said_by_library(error)}") from error


def _check_structure(text: str) -> None:
    # Aliases can blow a kilobyte up to gigabytes, and deep nesting overflows the C stack of the composer.
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=safe_loader(text)):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"it uses the alias *{event.anchor}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"it is nested deeper than {_DEEPEST} levels")


def load_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON.

    Raises:
        DataError: when the file cannot be read or is not JSON; the message names it.
    """
    try:
        return read_json(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def load_json_lines(path: str | os.PathLike[str]) -> list[Any]:
    """Read a file with a JSON value on each line; lines that are none, as a killed writer leaves them, are left out.

    Raises:
        DataError: when the file cannot be read; the message names it.
    """
    values = []
    try:
        with Path(path).open("rb") as file:
            for line in file:
                with suppress(ValueError, RecursionError):
                    values.append(json.loads(line))
    except OSError as error:
        raise _unreadable(path, error) from error
    return values


def load_tensors(path: str | os.PathLike[str] | Member) -> dict[str, torch.Tensor]:
    """Read a safetensors file onto the CPU.

    Args:
        path: the file, or a member of a zip that `checked_members` let pass, which is read in memory alone.

    Returns:
        The tensors by name.

    Raises:
        DataError: when the file cannot be read or is not safetensors; the message names it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load, load_file

    try:
        read = load(path.read_bytes()) if isinstance(path, Member) else load_file(path, device="cpu")
    except OSError as error:
        raise _unreadable(path, error) from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"{_shown(path)} is not a whole safetensors file: {said_by_library(error)}") from error
    tensors: dict[str, torch.Tensor] = read
    return tensors


class NumpyValue:
    """Takes the place of a NumPy value in a checkpoint: the value is lost, and nothing of NumPy is called."""

    def __init__(self, *arguments: Any) -> None:
        """Take whatever NumPy would have been called with."""

    def __setstate__(self, state: Any) -> None:
        """Take whatever NumPy's object would have been filled with."""


def load_checkpoint(path: str | os.PathLike[str], *, numpy_values: bool = False) -> dict[str, Any]:
    """Read a checkpoint of tensors and plain containers onto the CPU; objects of other classes are refused.

    Args:
        path: the file, as `torch.save` writes it.
        numpy_values: whether NumPy's scalars and arrays may be among them, as beside nnU-Net's weights; each comes as a
            `NumpyValue`, which knows nothing.

    Raises:
        DataError: when the file cannot be read, is damaged or holds anything else; the message names it.
    """
    import torch

    try:
        _check_archive(path)
        with torch.serialization.safe_globals([(NumpyValue, name) for name in _NUMPY if numpy_values]):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:
        raise DataError(
            f"{os.fspath(path)} is damaged or is no checkpoint of tensors and plain values; nothing in it was run"
        ) from error
    if not isinstance(checkpoint, dict):
        raise DataError(f"{os.fspath(path)} is no checkpoint: it holds a {type(checkpoint).__name__} and not a mapping")
    return checkpoint


def _check_archive(path: str | os.PathLike[str]) -> None:
    """Let only the archives pass that torch.save writes: no bare pickle, no TorchScript, nothing compressed."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            # A stored entry is as large as it says; a compressed one could unpack to any size.
            if entry.compress_type != zipfile.ZIP_STORED or entry.filename.endswith("/constants.pkl"):
                raise zipfile.BadZipFile(entry.filename)


def load_array(path: str | os.PathLike[str], mmap: bool = False) -> np.ndarray[Any, Any]:
    """Read a .npy file that holds numbers.

    Args:
        path: the file.
        mmap: map the file into memory, read-only, instead of reading it.

    Raises:
        DataError: when the file cannot be read, is shorter than its header says, or holds Python objects.
    """
    import numpy as np

    try:
        # The map compares the header's size with the file's before any memory is taken, and reads no pickle.
        mapped = np.lib.format.open_memmap(Path(path), mode="r")
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:
        raise DataError(f"{os.fspath(path)} is not a whole .npy file of numbers: {said_by_library(error)}") from error
    return mapped if mmap else np.array(mapped)


def _unreadable(path: str | os.PathLike[str] | Member, error: OSError) -> DataError:
    return DataError(f"{_shown(path)} cannot be read: {reason_of_system(error)}")


def _shown(path: str | os.PathLike[str] | Member) -> str:
    return str(path) if isinstance(path, Member) else os.fspath(path)
