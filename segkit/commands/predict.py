"""`segkit predict run=RUN input=PATH output=DIR`: masks on the scans' own grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from segkit.commands.exchange import through_pacs
from segkit.commands.shards import segment_in_jobs
from segkit.config.addresses import is_address
from segkit.config.checks import check_prediction
from segkit.config.commands import PredictConfig, TrainConfig
from segkit.config.options import DicomOptions, ObjectOptions, SeriesOptions
from segkit.config.recorded import load_config
from segkit.config.shard import Shard, shard_from
from segkit.datasets.case import Case
from segkit.datasets.channel_files import images_by_case
from segkit.datasets.dataset import open_dataset, open_recorded
from segkit.datasets.splits import split_from
from segkit.foundation.console import paths_written, say, warn
from segkit.foundation.errors import CasesFailedError, DataError, UsageError
from segkit.foundation.files import check_writable
from segkit.foundation.strangers import load_json
from segkit.foundation.suggestions import some_of
from segkit.inference.case_scores import check_scores
from segkit.inference.cohort import Cohort, predict_cohort
from segkit.inference.exporters import check_objects, exporters_named
from segkit.inference.model import Model, load
from segkit.inference.rules import said_of
from segkit.inference.thinned import thinned
from segkit.runs.ensemble import runs_of
from segkit.runs.folder import RunFolder
from segkit.runs.manifest import NAME as MANIFEST
from segkit.runs.package import check_is_run
from segkit.volumes.dicom.choosing import filter_text, is_filter, refuse_filter
from segkit.volumes.dicom.exports import cases_in, is_export
from segkit.volumes.dicom.files import DicomFile, is_dicom
from segkit.volumes.reading import find_volumes, is_volume, stem
from segkit.volumes.selection import Location

CHANNELS = "channels"  # of dicom.volumes
# What gives a training the cases of each split.
ASKED_BY = {
    "held_out": "data.split.held_out_fraction=0.2 (a fifth never trains) or data.split.held_out=FILE",
    "validation": "training.fold=0 (the first of data.split.folds validates)",
    "training": "more cases",
}

Scans = dict[str, dict[str, Location]]


def predict(config: PredictConfig) -> Cohort:
    """Segment a file, a DICOM series, a folder of volumes, a study in a PACS, a data set, or a split of the run's own.

    Returns:
        the masks written; of those that went into a PACS the files are gone.

    Raises:
        UsageError: when not just one of `input`, `split` and `data` is given, or no output beside a split.
        DataError: when the run holds no model or nothing can be read.
        CasesFailedError: when scans could not be segmented; the others were.
    """
    is_remote = is_address(config.input) or is_address(config.output)
    cohort = through_pacs(config, _segmented) if is_remote else _segmented(config)
    if not is_address(config.output):
        paths_written([output_of(config)])
    if cohort.failed:
        count = len(cohort.failed) + len(cohort.masks)
        raise CasesFailedError(f"{len(cohort.failed)} of {count} scans failed: {some_of(cohort.failed)}")
    return cohort


def segment(config: PredictConfig) -> Cohort:
    """Segment as `predict` does with folders; scans that fail are named, and returned with the others."""
    cohort = _segmented(config)
    paths_written([output_of(config)])
    return cohort


def _segmented(config: PredictConfig) -> Cohort:
    check_prediction(config)
    if config.input is None:
        refuse_filter(config.series, "input=EXPORT, which may hold several, is not set")
    if config.split is not None:
        check_is_run(Path(config.run[0]), instead="pass input=SCANS output=DIR")
    output = output_of(config)
    wanted = exporters_named(config.export)  # a mistake in a name is found before anything large is read
    # Jobs elsewhere have devices of their own; here the model only says what they will be asked for.
    model = load(
        config.run, device="cpu" if config.launcher else config.device, options=config.inference,
        postprocessing=config.postprocessing, trust=config.trust,
    )  # fmt: skip
    check_objects(wanted, model.labels, config.objects)
    model = thinned(replace(model, scores=config.scores, scratch=output), config.scores.passes)
    check_scores(config.scores, len(model.networks))
    channels = list(model.record.plan.normalisation)
    if config.input is not None:
        scans = scans_in(Path(config.input), channels, config.series, config.dicom)
    elif config.data is not None:
        scans = scans_of(open_dataset(config.data).cases, channels, config.data.name)
    else:
        scans = scans_of_split(RunFolder(runs_of(Path(config.run[0]))[0]), config.split or "", config.trust)
    if rules := said_of(model.rules, model.records, config.postprocessing):
        say(f"postprocessing: {rules}")
    if config.launcher:
        check_apart(scans, output)
        return segment_in_jobs(config, list(scans), output)
    cohort = segment_scans(model, scans, output, config.export, shard_from(config.shard), config.objects)
    if cohort.trained and config.split != "training":
        warn(
            f"{len(cohort.trained)} of {len(scans)} scans trained this model ({some_of(cohort.trained)}): their "
            "masks say nothing about how it does on new ones"
        )
    return cohort


def segment_scans(
    model: Model,
    scans: Scans,
    output: Path,
    export: Sequence[str],
    shard: Shard | None = None,
    objects: ObjectOptions | None = None,
) -> Cohort:
    """Segment scans into a folder; those that fail are named, and returned with the others.

    Raises:
        UsageError: when scans lie in the output folder itself.
        SegkitError: when the folder cannot be written.
    """
    check_apart(scans, output)
    check_writable(output)
    if shard:
        scans = {name: scans[name] for name in shard.of(scans)}
    cohort = predict_cohort(model, scans, output, export, shard, objects)
    if cohort.reused:
        say(f"{cohort.reused} of {len(scans)} masks were there already, of this model and these scans")
    return cohort


def output_of(config: PredictConfig) -> Path:
    """Return the folder of the masks: `output`, or of a split its own in the first run."""
    return Path(config.output) if config.output else RunFolder(Path(config.run[0])).predictions(config.split or "")


def check_apart(scans: Scans, output: Path) -> None:
    """Make sure that no mask can replace a scan or a reference, or be taken for a scan the next time.

    Raises:
        UsageError: when scans lie in the output folder itself, or files of their names that no prediction wrote.
    """
    if not output.exists():
        return
    for images in scans.values():
        for image in images.values():
            if output.samefile(image.parent):
                raise UsageError(f"output={output} is the folder of the scans; choose another one for their masks")
    if any(output.glob(f"{MANIFEST}*")):
        return  # what lies there are masks
    for path in sorted(output.iterdir()):
        if stem(path) in scans and is_volume(path):
            raise UsageError(f"a mask would replace {path}, which segkit predict did not write; choose another output")


def scans_in(path: Path, channels: Sequence[str], wanted: SeriesOptions, options: DicomOptions) -> Scans:
    """Return the scans of a file, a folder of volumes, a DICOM series or an export of many, by case name.

    Args:
        path: a volume, or a folder of them; a folder, zip or DICOMDIR of DICOM series, each of which is a case. Several
            channels are files of one case, as `images_by_case` pairs them, or stand in one file or 4D series.
        channels: that the model takes.
        wanted: which series of an export.
        options: how series are read.

    Raises:
        DataError: when there is nothing to read, two scans share a name, or a channel is missing.
        UsageError: when channels are asked for of an export whose series are one channel each, or series are chosen
            where there are none.
    """
    if not path.exists():
        raise DataError(f"there is no {path}")
    found = find_volumes(path) if path.is_dir() else []
    files = [each for each in found if each.is_file() and not is_dicom(DicomFile(each))]  # those are segmentations
    holds_series = len(files) < len(found) or (path.is_file() and is_export(path))
    if not holds_series:
        refuse_filter(wanted, f"{path} holds none")
    is_apart = len(channels) > 1 and options.volumes != CHANNELS
    if is_apart and path.is_file() and is_export(path):
        raise UsageError(
            f"the model takes the channels {', '.join(channels)}, and a series of an export is one: predict a split of "
            "a data set (data=dicom_tree knows which series is which channel), or 4D series with dicom.volumes=channels"
        )
    if is_apart and found:
        refuse_filter(wanted, "the files of several channels pair by their names")
        return {name: dict(images) for name, images in images_by_case(found, channels).items()}
    series = cases_in(path, wanted, options) if holds_series else {}
    if files and is_filter(wanted):
        names = some_of([file.name for file in files])
        warn(f"{filter_text(wanted)} chooses among DICOM series only; what is none is segmented too: {names}")
    if not series and not files:
        if not is_volume(path):
            raise DataError(f"{path} is no volume and no folder that holds one")
        files = [path]
    scans: Scans = {name: dict.fromkeys(channels, one) for name, one in series.items()}
    for file in files:
        if stem(file) in scans:
            other = scans[stem(file)][channels[0]]
            raise DataError(f"{file} and {other} would give masks of one name; rename one")
        scans[stem(file)] = dict.fromkeys(channels, file)
    return scans


def scans_of(cases: Mapping[str, Case], channels: Sequence[str], name: str) -> Scans:
    """Return the images of each case of a data set under the names that the model has for its channels.

    Raises:
        DataError: when the data set has other channels than the model; one channel fits one, whatever it is called.
    """
    scans: dict[str, dict[str, Location]] = {}
    for case in cases.values():
        if set(case.images) == set(channels):
            scans[case.name] = {channel: case.images[channel] for channel in channels}
        elif len(case.images) == len(channels) == 1:
            scans[case.name] = dict(zip(channels, case.images.values(), strict=True))
        else:
            raise DataError(
                f"{case.name} of {name} has the channels {', '.join(case.images)}, and the model takes "
                f"{', '.join(channels)}: write data.channels={{{channels[0]}: ...}} in these names"
            )
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
        raise DataError(
            f"{folder.path} has no {split} cases: its training would have needed {ASKED_BY[split]}; masks of other "
            "scans are scored by segkit evaluate predictions=MASKS references=LABELS output=DIR"
        )
    cases = dataset.cases
    missing = [name for name in names if name not in cases]
    if missing:
        raise DataError(f"{config.data.root} no longer holds {missing[0]}, one of the run's {split} cases")
    return {name: dict(cases[name].images) for name in names}
