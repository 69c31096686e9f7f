"""Tasks of the Decathlon from the network, by MONAI's own downloader."""

from __future__ import annotations

import logging
import shutil
import sys
import tarfile
from pathlib import Path, PurePosixPath

from segkit.foundation.console import say
from segkit.foundation.errors import DataError
from segkit.foundation.files import atomic_folder

HOME = "http://medicaldecathlon.com"


def download_task(task: str, root: Path) -> None:
    """Download a task, check its md5 and unpack it to `root/task`, which appears only when it is whole.

    The archive stays beside it, so that a broken unpacking needs no second download.

    Raises:
        DataError: when it cannot be downloaded or unpacked; says what to do by hand.
        SegkitError: when `root/task` is there and is not empty.
    """
    # Not `download_and_extract`, which needs the package requests to look at the address once more.
    from monai.apps import DecathlonDataset, download_url

    url, archive = DecathlonDataset.resource[task], root / f"{task}.tar"
    logging.getLogger("monai.apps").setLevel(logging.CRITICAL)  # it logs what the error below says
    say(f"downloading {url}")
    try:
        download_url(url, archive, DecathlonDataset.md5[task], "md5", progress=sys.stderr.isatty())
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"data.task={task} could not be downloaded from {url} ({reason}); download it by hand from there or from "
            f"{HOME}, and put {archive.name}, or the folder unpacked from it, into {root}"
        ) from error
    unpack_task(archive, task, root / task)


def unpack_task(archive: Path, task: str, folder: Path) -> None:
    """Unpack the folder of a task; only its plain files, each within it.

    Raises:
        DataError: when the archive cannot be read, or a name in it leads elsewhere.
        SegkitError: when the folder is there and is not empty.
    """
    with atomic_folder(folder) as unpacked:
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    top, *parts = PurePosixPath(member.name).parts or ("",)
                    stream = tar.extractfile(member) if member.isfile() else None
                    if stream is None or member.name.rpartition("/")[2].startswith("."):
                        continue  # folders, links, and what macOS leaves beside each file
                    if top != task or ".." in parts:
                        raise DataError(f"{archive} holds {member.name}, which is no part of {task}")
                    target = unpacked.joinpath(*parts)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as file:
                        shutil.copyfileobj(stream, file)
        except (tarfile.TarError, EOFError) as error:
            raise DataError(f"{archive} cannot be unpacked: {error}; remove it and download it anew") from error
