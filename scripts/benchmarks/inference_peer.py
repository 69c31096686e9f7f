"""The half of inference.py for nnU-Net's own Python: its predictor with given weights, on the scans of a folder.

python inference_peer.py PLACE OUTPUT --way sequential     PLACE as inference.py lays it out

`sequential` is `predict_from_files_sequential`; `workers` is `predict_from_files` with its defaults, three processes
that prepare and three that export. Resampling is what nnU-Net plans by default: cubic images, linear logits. The last
line is JSON: seconds, those in the network, and the peak in MiB of the process, with its largest worker's where it has
some.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from timed import Timed
from torch import nn

RESAMPLING = "resample_data_or_seg_to_shape"
NAME = "3d_fullres"


def plans_of(told: dict[str, Any]) -> dict[str, Any]:
    """Return plans as nnU-Net's planner would write them."""
    resampling = {}
    for kind, is_seg, order in (("data", False, 3), ("seg", True, 1), ("probabilities", False, 1)):
        resampling[f"resampling_fn_{kind}"] = RESAMPLING
        options = {"is_seg": is_seg, "order": order, "order_z": 0, "force_separate_z": None}
        resampling[f"resampling_fn_{kind}_kwargs"] = options
    configuration = {
        "data_identifier": "benchmark",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": told["patch"][::-1],
        "spacing": told["spacing"],
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": {},  # the network is given
        **resampling,
    }
    return {
        "dataset_name": "Dataset999_Benchmark",
        "plans_name": "benchmark",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "image_reader_writer": "SimpleITKIO",
        "label_manager": "LabelManager",
        "experiment_planner_used": "ExperimentPlanner",
        "foreground_intensity_properties_per_channel": {"0": told["intensities"]},
        "configurations": {NAME: configuration},
    }


def predictor_for(place: Path) -> tuple[nnUNetPredictor, Timed]:
    """Return a predictor with the given weights, and its network."""
    told = json.loads((place / "peer.json").read_text())
    network = nn.Conv3d(1, told["classes"], 3, padding=1)
    weights = torch.load(place / "weights.pt", weights_only=True)
    network.load_state_dict(weights)
    timed = Timed(network).eval()
    predictor = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    plans = PlansManager(plans_of(told))
    described = {"channel_names": {"0": "CT"}, "labels": told["labels"], "file_ending": ".nii.gz"}
    inside = {f"network.{name}": values for name, values in weights.items()}
    predictor.manual_initialization(timed, plans, plans.get_configuration(NAME), [inside], described, "none", None)
    return predictor, timed


def main() -> None:
    """Predict and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--way", choices=["sequential", "workers"], default="sequential")
    args = parser.parse_args()
    predictor, timed = predictor_for(args.place)
    run = predictor.predict_from_files_sequential if args.way == "sequential" else predictor.predict_from_files
    began = time.perf_counter()
    run(str(args.place / "scans"), str(args.output))
    seconds = time.perf_counter() - began
    peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": seconds, "forward": timed.seconds, "mib": sum(peaks)}))


if __name__ == "__main__":
    main()
