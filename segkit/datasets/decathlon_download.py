"""Tasks of the Decathlon from the network, by MONAI's own downloader."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from segkit.foundation.console import say
from segkit.foundation.errors import DataError, SegkitError
from segkit.foundation.files import atomic_folder

HOME = "http://medicaldecathlon.com"


def download_task(task: str, root: Path) -> None:
    """Download a task, check its md5 and unpack it to `root/task`, which appears only when it is whole.

    The archive stays beside it, so that a broken unpacking needs no second download.

    Raises:
        DataError: when it cannot be downloaded or unpacked; says what to do by hand.
        SegkitError: when `root/task` is there and is not empty.
    """
    from monai.apps import DecathlonDataset, download_and_extract

    url, archive = DecathlonDataset.resource[task], root / f"{task}.tar"
    logging.getLogger("monai.apps").setLevel(logging.CRITICAL)  # it logs what the error below says
    say(f"downloading {url}")
    with atomic_folder(root / task) as folder:
        try:
            download_and_extract(
                url,
                archive,
                folder,
                hash_val=DecathlonDataset.md5[task],
                hash_type="md5",
                progress=sys.stderr.isatty(),
            )
            for unpacked in [*(folder / task).iterdir()]:
                unpacked.rename(folder / unpacked.name)
            (folder / task).rmdir()
        except SegkitError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(
                f"data.task={task} could not be downloaded from {url} ({reason}); download it by hand there or from "
                f"{HOME}, and put {archive.name}, or the unpacked folder, into {root}"
            ) from error
