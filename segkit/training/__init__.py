"""From prepared cases to a trained model: patches, augmentation, loss, the LightningModule and its callbacks."""
