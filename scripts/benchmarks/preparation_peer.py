"""The half of preparation.py for nnU-Net's own Python: time its preprocessor case by case, and hand its arrays on.

python preparation_peer.py DATASET_ID [--export DIR]      with nnUNet_raw, nnUNet_preprocessed and nnUNet_results set
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from nnunetv2.paths import nnUNet_preprocessed, nnUNet_raw
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.dataset_name_id_conversion import maybe_convert_to_dataset_name
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=int)
    parser.add_argument("--export", type=Path, help="folder for the prepared arrays, as .npy in the scan's axis order")
    args = parser.parse_args()
    name = maybe_convert_to_dataset_name(args.dataset)
    plans = PlansManager(str(Path(nnUNet_preprocessed, name, "nnUNetPlans.json")))
    configuration = plans.get_configuration("3d_fullres")
    description = json.loads(Path(nnUNet_raw, name, "dataset.json").read_text())
    cases = get_filenames_of_train_images_and_targets(str(Path(nnUNet_raw, name)), description)
    preprocessor = DefaultPreprocessor(verbose=False)
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for case, files in cases.items():
            start = time.perf_counter()
            preprocessor.run_case_save(
                str(Path(folder, case)), files["images"], files["label"], plans, configuration, description
            )
            seconds[case] = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if args.export:
        back = np.argsort(plans.transpose_forward)
        for case, files in cases.items():
            image, labels, _ = preprocessor.run_case(files["images"], files["label"], plans, configuration, description)
            for array, kind in ((image, "image"), (labels, "labels")):
                # nnU-Net's axes are SimpleITK's, the last first, in the order that its plan puts them.
                in_file_order = array.transpose(0, *(back + 1)).transpose(0, 3, 2, 1)
                np.save(args.export / f"{case}_{kind}.npy", np.ascontiguousarray(in_file_order))
    print(json.dumps({"seconds": sum(seconds.values()), "peak_kb": peak}))


if __name__ == "__main__":
    main()
