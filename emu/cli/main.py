"""The `emu` command.

Exit codes:

* 0: done;
* 1: the input cannot be taken (a spec, a model, a value): one line on standard error says why. A defect of emu
  itself ends like this too: the line names the exception and asks for a report;
* 2: the command line is wrong (click's own);
* 3: a difference: `--expect` or `emu verify` found one;
* 130: interrupted.

Modules behind the commands are imported only when a command runs, so that `emu --help` is immediate.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

EXIT_INPUT, EXIT_DIFFERENT, EXIT_INTERRUPTED = 1, 3, 130

COMMANDS = {
    "demo": "Run a small network on real digits under three accelerators.",
    "replay": "Replay an ONNX model, layer by layer, under an accelerator.",
    "workload": "Run real models with real inputs and a task metric under accelerators.",
    "study": "Vary an accelerator over a workload: run, show, plot and compare what-if studies.",
    "diff": "Compare two accelerators on a model: which layers differ, and at which step first.",
    "capture": "Store the operands and outputs of layers, to be replayed without the model.",
    "trace": "Follow one output element of a layer through the datapath, step by step.",
    "report": "Write the HTML report of a stored replay.",
    "list": "List the built-in formats, functions, units, schemes, accelerators or studies.",
    "show": "Show a format's codes, a unit's datapath, a scheme or an accelerator.",
    "cost": "Estimate gates, registers, energy and memory traffic of units, by part of the datapath.",
    "schema": "Print the JSON Schema of a kind of spec file, for editors.",
    "encode": "Round values to a format and print their codes.",
    "decode": "Print the values of codes.",
    "verify": "Check formats, arithmetic, recorded results and this processor against each other.",
    "bench": "Measure matrix products and casts on this machine, next to NumPy and others.",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """The commands, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """One command, from its module."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"emu.cli.{cmd_name}_command").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command names the nearest one."""
        from emu.errors import nearest

        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            close = nearest(name, COMMANDS)
            hint = f"; did you mean {close!r}? " if close else "; "
            ctx.fail(f"no such command {name!r}{hint}Commands: {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from emu._version import emu_version

        click.echo(f"emu {emu_version()}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version."
)
def emu() -> None:
    """Bit-exact numeric emulation of AI accelerators.

    Exit codes: 0 done, 1 the input cannot be taken, 2 wrong usage, 3 a difference was found.
    """


def main() -> None:
    """The entry point: errors become one line and an exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code."""
    from emu.errors import EmuError

    try:
        code = emu.main(args=arguments, prog_name="emu", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("emu: interrupted", err=True)
        return EXIT_INTERRUPTED
    except SystemExit:  # how click ends a command whose reader has gone away
        return 0
    except (EmuError, ValueError, OSError, MemoryError) as error:
        click.echo(f"emu: {_one_line(error)}", err=True)
        return EXIT_INPUT
    except Exception as error:  # the last resort: whatever no module has foreseen
        what = " ".join(f"{type(error).__name__}: {error}".split())
        click.echo(f"emu: {what} (a defect of emu: please report it with the command and its input)", err=True)
        return EXIT_INPUT
    return code if isinstance(code, int) else 0


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
