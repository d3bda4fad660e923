"""A program that is started and must not outlive who started it."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel ends this process when the one that started it is gone."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
