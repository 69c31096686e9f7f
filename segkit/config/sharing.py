"""Whether processes that train together can share each batch."""

from __future__ import annotations

from segkit.foundation.errors import UsageError


def check_sharing(batch: int, processes: int) -> None:
    """Require a batch that processes can share evenly.

    Args:
        batch: patches for one network, as `plan.batch` says; of several, each process then takes as many for each.
        processes: that train together, on all machines.

    Raises:
        UsageError: where they cannot.
    """
    if batch % processes:
        raise UsageError(
            f"training.devices: {processes} processes cannot share a batch of {batch} evenly: "
            f"pass plan.batch={batch + -batch % processes}"
        )
