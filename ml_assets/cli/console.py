"""What the commands share: printing for terminals and pipes, and errors as one sentence.

Results go to standard output, progress and errors to standard error, so that a report can be piped.
"""

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from ml_assets.errors import DatabaseNotReadyError, MlAssetsError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 100
"""Columns of output that does not go to a terminal."""

INTERRUPTED = 130


def say(text: str = "") -> None:
    """A line on standard output."""
    typer.echo(text)


def note(text: str) -> None:
    """A line on standard error: what is going on, not a result."""
    typer.echo(text, err=True)


def fail(error: Exception, exit_code: int) -> NoReturn:
    """Print the error as a sentence and end the command with `exit_code`."""
    typer.secho(f"Error: {' '.join(str(error).split())}", fg=typer.colors.RED, err=True)
    raise typer.Exit(exit_code) from error


def rich_console(file: TextIO | None = None) -> "Console":
    """A rich console without markup: names of campaigns are full of brackets.

    Output that is not a terminal is `PIPED_WIDTH` columns wide and plain.
    """
    from rich.console import Console

    stream = file or sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def picture_console() -> "Console":
    """A console that prints nowhere and keeps what is drawn, in colour, for a picture."""
    from rich.console import Console

    return Console(
        file=io.StringIO(),
        record=True,
        force_terminal=True,
        width=PIPED_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
    )


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Turn the errors a user can do something about into a sentence and an exit code.

    Anything else is a defect and keeps its traceback.
    """
    try:
        yield
    except MlAssetsError as error:
        fail(error, error.exit_code)
    except KeyboardInterrupt:
        note("Interrupted. What was finished is kept; the same command goes on from there.")
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.filename is None:
            raise
        fail(MlAssetsError(f"{error.strerror or 'cannot be used'}: {error.filename}"), 1)
    except Exception as error:
        known = _foreign(error)
        if known is None:
            raise
        fail(known, known.exit_code)


def _foreign(error: Exception) -> MlAssetsError | None:
    """Our error for one of a library that means a wrong setting or an unusable database, else None."""
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    if kinds & {"sqlalchemy.exc.OperationalError", "sqlalchemy.exc.InterfaceError"}:
        cause = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        return DatabaseNotReadyError(
            f"The database cannot be used ({cause}). Check ML_ASSETS_DATABASE_URL; "
            "`ml-assets doctor` says more."
        )
    if "alembic.util.exc.CommandError" in kinds:
        return UsageError(f"The schema cannot be changed: {error}. `ml-assets db current` says where it is.")
    if "pydantic_core._pydantic_core.ValidationError" in kinds and getattr(error, "title", "") == "Settings":
        return UsageError("; ".join(_setting_sentence(item) for item in getattr(error, "errors", list)()))
    return None


def _setting_sentence(item: dict[str, Any]) -> str:
    name = "_".join(str(part) for part in item["loc"]).upper()
    return f"The setting ML_ASSETS_{name} cannot be used: {item['msg'].removeprefix('Value error, ')}"


class SentenceGroup(TyperGroup):
    """A group of commands whose errors are sentences, in the command line and in tests alike."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the context type is typer's own
        """Run the chosen command inside `sentences`."""
        with sentences():
            return super().invoke(ctx)


def group(help_text: str) -> typer.Typer:
    """A new group of commands: plain help, no tracebacks drawn in boxes."""
    return typer.Typer(
        help=help_text,
        cls=SentenceGroup,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": PIPED_WIDTH},
    )
