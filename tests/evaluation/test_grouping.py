import pytest

from segkit.evaluation.grouping import cluster_numbers, grouping_from
from segkit.foundation.errors import UsageError

COLUMNS = {"a": {"site": "1", "patient": "x"}, "b": {"site": "", "patient": "x"}, "c": {"site": "2"}, "z": {"age": "3"}}


def test_groups_and_patients_of_the_scored_cases():
    found = grouping_from(COLUMNS, ["a", "b", "c"], ["site"], "patient")
    assert found.groups == {"site": {"a": "1", "b": "(unknown)", "c": "2"}}
    assert found.clusters == {"a": "x", "b": "x"}
    assert cluster_numbers(["a", "c", "b"], found.clusters) == [0, 1, 0]
    # A case that is called as a patient is another one all the same.
    assert cluster_numbers(["a", "b", "x"], found.clusters) == [0, 0, 1]


def test_a_column_that_no_case_has():
    with pytest.raises(UsageError, match="groups: no case has a column sit; did you mean site"):
        grouping_from(COLUMNS, ["a", "b"], ["sit"])
    with pytest.raises(UsageError, match="cluster_by: no case has a column age; columns: patient, site"):
        grouping_from(COLUMNS, ["a", "b"], [], "age")
    with pytest.raises(UsageError, match="there are none: pass columns=FILE"):
        grouping_from({}, ["a"], ["site"])


def test_a_measurement_is_no_group():
    columns = {str(at): {"age": str(at)} for at in range(30)}
    with pytest.raises(UsageError, match="age has 30 different values in 30 cases"):
        grouping_from(columns, list(columns), ["age"])
