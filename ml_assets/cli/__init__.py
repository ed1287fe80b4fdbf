"""The command line `ml-assets`: one module per group of commands, assembled in `app`.

The modules only parse, call and print: the work is in the packages they call. Those are imported inside
the commands, because polars, SQLAlchemy and Dagster together take seconds and `--help` needs none of them.
"""

import io
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `ml-assets` command; ends the process with the exit code of `errors`."""
    from ml_assets.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        # A name with an emoji must not end a report on a terminal that cannot show it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(args=list(arguments) if arguments is not None else None)
