"""When a fold validates, and when that ends a training."""

from types import SimpleNamespace

import pytest

from segkit.foundation.errors import UsageError
from segkit.training import validations
from segkit.training.clock import Clock
from segkit.training.fit import validation_interval
from segkit.training.validations import NEVER, Every, Patience, Validations, early_end, every


def test_intervals():
    assert every("7").steps == 7
    assert every("2min").seconds == 120
    with pytest.raises(UsageError):
        every("often")
    options = SimpleNamespace(validate_every=None)
    assert validation_interval(options, Clock(steps=50)).steps == 5
    assert validation_interval(options, Clock(budget=600)).seconds == 60
    assert [Every(steps=3).is_due(step, 99) for step in (2, 3, 6)] == [False, True, True]
    assert [Every(seconds=5).is_due(3, seconds) for seconds in (4, 5)] == [False, True]


def a_trainer(**state):
    return SimpleNamespace(**{"global_step": 1, "should_stop": False, "accumulate_grad_batches": 2, **state})


def test_a_validation_is_asked_for_between_steps_only():
    validations, trainer = Validations(Every(steps=1), Clock(steps=4)), a_trainer(val_check_batch=NEVER)
    validations.on_train_batch_end(trainer, None, None, None, 0)
    assert trainer.val_check_batch == NEVER
    validations.on_train_batch_end(trainer, None, None, None, 1)
    assert trainer.val_check_batch == 1
    assert validations.state_dict()["is_owed"]
    validations.on_validation_end(trainer, None)
    assert trainer.val_check_batch == NEVER
    assert not validations.state_dict()["is_owed"]


def test_patience_counts_over_a_resume():
    ended = []
    patience = Patience(2, Clock(steps=99))
    for step, dice in enumerate((0.5, 0.7, 0.7, 0.6, 0.9), start=1):
        again = Patience(2, Clock(steps=99))
        again.load_state_dict(patience.state_dict())
        patience = again
        trainer = a_trainer(global_step=step, callback_metrics={"dice": dice}, callbacks=[patience])
        patience.on_validation_end(trainer, None)
        ended.append(early_end(trainer))
    assert ended == [None, None, None, "2 validations without a better Dice than 0.7000 at step 2", None]


def test_a_training_that_ends_anyway_does_not_end_early():
    patience = Patience(1, Clock(steps=9))
    patience.load_state_dict({"best_dice": 0.9, "best_step": 1, "since": 0})
    trainer = a_trainer(should_stop=True, callback_metrics={"dice": 0.5}, callbacks=[patience])
    patience.on_validation_end(trainer, None)
    assert early_end(trainer) is None


def test_all_processes_lose_patience_by_the_dice_of_the_first(monkeypatch):
    monkeypatch.setattr(validations, "of_first", lambda value, module: 0.5)
    patience = Patience(1, Clock(steps=9))
    patience.load_state_dict({"best_dice": 0.5, "best_step": 1, "since": 0})
    trainer = a_trainer(callback_metrics={"dice": 0.6}, callbacks=[patience])
    patience.on_validation_end(trainer, None)
    assert trainer.should_stop
