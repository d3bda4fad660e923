"""What one of several tasks ended with, as itself and not in a group."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def raised_alone(kind: type[Exception]) -> Iterator[None]:
    """The first error of a kind that a group of tasks ends with is raised as itself.

    Errors of other kinds stay in their group. It is raised behind the clause that finds it: before
    Python 3.11.4, which is newer than Debian 12's, one that is raised inside comes out in a group.

    Raises:
        kind: one of the tasks ended with it.
        BaseExceptionGroup: of what is no such error.
    """
    first: BaseException | None = None
    try:
        yield
    except* kind as found:
        first = found
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
    if first is not None:
        raise first from first.__cause__  # not from the group
