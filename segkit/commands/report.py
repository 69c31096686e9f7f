"""`segkit report run=RUN`: one HTML file that opens offline, with an interactive viewer."""

from __future__ import annotations

from pathlib import Path

from segkit.config.commands import ReportConfig
from segkit.foundation.console import paths_written, say, warn
from segkit.foundation.errors import CasesFailedError
from segkit.foundation.files import check_writable
from segkit.foundation.memory_size import memory_bytes
from segkit.reports.run_page import Options, write_run_page
from segkit.reports.run_record import read_run

PAGE = "report.html"


def report(config: ReportConfig) -> Path:
    """Write the report of a run or a study.

    Returns:
        the page.

    Raises:
        UsageError: when the config does not hold together.
        DataError: when the folder is neither a run nor a study, or a file in it is damaged.
        CasesFailedError: when cases could not be read; everything is written then.
    """
    run = Path(config.run)
    page = Path(config.output) if config.output else run / PAGE
    check_writable(page.parent)
    record = read_run(run, config.trust)
    options = Options(config.worst, config.channel, memory_bytes(config.file_size), config.anonymous, config.serve, config.workers)
    made = write_run_page(record, page, options)
    for note in record.notes:
        warn(note)
    say(f"{page.name}: {made.size / 1e6:.1f} MB, {len(made.shown)} cases in the viewer")
    if made.parts:
        say(f"the volumes of {len(made.parts)} cases lie in {made.parts[0].parent}, which has to stay beside the page")
    paths_written([page])
    if made.unread:
        raise CasesFailedError(f"{len(made.unread)} cases could not be read: {'; '.join(list(made.unread.values())[:3])}")
    return page
