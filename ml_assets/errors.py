"""Every error the project raises on purpose. Each message is a sentence that says what to do.

MlAssetsError                exit code 1
├── UsageError               exit code 2   a call, an option or a setting that cannot be right
│   ├── UnknownIdError            an id that nothing has
│   └── StateConflictError        what is asked for contradicts what was done, or what time has done
├── InputError               exit code 3   data from outside that cannot be loaded
│   ├── UnreadableExportError     a file that is not a daily export of Ads Manager
│   └── NothingLoadableError      every row of a source was set aside
├── SchemaError              exit code 4   a frame without the columns or types of its contract
├── NotReadyError            exit code 5   something that has to be there first is missing
│   ├── DatabaseNotReadyError     unreachable, or not at the head migration
│   └── DayNotOverError           a date that has not ended in the account's time zone
└── RunFailedError           exit code 6   a Dagster run did not finish
"""


class MlAssetsError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(MlAssetsError):
    """A call, an option or a setting that cannot be right."""

    exit_code = 2


class UnknownIdError(UsageError):
    """Nothing has this id."""


class StateConflictError(UsageError):
    """The thing is in a state in which this cannot be done to it any more."""


class InputError(MlAssetsError):
    """Data from outside that cannot be loaded. Nothing was changed."""

    exit_code = 3


class UnreadableExportError(InputError):
    """The file is not a daily export of Ads Manager; the message says how to export it right."""


class NothingLoadableError(InputError):
    """No row of the source could be loaded; the message says why the rows were set aside."""


class SchemaError(MlAssetsError):
    """A frame lacks a column of its contract, or holds a type that cannot be cast without loss."""

    exit_code = 4


class NotReadyError(MlAssetsError):
    """Something that has to be there first is missing; the message names it and the command for it."""

    exit_code = 5


class DatabaseNotReadyError(NotReadyError):
    """The database cannot be reached, or is not at the head migration."""


class DayNotOverError(NotReadyError):
    """The date has not ended yet in the time zone of any account of the run."""


class RunFailedError(MlAssetsError):
    """A Dagster run did not finish; the message names the run and its first failure."""

    exit_code = 6
