"""The means of an evaluation on the terminal: a table for each set and protocol, the best of each column marked."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clearfundus.evaluation.report_tables import Cell, value_table
from clearfundus.evaluation.report_tables import Table as Means
from clearfundus.evaluation.results import Summary

UNLIMITED = 10_000
"""Columns; more than any table has."""
TITLES = {
    "blurry": "blurry photographs",
    "pairs": "pairs, against the clear photograph",
    "simulated": "simulated, against the truth",
}


def print_tables(summaries: Sequence[Summary], directions: Mapping[str, str], console: Console | None = None) -> None:
    """Write the tables.

    Args:
        summaries: All means.
        directions: Metric -> "higher", "lower" or "none".
        console: Where to; standard output if None.
    """
    console = wide_console(console)
    for place in dict.fromkeys((one.set, one.protocol) for one in summaries):
        held = [one for one in summaries if (one.set, one.protocol) == place]
        found = value_table(held, {one.metric: directions[one.metric] for one in held})
        first = held[0]
        title = f"{TITLES.get(first.set, first.set)}: {max(one.count for one in held)}, protocol {first.protocol}"
        print_table(f"{title}, mean and 95 % interval, * best mean", found, console)


def wide_console(console: Console | None = None) -> Console:
    """Return a console, standard output if None, that folds nothing where a file is written."""
    console = console or Console()
    return console if console.is_terminal else Console(file=console.file, width=UNLIMITED)


def print_table(title: str, found: Means, console: Console) -> None:
    """Write one table, its columns in as many runs as the console needs.

    Args:
        title: Above it.
        found: The table.
        console: Where to.
    """
    console.print(f"\n{title}", highlight=False, soft_wrap=True)
    for columns in _fitting(found, console):
        console.print(_table(found, columns))


def _fitting(found: Means, console: Console) -> Iterator[range]:
    """Yield the columns in as many runs as it takes for a table of each to fit the console."""
    start = 0
    while start < len(found.columns):
        stop = start + 1
        while stop < len(found.columns) and _width(_table(found, range(start, stop + 1)), console) <= console.width:
            stop += 1
        yield range(start, stop)
        start = stop


def _width(table: Table, console: Console) -> int:
    return console.measure(table, options=console.options.update(max_width=UNLIMITED)).maximum


def _table(found: Means, columns: range) -> Table:
    """Return the table of some columns."""
    table = Table("method")
    for at in columns:
        table.add_column(f"{found.columns[at].metric}\n{found.columns[at].better}", justify="right")
    for name, cells in found.lines:
        table.add_row(Text(name), *(_cell(cells[at]) for at in columns))
    return table


def _cell(cell: Cell) -> Text:
    best = cell.mark == "best"
    text = Text(f"{cell.mean}{' *' if best else ''}", style="bold" if best else "")
    return text.append(f"\n{cell.interval}", style="not bold") if cell.interval else text
