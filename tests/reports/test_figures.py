"""Charts as files."""

import numpy as np

from segkit.reports.charts import agreement_chart
from segkit.reports.figures import write_charts


def test_charts_are_called_after_their_labels_safely_and_none_replaces_another(tmp_path):
    reference, mask = np.array([10.0, 20, 30]), np.array([11.0, 22, 33])
    labels = ("left kidney", "Left/Kidney", "../liver")
    written = write_charts([agreement_chart(label, 1, reference, mask, list("abc")) for label in labels], tmp_path)
    assert {path.name for path in written} == {
        *("agreement_left_kidney.svg", "agreement_left_kidney.png"),
        *("agreement_Left_Kidney-2.svg", "agreement_Left_Kidney-2.png"),
        *("agreement_.._liver.svg", "agreement_.._liver.png"),
    }
    assert sorted(tmp_path.iterdir()) == sorted(written)
