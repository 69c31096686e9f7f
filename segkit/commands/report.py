"""`segkit report run=RUN|STUDY`: one HTML file that opens offline, with an interactive viewer."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from segkit.config.commands import ReportConfig
from segkit.foundation.console import paths_written, say, warn
from segkit.foundation.errors import CasesFailedError, DataError
from segkit.foundation.files import check_writable
from segkit.foundation.memory_size import amount_of
from segkit.reports.figures import chosen, write_cases, write_charts, write_tables
from segkit.reports.run_page import Made, Options, looks_of, shown_names, viewer_order, write_run_page
from segkit.reports.run_record import RunRecord, read_run
from segkit.reports.serving import Server
from segkit.reports.study_page import PAGE, is_study, write_study_page
from segkit.runs.folder import RunFolder

SHOWN = 3  # reasons in the closing line


def report(config: ReportConfig) -> Path:
    """Write the report of a run or a study, and what else is asked for.

    Returns:
        the page.

    Raises:
        UsageError: when the config does not hold together.
        DataError: when the folder is neither a run nor a study, or a file in it is damaged.
        CasesFailedError: when cases could not be read; everything is written then.
    """
    folder = Path(config.run)
    page = Path(config.output) if config.output else folder / PAGE
    options = Options(
        config.worst, config.channel, amount_of(config.file_size, key="file_size", example="15MB"), config.anonymous,
        config.serve, config.workers,
    )  # fmt: skip
    if is_study(folder):
        check_writable(page.parent)
        made = write_study_page(folder, page)
        paths_written([page, *([charts(made, Path(config.figures))] if config.figures else [])])
        return page
    if not RunFolder(folder).is_run:
        raise DataError(f"{folder} is neither a run folder (it has no config.yaml) nor a study (no study.json)")
    record = read_run(folder, config.trust)
    if config.serve:
        serve(record, options)
        return page
    check_writable(page.parent)
    made = write_run_page(record, page, options)
    tell(record, made)
    paths_written([page, *figures(config, record, made, options)])
    if made.unread:
        reasons = "; ".join(list(made.unread.values())[:SHOWN])
        raise CasesFailedError(f"{len(made.unread)} cases could not be read: {reasons}")
    return page


def tell(record: RunRecord, made: Made) -> None:
    """Say what the page holds, and what it lacks."""
    for note in record.notes:
        warn(note)
    say(f"{made.page.name}: {made.size / 1e6:.1f} MB, {len(made.shown)} cases in the viewer")
    if made.parts:
        say(f"the volumes of {len(made.parts)} cases lie in {made.parts[0].parent.name}, which belongs beside the page")


def serve(record: RunRecord, options: Options) -> None:
    """Serve a page until Ctrl-C or SIGTERM; it is of no use without its server, and goes with it."""
    with TemporaryDirectory() as folder:
        made = write_run_page(record, Path(folder) / PAGE, options)
        page = made.page.read_text(encoding="utf-8")
    tell(record, made)

    def volumes(place: int) -> dict[str, bytes]:
        return looks_of(record, options).volumes(record.files[made.shown[place]])

    with Server(page, volumes) as server:
        say(f"serving to this machine alone, until Ctrl-C: {server.address}")
        server.serve_forever()


def charts(made: Made, folder: Path) -> Path:
    """Write the charts of a page into a folder, and return it."""
    check_writable(folder)
    write_charts(made.drawings, folder)
    return folder


def figures(config: ReportConfig, record: RunRecord, made: Made, options: Options) -> list[Path]:
    """Write charts, tables and cases where a folder for them is named, and return that folder."""
    if not config.figures:
        return []
    folder = charts(made, Path(config.figures))
    if record.scores.cases:
        write_tables(record.scores, folder)
    names = [name for name in viewer_order(record) if name not in made.unread]
    if wanted := chosen(names, config.cases):
        called = shown_names(record, is_anonymous=options.is_anonymous)
        looks = looks_of(record, options)
        write_cases([record.files[name] for name in wanted], [called[name] for name in wanted], looks, folder)
    return [folder]
