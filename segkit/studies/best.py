"""The folder of a chosen configuration: its models, the postprocessing they learnt together, why it was chosen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segkit.config.rules import Rules, plain_rules
from segkit.datasets.dataset import Dataset
from segkit.evaluation.comparison.comparison import Comparison
from segkit.evaluation.comparison.power import ALPHA
from segkit.foundation.console import say
from segkit.foundation.errors import UsageError
from segkit.foundation.files import atomic_folder, write_json
from segkit.postprocessing.learning import learn_rules, said_of
from segkit.runs.ensemble import NAME as ENSEMBLE
from segkit.runs.ensemble import Ensemble, is_ensemble, read_ensemble, write_ensemble
from segkit.runs.folder import RunFolder
from segkit.runs.model_file import read_record, write_record
from segkit.studies.configurations import Candidate, reason
from segkit.studies.folds import Pairs, values_of
from segkit.studies.naming import trial_name

CANDIDATES, RECORD = "candidates", "best.json"
RULE = (
    f"of the candidates that the first is not shown to beat (signed-rank test, corrected for all pairs, {ALPHA}), the "
    "one whose new scans go through the fewest networks; of equally many the one that ranks higher"
)


def write_best(
    chosen: Candidate,
    candidates: Sequence[Candidate],
    comparison: Comparison,
    pairs: Pairs,
    dataset: Dataset,
    output: Path,
) -> list[Path]:
    """Learn postprocessing for a candidate and write it as a model that can be moved: nothing in it points elsewhere.

    Args:
        chosen: whose models are taken.
        candidates: all that were weighed.
        comparison: by which it was chosen.
        pairs: its masks of cases that none of the networks behind a mask trained on, with their references.
        dataset: of the cases.
        output: folder, with `best.json`, `ensemble.json`, `postprocessing.json` and a folder for each member.

    Returns:
        the files that tell of it.
    """
    from segkit.training.rules import evidence_of  # PyTorch takes 2 s to load

    learnt = learn_rules(values_of(pairs, dataset.labels), dataset.labels)
    say(f"{chosen.name}: {said_of(learnt)}")
    remove_members(output)
    members = [
        copied_member(fold, output / name, learnt.rules)
        for name, fold in zip(member_names(chosen), chosen.folds, strict=True)
    ]
    write_json(output / "postprocessing.json", evidence_of(learnt))
    write_json(output / RECORD, record_of(chosen, candidates, comparison))
    dice = comparison.standings[[one.name for one in comparison.standings].index(chosen.name)].means.get("dice")
    ensemble = write_ensemble(output, output, Ensemble(tuple(members), learnt.rules, dice))
    return [output / RECORD, output / "postprocessing.json", ensemble]


def member_names(chosen: Candidate) -> list[str]:
    """Return a folder's name for each network, which tells of its configuration and its fold."""
    names = [CANDIDATES]
    for part in chosen.parts:
        for fold in part.folds:
            own = fold.path.name
            names.append(trial_name((own if own.startswith(part.name) else f"{part.name},{own}",), names))
    return names[1:]


def check_free(output: Path) -> None:
    """Refuse a folder that holds anything but an earlier choice.

    Raises:
        UsageError: when it does; nothing of it is touched.
    """
    if output.exists() and any(output.iterdir()) and not (output / CANDIDATES).is_dir():
        raise UsageError(f"best={output} holds something else: name a new folder for the model")


def remove_members(output: Path) -> None:
    """Remove the members of an earlier choice, which may be others, once nothing names them any more."""
    if is_ensemble(output):
        members = [member for member in read_ensemble(output).members if member.parent == output]
        (output / ENSEMBLE).unlink()
        for member in members:
            shutil.rmtree(member, ignore_errors=True)


def copied_member(run: RunFolder, target: Path, rules: Rules) -> Path:
    """Put what a model is and where it comes from into a folder; an earlier one in its place goes.

    Weights are shared with the run where the disk allows it: files of a run are replaced and never written into.
    """
    if target.exists():
        shutil.rmtree(target)
    with atomic_folder(target) as temporary:
        shutil.copytree(run.model, temporary / run.model.name, copy_function=linked)
        known = (run.config, run.overrides, run.plan, run.split, run.cases, run.environment, run.status)
        for file in known:
            if file.is_file():
                shutil.copy(file, temporary / file.name)
        own = RunFolder(temporary).model
        write_record(own, replace(read_record(own), postprocessing=plain_rules(rules)))
    return target


def linked(source: str, target: str) -> None:
    """Give a file a second name, or copy it where it lies on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def record_of(chosen: Candidate, candidates: Sequence[Candidate], comparison: Comparison) -> dict[str, object]:
    """Return what `best.json` holds."""
    standings = {one.name: one for one in comparison.standings}
    return {
        "chosen": chosen.name,
        "because": reason(chosen, comparison),
        "rule": RULE,
        "members": member_names(chosen),
        "metric": comparison.metric,
        "cases": len(comparison.cases),
        "candidates": [
            {
                "name": each.name, "networks": each.networks, "mean": standings[each.name].score.mean,
                "ci95": standings[each.name].score.ci95, "rank": standings[each.name].rank,
                "runs": [fold.path.name for fold in each.folds],
            }
            for each in candidates
        ],
    }  # fmt: skip
