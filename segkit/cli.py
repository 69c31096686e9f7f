"""The command line: `segkit COMMAND KEY=VALUE ...`; what is needed is imported when it is needed."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segkit.foundation.console import error as say_error
from segkit.foundation.console import say
from segkit.foundation.errors import SegkitError, StoppedError, UsageError, one_line, said_by_system
from segkit.foundation.exhaustion import is_out_of_memory
from segkit.foundation.stopping import forget_stop, note_stop
from segkit.version import __version__

_SWITCHES = {
    "-h": "--help",
    "--help": "--help",
    "--version": "--version",
    "-m": "--multirun",
    "--multirun": "--multirun",
}
_VALUED = {"--cfg": "job", "--config-dir": "DIR", "--config": "FILE"}
Task = Callable[[], object]


@dataclass(frozen=True)
class Line:
    """A command line, taken apart.

    Attributes:
        words: the command and its `key=value` words.
        switches: the long names of the flags without a value.
        values: flag and value of the others, in order.
    """

    words: tuple[str, ...]
    switches: frozenset[str]
    values: tuple[tuple[str, str], ...]

    def all(self, flag: str) -> tuple[Path, ...]:
        """Return every value of a flag that takes a path, absolute."""
        return tuple(Path(value).expanduser().absolute() for name, value in self.values if name == flag)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: its words without the program's name; None takes those of this process.

    Returns:
        The exit code: 0, 1 (cases failed, disk full ...), 2 (a mistake in the call or config) or 130 (stopped).
    """
    words = list(sys.argv[1:] if argv is None else argv)
    is_debug = "debug=true" in words
    with _signals_as_errors():
        try:
            task, wants_debug = _task(parse_line(words))
            is_debug = is_debug or wants_debug
            task()
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (every failure ends here, as one line)
            return _report(error, is_debug)
    return 0


def parse_line(words: Sequence[str]) -> Line:
    """Separate flags from words; flags may stand anywhere.

    Raises:
        UsageError: when a flag is unknown or lacks its value.
    """
    rest, others, switches, values = iter(words), [], set(), []
    for word in rest:
        flag, equals, value = word.partition("=")
        if not word.startswith("-"):
            others.append(word)
        elif word in _SWITCHES:
            switches.add(_SWITCHES[word])
        elif flag in _VALUED:
            value = value if equals else next(rest, "")
            if not value or (flag == "--cfg" and value != "job"):
                raise UsageError(f"{flag} is followed by {_VALUED[flag]}: write {flag} {_VALUED[flag]}")
            values.append((flag, value))
        else:
            from segkit.foundation.suggestions import did_you_mean, listed

            flags = (*_SWITCHES, *_VALUED)
            raise UsageError(f"{word} is not a flag{did_you_mean(flag, flags) or ';'} flags: {listed(flags)}")
    return Line(tuple(others), frozenset(switches), tuple(values))


def commands() -> list[str]:
    """Return the commands there are: those with a module in `segkit.commands`, in the order of a study."""
    from segkit.config.commands import CONFIGS

    folder = Path(__file__).with_name("commands")
    return [command for command in CONFIGS if (folder / f"{command}.py").is_file()]


def _task(line: Line) -> tuple[Task, bool]:
    """Return what to do, everything checked, and whether the config asks for tracebacks."""
    from segkit.config.groups import config_sources

    if "--version" in line.switches:
        return lambda: say(f"segkit {__version__}"), False
    sources = config_sources(line.all("--config-dir"))
    if not line.words:
        from segkit.config.help import index_text

        return lambda: say(index_text(sources, commands(), __version__)), False
    command, *words = line.words
    _check_command(command)
    if command == "cache":  # `segkit cache clean` is easier to type, and to remember, than action=clean
        words = [word if "=" in word else f"action={word}" for word in words]
    if "--help" in line.switches:
        from segkit.config.help import command_text

        return lambda: say(command_text(sources, command, words)), False
    return _work(line, command, words)


def _check_command(command: str) -> None:
    if command not in commands():
        from segkit.foundation.suggestions import did_you_mean, listed

        if "=" in command:
            raise UsageError(f"{command}: a command comes first; commands: {listed(commands())}")
        hint = did_you_mean(command, commands()) or ";"
        raise UsageError(f"{command} is not a command{hint} commands: {listed(commands())}")


def _work(line: Line, command: str, words: list[str]) -> tuple[Task, bool]:
    from segkit.config.call import Call
    from segkit.config.checks import check_inputs
    from segkit.config.compose import composed_yaml, configure
    from segkit.config.recorded import load_config, recorded_overrides

    directories, files = line.all("--config-dir"), line.all("--config")
    is_print = any(flag == "--cfg" for flag, _ in line.values)
    _check_flags(command, bool(files), "--multirun" in line.switches, is_print)
    if "--multirun" not in line.switches:
        _check_is_no_study(command, words)
    call = Call(command, tuple(words), directories, Path.cwd())
    if "--multirun" in line.switches:
        from segkit.studies.sweep import sweep

        return lambda: sweep(call), False
    if is_print:
        return lambda: say(composed_yaml(command, words, config_dirs=directories).rstrip()), False
    if files:
        config = load_config(command, files[-1], words, config_dirs=directories)
        call = replace(call, overrides=(*recorded_overrides(files[-1]), *words))
    else:
        config = configure(command, words, config_dirs=directories)
    if not getattr(config, "resume", None):  # a run that goes on has its cases in the cache
        check_inputs(config)
    return _command(command, config, call), config.debug is True  # fast and overfit are trials, not tracebacks


def _check_flags(command: str, is_recorded: bool, is_sweep: bool, is_print: bool) -> None:
    if is_sweep and command != "train":
        raise UsageError("--multirun works with segkit train only")
    if is_recorded and command not in ("train", "predict"):
        raise UsageError("--config works with segkit train and segkit predict only")
    if is_recorded + is_sweep + is_print > 1:
        raise UsageError("--config, --multirun and --cfg exclude one another: leave out all but one")


def _check_is_no_study(command: str, words: Sequence[str]) -> None:
    typed = next((word for word in words if word.startswith("study.resume=") and word != "study.resume=null"), None)
    if command == "train" and typed:
        raise UsageError(f"{typed} goes on with a study, all of its trainings: add -m, segkit train -m {typed}")


def _command(command: str, config: Any, call: Any) -> Task:
    def run() -> object:
        function = getattr(importlib.import_module(f"segkit.commands.{command}"), command)
        return function(config, call) if command in ("train", "tune") else function(config)

    return run


@contextmanager
def _signals_as_errors() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end a command as Ctrl-C does, so that what is open is closed and saved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # nohup has SIGHUP ignored, and that must stay.
    # Nor has a handler that a library put in by itself, which Python calls None, any say over how a command ends.
    previous = {number: signal.SIG_DFL for number in numbers if signal.getsignal(number) in (signal.SIG_DFL, None)}
    forget_stop()
    for number in previous:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _stop(number: int, frame: object) -> None:
    note_stop()
    raise StoppedError(f"stopped by {signal.Signals(number).name}")


def _report(error: BaseException, is_debug: bool) -> int:

    if isinstance(error, BrokenPipeError) and _stdout_is_closed():
        return 1
    if is_debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, SegkitError):
        say_error(one_line(error))
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        say_error("stopped by Ctrl-C")
        return StoppedError.exit_code
    if is_out_of_memory(error):
        say_error(
            one_line(f"memory ran out: {error or 'Python had no more'}; end other programs, or pass fewer workers")
        )
        return 1
    if isinstance(error, OSError) and error.strerror:
        say_error(one_line(said_by_system(error)))
    else:
        hint = "" if is_debug else " (debug=true shows the traceback)"
        say_error(one_line(f"an unexpected error: {type(error).__name__}: {error}") + hint)
    return 1


def _stdout_is_closed() -> bool:
    """Tell whether whoever read our output has gone (`segkit ... | head`); keep Python from complaining at its exit."""
    import select

    with suppress(OSError, ValueError):  # a stdout that is no file has no reader to lose
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return True
    return False
