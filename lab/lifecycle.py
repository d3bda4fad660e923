"""What every program of the laboratory has in common: it runs for as long as a `with` block."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Runnable(ABC):
    """`async with X(…) as x:` starts it and, however the block ends, stops it."""

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def stop(self) -> None: ...

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
