"""`python -m bench [PART …]`: measure everything, or the parts that are named, and print it.

A part is a module of this package that offers `run() -> list[Figure]`.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Annotated

import typer
from rich.console import Console

import bench
from bench.figures import Figure, table_of

Part = Callable[[], list[Figure]]
out = Console(highlight=False)


def parts() -> Mapping[str, Part]:
    """Every part by its name, in alphabetical order."""
    names = [module.name for module in pkgutil.iter_modules(bench.__path__)]
    loaded = {
        name: importlib.import_module(f"bench.{name}") for name in names if name != "__main__"
    }
    return {name: module.run for name, module in loaded.items() if hasattr(module, "run")}


def main(wanted: Annotated[list[str] | None, typer.Argument(metavar="PART …")] = None) -> None:
    """Measure, on this machine and now. Sends traffic to loopback addresses only."""
    known = parts()
    unknown = set(wanted or ()) - known.keys()
    if unknown:
        raise typer.BadParameter(f"there is {', '.join(known)}; not {', '.join(sorted(unknown))}")
    for name, part in known.items():
        if not wanted or name in wanted:
            out.print(table_of(part(), title=name))


if __name__ == "__main__":
    typer.run(main)
