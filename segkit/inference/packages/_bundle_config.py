"""`configs/inference.json` of a MONAI bundle: preparation, windows and masks in MONAI's own transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segkit.config.labels import Labels
from segkit.config.options import InferenceOptions
from segkit.config.plan import Normalisation, Plan
from segkit.foundation.building import TARGET, arguments_of
from segkit.preparation.normalisation import PERCENTILES

IMAGE, PRED = "image", "pred"
SPLINES = {1: "bilinear", 2: 2, 3: 3}  # of MONAI's Spacing, by the plan's order
HALF = "$lambda x: x.half().float() if x.abs().max() < 6e4 else x"  # prepared images are kept as float16
PLACES = "$lambda x: ((x > 0) * torch.arange(1, len(x) + 1).reshape(-1, 1, 1, 1)).amax(0, keepdim=True)"

Node = dict[str, Any]


def inference_config(plan: Plan, labels: Labels, options: InferenceOptions) -> Node:
    """Return the config: plain values, `_target_`s of MONAI and expressions that it evaluates."""
    first, *others = plan.normalisation
    ending = "" if not others else f"_{first}"
    files = f"$sorted(glob.glob(os.path.join(@dataset_dir, '*{ending}.nii*')))"
    case = {name: f"path[::-1].replace('{ending}.nii'[::-1], '_{name}.nii'[::-1], 1)[::-1]" for name in others}
    members = ", ".join([f"{name!r}: {path}" for name, path in {first if others else IMAGE: "path", **case}.items()])
    return {
        "imports": ["$import glob", "$import os", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/scans'",
        "output_dir": "$@bundle_root + '/masks'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "files": files,
        "data": f"$[{{{members}}} for path in @files]",
        "network_def": "$torch.jit.load(@bundle_root + '/models/model.ts', map_location=@device)",
        "preprocessing": {TARGET: "Compose", "transforms": preprocessing(plan)},
        "dataset": {TARGET: "Dataset", "data": "@data", "transform": "@preprocessing"},
        "inferer": {
            TARGET: "SlidingWindowInferer", "roi_size": list(plan.patch), "sw_batch_size": options.windows,
            "overlap": options.overlap, "mode": "gaussian", "sigma_scale": 0.125,
        },
        "logits": f"$lambda case: @inferer(case['{IMAGE}'][None].to(@device), @network_def)[0].cpu()",
        "postprocessing": {TARGET: "Compose", "transforms": postprocessing(labels)},
        "run": [f"$[@postprocessing({{**case, '{PRED}': @logits(case)}}) for case in @dataset]"],
    }  # fmt: skip


def preprocessing(plan: Plan) -> list[Node]:
    """Return the transforms from files to the image that the network sees."""
    names = list(plan.normalisation)
    keys = [IMAGE] if len(names) == 1 else names
    nodes = [node("LoadImaged", keys, image_only=True), node("EnsureChannelFirstd", keys)]
    for name, other in plan.onto.items():
        nodes.append(node("ResampleToMatchd", [name], key_dst=other, mode="bilinear", padding_mode="zeros"))
    if len(names) > 1:
        nodes.append(node("ConcatItemsd", names, name=IMAGE))
    nodes.append(node("CropForegroundd", [IMAGE], source_key=IMAGE, select_fn="$lambda x: x != 0"))
    if len(names) > 1:
        keys = [f"{IMAGE}_{name}" for name in names]
        nodes.append(node("SplitDimd", [IMAGE], dim=0, output_postfixes=names))
    for key, how in zip(keys, plan.normalisation.values(), strict=True):
        nodes += normalising(key, how)
    if len(names) > 1:
        # MONAI takes what is called image_... for metadata of the image.
        nodes += [node("ConcatItemsd", keys, name=IMAGE), node("DeleteItemsd", keys)]
    if plan.orientation:
        nodes.append(node("Orientationd", [IMAGE], axcodes=plan.orientation))
    if any(plan.spacing):
        pixdim = [-1 if step is None else step for step in plan.spacing]  # MONAI's way to say: as it is
        nodes.append(
            node(
                "Spacingd",
                [IMAGE],
                pixdim=pixdim,
                mode=SPLINES[plan.order],
                padding_mode=_beyond(plan),
                scale_extent=True,
            )
        )
    return [*nodes, *map(own_transform, plan.transforms), node("Lambdad", [IMAGE], func=HALF)]


def _beyond(plan: Plan) -> str:
    return "border" if plan.order == 1 else "nearest"  # PyTorch's and SciPy's words for one thing


def normalising(key: str, how: Normalisation) -> list[Node]:
    """Return the transforms that normalise one channel."""
    low, high = PERCENTILES
    if how.scheme == "clip_zscore":
        return [
            node("ThresholdIntensityd", [key], threshold=how.high, above=False, cval=how.high),
            node("ThresholdIntensityd", [key], threshold=how.low, above=True, cval=how.low),
            node("NormalizeIntensityd", [key], subtrahend=how.mean, divisor=how.std),
        ]
    nodes: dict[str, list[Node]] = {
        "zscore": [node("NormalizeIntensityd", [key])],
        "zscore_nonzero": [node("NormalizeIntensityd", [key], nonzero=True)],
        "percentile": [
            node("ScaleIntensityRangePercentilesd", [key], lower=low, upper=high, b_min=0.0, b_max=1.0, clip=True)
        ],
        "unit": [node("ScaleIntensityRanged", [key], a_min=0.0, a_max=255.0, b_min=0.0, b_max=1.0)],
        "none": [],
    }
    return nodes[how.scheme]


def own_transform(mapping: dict[str, Any]) -> Node:
    """Return a transform of `preprocessing.transforms`; one of arrays is applied to the image."""
    from hydra.utils import get_class
    from monai.transforms import MapTransform

    plain = {TARGET: mapping[TARGET], **arguments_of(mapping)}
    is_of_dictionaries = issubclass(get_class(mapping[TARGET]), MapTransform)
    return plain if is_of_dictionaries else node("Lambdad", [IMAGE], func=plain)


def postprocessing(labels: Labels) -> list[Node]:
    """Return the transforms from logits to a mask on the scan's own grid, in a file beside others."""
    places = node("Lambdad", [PRED], func=PLACES) if labels.is_regions else node("AsDiscreted", [PRED], argmax=True)
    values = list(labels.mask_values)
    kind = "uint8" if min(values) >= 0 and max(values) < 256 else "int32"
    return [
        node(
            "Invertd", [PRED], orig_keys=IMAGE, transform="@preprocessing", nearest_interp=False, to_tensor=True,
            device="cpu",
        ),
        places,
        node("MapLabelValued", [PRED], orig_labels=list(range(len(values))), target_labels=values),
        node(
            "SaveImaged", [PRED], output_dir="@output_dir", output_postfix="mask", output_ext=".nii.gz",
            output_dtype=f"$__import__('numpy').{kind}", separate_folder=False, resample=False,
        ),
    ]  # fmt: skip


def node(name: str, keys: Sequence[str], /, **arguments: Any) -> Node:
    """Return one of MONAI's dictionary transforms."""
    return {TARGET: name, "keys": list(keys), **arguments}
