import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from segkit.foundation import parallel
from segkit.foundation.errors import StoppedError
from segkit.foundation.parallel import elsewhere, here, parallel_map

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the workers import their functions from beside this file

import parallel_jobs as jobs  # noqa: E402


def values(outcomes):
    return {outcome.index: outcome.value for outcome in outcomes}


def errors(outcomes):
    return {outcome.index: outcome.error for outcome in outcomes if outcome.error is not None}


def is_running(process):
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
def test_each_item_has_one_outcome(workers):
    outcomes = list(parallel_map(jobs.square, range(7), workers=workers, name="case {}".format))
    assert values(outcomes) == {number: number**2 for number in range(7)}
    assert {(outcome.item, outcome.name, outcome.error) for outcome in outcomes} == {
        (number, f"case {number}", None) for number in range(7)
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_no_items_give_no_outcomes(workers):
    assert list(parallel_map(jobs.square, [], workers=workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_item_is_one_line_and_the_others_go_on(workers):
    outcomes = list(parallel_map(jobs.fail_on_odd, range(6), workers=workers))
    assert errors(outcomes) == {
        1: "case 1 is odd: it has 1 voxels",
        3: "KeyError: 3",
        5: "case 5 is odd: it has 5 voxels",
    }
    traces = {outcome.index: outcome.trace for outcome in outcomes if outcome.trace}
    assert list(traces) == [3], "only an unforeseen error carries its trace"
    assert "fail_on_odd" in traces[3]
    assert len(values(outcomes)) == 6


def test_a_worker_that_was_ended_over_an_item_gets_no_other_one():
    """Its last result may arrive while it is being ended; a further item would then be ended with it."""
    alive = SimpleNamespace(is_alive=lambda: True)
    assert parallel._is_free(parallel._Worker(alive, None))
    assert not parallel._is_free(parallel._Worker(alive, None, is_overdue=True))


def test_an_error_without_words_is_named_by_its_type():
    assert errors(parallel_map(jobs.run_out_of_memory, [0], workers=1)) == {0: "MemoryError"}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (jobs.kill_on_three, "the worker was killed, probably out of memory"),
        (jobs.crash_on_three, "the worker died of signal 11"),
        (jobs.exit_on_three, "the worker ended with code 7"),
        (jobs.opaque_on_three, "the result cannot be sent back: opaque"),
    ],
)
def test_a_worker_that_dies_costs_its_own_item_only(function, message):
    outcomes = list(parallel_map(function, range(8), workers=2))
    assert errors(outcomes) == {3: message}
    assert sorted(outcome.index for outcome in outcomes) == list(range(8))
    assert [outcome.value for outcome in outcomes if outcome.error is None and outcome.value != outcome.item] == []


def test_workers_killed_one_by_one_lose_no_item(tmp_path, capsys):
    marks = [tmp_path / f"case_{number}" for number in range(8)]
    outcomes = list(parallel_map(jobs.die_the_first_time, marks, workers=4, name=lambda path: path.name))
    assert errors(outcomes) == {}
    assert sorted(outcome.value for outcome in outcomes) == [path.name for path in marks]
    said = capsys.readouterr().err.splitlines()
    assert sorted(line.split(":")[1].strip() for line in said) == [path.name for path in marks[:4]]
    assert all("the worker was killed, probably out of memory; it is tried once more" in line for line in said)


def test_a_worker_that_hangs_is_ended_and_its_item_named():
    outcomes = list(parallel_map(jobs.hang_on_three, range(6), workers=2, limit=2.0))
    assert list(errors(outcomes)) == [3]
    assert errors(outcomes)[3].startswith("its worker was ended: it was at it for ")
    assert len(outcomes) == 6


def test_work_in_this_process_that_takes_long_is_said(capsys):
    assert values(parallel_map(jobs.doze, [0.3], workers=1, limit=0.05, name="case {}".format)) == {0: 0.3}
    assert "case 0.3 takes longer than " in capsys.readouterr().err


def test_every_worker_may_die_and_each_item_is_still_named():
    outcomes = list(parallel_map(jobs.kill_on_three, [3, 3, 3], workers=2))
    assert len(outcomes) == len(errors(outcomes)) == 3


def test_a_worker_that_dies_idle_costs_nothing():
    def cases() -> Iterator[int]:
        yield 0
        time.sleep(0.6)
        yield from (1, 2, 3)

    outcomes = list(parallel_map(jobs.die_after_zero, cases(), workers=2))
    assert errors(outcomes) == {}
    assert len(outcomes) == 4


def test_an_item_that_cannot_be_sent_is_its_own_error():
    outcomes = list(parallel_map(jobs.square, [1, jobs.Opaque(), 3], workers=2, name=lambda item: "x"))
    assert errors(outcomes) == {1: "the item cannot be sent to a worker: opaque"}
    assert values(outcomes) == {0: 1, 1: None, 2: 9}


def test_a_function_that_cannot_be_sent_is_the_callers_mistake():
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        list(parallel_map(lambda item: item, [1, 2], workers=2))


def test_large_items_and_values_pass_through():
    outcomes = list(parallel_map(jobs.size_of, [np.zeros(5_000_000, np.uint8)] * 3, workers=2, name=len))
    assert set(values(outcomes).values()) == {5_000_000}
    arrays = values(parallel_map(jobs.large, range(4), workers=2))
    assert all((array == number).all() for number, array in arrays.items())


def test_items_are_taken_only_as_workers_become_free():
    taken = []

    def cases() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    outcomes = parallel_map(jobs.square, cases(), workers=2)
    for done, _ in enumerate(outcomes, start=1):
        assert len(taken) <= done + 2
    assert len(taken) == 10


def test_one_worker_runs_in_this_process_and_two_do_not():
    assert set(values(parallel_map(jobs.process_of, range(2), workers=1)).values()) == {os.getpid()}
    processes = set(values(parallel_map(jobs.process_of, range(6), workers=2)).values())
    assert os.getpid() not in processes
    assert len(processes) <= 2


@pytest.mark.parametrize(
    ("bytes_each", "memory", "here"),
    [(100, 199, True), (100, 50, True), (100, 200, False), (0, 0, False), (1 << 60, None, True)],
)
def test_memory_limits_the_workers(monkeypatch, bytes_each, memory, here):
    if memory is not None:
        monkeypatch.setattr(parallel, "available_memory", lambda: memory)
    outcomes = parallel_map(jobs.process_of, range(2), workers=2, bytes_each=bytes_each)
    assert (set(values(outcomes).values()) == {os.getpid()}) is here


def test_workers_share_the_cores_and_leave_ctrl_c_to_the_parent(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads, blocked = values(parallel_map(jobs.environment, range(2), workers=2))[0]
    assert int(threads) >= 1
    assert blocked
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_map_inside_a_worker_runs_there():
    assert values(parallel_map(jobs.nested, [2, 3], workers=2)) == {0: [0, 1], 1: [0, 1, 4]}


def test_a_signal_that_stops_the_run_is_no_items_error():
    def stop(item):
        raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        list(parallel_map(stop, [1], workers=1))


def test_closing_early_stops_the_workers_and_removes_what_they_half_wrote(tmp_path, tmp_path_factory):
    paths = [tmp_path / "a", tmp_path / "b", f"{tmp_path_factory.mktemp('elsewhere')}/folder\0"]
    outcomes = parallel_map(jobs.write_and_sleep, paths[2:] + paths[:2], workers=2)
    assert next(outcomes).error.startswith("ValueError")
    wait_for(lambda: len(list(tmp_path.glob("*.began"))) == 2)
    processes = [int(path.read_text()) for path in tmp_path.glob("*.began")]
    outcomes.close()
    assert not any(is_running(process) for process in processes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.began", "b.began"]


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import parallel_jobs as jobs
from segkit.foundation.parallel import elsewhere, here, parallel_map
if __name__ == "__main__":
    for outcome in parallel_map(jobs.write_and_sleep, sys.argv[1:], workers=2):
        print(outcome)
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path, ending):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(here=str(HERE)))
    command = [sys.executable, script, tmp_path / "a", tmp_path / "b"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as parent:
        wait_for(lambda: len(list(tmp_path.glob("*.began"))) == 2)
        processes = [int(path.read_text()) for path in tmp_path.glob("*.began")]
        if ending == signal.SIGINT:
            os.killpg(parent.pid, signal.SIGINT)  # Ctrl-C reaches the whole group
            written = parent.communicate(timeout=30)[1]
            assert written.count("Traceback") == 1, "only the parent speaks"
            assert "KeyboardInterrupt" in written
        else:
            parent.kill()
        wait_for(lambda: not any(is_running(process) for process in processes))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.began", "b.began", "script.py"]


def test_a_script_without_a_guard_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    lines = ("import math", "from segkit.foundation.parallel import elsewhere, here, parallel_map")
    script.write_text("\n".join((*lines, "list(parallel_map(math.sqrt, [1, 2], workers=2))")))
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert "SegkitError: worker processes cannot start: call from a script under `if __name__" in ended.stderr


def test_a_pool_takes_what_would_go_to_worker_processes():
    asked = []

    def pool(function, tasks, *, workers, bytes_each):
        asked.append((workers, bytes_each))
        return here(function, tasks)

    with elsewhere(pool):
        assert values(parallel_map(jobs.square, range(3), bytes_each=5)) == {0: 0, 1: 1, 2: 4}
        assert values(parallel_map(jobs.square, range(3), workers=1)) == {0: 0, 1: 1, 2: 4}
    assert values(parallel_map(jobs.square, range(3), workers=2)) == {0: 0, 1: 1, 2: 4}
    assert asked == [(None, 5)]
