"""Errors for people: what is wrong, in which file or key, what to do; and what others say, in one line."""

import os

LONGEST = 300  # characters of what a library says


class SegkitError(Exception):
    """Something a person can mend; the command line prints its message as one line and exits with `exit_code`."""

    exit_code = 1


class UsageError(SegkitError):
    """A mistake in the call or in the config, found before anything started."""

    exit_code = 2


class DataError(SegkitError):
    """A file or a case that cannot be used; the message names the file."""


class GeometryError(DataError):
    """Grids that should be one and are not, or a grid that a format cannot hold."""


class CasesFailedError(SegkitError):
    """Some cases of a batch failed, each named already; the others were finished."""


class StoppedError(SegkitError):
    """Ctrl-C or SIGTERM; the state is saved and the same command goes on."""

    exit_code = 130


class MissingExtraError(SegkitError):
    """An optional package is needed; the message names the extra to install."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        """Say that `purpose` needs `package`, which `segkit[extra]` installs."""
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'segkit[{extra}]'")


def one_line(text: object) -> str:
    """Put a message of several lines on one; blanks inside a line stay, since paths may hold them."""
    return " ".join(line.strip() for line in str(text).splitlines() if line.strip())


def said_by_library(error: BaseException) -> str:
    """Return what an exception of a library says, in one line of bearable length."""
    return one_line(error)[:LONGEST] or type(error).__name__


def reason_of_system(error: OSError) -> str:
    """Return what the system says is wrong, as it stands within a sentence: `no space left on device`."""
    return error.strerror.lower() if error.strerror else said_by_library(error)


def said_by_system(error: OSError) -> str:
    """Return what the system says is wrong, after the file that it is about where one is known."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return where + reason_of_system(error)
