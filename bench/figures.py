"""A measured figure, and the table in which figures are printed."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    what: str
    unit: str
    value: float
    beside: float | None = None  # the same, in the same run, of what it is compared with
    beside_what: str = ""  # what that is: "plain Dial()"
    goal: str = ""  # in words: "at least 95 %"
    met: bool | None = None  # None: stated, without a goal

    @property
    def ratio(self) -> float | None:
        return self.value / self.beside if self.beside else None


def table_of(figures: Iterable[Figure], *, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("figure", "Tollgate", "beside it", "ratio", "goal", ""):
        numeric = name in {"Tollgate", "beside it", "ratio"}
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for figure in figures:
        table.add_row(*_cells(figure))
    return table


def _cells(figure: Figure) -> tuple[str, ...]:
    beside = "" if figure.beside is None else f"{_amount(figure.beside)}  {figure.beside_what}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    verdict = {None: "", True: "met", False: "short"}[figure.met]
    what = f"{figure.what}, {figure.unit}"
    return what, _amount(figure.value), beside.strip(), ratio, figure.goal, verdict


def _amount(value: float) -> str:
    """Three digits that matter: more would claim more than was measured."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004
