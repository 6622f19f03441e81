"""Tables as CSV: floats are written so that they are read back exactly, and what is not there is an empty cell."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence


def as_text(value: object) -> str:
    """Return a cell."""
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as CSV, its columns' names in the first line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def read_csv(text: str, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the rows of a table.

    Args:
        text: What `write_csv` returned.
        columns: The names that its columns must have.

    Raises:
        ValueError: If they are others.
    """
    reader = csv.DictReader(io.StringIO(text))
    if reader.fieldnames != list(columns):
        raise ValueError(f"found the columns {reader.fieldnames}, expected {list(columns)}")
    yield from reader
