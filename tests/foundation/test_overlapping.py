import threading
import time
import weakref

import pytest

from segkit.foundation.overlapping import Ahead, Behind, Room


def test_one_more_is_made_while_one_is_worked_on_and_no_more():
    begun = []

    def steps():
        for number in range(4):
            begun.append(number)
            yield number

    ahead = Ahead(steps())
    assert ahead.take() == 0
    time.sleep(0.05)
    assert begun == [0]  # nobody asked for another yet
    ahead.go_on()
    assert ahead.take() == 1
    assert begun == [0, 1]
    for expected in (2, 3, None):
        ahead.go_on()
        assert ahead.take() == expected
    ahead.close()


def test_what_goes_wrong_ahead_is_raised_where_it_is_taken():
    def steps():
        yield 1
        raise ValueError("bad")

    ahead = Ahead(steps())
    assert ahead.take() == 1
    ahead.go_on()
    with pytest.raises(ValueError, match="bad"):
        ahead.take()
    ahead.close()


def test_closing_begins_nothing_more():
    begun = []

    def steps():
        for number in range(9):
            begun.append(number)
            yield number

    ahead = Ahead(steps())
    ahead.take()
    ahead.close()
    assert begun == [0]


def test_jobs_are_done_in_order_and_the_third_waits_for_the_first():
    gate, done = threading.Event(), []
    behind = Behind()
    behind.do(lambda: (gate.wait(5), done.append("a")))
    behind.do(lambda: done.append("b"))
    handed = threading.Thread(target=lambda: (behind.do(lambda: done.append("c")), done.append("handed over")))
    handed.start()
    time.sleep(0.05)
    assert done == []
    gate.set()
    handed.join()
    behind.close()
    assert [job for job in done if job in "abc"] == ["a", "b", "c"]


def test_after_a_job_that_fails_no_other_is_done():
    behind, done, failed = Behind(), [], threading.Event()

    def fail():
        failed.wait(5)
        raise OSError("disk full")

    behind.do(fail)
    behind.do(lambda: done.append(1))  # handed over while the other fails
    failed.set()
    with pytest.raises(OSError, match="disk full"):
        behind.close()
    with pytest.raises(OSError, match="disk full"):
        behind.do(lambda: done.append(2))
    assert done == []


def test_room_is_shared_but_one_alone_may_take_more():
    room = Room(10)
    assert room.take(50)
    got = []
    other = threading.Thread(target=lambda: got.append(room.take(4)))
    other.start()
    time.sleep(0.02)
    assert got == []
    room.give(44)  # 6 are left taken, and 4 more make 10
    other.join(5)
    assert got == [True]
    assert room.used == 10


def test_nobody_waits_for_room_that_is_closed():
    room = Room(10)
    room.take(10)
    got = []
    other = threading.Thread(target=lambda: got.append(room.take(1)))
    other.start()
    room.close()
    other.join(5)
    assert got == [False]
    assert room.used == 10


def test_a_job_that_is_done_is_let_go_of():
    behind, done = Behind(), threading.Event()

    class Mask:
        def save(self):
            pass

    mask = Mask()
    gone = weakref.ref(mask)
    behind.do(mask.save)
    del mask
    behind.do(done.set)
    assert done.wait(5)
    assert gone() is None
    behind.close()
