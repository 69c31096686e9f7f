import pytest

from segkit.config.shard import Shard, shard_from
from segkit.foundation.errors import UsageError


def test_which_of_how_many():
    assert shard_from(None) is None
    assert shard_from("2/8") == Shard(2, 8)
    assert str(Shard(2, 8)) == "2/8"


def test_every_name_is_of_one_job():
    assert [Shard(index, 3).of("dbeca") for index in (1, 2, 3)] == [["a", "d"], ["b", "e"], ["c"]]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/4/4", "-1/4", ""])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError, match="which of how many jobs"):
        shard_from(text)
