"""Launchers that train nothing, named by `launcher._target_` in tests."""

from contextlib import nullcontext

from segkit.foundation.errors import SegkitError
from segkit.runs.folder import RunFolder

STARTED = []


class Job:
    """Has ended with a code before anyone looks."""

    def __init__(self, code):
        self.code = code

    def exit_code(self):
        return self.code

    def place(self):
        return "nowhere"

    def stop(self):
        raise AssertionError("it has ended")

    kill = stop


class Toy(nullcontext):
    """Every trial finishes at once, but for those named in `fail`; those in `refuse` never start."""

    def __init__(self, fail=(), refuse=(), **options):
        super().__init__(self)
        self.fail, self.refuse = fail, refuse

    def has_room(self):
        return True

    def start(self, trial):
        if trial.name in self.refuse:
            raise SegkitError(f"the queue takes no job of {trial.name}")
        STARTED.append(trial.name)
        if trial.name in self.fail:
            return Job(3)
        RunFolder(trial.run).set_status("finished")
        return Job(0)
