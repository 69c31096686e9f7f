"""`segkit package run=RUN output=FILE.segkit`: a model that others can use."""

from __future__ import annotations

from pathlib import Path

from segkit.config.commands import PackageConfig
from segkit.foundation.console import paths_written
from segkit.foundation.errors import UsageError
from segkit.foundation.files import check_writable
from segkit.inference.packages import Packing, package_format
from segkit.runs.ensemble import is_ensemble, runs_of
from segkit.runs.folder import RunFolder
from segkit.runs.model_card import Origin, Statement, model_card, origin_of
from segkit.runs.package import MODEL, check_is_run, models_in


def package(config: PackageConfig) -> Path:
    """Pack the model of one run, or of several as an ensemble, in the form that the output's suffix names.

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
        if is_ensemble(run):
            members = ",".join(str(member) for member in runs_of(run))
            raise UsageError(f"{run} is a study: pass the runs that make its model, run=[{members}]")
    if any(output.exists() and output.samefile(run) for run in runs):
        raise UsageError(f"output={output} is the run itself: choose another name")
    from segkit.inference.model import load

    model = load(config.run, device="cpu", trust=config.trust)  # what does not load here would load nowhere
    folders = tuple(folder for run in runs for folder in models_in(run) if isinstance(folder, Path))
    statement = Statement(config.authors, config.licence, config.intended_use)
    # A model folder on its own has no run around it that could tell more.
    origins = [origin_of(RunFolder(folder.parent)) if folder.name == MODEL else Origin() for folder in folders]
    card = model_card(model.records, origins, statement)
    check_writable(output.parent)
    form.write(Packing(model, folders, card, statement), output)
    paths_written([output])
    return output
