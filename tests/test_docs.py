"""The documents beside the README: their tables say what the code says, and their links lead somewhere."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

import clearfundus as cf
from clearfundus.methods import METHODS
from clearfundus.networks.segmenter_weights import load_segmenter
from clearfundus.photo import NOTED_SUFFIXES, READABLE_SUFFIXES, WRITABLE_SUFFIXES
from clearfundus.photo.encoding import DEEP_SUFFIXES
from clearfundus.pipeline import free_parameters
from clearfundus.pretrained import FOLDER
from clearfundus.training.config import RunSettings
from test_architecture import FLOORS, SOURCE

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "benchmarks").glob("*.md"),
        *FOLDER.glob("*.md"),
    ]
)


def read(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def rows(text: str, heading: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the first table under a heading, its two head rows left out."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def in_code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def slug(heading: str) -> str:
    """Return the anchor of a heading: lower case, spaces to hyphens, the rest left out."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = document.parent / name if name else document
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def as_toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(as_toml(one) for one in value)}]"
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else _quoted(value)


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_the_table_of_settings_has_every_setting_with_its_default() -> None:
    found = {in_code(cells[0])[0]: cells[1] for cells in rows(read("docs/training.md"), "Settings")}
    expected = {key: as_toml(value) for key, value in flat(asdict(RunSettings(name=""))).items()}
    assert found == {**expected, "name": ""}


def test_the_table_of_settings_says_where_each_value_comes_from() -> None:
    for cells in rows(read("docs/training.md"), "Settings"):
        assert cells[2] in {"paper", "chosen", "not in the paper"} or cells[0] == "`name`", cells[0]


def divided(cell: str) -> str:
    """Return a cell such as "5 / 255" as the number it is."""
    above, line, below = cell.partition(" / ")
    return str(float(above) / float(below)) if line else cell


@pytest.mark.parametrize("name", METHODS)
def test_the_table_of_a_methods_parameters_has_each_with_its_default(name: str) -> None:
    found = {in_code(cells[0])[0]: divided(cells[1]) for cells in rows(read("docs/methods.md"), name)}
    assert found == {key: as_toml(value) for key, value in free_parameters(METHODS[name]).items()}


@pytest.mark.parametrize("name", ["mitra2018", "xiong2017"])
def test_a_reconstruction_is_called_one_everywhere(name: str) -> None:
    section = " ".join(read("docs/methods.md").partition(f"\n## {name}\n")[2].partition("\n## ")[0].split())
    assert "**reconstruction**" in section
    assert "Not known:" in section
    line = next(line for line in read("README.md").splitlines() if line.startswith(f"| `{name}`"))
    assert "reconstruction" in line
    assert "reconstruction" in (METHODS[name].__doc__ or "")


def test_the_table_of_measures_has_each_with_its_direction() -> None:
    found = {in_code(cells[0])[0]: tuple(cells[1:3]) for cells in rows(read("docs/measures.md"), "Table")}
    expected = {m.name: ("yes" if m.needs_reference else "no", m.direction) for m in cf.METRICS.values()}
    assert found == expected


def test_the_table_of_read_formats_names_every_suffix() -> None:
    named = [suffix for cells in rows(read("docs/formats.md"), "Read") for suffix in in_code(cells[1])]
    assert sorted(named) == sorted(READABLE_SUFFIXES)


def test_the_table_of_written_formats_says_what_each_holds() -> None:
    table = {suffix: cells for cells in rows(read("docs/formats.md"), "Written") for suffix in in_code(cells[0])}
    assert table.keys() == WRITABLE_SUFFIXES
    assert {suffix for suffix, cells in table.items() if cells[1] == "8, 16"} == DEEP_SUFFIXES
    assert {suffix for suffix, cells in table.items() if cells[-1] == "yes"} == NOTED_SUFFIXES


def test_the_floors_are_those_that_the_tests_hold() -> None:
    drawn = {
        name.strip("/").removesuffix(".py"): int(cells[0])
        for cells in rows(read("docs/ARCHITECTURE.md"), "The floors")
        for name in in_code(cells[1])
    }
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert drawn == {room: FLOORS[room] for room in rooms - {"__init__", "__main__"}}


def test_every_decision_is_listed() -> None:
    files = {path.name for path in (REPOSITORY / "docs" / "decisions").glob("0*.md")}
    assert set(re.findall(r"\((0[^)]+\.md)\)", read("docs/decisions/README.md"))) == files


def test_the_version_is_the_same_everywhere() -> None:
    assert f"\nversion: {cf.__version__}\n" in read("CITATION.cff")
    assert f"\n## [{cf.__version__}] - " in read("CHANGELOG.md")


@pytest.mark.parametrize("name", cf.shipped_weights())
def test_the_card_of_shipped_weights_names_their_hashes_and_terms(name: str) -> None:
    card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    for role in cf.shipped_weights()[name].files:
        loaded = load_segmenter(name) if role == "segmenter" else cf.load_weights(name, role=role)
        assert loaded.sha256 in card
    assert "Research use only" in card
    assert "TODO" not in card
