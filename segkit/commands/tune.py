"""`segkit tune data=NAME sweep=NAME`: searches for better settings on the cases of one fold."""

from __future__ import annotations

from pathlib import Path

from segkit.config.call import Call
from segkit.config.commands import TuneConfig
from segkit.studies.search.search import search


def tune(config: TuneConfig, call: Call) -> Path:
    """Search over a space, from where the study in `output` stands.

    Args:
        config: the composed config.
        call: what was typed: each trial is composed from it anew.

    Returns:
        The study's folder: a run folder for each trial, study.json, trials.csv, history.png, importance.png.

    Raises:
        UsageError: when a setting of the space does not hold, or the study in `output` searches something else.
        CasesFailedError: when trials failed, naming them; the others were finished.
    """
    return search(config, call)
