"""Launchers that train nothing, named by `launcher._target_` in tests."""

from contextlib import nullcontext


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
    """Every trial finishes at once, but for those named in `fail`."""

    def __init__(self, fail=(), **options):
        super().__init__(self)
        self.fail, self.started = fail, []

    def has_room(self):
        return True

    def start(self, trial):
        self.started.append(trial.name)
        return Job(3 if trial.name in self.fail else 0)
