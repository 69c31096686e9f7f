"""`segkit predict run=RUN input=PATH output=DIR`: masks on the scans' own grids."""

from __future__ import annotations

from pathlib import Path

from segkit.config.commands import PredictConfig, TrainConfig
from segkit.config.recorded import load_config
from segkit.datasets.channel_files import images_by_case
from segkit.datasets.dataset import open_recorded
from segkit.datasets.splits import split_from
from segkit.foundation.console import paths_written, say
from segkit.foundation.errors import CasesFailedError, DataError, UsageError
from segkit.foundation.files import check_writable
from segkit.foundation.strangers import load_json
from segkit.inference.cohort import Cohort, predict_cohort
from segkit.inference.model import load
from segkit.runs.folder import RunFolder
from segkit.volumes.reading import find_volumes, is_volume, stem
from segkit.volumes.selection import Location

Scans = dict[str, dict[str, Location]]


def predict(config: PredictConfig) -> Cohort:
    """Segment a file, a DICOM series, a folder of volumes, or a split of the run's own data set.

    Returns:
        the masks written.

    Raises:
        UsageError: when both or neither of `input` and `split` are given, or no output for an input.
        DataError: when the run holds no model or nothing can be read.
        CasesFailedError: when scans could not be segmented; the others were.
    """
    cohort = segment(config)
    if cohort.failed:
        count = len(cohort.failed) + len(cohort.masks)
        raise CasesFailedError(f"{len(cohort.failed)} of {count} scans failed: {', '.join(list(cohort.failed)[:5])}")
    return cohort


def segment(config: PredictConfig) -> Cohort:
    """Segment as `predict` does; scans that fail are named, and returned with the others."""
    if (config.input is None) == (config.split is None):
        raise UsageError("say what to segment: input=PATH, or split=held_out (validation, training)")
    if config.input is not None and config.output is None:
        raise UsageError("output is not set: pass output=DIR, the folder for the masks")
    output = Path(config.output) if config.output else RunFolder(Path(config.run[0])).predictions(config.split or "")
    model = load(config.run, device=config.device, options=config.inference, trust=config.trust)
    channels = list(model.record.plan.normalisation)
    if config.input is not None:
        scans = scans_in(Path(config.input), channels)
    else:
        scans = scans_of_split(RunFolder(Path(config.run[0])), config.split or "", config.trust)
    check_apart(scans, output)
    check_writable(output)
    cohort = predict_cohort(model, scans, output, config.export)
    if cohort.reused:
        say(f"{cohort.reused} of {len(scans)} masks were there already, of this model and these scans")
    paths_written([output])
    return cohort


def check_apart(scans: Scans, output: Path) -> None:
    """Make sure that no mask can replace a scan, or be taken for one the next time.

    Raises:
        UsageError: when scans lie in the output folder itself.
    """
    for images in scans.values():
        for image in images.values():
            if output.exists() and output.samefile(image.parent):
                raise UsageError(f"output={output} is the folder of the scans; choose another one for their masks")


def scans_in(path: Path, channels: list[str]) -> Scans:
    """Return the scans of a file, a DICOM folder or a folder of volumes, by case name.

    Args:
        path: a volume, or a folder of them. Several channels are files of one case, as `images_by_case` pairs them, or
            stand in one file.
        channels: that the model takes.

    Raises:
        DataError: when there is nothing to read, two scans share a name, or a channel is missing.
    """
    if is_volume(path):
        return {stem(path): dict.fromkeys(channels, path)}
    paths = find_volumes(path) if path.is_dir() else []
    if not paths:
        raise DataError(f"{path} is no volume and no folder that holds one" if path.exists() else f"there is no {path}")
    if len(channels) > 1:
        return {name: dict(images) for name, images in images_by_case(paths, channels).items()}
    scans: Scans = {}
    for found in paths:
        if stem(found) in scans:
            raise DataError(f"{found} and {scans[stem(found)][channels[0]]} would give masks of one name; rename one")
        scans[stem(found)] = {channels[0]: found}
    return scans


def scans_of_split(folder: RunFolder, split: str, trust: list[str]) -> Scans:
    """Return the scans of one part of a run's data set.

    Raises:
        DataError: when the folder is no run, its data set is gone, or that part is empty.
    """
    config: TrainConfig = load_config("train", folder.config)
    dataset = open_recorded(config.data, trust)
    names = split_from(load_json(folder.split), where=str(folder.split)).names(split)
    if not names:
        raise DataError(f"{folder.path} has no {split} cases")
    cases = dataset.cases
    missing = [name for name in names if name not in cases]
    if missing:
        raise DataError(f"{config.data.root} no longer holds {missing[0]}, one of the run's {split} cases")
    return {name: dict(cases[name].images) for name in names}
