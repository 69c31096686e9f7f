"""`segkit evaluate run=RUN data=OTHER_SITE`: a model on cases that it was not made for, segmented and scored in one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from segkit.commands.predict import segment
from segkit.commands.scored_masks import Masks, of_dataset, referenced
from segkit.config.commands import EvaluateConfig
from segkit.config.compose import configure
from segkit.config.labels import BACKGROUND, IGNORE, Declared, values_of
from segkit.datasets.dataset import open_dataset
from segkit.foundation.console import warn
from segkit.foundation.errors import DataError, UsageError
from segkit.inference.members import members_of
from segkit.runs.folder import RunFolder


def masks_of_site(config: EvaluateConfig) -> Masks:
    """Segment every case of a data set with a model, and pair the masks with the references there are.

    Raises:
        UsageError: when there is no place for the masks, or the labels of both do not fit.
        DataError: when the channels do not fit, or no case has a reference.
    """
    if config.data is None or config.run is None:
        raise UsageError("pass run=RUN data=NAME data.root=DIR")
    dataset = open_dataset(config.data)
    masks_folder, output = folders_of(config, config.data.name)
    records = [record for _, record in members_of(Path(config.run))]
    labels = config.labels or common_labels(records[0].labels, dataset.options.labels or {})
    wanted = configure("predict", [f"run={config.run}", f"input={config.run}", f"output={masks_folder}"])
    own = {"data": config.data, "launcher": config.launcher, "device": config.device, "trust": config.trust}
    cohort = segment(replace(wanted, input=None, **own))
    pairs = referenced(cohort.masks, dataset)
    if not pairs:
        raise DataError(f"no case of {config.data.name} has a mask and a reference to score it; masks: {masks_folder}")
    source = {"data": config.data.name, "weights": [record.weights for record in records]}
    return replace(of_dataset(dataset, pairs, cohort.failed, output, source), labels=labels)


def folders_of(config: EvaluateConfig, name: str) -> tuple[Path, Path]:
    """Return the folders of masks and scores: in the run under the data set's name, unless an output is named.

    Raises:
        UsageError: when the run is a packaged model, beside which nothing is written, and no output is named.
    """
    run = RunFolder(Path(config.run or ""))
    if config.output:
        return Path(config.output) / "predictions", Path(config.output)
    if run.path.is_file():
        raise UsageError(f"output is not set, and {run.path} is a packaged model: pass output=DIR")
    return run.predictions(name), run.evaluation / name


def common_labels(of_model: Declared, of_data: Declared) -> Declared:
    """Return the labels that both have by name; the values of all others count as background.

    Raises:
        UsageError: when they have no label in common, or one has different values in both.
    """
    model, site = ({name: values_of(name, value) for name, value in labels.items()} for labels in (of_model, of_data))
    common = [name for name in site if name in model and name not in (BACKGROUND, IGNORE)]
    if not common:
        raise UsageError(f"the model's labels are {', '.join(model)}, and the data set's {', '.join(site)}: none fits")
    for name in common:
        if model[name] != site[name]:
            raise UsageError(
                f"label {name} is {list(model[name])} in the model's masks and {list(site[name])} in the data set's "
                "references: one data.labels must hold for both"
            )
    others = [name for name in {**site, **model} if name not in (*common, BACKGROUND, IGNORE)]
    if others:
        warn(f"only one of model and data set knows {', '.join(others)}: not scored, counted as background")
    scored = {value for name in common for value in site[name]} | set(site.get(IGNORE, ()))
    rest = {value for labels in (model, site) for values in labels.values() for value in values} - scored
    ignore = {IGNORE: of_data[IGNORE]} if IGNORE in of_data else {}
    background = sorted(rest - set(site.get(BACKGROUND, (0,))))
    return {
        BACKGROUND: [*site.get(BACKGROUND, (0,)), *background],
        **{name: of_data[name] for name in common},
        **ignore,
    }
