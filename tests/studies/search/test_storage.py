"""Where trials stand: a journal, SQLite, and PostgreSQL from a real server."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from optuna.pruners import NopPruner
from optuna.trial import TrialState

from segkit.foundation.errors import MissingExtraError, UsageError
from segkit.studies.search import claims
from segkit.studies.search import storage as storages
from segkit.studies.search.storage import (
    JOURNAL,
    check_optuna,
    mend_journal,
    open_storage,
    open_study,
    without_password,
)

SPACE = {
    "lr": optuna.distributions.FloatDistribution(0, 1),
    "network": optuna.distributions.CategoricalDistribution("ab"),
}
PROJECT = Path(__file__).resolve().parents[3]
RECORD = {"space": {"lr": [0, 1]}, "objectives": ["dice"], "words": ["seed=1"]}


def begin(url, folder, name="study", **changes):
    return open_study(open_storage(url, folder), name, {**RECORD, **changes}, NopPruner())


def exercise(url, folder):
    """Two workers on one study, one trial handed over; return it as plain Optuna's storage has it."""
    one, other = begin(url, folder), begin(url, folder)
    first, second = one.ask(SPACE), other.ask(SPACE)
    assert (first.number, second.number) == (0, 1)
    first.report(0.4, 1)
    first.set_user_attr(claims.RUN, "000")
    one.tell(first, 0.5)
    stored = other.get_trials(deepcopy=False)[1]
    claims.hand_back(other, stored, reason="gone", retry=1)
    again = one.ask(SPACE)
    assert again.params == second.params
    assert again.user_attrs == {claims.RETRY: 1}
    one.tell(again, 0.75)
    return [trial.state for trial in other.get_trials()], other.best_value


EXPECTED = ([TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE], 0.75)


def test_a_journal_in_the_folder_of_the_study(tmp_path):
    assert exercise(None, tmp_path) == EXPECTED
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / JOURNAL))
    plain = optuna.load_study(study_name="study", storage=optuna.storages.JournalStorage(backend))
    assert plain.best_value == 0.75
    assert plain.trials[0].intermediate_values == {1: 0.4}


def test_a_database_that_is_a_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    assert exercise(url, tmp_path) == EXPECTED
    assert optuna.load_study(study_name="study", storage=url).best_params.keys() == {"lr", "network"}
    assert not (tmp_path / JOURNAL).exists()


def test_a_journal_whose_last_line_was_cut_off_is_read_and_written_again(tmp_path):
    study = begin(None, tmp_path)
    study.tell(study.ask(SPACE), 0.5)
    path = tmp_path / JOURNAL
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"worker')
    study = begin(None, tmp_path)
    assert path.read_bytes().startswith(whole)
    assert b'"worker{' not in path.read_bytes()
    study.tell(study.ask(SPACE), 0.75)
    assert [trial.value for trial in begin(None, tmp_path).trials] == [0.5, 0.75]


def test_a_whole_journal_stays_as_it_is(tmp_path):
    begin(None, tmp_path)
    before = (tmp_path / JOURNAL).read_bytes()
    mend_journal(tmp_path / JOURNAL)
    mend_journal(tmp_path / "absent.log")
    assert (tmp_path / JOURNAL).read_bytes() == before
    assert not (tmp_path / f"{JOURNAL}.lock").is_symlink()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"lr": [0, 2]}}, "the study study has another space"),
        ({"objectives": ["dice", "seconds"]}, "has other objectives"),
        ({"words": ["seed=2"]}, "has other settings of its trainings: type what it was begun with"),
    ],
)
def test_workers_of_one_study_agree_on_what_they_search(changes, message, tmp_path):
    begin(None, tmp_path)
    with pytest.raises(UsageError, match=message):
        begin(None, tmp_path, **changes)
    assert begin(None, tmp_path, name="another", **changes).user_attrs


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "sweep.storage is not a URL such as"),
        ("sqlite:////nowhere/at/all.db", "sqlite:////nowhere/at/all.db cannot be opened"),
        ("oracle+cx_oracle://me:secret@host/db", "its driver is not installed"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db", "cannot be opened"),
        ("redis://me:secret@127.0.0.1/0", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(url, message, tmp_path):
    with pytest.raises(UsageError) as caught:
        open_storage(url, tmp_path)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_is_not_shown():
    assert without_password("postgresql+psycopg://me:secret@host/db") == "postgresql+psycopg://me:***@host/db"


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(storages, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"segkit tune needs optuna.*segkit\[tune\]"):
        check_optuna()


@pytest.fixture(scope="module")
def postgres():
    """A PostgreSQL server of its own on loopback, as a user without rights; return its URL."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = binaries[-1] if binaries else Path(shutil.which("initdb") or "/absent/initdb").resolve().parent
    if not (found / "initdb").exists():
        pytest.skip("no PostgreSQL server on this machine: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
    user = _unprivileged()
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # pytest's own folders are closed to other users.
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    if user:
        shutil.chown(folder, user)
    run = lambda *words, **options: subprocess.run(words, user=user, cwd=folder, check=True, **options)  # noqa: E731
    run(found / "initdb", "-D", folder / "db", "-A", "trust", "-U", "segkit", "-N", stdout=subprocess.DEVNULL)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run(found / "pg_ctl", "-D", folder / "db", "-w", "-l", folder / "log", "-o", options, "start",
        stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        yield f"postgresql+psycopg://segkit:secret@127.0.0.1:{port}/postgres"
    finally:
        run(found / "pg_ctl", "-D", folder / "db", "-m", "immediate", "stop", stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str | None:
    """Return a user who may run the server, None for whoever runs the test; PostgreSQL refuses root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
    return None


def test_a_real_postgresql_server(postgres, tmp_path):
    assert exercise(postgres, tmp_path) == EXPECTED
    plain = optuna.load_study(study_name="study", storage=postgres)
    assert plain.trials[1].user_attrs[claims.REPLACED] is True
    with pytest.raises(UsageError, match="has another space"):
        begin(postgres, tmp_path, space={})


def test_two_processes_draw_from_postgresql_at_once(postgres, tmp_path):
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(PROJECT)!r})
import optuna
from tests.studies.search.test_storage import SPACE, begin
study = begin({postgres!r}, Path("."), name="parallel")
for _ in range(5):
    study.tell(study.ask(SPACE), 0.5)
"""

    begin(postgres, tmp_path, name="parallel")
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    trials = begin(postgres, tmp_path, name="parallel").trials
    assert [trial.number for trial in trials] == list(range(10))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
