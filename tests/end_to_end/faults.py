"""A callback by which a training raises, or takes its time."""

import time

import pytorch_lightning as pl


class Fault(pl.Callback):
    """Raises after a step, and waits some seconds after each."""

    def __init__(self, raise_after: int, pause: float = 0.0):
        self.raise_after, self.pause = raise_after, pause

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.global_step == self.raise_after:
            raise RuntimeError("the disk went up in smoke")
        time.sleep(self.pause)
