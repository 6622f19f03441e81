import pytest

from clearfundus.errors import SettingsError
from clearfundus.interfaces.byte_sizes import parse_bytes


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("3GiB", 3 * 1024**3),
        ("1.5 gib", 3 * 2**29),
        ("800MiB", 800 * 2**20),
        ("800MB", 800_000_000),
        (" 2GB ", 2_000_000_000),
        ("123456789B", 123_456_789),
    ],
)
def test_an_amount_of_memory_is_read_with_its_unit(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    "text", ["", "3", "GiB", "3GiBs", "3 Gi B", "-3GiB", "0GiB", "nanGiB", "1e3MB", "3TiB", "٣GiB"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match=r"memory limit: found .*, expected a number with .* as in 3GiB"):
        parse_bytes(text)
