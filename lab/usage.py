"""What a process, or the whole machine, has used, by the kernel's own count (proc(5))."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_USER_TICKS, _SYSTEM_TICKS = 11, 12  # counted from the field behind the name


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineTime:
    """Processor time of all cores since the machine started."""

    used_s: float
    stolen_s: float  # wanted, and given to other machines on the same host

    def stolen_part_since(self, before: Self) -> float:
        """The stolen share, from 0 to 1, of all the time that was wanted since then."""
        stolen_s = self.stolen_s - before.stolen_s
        wanted_s = stolen_s + self.used_s - before.used_s
        return stolen_s / wanted_s if wanted_s else 0.0


def machine_time() -> MachineTime:
    """What all cores have been used for so far, to the hundredth of a second."""
    first = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    user, nice, system, _, _, irq, softirq, stolen = map(int, first.split()[1:9])
    return MachineTime(
        used_s=(user + nice + system + irq + softirq) / _TICKS_PER_S,
        stolen_s=stolen / _TICKS_PER_S,
    )


def cpu_s(pid: int) -> float:
    """Processor time so far, of all its threads, to the hundredth of a second."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = stat.rpartition(")")[2].split()  # a name may hold blanks and brackets
    return (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / _TICKS_PER_S


def memory_bytes(pid: int) -> int:
    """Resident memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
