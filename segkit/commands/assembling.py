"""What a training is made of, from its config and a study: what it reads, its module, its model's record."""

from __future__ import annotations

from segkit.commands.preparing import Study
from segkit.config.commands import TrainConfig
from segkit.config.labels import swapped_classes, swapped_outputs
from segkit.foundation.building import build
from segkit.networks.building import initial_network, network_arguments
from segkit.runs.model_file import ModelRecord
from segkit.training.building import build_augmentation, build_optimizer, training_flips
from segkit.training.clock import Clock
from segkit.training.fine_tuning import freeze
from segkit.training.module import Segmentation
from segkit.training.partial_labels import annotated_outputs
from segkit.training.patches import Patches
from segkit.training.validation import Validator
from segkit.version import __version__


def patches_of(config: TrainConfig, study: Study) -> Patches:
    """Return what a training reads."""
    training = study.of("training")
    return Patches(
        training,
        study.of("validation"),
        study.plan,
        seed=config.seed,
        foreground=config.training.foreground,
        workers=config.training.workers,
        stalled_after=config.training.stalled_seconds,
        annotated=annotated_outputs(training, study.dataset.unlabelled, study.labels),
    )


def model_record(config: TrainConfig, study: Study) -> ModelRecord:
    """Return all that prediction needs beside the weights, which a training starts from too."""
    data = study.dataset.options
    swapped = swapped_outputs(study.labels, data.mirrored)
    return ModelRecord(
        name=config.name,
        labels=dict(data.labels or {}),
        region_order=list(study.labels.region_order),
        mirrored=data.mirrored,
        flips=list(training_flips(config.augmentation.of(long=study.plan.long), study.plan, swapped)),
        plan=study.plan,
        network=network_arguments(config.network, study.plan, out_channels=study.labels.outputs),
        segkit=__version__,
    )


def build_module(config: TrainConfig, study: Study, record: ModelRecord, clock: Clock) -> Segmentation:
    """Return the LightningModule of a config."""
    labels, mirrored = study.labels, study.dataset.options.mirrored
    cases = study.dataset.cases
    references = {name: case.reference for name, case in cases.items() if case.reference is not None}
    network = initial_network(record.network, config.seed)
    freeze(network, config.training.frozen or ())
    return Segmentation(
        network,
        loss=build(config.loss),
        optimizer=build_optimizer(config.optimizer),
        schedule=build(config.schedule),
        augmentation=build_augmentation(
            config.augmentation.of(long=study.plan.long), study.plan, swapped_classes(labels, mirrored), config.seed
        ),
        regions=labels.membership if labels.is_regions else None,
        validator=Validator(
            study.plan,
            config.inference,
            labels,
            flips=tuple(record.flips),
            swapped=swapped_outputs(labels, mirrored),
            references=references,
            unlabelled=study.dataset.unlabelled,
        ),
        slice_axis=study.plan.slice_axis,
        progress=clock.progress,
        rates=config.training.rates,
        seed=config.seed,
    )
