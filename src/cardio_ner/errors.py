"""The one error family: every failure that a caller may want to catch by name.

CardioNerError
├── DocumentError      a span or a document that cannot exist (offsets past the end, empty span…)
├── TagError           labels that are not BIO, or tags that do not fit their scheme
├── CorpusError        a brat or TSV file that is not what the official layout says
├── CheckpointError    a checkpoint directory whose weights, labels or manifest disagree
├── ConfigError        a configuration file or argument with an unknown key or an illegal value
├── InputError         an input of the job that cannot be read as asked (missing column, no file…)
│   └── NoFileError        a folder without a file of the input: one may come yet
├── DeviceError        a device that has no room for even the smallest batch: no document's fault
│   └── DeviceLostError    a GPU that failed in this process, which cannot use it again: a new process can
└── RunError           a run that stopped; `exit_code` is what the job's process ends with
    ├── LockError      3: another run writes to the same output
    ├── AccountError   4: the rows written are not the rows of the input
    └── FailureError   5: too many documents failed, or a batch would not finish

A message gives the value, what was expected, and the remedy. It never quotes the text of a record:
records are private, messages end in logs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class CardioNerError(Exception):
    """The root: `except CardioNerError` catches whatever this library raises on purpose."""

    exit_code = 2
    """What a command ends with: wrong arguments or input."""


class DocumentError(CardioNerError, ValueError):
    """A span or a document that cannot exist."""


class TagError(CardioNerError, ValueError):
    """Labels that are not BIO, or tags that do not fit their scheme."""


class CorpusError(CardioNerError, ValueError):
    """A corpus file that is not what its layout says."""


class CheckpointError(CardioNerError):
    """A checkpoint whose parts disagree, or that cannot be found."""


class ConfigError(CardioNerError, ValueError):
    """A configuration that names an unknown key or an illegal value."""


class InputError(CardioNerError, ValueError):
    """An input that cannot be read as asked."""


class NoFileError(InputError):
    """A folder that has no file of the input, so far."""


class DeviceError(CardioNerError):
    """A device that cannot do the work, whatever the document."""


class DeviceLostError(DeviceError):
    """A GPU that failed while it worked: every later call of this process fails too."""


class RunError(CardioNerError):
    """A run that had to stop. What it committed stays; the same command goes on from there."""

    exit_code = 1


class LockError(RunError):
    """Another run holds the output."""

    exit_code = 3


class AccountError(RunError):
    """The rows written are not the rows that an independent reader counts in the input."""

    exit_code = 4


class FailureError(RunError):
    """More documents failed than `max_failures` allows, or a batch did not finish in all its attempts."""

    exit_code = 5


@contextmanager
def errors_as_exit(*also: type[Exception]) -> Iterator[None]:
    """What commands run in: an error of this family, or of `also`, is one line on stderr and an exit code."""
    family: tuple[type[Exception], ...] = (CardioNerError, *also)
    try:
        yield
    except family as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(getattr(error, "exit_code", CardioNerError.exit_code)) from None
