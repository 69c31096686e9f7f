"""How the samples of a step are shared out once memory has run out."""

from types import SimpleNamespace

import pytest

from segkit.commands.smaller_batch import StepBatches, batches_of, once_more_if_memory_runs_out
from segkit.foundation.errors import DataError, SegkitError
from segkit.foundation.files import write_json
from segkit.runs.folder import RunFolder


@pytest.mark.parametrize(
    ("batch", "accumulate", "members", "smaller"),
    [
        (4, 1, 1, (2, 2)), (9, 1, 1, (3, 3)), (3, 2, 1, (1, 6)), (2, 3, 1, (1, 6)), (7, 1, 1, (1, 7)), (1, 5, 1, None),
        (12, 1, 2, (6, 2)), (12, 1, 4, (4, 3)), (4, 1, 4, None),
    ],
)  # fmt: skip
def test_as_many_samples_a_step_in_the_largest_smaller_batches(batch, accumulate, members, smaller):
    found = StepBatches(batch, accumulate).smaller(members)
    assert found == (None if smaller is None else StepBatches(*smaller))


def test_a_record_of_other_samples_a_step_is_refused(tmp_path):
    folder, plan = RunFolder(tmp_path), SimpleNamespace(batch=4)
    config = SimpleNamespace(training=SimpleNamespace(accumulate=1))
    assert batches_of(folder, plan, config) == StepBatches(4, 1)
    write_json(folder.smaller_batch, {"batch": 2, "accumulate": 2})
    assert batches_of(folder, plan, config) == StepBatches(2, 2)
    for record in ({"batch": 2, "accumulate": 3}, {"batch": -2, "accumulate": -2}, {"batch": 2}, [2], {"batch": "x"}):
        write_json(folder.smaller_batch, record)
        with pytest.raises(DataError, match=r"smaller_batch\.json .* remove it"):
            batches_of(folder, plan, config)


def test_before_the_training_has_begun_there_is_no_second_attempt(tmp_path):
    attempts = []

    def fail():
        attempts.append(1)
        raise MemoryError

    with pytest.raises(SegkitError, match=r"memory ran out: .* are free on this machine; end other programs"):
        once_more_if_memory_runs_out(fail, SimpleNamespace(device="cpu"), RunFolder(tmp_path))
    assert attempts == [1]


def test_other_failures_are_not_taken_for_it(tmp_path):
    def fail():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        once_more_if_memory_runs_out(fail, SimpleNamespace(device="cpu"), RunFolder(tmp_path))
