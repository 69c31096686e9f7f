"""metrics.csv, followed while it is written."""

from segkit.studies.progress import MetricsReader, Progress, Validation

HEAD = "step,seconds,loss,learning_rate,waiting,dice,dice_liver\n"


def test_rows_are_read_as_they_are_appended(tmp_path):
    path = tmp_path / "metrics.csv"
    reader = MetricsReader(path)
    assert reader.read() == Progress()
    path.write_text(HEAD + "1,0.50,0.9,0.1,0,,\n2,1.0")
    assert reader.read() == Progress(1, 0.5, 0.9)
    with path.open("a") as file:
        file.write("0,0.8,0.1,0,,\n2,1.20,,,,0.50000,0.5\n3,1.5,nan,0.1,0,,\n")
    progress = reader.read()
    assert progress == Progress(3, 1.5, 0.8, (Validation(2, 1.2, 0.5),))
    assert reader.read() is progress


def test_a_file_that_is_cut_back_is_read_anew(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(HEAD + "1,0.5,0.9,0.1,0,,\n2,1.0,,,,0.7,0.7\n4,2.0,,,,0.4,0.4\n")
    reader = MetricsReader(path)
    assert (reader.read().best_dice, reader.read().dice) == (0.7, 0.4)
    (tmp_path / "cut").write_text(HEAD + "1,0.5,0.9,0.1,0,,\n")
    (tmp_path / "cut").replace(path)
    assert reader.read() == Progress(1, 0.5, 0.9)
    path.unlink()
    assert reader.read().step == 1
