import signal
import subprocess
import sys
import threading

import pytest

from segkit.foundation.errors import SegkitError
from segkit.foundation.locks import lock

HOLDER = """
import sys, time
from segkit.foundation.locks import lock
with lock(sys.argv[1], doing="preparing"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds tmp_path/"x.lock"."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "x.lock"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_free_lock_is_taken_silently_and_given_back(tmp_path, capsys):
    for _ in range(2):
        with lock(tmp_path / "new" / "x.lock", doing="preparing"):
            pass
    assert capsys.readouterr().out == ""


def test_a_failing_block_gives_the_lock_back(tmp_path):
    with pytest.raises(RuntimeError), lock(tmp_path / "x.lock", doing="preparing"):
        raise RuntimeError
    with lock(tmp_path / "x.lock", doing="preparing", timeout=0):
        pass


def test_a_held_lock_is_waited_for_and_then_given_up_in_one_line(tmp_path, holder, capsys):
    with (
        pytest.raises(SegkitError, match=r"another process is still preparing after 0.300 s: .*x\.lock is locked"),
        lock(tmp_path / "x.lock", doing="preparing", timeout=0.3),
    ):
        pytest.fail("the lock was held twice")
    assert capsys.readouterr().out == f"waiting for another process that is preparing ({tmp_path / 'x.lock'})\n"


def test_a_killed_process_holds_no_lock(tmp_path, holder, capsys):
    threading.Timer(0.5, holder.send_signal, [signal.SIGKILL]).start()
    with lock(tmp_path / "x.lock", doing="preparing", timeout=30):
        holder.wait()
    assert "waiting" in capsys.readouterr().out


def test_threads_take_turns(tmp_path):
    inside, most = [], []

    def work():
        with lock(tmp_path / "x.lock", doing="counting"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]
