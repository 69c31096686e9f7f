"""`segkit package run=RUN output=FILE.segkit`: a model that others can use."""

from __future__ import annotations

from pathlib import Path

from segkit.config.commands import PackageConfig
from segkit.foundation.console import paths_written
from segkit.foundation.errors import UsageError
from segkit.foundation.files import check_writable
from segkit.inference.packages import Packing, package_format
from segkit.runs.ensemble import is_ensemble
from segkit.runs.folder import RunFolder
from segkit.runs.model_card import Origin, Statement, model_card, origin_of
from segkit.runs.package import MODEL, check_is_run


def package(config: PackageConfig) -> Path:
    """Pack the model of one run, or of several or a study as an ensemble, in the form that the output's suffix names.

    Returns:
        the file or folder written.

    Raises:
        UsageError: when the suffix names no form, or that form cannot hold this model.
        DataError: when a run holds no model, or one that does not load; nothing is written then.
    """
    output = Path(config.output)
    form = package_format(output)
    runs = [Path(run) for run in config.run]
    for run in runs:
        check_is_run(run, instead="pass the run folder that it came from")
    if any(output.exists() and output.samefile(run) for run in runs):
        raise UsageError(f"output={output} is the run itself: choose another name")
    from segkit.inference.members import members_of
    from segkit.inference.model import load

    model = load(config.run, device="cpu", trust=config.trust)  # what does not load here would load nowhere
    folders = tuple(folder for run in runs for folder, _ in members_of(run) if isinstance(folder, Path))
    statement = Statement(config.authors, config.licence, config.intended_use)
    # A model folder on its own has no run around it that could tell more.
    origins = [origin_of(RunFolder(folder.parent)) if folder.name == MODEL else Origin() for folder in folders]
    whole = origin_of(RunFolder(folders[0].parent), runs[0]) if len(runs) == 1 and is_ensemble(runs[0]) else None
    card = model_card(model.records, origins, statement, whole)
    check_writable(output.parent)
    form.write(Packing(model, folders, card, statement), output)
    paths_written([output])
    return output
