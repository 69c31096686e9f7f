"""Where a study is told to beside its own folder: `tracker=mlflow|tensorboard|wandb`."""
