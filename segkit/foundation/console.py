"""What people read while segkit works: rich on a terminal, plain lines when piped."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar

from segkit.foundation.durations import format_duration
from segkit.foundation.journal import JOURNAL

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task
    from rich.text import Text

T = TypeVar("T")
_PLAIN_LINES = 10
_PLAIN_SECONDS = 2.0
_PLAIN_SILENCE = 600.0  # the longest
_PLAIN_FIRST = 30.0  # after which one wonders whether it goes on at all
_BAR_WIDTH = 50  # characters: a narrower terminal shows the count without a bar
# Names in scans are a stranger's text: control characters could rewrite the terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
_live: "Progress | None" = None


class Advance(Protocol):
    """Moves a progress bar on."""

    def __call__(self, steps: int = 1, what: str | None = None) -> None:
        """Count `steps` more as done; `what` replaces the words before the bar."""


def say(text: str) -> None:
    """Print one line on stdout."""
    _print(text, sys.stdout, logging.INFO)


def warn(text: str) -> None:
    """Print one line on stderr that begins with "warning:"."""
    _print(text, sys.stderr, logging.WARNING, prefix="warning: ", style="yellow")


def error(text: str) -> None:
    """Print one line on stderr that begins with "error:"."""
    _print(text, sys.stderr, logging.ERROR, prefix="error: ", style="bold red")


def journal(text: str) -> None:
    """Write one line into the log file only, where there is one."""
    JOURNAL.info("%s", _printable(text, None))


def paths_written(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Print the lines that close a command: one for each file or folder it wrote."""
    for path in paths:
        say(f"wrote {os.fspath(path)}")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on stdout; columns of numbers are aligned to the right.

    Where the terminal is too narrow for the table, each row is printed as a short list instead.

    Args:
        title: a line above it; "" for none.
        columns: the head of each column.
        rows: cells in the order of `columns`, already rounded as they should be read.

    Raises:
        ValueError: when a row has not one cell for each column.
    """
    cells = [[_printable(str(cell), sys.stdout).replace("\n", " ") for cell in row] for row in rows]
    if any(len(row) != len(columns) for row in cells):
        raise ValueError(f"each row of the table {title!r} needs {len(columns)} cells")
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    numeric = [all(_is_number(row[index]) for row in cells) for index in range(len(columns))]
    if not _is_terminal(sys.stdout):
        _plain_table(title, columns, cells, widths, numeric)
    elif sum(widths) + 3 * len(widths) + 1 > _console(sys.stdout).width:
        _record_list(title, columns, cells)
    else:
        _rich_table(title, columns, cells, numeric)


def _plain_table(
    title: str, columns: Sequence[str], cells: list[list[str]], widths: list[int], numeric: list[bool]
) -> None:
    if title:
        say(title)
    for row in (list(columns), ["-" * width for width in widths], *cells):
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        say("  ".join(padded).rstrip())


def _record_list(title: str, columns: Sequence[str], cells: list[list[str]]) -> None:
    if title:
        say(title)
    for row in cells:
        say(f"- {row[0]}" if row else "-")
        for column, cell in zip(columns[1:], row[1:], strict=True):
            say(f"  {column}: {cell}")


def _rich_table(title: str, columns: Sequence[str], cells: list[list[str]], numeric: list[bool]) -> None:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(title, style="bold") if title else None, title_justify="left")
    for column, right in zip(columns, numeric, strict=True):
        drawn.add_column(Text(column), justify="right" if right else "left", no_wrap=True)
    for row in cells:
        drawn.add_row(*map(Text, row))
    _console(sys.stdout).print(drawn)


@contextmanager
def live_table(columns: Sequence[str]) -> Iterator[Callable[[Iterable[Sequence[object]]], None]]:
    """Show a table whose rows change, on a terminal; nothing is shown where output is piped.

    Args:
        columns: the head of each column.

    Yields:
        A function that replaces the rows; lines that are printed meanwhile stand above the table.
    """
    if not _is_terminal(sys.stdout):
        yield lambda rows: None
        return
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def drawn(rows: Iterable[Sequence[object]]) -> Table:
        shown = Table(*columns)
        for row in rows:
            shown.add_row(*(Text(_printable(str(cell), sys.stdout)) for cell in row))
        return shown

    with Live(drawn([]), console=_console(sys.stdout), refresh_per_second=2) as live:
        yield lambda rows: live.update(drawn(rows))


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip("±% "))
    except ValueError:
        return cell in ("", "-", "–")
    return True


def progress(iterable: Iterable[T], total: int | None = None, what: str = "") -> Iterator[T]:
    """Pass an iterable through and show how far it is.

    Args:
        iterable: what is worked through.
        total: how many there are; None takes `len(iterable)` where it has one.
        what: the work, as a word before the bar ("predicting").

    Yields:
        The members of `iterable`; each counts as done when the next is asked for.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with progress_bar(total, what) as advance:
        for member in iterable:
            yield member
            advance()


@contextmanager
def progress_bar(total: int | None, what: str, *, percent: bool = False) -> Iterator[Advance]:
    """Show how far a piece of work is: a bar on a terminal; when piped about ten lines, more of long work.

    Args:
        total: how many steps there are; None when nobody knows.
        what: the work, as a word before the bar ("predicting").
        percent: show the share that is done, where steps are no things that people count.

    Yields:
        A function that counts steps as done: `advance()` or `advance(3)`.
    """
    if not _is_terminal(sys.stdout):
        yield _line_counter(total, what, percent)
        return
    nested = _live is not None
    with _shared_bars() as bars:
        task = bars.add_task(_printable(what, sys.stdout), total=total, percent=percent)
        try:
            yield lambda steps=1, what=None: bars.update(
                task, advance=steps, description=None if what is None else _printable(what, sys.stdout)
            )
        finally:
            bars.stop_task(task)
            if nested:  # only the outermost line stays on the screen
                bars.remove_task(task)


def _line_counter(total: int | None, words: str, percent: bool = False) -> Advance:
    started = said = time.monotonic()
    done = shown = 0

    def advance(steps: int = 1, what: str | None = None) -> None:
        nonlocal done, shown, said, words
        done, words = done + steps, words if what is None else what
        # Tenths where the total is known, else powers of two, and only where one would begin to wonder.
        mark = done * _PLAIN_LINES // total if total else done.bit_length()
        silence, longest = time.monotonic() - said, _PLAIN_FIRST if said == started else _PLAIN_SILENCE
        if done == total or silence >= (_PLAIN_SECONDS if mark > shown else longest):
            shown, said = mark, time.monotonic()
            elapsed = said - started
            left = f", about {format_duration(elapsed / done * (total - done))} left" if total and done < total else ""
            say(f"{words}: {_count(done, total, percent)} after {format_duration(elapsed)}{left}")

    return advance


def _count(done: float, total: float | None, percent: bool) -> str:
    if percent and total:
        return f"{done / total:.1%}"
    return f"{done:.0f}/{total:.0f}" if total else f"{done:.0f}"


@contextmanager
def _shared_bars() -> Iterator["Progress"]:
    # A terminal has room for one live display: nested work adds its line to the bars already there.
    global _live
    if _live is not None:
        yield _live
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Count(MofNCompleteColumn):
        def render(self, task: "Task") -> "Text":
            is_share = task.fields["percent"]
            return Text(_count(task.completed, task.total, percent=True)) if is_share else super().render(task)

    console = _console(sys.stdout)
    words, count, elapsed = TextColumn("{task.description}", markup=False), Count(), TimeElapsedColumn()
    wide = (words, BarColumn(bar_width=None), count, elapsed, TimeRemainingColumn())
    columns = wide if console.width >= _BAR_WIDTH else (words, count, elapsed)
    with Progress(*columns, console=console) as _live:
        try:
            yield _live
        finally:
            _live = None


@contextmanager
def told_if_longer(seconds: float | None, what: str) -> Iterator[None]:
    """Say, while the block is still at it, that it takes longer than some seconds; None: never."""
    if seconds is None:
        yield
        return
    taken = format_duration(seconds)
    timer = threading.Timer(seconds, warn, [f"{what} takes longer than {taken}: is the disk there?"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _print(text: str, stream: TextIO, level: int, *, prefix: str = "", style: str = "") -> None:
    JOURNAL.log(level, "%s", _printable(text, None))
    text = _printable(prefix + text, stream)
    if style and _is_terminal(stream):
        _console(stream).print(text, style=style, markup=False, highlight=False, emoji=False, soft_wrap=True)
    else:
        print(text, file=stream, flush=True)


def _printable(text: str, stream: TextIO | None) -> str:
    # File names that are not UTF-8 hold lone surrogates, which no stream can encode.
    encoding = (stream and stream.encoding) or "utf-8"
    return text.translate(_CONTROLS).encode(encoding, "backslashreplace").decode(encoding)


def _is_terminal(stream: Any) -> bool:
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def _console(stream: TextIO) -> "Console":
    from rich.console import Console

    return Console(file=stream)
