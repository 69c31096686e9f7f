"""The cases that can be used: the quick part of `segkit check`, before anything trains on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from segkit.config.channels import Channel
from segkit.datasets import Case
from segkit.datasets.dataset import Dataset
from segkit.datasets.soundness import examine_headers, unusable
from segkit.foundation.console import error, progress, warn
from segkit.foundation.errors import CasesFailedError
from segkit.foundation.failures import say_failures
from segkit.foundation.parallel import parallel_map
from segkit.foundation.suggestions import some_of
from segkit.volumes.selection import has_many_files

FEW = 100  # cases, looked at in a moment


@dataclass(frozen=True)
class Usable:
    """A data set without the cases that cannot be used.

    Attributes:
        dataset: the others.
        left_out: the unusable ones, with the reason.
    """

    dataset: Dataset
    left_out: Mapping[str, str] = field(default_factory=dict)

    def leaving_out(self, failed: Mapping[str, str]) -> Usable:
        """Leave out further cases, each named in a line.

        Raises:
            CasesFailedError: when there are any and `data.skip_unusable` is false.
        """
        skip = self.dataset.options.skip_unusable
        say_failures(dict(sorted(failed.items())), *((warn, "left out") if skip else (error,)))
        if failed and not skip:
            total = len(self.dataset.cases) + len(self.left_out)
            raise CasesFailedError(
                f"{len(failed)} of {total} cases cannot be used: {some_of(sorted(failed))}; mend them "
                "(segkit check tells all), or pass data.skip_unusable=true to leave them out"
            )
        cases = {name: case for name, case in self.dataset.cases.items() if name not in failed}
        return Usable(replace(self.dataset, cases=cases), {**self.left_out, **failed})


def usable_dataset(dataset: Dataset, workers: int | None) -> Usable:
    """Look at every case's headers and leave out, or refuse, those that cannot be used.

    Args:
        dataset: every case.
        workers: processes, where cases are DICOM series: the headers of single files are read sooner than those start.

    Raises:
        CasesFailedError: when there are any and `data.skip_unusable` is false; each is named in a line.
    """
    cases = list(dataset.cases.values())
    of_slices = any(has_many_files(place) for case in cases for place in case.images.values())
    look = partial(header_fault, channels=dict(dataset.channels))
    outcomes = parallel_map(look, cases, workers=workers if of_slices else 1, name=lambda case: case.name)
    shown = outcomes if len(cases) <= FEW else progress(outcomes, len(cases), "looking at headers")
    faults = {outcome.name: outcome.error or outcome.value for outcome in shown}
    return Usable(dataset).leaving_out({name: fault for name, fault in faults.items() if fault})


def header_fault(case: Case, channels: Mapping[str, Channel]) -> str | None:
    """Return why a case cannot be used, as far as its files' headers tell; None where nothing is wrong."""
    return unusable(examine_headers(case, channels)).get(case.name)
