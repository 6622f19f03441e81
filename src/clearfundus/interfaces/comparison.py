"""All methods on one photograph, drawn on one sheet.

The enlarged part is the same in all tiles: where the photograph itself shows most structure. It is chosen before any
method has run, so no method can shine by it.
"""

import inspect
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from clearfundus.errors import MissingExtraError, SettingsError
from clearfundus.fundus.field import Field, find_field
from clearfundus.interfaces import SAFETY
from clearfundus.interfaces.batch import describe
from clearfundus.interfaces.methods import SHORT_SOURCES
from clearfundus.methods import METHODS
from clearfundus.photo import Photo
from clearfundus.photo.sheet import DETAIL, Square, Tile, busiest_square, draw_sheet, square_around, whole_and_part
from clearfundus.pipeline import PreparedMethod, enhance_with_each, prepare_method
from clearfundus.version import __version__

Contestants = Mapping[str, PreparedMethod | MissingExtraError]
"""Methods by name, in the order of their tiles; one that cannot run is there as the error that says why."""

INPUT = "identity"
"""The method that changes nothing: it is the input's own tile, which is always there and always the first."""

WEIGHTS_SIGN = ":"
"""Between a method's name and its weights."""

EXPLANATION = (
    f"Above: the field of view. Below: the framed part, the same in every tile, {DETAIL} times larger; it is where the "
    "photograph shows most structure. Seconds: the method alone, as measured in this run."
)


@dataclass(kw_only=True)
class Trial:
    """A method on one photograph: runs it, takes the time, and keeps a fault of its own from the other methods.

    Attributes:
        method: The method.
        seconds: How long it took.
        error: Why it failed; empty if it did not.
    """

    method: PreparedMethod
    seconds: float = 0.0
    error: str = ""

    def __call__(self, photo: Photo, field: Field) -> Photo:
        """Run the method; where it fails, return the photograph as it was."""
        started = time.perf_counter()
        try:
            return self.method(photo, field)
        except Exception as error:  # noqa: BLE001 - said in the method's tile; it must not cost the user the others
            self.error = f"{type(error).__name__}: {error}"
            return photo
        finally:
            self.seconds = round(time.perf_counter() - started, 3)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The sheet of one photograph.

    Attributes:
        sheet: The picture, with a note of the methods on it.
        part: The enlarged part: top, left and side in pixels of the photograph.
        trials: What became of each method that ran.
    """

    sheet: Photo
    part: Square
    trials: Sequence[Trial]


def prepare_contestants(
    names: Sequence[str] | None = None, *, weights: str | None = None, device: str = "auto"
) -> Contestants:
    """Prepare the methods to compare.

    Args:
        names: Their names; a method with a network may come several times, with weights behind a colon, as in
            "gan:paper-skip"; weights of a file are called by the name inside. None for all there are; then a method
            whose optional package is not installed is there as the error that says so.
        weights: For the methods that have a network and name no weights of their own.
        device: Where a network runs.

    Raises:
        SettingsError: If a name is unknown or comes twice, or a setting is given that no method takes.
        MissingExtraError: If a method asked for by name needs a package that is not installed.
        WeightsError: As `prepare_method`.
        DeviceError: As `prepare_method`.
    """
    chosen = [name for name in METHODS if name != INPUT] if names is None else _without_input(names)
    takers = [name for name in chosen if _has_network(name)]
    if not chosen:
        prepare_method(INPUT, weights=weights, device=device)  # refuses what only a network takes
    contestants: dict[str, PreparedMethod | MissingExtraError] = {}
    for name in chosen:
        try:
            if name in takers or not takers:  # where no method takes the settings, the first refuses them
                method, _, own = name.partition(WEIGHTS_SIGN)
                _add(contestants, prepare_method(method, weights=own or weights, device=device), by_weights=bool(own))
            else:
                contestants[name] = prepare_method(name)
        except MissingExtraError as error:
            if names is not None:
                raise
            contestants[name] = error
    return MappingProxyType(contestants)


def _add(
    contestants: dict[str, PreparedMethod | MissingExtraError], prepared: PreparedMethod, *, by_weights: bool
) -> None:
    weights = prepared.weights if by_weights else None
    name = f"{prepared.name}{WEIGHTS_SIGN}{weights.name}" if weights else prepared.name
    if name in contestants:
        raise SettingsError(f"methods: found two that are called {name}, by the name inside the weights; give one")
    contestants[name] = prepared


def _has_network(name: str) -> bool:
    method = METHODS.get(name.partition(WEIGHTS_SIGN)[0])
    return method is not None and "model" in inspect.signature(method).parameters


def compare_photo(photo: Photo, contestants: Contestants) -> Comparison:
    """Let the methods work on one photograph, and draw the sheet.

    Args:
        photo: The photograph, whole.
        contestants: As `prepare_contestants` returned them.

    Raises:
        FieldNotFoundError: If the photograph shows no lit field.
    """
    field = find_field(photo)
    whole = square_around(field.box)
    part = busiest_square(photo.pixels, field.mask, max(whole[2] // DETAIL, 1))
    trials = [Trial(method=one) for one in contestants.values() if isinstance(one, PreparedMethod)]
    height, width = photo.pixels.shape[:2]
    lines = (f"{width} x {height} pixels", f"field of {field.diameter:.0f} pixels")
    tiles = [Tile(heading="input", lines=lines, views=whole_and_part(photo.pixels, whole, part))]
    tiles += _tiles(photo, contestants, trials, (whole, part))
    footer = (EXPLANATION, f"clearfundus {__version__}. {SAFETY}")
    sheet = Photo(
        pixels=draw_sheet(tiles, title=photo.name, footer=footer),
        icc_profile=photo.icc_profile,  # the tiles have the photograph's own values
        provenance=note_of([trial.method for trial in trials if not trial.error]),
    )
    return Comparison(sheet=sheet, part=part, trials=trials)


def note_of(methods: Sequence[PreparedMethod]) -> Mapping[str, str]:
    """Return the provenance of a sheet that shows these methods."""
    told = "; ".join(describe(method.provenance) for method in methods)
    return MappingProxyType({"method": "comparison", "methods": told})


def _without_input(names: Sequence[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"methods: {', '.join(twice)} comes twice; name each once")
    return [name for name in names if name != INPUT]


def _tiles(
    photo: Photo, contestants: Contestants, trials: Sequence[Trial], squares: tuple[Square, Square]
) -> Iterator[Tile]:
    """Yield the contestants' tiles in order; each result is let go before the next is made."""
    results = zip(trials, enhance_with_each(photo, trials), strict=True)
    for name, one in contestants.items():
        source = SHORT_SOURCES[name.partition(WEIGHTS_SIGN)[0]]
        if isinstance(one, MissingExtraError):
            yield Tile(heading=name, lines=(source,), message=str(one))
            continue
        trial, result = next(results)
        lines = (source, _told(trial))
        if trial.error:
            yield Tile(heading=name, lines=lines, message=f"failed: {trial.error}")
        else:
            yield Tile(heading=name, lines=lines, views=whole_and_part(result.pixels, *squares))


def _told(trial: Trial) -> str:
    """Say which weights were used, if any, and how long it took."""
    seconds, note = f"{trial.seconds:.2f} s", trial.method.provenance
    return f"{note['weights']} {note['sha256']}, {seconds}" if trial.method.weights else seconds
