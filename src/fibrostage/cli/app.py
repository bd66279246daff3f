"""fibrostage's commands: found by their registry, run with every way of ending in one line and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from fibrostage import RESEARCH_USE, __version__
from fibrostage.cli.commands import COMMANDS
from fibrostage.cli.commands.spec import GROUPS, Command
from fibrostage.cli.console import TALK, degrade, err
from fibrostage.cli.quiet import with_quiet
from fibrostage.ground.errors import FibrostageError

INTERRUPTED = 130  # what Typer makes of Ctrl-C
TERMINATED = 143
OUT_OF_MEMORY = "out of memory; close other programs, or take less at once"


class GroupedCommands(TyperGroup):
    """Help that lists commands by what people do with them."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Lists each group's commands under its title, each with the beginning of its help."""
        listed = self.list_commands(ctx)
        for group in GROUPS:
            names = [known.name for known in COMMANDS if known.group == group and known.name in listed]
            rows = [(name, found.get_short_help_str(90)) for name in names if (found := self.get_command(ctx, name))]
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)


app = typer.Typer(
    cls=GroupedCommands,
    help=f"Stage liver fibrosis from multi-modal ultrasound, and choose which exam to label next. {RESEARCH_USE}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Prints the version and stops where --version is given; otherwise the command that was named goes on.

    Raises `typer.Exit` after printing.
    """
    if show:
        print(__version__)
        raise typer.Exit


def add(to: typer.Typer, command: Command) -> None:
    """Adds a command, or the commands below it, each with what every command has."""
    if isinstance(command.run, typer.Typer):
        for below in command.run.registered_commands:
            assert below.callback is not None
            below.callback = with_quiet(below.callback)
        to.add_typer(command.run, name=command.name)
    else:
        to.command(command.name)(with_quiet(command.run))


def add_all() -> None:
    """Adds every command; another package's that cannot be one is left out, and `doctor` says why."""
    for command in list(COMMANDS):
        if COMMANDS.package(command.name) != "fibrostage" and not isinstance(command.run, typer.Typer):
            trial = typer.Typer()
            try:
                trial.command(command.name)(with_quiet(command.run))
                typer.main.get_command(trial)
            except Exception as error:
                COMMANDS.leave_out(command.name, f"is no command: {error}")
                continue
        add(app, command)


add_all()


def terminated(_signal: int, _frame: object) -> None:
    """A scheduler's request to stop, or a terminal that is gone: leave by the same clean way as Ctrl-C."""
    sys.exit(TERMINATED)


def main() -> None:
    """The entry point: domain errors, interruptions and a machine that lacks something become one line and an exit
    code."""
    degrade()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), terminated)
    try:
        app()
    except FibrostageError as error:
        end_with(str(error))
    except MemoryError:
        end_with(OUT_OF_MEMORY)
    except RuntimeError as error:  # torch's own word for it
        if not any(words in str(error) for words in ("can't allocate memory", "out of memory")):
            raise
        end_with(OUT_OF_MEMORY)
    except BrokenPipeError:  # whoever read the output has enough of it
        leave_output(0)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        full = " Free some space, then call it again." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        end_with(f"{error.strerror or error}{where}.{full}")
    except SystemExit as stop:
        if stop.code in (INTERRUPTED, TERMINATED):
            say(
                "stopped; no half cohort or run is left; 'active' goes on with --resume, "
                "'study' and 'intake' as they were called"
            )
        raise
    except Exception:
        if TALK.log is not None:
            TALK.log.write(traceback.format_exc())
        raise
    finally:
        flush_output()


def end_with(reason: str) -> None:
    """Says in one line what went wrong, and ends."""
    say(f"[red]error[/]: {escape(reason)}")
    sys.exit(1)


def say(line: str) -> None:
    """A line on stderr, where that can still be written."""
    try:
        err.print(line, soft_wrap=True)
    except OSError:
        os._exit(1)


def flush_output() -> None:
    """Sees to it that what was printed is written, and says so where it cannot be."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        leave_output(0)
    except OSError as error:
        say(f"[red]error[/]: cannot write the output: {escape(error.strerror or str(error))}")
        leave_output(1)


def leave_output(code: int) -> None:
    """Ends without another try at the output that cannot be written."""
    os._exit(code)


if __name__ == "__main__":
    main()
