from pathlib import Path

from segkit.foundation.compiling import cache_folder
from segkit.training.augmentation import label_loops, loops


def test_a_change_of_any_file_of_loops_is_a_folder_of_its_own(tmp_path):
    for name, text in (("one", "a = 1"), ("same", "a = 1"), ("other", "a = 2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "loops.py").write_text(text)
        (tmp_path / name / "label_loops.py").write_text("from loops import a")
        (tmp_path / name / "beside.py").write_text(name)
    one, same, other = (Path(cache_folder(tmp_path / name, "/kept")) for name in ("one", "same", "other"))
    assert one == same != other
    assert one.parent == Path("/kept")
    assert Path(cache_folder(tmp_path / "one")).parent == tmp_path / "one" / "__pycache__"


def test_functions_that_call_each_other_are_kept_together():
    folder = Path(cache_folder(Path(loops.__file__).parent))
    for function in (loops.sample_image, label_loops.sample_labels):
        assert Path(function.stats.cache_path).is_relative_to(folder)
