"""`segkit compare runs=STUDIES best=DIR`: of cross-validated configurations and their ensembles, one model to use.

nnU-Net's `find_best_configuration` takes the highest mean Dice, of configurations and of each two of them. Here a test
decides whether the highest is more than luck, and where it is not, fewer networks are preferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segkit.commands.compare import question_of, show, written
from segkit.commands.predict import segment_scans
from segkit.commands.scored_runs import HELD_OUT, VALIDATION
from segkit.config.commands import CompareConfig, TrainConfig
from segkit.config.options import PostprocessingOptions
from segkit.config.recorded import load_config
from segkit.datasets.dataset import Dataset, open_recorded
from segkit.evaluation.comparison.comparing import compare as compare_methods
from segkit.evaluation.comparison.comparison import Comparison, Method
from segkit.evaluation.evaluate import Evaluation
from segkit.foundation.console import paths_written, say, table
from segkit.foundation.errors import CasesFailedError, DataError, UsageError
from segkit.foundation.files import check_writable
from segkit.foundation.suggestions import some_of
from segkit.inference.model import load
from segkit.studies.best import CANDIDATES, check_free, write_best
from segkit.studies.configurations import Candidate, Runs, candidates_of, configurations_of, reason, simplest
from segkit.studies.folds import Pairs, paired, scored
from segkit.studies.naming import trial_name
from segkit.studies.pooling import pools
from segkit.studies.runs import FoundRun
from segkit.studies.saved import read_evaluation

Masks = dict[str, Path]
AS_IT_IS = PostprocessingOptions(learnt=False, rules={})


def best_configuration(config: CompareConfig, runs: Sequence[FoundRun]) -> Comparison:
    """Weigh configurations on the cases that each did not train on, and make the best a model; held-out cases rest.

    Args:
        config: with `best`, the folder of the model.
        runs: finished ones; those that differ in the fold alone are a configuration.

    Returns:
        the comparison of all candidates.

    Raises:
        UsageError: when the configurations cannot be weighed against each other.
        DataError: when cases are gone, or models do not fit together.
        CasesFailedError: when a case could not be segmented; a second call goes on from there.
    """
    if config.split == HELD_OUT:
        raise UsageError("best is chosen by the cases that validate: leave out split=held_out, which are for the end")
    if config.baseline:
        raise UsageError("best weighs all candidates against each other: leave out baseline")
    output = Path(config.best or "")
    check_free(output)
    configurations = configurations_of(pools(runs, config.pool))
    check_writable(output)
    first: TrainConfig = load_config("train", configurations[0].folds[0].config)
    dataset = open_recorded(first.data, config.trust)
    candidates = candidates_of(configurations, ensembles=config.ensembles)
    pairs: dict[str, Pairs] = {}
    evaluations: dict[str, Evaluation] = {}
    for candidate, folder in zip(candidates, folders_for(candidates, output), strict=True):
        say(f"{candidate.name}: {len(configurations[0].by_case)} cases, by networks that did not train on them")
        pairs[candidate.name] = out_of_fold(candidate, folder, dataset, config)
        evaluations[candidate.name] = scored(pairs[candidate.name], dataset, folder)
    comparison = compared(candidates, evaluations, output, config)
    show(comparison, config.difference)
    chosen = simplest(candidates, comparison)
    sentence = f"chosen: {chosen.name}: {reason(chosen, comparison)}"
    tell(chosen, candidates, comparison)
    say(sentence)
    made = write_best(chosen, candidates, comparison, pairs[chosen.name], dataset, output)
    say(f"segkit predict run={output} uses {chosen.networks} networks; segkit evaluate run={output} tells its worth")
    paths_written([*written(comparison, Path(config.output or output), sentence), *made])
    return comparison


def folders_for(candidates: Sequence[Candidate], output: Path) -> list[Path]:
    """Return a folder for each candidate, whose name is safe."""
    names: list[str] = []
    for candidate in candidates:
        names.append(trial_name((candidate.name.replace(" ", ""),), names))
    return [output / CANDIDATES / name for name in names]


def out_of_fold(candidate: Candidate, folder: Path, dataset: Dataset, config: CompareConfig) -> Pairs:
    """Segment every case without postprocessing by runs that did not train on it, and pair masks with references.

    Masks of single configurations lie in their runs, where a study has put them already.
    """
    masks: dict[str, Path] = {}
    for team, names in candidate.teams().items():
        together = trial_name((",".join(run.path.name for run in team),), ())
        place = team[0].predictions(VALIDATION) if len(team) == 1 else folder / "predictions" / together
        masks |= segmented(team, names, place, dataset, config)
    return paired(masks, dataset)


def segmented(team: Runs, names: Sequence[str], place: Path, dataset: Dataset, config: CompareConfig) -> Masks:
    """Segment cases by one run or several together, and return their masks.

    Windows are covered as in the first run's own validation, so that a study's masks are these.

    Raises:
        DataError: when a case is gone.
        CasesFailedError: when one cannot be segmented.
    """
    missing = [name for name in names if name not in dataset.cases]
    if missing:
        raise DataError(f"{dataset.options.root} no longer holds {missing[0]}, which {team[0].path.name} validated")
    own: TrainConfig = load_config("train", team[0].config)
    model = load(
        [run.path for run in team], device=config.device, options=own.inference, postprocessing=AS_IT_IS,
        trust=config.trust,
    )  # fmt: skip
    cohort = segment_scans(model, {name: dict(dataset.cases[name].images) for name in names}, place, ["auto"])
    if cohort.failed:
        raise CasesFailedError(f"{len(cohort.failed)} cases could not be segmented: {some_of(cohort.failed)}")
    return cohort.masks


def compared(
    candidates: Sequence[Candidate], evaluations: dict[str, Evaluation], output: Path, config: CompareConfig
) -> Comparison:
    """Rank the candidates on the cases that validated."""
    methods = [
        Method(
            candidate.name, evaluations[candidate.name].scores,
            candidate.parts[0].choices if len(candidate.parts) == 1 else {},
            candidate.hours, tuple(str(fold.path) for fold in candidate.folds),
        )
        for candidate in candidates
    ]  # fmt: skip
    saved = [read_evaluation(folder / "evaluation") for folder in folders_for(candidates, output)]
    clusters = {case: patient for each in saved for case, patient in each.clusters.items()}
    return compare_methods(methods, question_of(config, saved, VALIDATION), clusters)


def tell(chosen: Candidate, candidates: Sequence[Candidate], comparison: Comparison) -> None:
    """Print what the candidates cost, and which one is taken."""
    networks = {candidate.name: candidate.networks for candidate in candidates}
    rows = [
        (one.name, f"{one.score.mean:.4f}", str(networks[one.name]), "chosen" if one.name == chosen.name else "")
        for one in comparison.standings
    ]
    table("candidates, without postprocessing", ("candidate", comparison.metric, "networks", ""), rows)
