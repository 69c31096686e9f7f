from dataclasses import replace

import numpy as np
import pytest
from streams import EXACT, PLAN, small_network, stream_of

from segkit.foundation.errors import UsageError
from segkit.inference.memory import activation_bytes, most_windows, pieces_of, plan_work
from segkit.volumes.grid import Grid, affine_from


def work_within(memory, shape=(64, 96, 40), scan=(64, 96, 40), windows=4):
    grid = Grid(shape, affine_from((1.0, 1.0, 1.0)))
    stream = stream_of(small_network(), np.zeros((1, *shape), np.float16), grid=grid)
    stream = replace(stream, options=replace(EXACT, memory=memory, windows=windows))
    scale = np.divide(shape, scan)
    return plan_work([stream], Grid(scan, affine_from(scale)), [200_000], with_scores=False)


def test_less_memory_means_fewer_windows_and_then_more_pieces():
    works = [work_within(memory) for memory in ("1GB", "1.4MB", "1MB", "0.6MB")]
    assert [work.pieces for work in works] == sorted(work.pieces for work in works)
    assert works[0].pieces == 1
    assert works[0].windows == 4
    assert works[-1].pieces > 1
    assert all(work.bytes <= limit for work, limit in zip(works, (1e9, 1.4e6, 1e6, 0.6e6), strict=True))


def test_on_a_cpu_few_large_windows_go_at_once():
    plan = replace(PLAN, patch=(64, 64, 32))
    stream = replace(stream_of(small_network(), np.zeros((1, 80, 80, 80), np.float16)), plan=plan)
    assert most_windows([replace(stream, options=replace(EXACT, windows=4))]) == 2
    assert most_windows([replace(stream, options=replace(EXACT, windows=1))]) == 1


def test_planes_lie_across_the_axis_that_is_longest():
    assert work_within("1GB", (64, 96, 40), (64, 96, 40)).axis == 1
    assert work_within("1GB", (40, 40, 90), (80, 80, 90)).axis == 2


def test_what_cannot_be_held_is_named_with_what_it_takes():
    with pytest.raises(UsageError, match=r"inference\.memory=0.1MB does not hold one window .* at least \dMB"):
        work_within("0.1MB")
    with pytest.raises(UsageError, match=r"inference\.memory: 'much'"):
        work_within("much")


def test_more_outputs_and_flips_take_more():
    few, many = small_network(classes=2), small_network(classes=20)
    assert activation_bytes(few, PLAN, "32") < activation_bytes(many, PLAN, "32")
    assert activation_bytes(few, PLAN, "bf16") < activation_bytes(few, PLAN, "32")


def test_pieces_to_try():
    assert pieces_of(13) == [1, 2, 3, 4, 6, 8, 12]
    assert pieces_of(1) == [1]
