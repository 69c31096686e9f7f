"""Where a search keeps its trials: a journal in the study's folder, or any database that Optuna knows."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.foundation.errors import MissingExtraError, UsageError, one_line

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage

JOURNAL = "journal.log"
_RECORD = "segkit"  # the attribute of a study that says what it searches over


def check_optuna() -> None:
    """Require Optuna, and what its CMA-ES is made with.

    Raises:
        MissingExtraError: when one of them is not installed.
    """
    for package in ("optuna", "cmaes"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "tune", "segkit tune")


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """Open the storage of a search.

    Args:
        url: as SQLAlchemy reads it; None: a journal file in `folder`.
        folder: of the study.

    Raises:
        UsageError: when the database cannot be reached; a password is never shown.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is None:
        from optuna.storages.journal import JournalFileBackend, JournalStorage

        mend_journal(folder / JOURNAL)
        return JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    shown = without_password(url)
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return optuna.storages.RDBStorage(url, skip_compatibility_check=False)
    except ImportError as error:
        raise UsageError(f"sweep.storage={shown}: its driver is not installed: {one_line(error)}") from None
    except (SQLAlchemyError, ValueError, RuntimeError) as error:
        # The driver's message may repeat what was typed.
        reason = one_line(str(getattr(error, "orig", None) or error)).replace(url, shown)
        raise UsageError(f"sweep.storage={shown} cannot be opened: {reason}") from None


def without_password(url: str) -> str:
    """Return a database URL that may be printed.

    Raises:
        UsageError: when it is none.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        raise UsageError(
            "sweep.storage is not a URL such as postgresql+psycopg://USER@HOST/DB or sqlite:///FILE"
        ) from None


def mend_journal(path: Path) -> None:
    """Cut off a last line that a machine went down in the middle of: Optuna reads no journal with one inside."""
    from optuna.storages.journal import JournalFileSymlinkLock

    if not path.exists() or path.stat().st_size == 0:
        return
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        with path.open("rb+") as file:
            text = file.read()
            whole = text.rfind(b"\n") + 1
            if whole < len(text):
                file.truncate(whole)
                os.fsync(file.fileno())
    finally:
        with suppress(RuntimeError):  # another process took it for a dead one's
            lock.release()


def only_study(storage: BaseStorage) -> str | None:
    """Return the name of the one study that a storage holds, whatever its folder is called by now; else None."""
    import optuna

    names = optuna.get_all_study_names(storage)
    return names[0] if len(names) == 1 else None


def open_study(storage: BaseStorage, name: str, record: dict[str, Any], pruner: BasePruner) -> Study:
    """Open a study, or begin it.

    Args:
        storage: of its trials.
        name: in the storage.
        record: plain values that say what is searched; workers of one study must agree on them.
        pruner: of this worker.

    Raises:
        UsageError: when a study of that name searches something else.
    """
    import optuna
    from optuna.study import StudyDirection

    ways = {"dice": StudyDirection.MAXIMIZE, "seconds": StudyDirection.MINIMIZE}
    directions = [ways[objective] for objective in record["objectives"]]
    study = optuna.create_study(
        study_name=name, storage=storage, directions=directions, pruner=pruner, load_if_exists=True
    )
    before = study.user_attrs.get(_RECORD)
    if before is None:
        study.set_user_attr(_RECORD, record)
    else:
        _check_same(name, before, record)
    return study


def objectives_of(study: Study) -> list[str]:
    """Return the names of a study's values: `dice`, and `seconds` where it has two."""
    return [str(name) for name in study.user_attrs[_RECORD]["objectives"]]


def _check_same(name: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    for part, value in now.items():
        if before.get(part) != value:
            other = {"space": "another space", "objectives": "other objectives"}
            what = other.get(part, "other settings of its trainings")
            raise UsageError(f"the study {name} has {what}: type what it was begun with, or choose another output")
