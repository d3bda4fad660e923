"""What systemd is told of a service of `Type=notify`: ready, alive, stopping.

Words over a datagram socket that systemd names in the environment (sd_notify(3)). Nothing is told
where it names none.
"""

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass

_SOCKET = "NOTIFY_SOCKET"
_WATCHDOG = "WATCHDOG_USEC"
_WATCHDOG_PID = "WATCHDOG_PID"
READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


@dataclass(frozen=True, slots=True)
class Notifier:
    """One service's way to systemd."""

    address: str = ""  # "" where nobody listens
    watchdog_s: float = 0  # without a word for so long, systemd starts it again; 0: it does not

    def tell(self, *words: str) -> None:
        """Whoever does not listen is not waited for."""
        if not self.address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
            try:
                out.sendto("\n".join(words).encode(), self.address)
            except OSError:
                return  # systemd is started again, or has no room: the next word counts


def notifier_of(environment: MutableMapping[str, str]) -> Notifier:
    """Takes the words out of it, which are for this process and for none that it starts."""
    address = environment.pop(_SOCKET, "")
    watchdog, pid = environment.pop(_WATCHDOG, ""), environment.pop(_WATCHDOG_PID, "")
    mine = pid in {"", str(os.getpid())}
    watchdog_s = int(watchdog) / 1e6 if watchdog.isdigit() and mine else 0
    if address.startswith("@"):
        address = "\0" + address[1:]
    return Notifier(address, watchdog_s)
