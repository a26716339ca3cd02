"""The command `cardio-ner`: one module per command.

    tag       a text, files or standard input ─► mentions
    query     the job's tables in SQL
    report    the job's tables and a record at a glance
    evaluate  mentions beside gold ones
    models    the checkpoints that ship, and fetching others
    doctor    what of this machine works

Contract
- Exit codes: 0 done; 1 a defect, or `doctor` found something broken; 2 wrong arguments or input, or a checkpoint that
  cannot be used; 130 interrupted; 141 whoever read the answer went away (`| head`), of which nothing is said. What was
  wrong is one line on stderr.
- Answers go to stdout, and nothing else does. Where that is no terminal there is no colour, and nothing is cut.
- Importing this loads neither duckdb, torch, transformers nor rich: a command imports what it needs when it is called.

(The job itself is `spark-submit jobs/annotate.py`, training is `python training/train.py`; the job's further exit codes
are in errors.py.)
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cardio_ner.cli import doctor, evaluate, models, query, report, tag
from cardio_ner.errors import InputError, errors_as_exit

EXIT_CODES = (
    "Exit codes: 0 done; 1 a defect, or doctor found something broken; 2 wrong arguments or input, or a checkpoint "
    "that cannot be used; 130 interrupted; 141 the reader of the answer went away."
)

BROKEN_PIPE = 141
"""128 and the number of SIGPIPE, as shells count."""


class Commands(TyperGroup):
    """The commands, with one way for all of them to end in an error."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the program. Where the reader of the answer went away, click and rich both end with 1, which is a
        defect's: it ends with BROKEN_PIPE, as a program does that the signal stops."""
        try:
            return super().main(*arguments, **options)
        except SystemExit as end:
            if not isinstance(end.__context__, BrokenPipeError):
                raise
            if sys.stdout is not None:  # what is left in it must go somewhere when the interpreter ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(BROKEN_PIPE) from None

    def invoke(self, ctx: Any) -> Any:
        """Run the command. A file that cannot be read or written, or a locale without the answer's letters, is an error
        of its user, a broken pipe is none."""
        with errors_as_exit(FloatingPointError):  # of a model whose logits are no numbers
            if sys.stdout is None:  # typer writes nothing then, and says nothing
                raise InputError("standard output: closed: expected somewhere for the answer; to drop it, > /dev/null")
            try:
                result = super().invoke(ctx)
                sys.stdout.flush()  # a reader that went away shows here, not when the interpreter ends
                return result
            except BrokenPipeError:
                raise
            except UnicodeEncodeError as error:
                if error.encoding.lower() == "utf-8":
                    raise
                raise InputError(
                    f"the answer has a character that {error.encoding}, the encoding here, lacks: expected UTF-8; "
                    "set PYTHONIOENCODING=utf-8 or a locale in it (LC_ALL=C.UTF-8)"
                ) from None
            except OSError as error:
                if error.errno == errno.ENOSPC and error.filename is None:
                    raise InputError("no space left where the answer goes: expected some") from error
                if error.filename is None:
                    raise
                raise InputError(f"{error.filename}: {error.strerror}: expected a path that can be used so") from error


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=EXIT_CODES,
    help="Find medications in Spanish, English and Italian cardiology records, and diseases in Spanish ones.",
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"cardio-ner {version('cardio-ner')}")
        raise typer.Exit


@app.callback()
def cardio_ner(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """What holds for all commands."""


app.command()(tag.tag)
app.command(cls=query.SqlCommand)(query.query)
app.command()(report.report)
app.command()(evaluate.evaluate)
app.add_typer(models.app, name="models")
app.command()(doctor.doctor)
