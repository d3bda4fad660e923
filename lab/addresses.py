"""Loopback addresses of their own for everything that runs side by side.

All of 127.0.0.0/8 is this machine. Each running laboratory claims one /24 of it and every program
in it gets an address there, so ports can stay the usual ones and nothing ever collides.
"""

import itertools
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from lab.errors import LabError

_FIRST_NETWORK = 64 * 256  # 127.64.0.0, far from the addresses people use by hand
_NETWORKS = 4096
_LAST_HOST = 254


class Addresses(Protocol):
    """Where the programs of one laboratory listen."""

    @property
    def asterisk(self) -> str: ...

    @property
    def carrier(self) -> str: ...

    def next(self) -> str:
        """An address that nothing else has been given."""
        ...

    def release(self) -> None: ...


class GivenAddresses:
    """Addresses that a person chose, so that a phone's settings stay the same from run to run."""

    def __init__(self, *, asterisk: str, carrier: str) -> None:
        self.asterisk = asterisk
        self.carrier = carrier
        self._others = AddressBlock()  # phones of two laboratories never share one

    def next(self) -> str:
        return self._others.next()

    def release(self) -> None:
        self._others.release()


class AddressBlock:
    """One claimed /24. The kernel lets go of it when this process ends, however it ends."""

    def __init__(self) -> None:
        self._claim, self.network = _claim()
        self._hosts = itertools.count(10)

    @property
    def asterisk(self) -> str:
        return f"{self.network}.1"

    @property
    def carrier(self) -> str:
        return f"{self.network}.2"

    def next(self) -> str:
        """An address that nothing else in this block has been given."""
        host = next(self._hosts)
        if host > _LAST_HOST:
            raise LabError(f"more programs than addresses in {self.network}.0/24")
        return f"{self.network}.{host}"

    def release(self) -> None:
        self._claim.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _claim() -> tuple[socket.socket, str]:
    """A name in the kernel's abstract socket space is held by one process, of whatever user."""
    for network in _networks():
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0tollgate-lab-{network}")
        except OSError:
            claim.close()
        else:
            return claim, network
    raise LabError("every loopback network of the laboratory is in use")


def _networks() -> Iterator[str]:
    for number in range(_FIRST_NETWORK, _FIRST_NETWORK + _NETWORKS):
        yield f"127.{number // 256}.{number % 256}"
