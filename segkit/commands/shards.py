"""Masks of many scans by several jobs at once, each a shard of them, where `launcher=...` says."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from segkit.config.commands import PredictConfig
from segkit.config.recorded import CONFIG_FILE
from segkit.config.shard import Shard
from segkit.foundation.console import Advance, progress_bar, say, warn
from segkit.foundation.errors import CasesFailedError
from segkit.foundation.failures import say_failures
from segkit.foundation.files import check_writable, write_yaml
from segkit.foundation.locks import lock
from segkit.inference.cohort import Cohort
from segkit.inference.cohort_table import write_cases
from segkit.runs.manifest import path_of, read_manifest, read_part
from segkit.studies.engine import Engine
from segkit.studies.launching import build_launcher
from segkit.studies.trial import Result, Trial

JOBS = ".jobs"  # in the folder of the masks, until every job has ended well
WARNING = "warning: "


def segment_in_jobs(config: PredictConfig, names: Sequence[str], output: Path) -> Cohort:
    """Segment scans into a folder by jobs that share it; a mask that is there already is not made again.

    Args:
        config: of the command, with a launcher; each job runs the same command with a shard of the scans.
        names: of all scans.
        output: folder of the masks.

    Returns:
        the masks; a scan without one has failed, for a reason of its own or because its job did.

    Raises:
        UsageError: when the launcher cannot be used here, or does not say how many jobs there are.
        StoppedError: after Ctrl-C or SIGTERM, once every job has ended.
    """
    check_writable(output)
    engine = Engine(build_launcher(config.launcher or {}))
    with lock(output / JOBS / "lock", doing=f"segmenting into {output}", timeout=1):
        with engine, progress_bar(len(names), "segmenting") as advance:
            count = min(engine.launcher.places(), len(names))
            shards = [Shard(index, count) for index in range(1, count + 1)]
            jobs = [written_job(config, output, shard) for shard in shards]
            say(f"{len(names)} scans, divided into {count} jobs")
            watched = counter(output, shards, advance)
            results = list(engine.run(jobs, watched=watched))
            watched()
        repeat_warnings(jobs)
        cohort = cohort_of(output, results, dict(zip(jobs, shards, strict=True)), names)
        say_failures(cohort.failed)
        write_cases(output, read_manifest(output), config.scores.flagged)
    if all(result.is_success for result in results):
        shutil.rmtree(output / JOBS)
    else:
        say(f"what each job said stands in {output / JOBS}")
    return cohort


def written_job(config: PredictConfig, output: Path, shard: Shard) -> Trial:
    """Write what a job starts from."""
    name = f"masks_{shard.index}_of_{shard.count}"
    job = Trial(name, output / JOBS / name / CONFIG_FILE, output, (), command="predict")
    write_yaml(job.config, replace(config, launcher=None, shard=str(shard)))
    job.output.unlink(missing_ok=True)
    return job


def counter(output: Path, shards: Sequence[Shard], advance: Advance) -> Callable[[], None]:
    """Return what moves a progress bar to the number of scans that are through."""
    shown = 0

    def look() -> None:
        nonlocal shown
        parts = [read_part(path_of(output, shard)) for shard in shards]
        through = sum(len(part.cases) + len(part.failed) for part in parts)
        if through > shown:
            advance(through - shown)
            shown = through

    return look


def repeat_warnings(jobs: Sequence[Trial]) -> None:
    """Say once what jobs warned of."""
    said = [line for job in jobs if job.output.exists() for line in job.output.read_text().splitlines()]
    for line in dict.fromkeys(line for line in said if line.startswith(WARNING)):
        warn(line.removeprefix(WARNING))


def cohort_of(output: Path, results: Sequence[Result], shards: Mapping[Trial, Shard], names: Sequence[str]) -> Cohort:
    """Return the masks that jobs made or found, and why scans have none."""
    masks: dict[str, Path] = {}
    failed: dict[str, str] = {}
    for result in results:
        shard = shards[result.trial]
        part, own = read_part(path_of(output, shard)), shard.of(names)
        lost = {name: part.failed[name] for name in own if name in part.failed}
        if not (result.is_success or (lost and result.exit_code == CasesFailedError.exit_code)):
            lost = dict.fromkeys(own, f"job {shard}: {result.reason or result.state}")
        failed |= lost
        masks |= {name: mask for name in own if name not in lost and (mask := part.mask(output, name))}
    return Cohort(masks, 0, failed)
