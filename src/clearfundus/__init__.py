"""clearfundus: makes blurry colour fundus photographs clear.

    import clearfundus as cf

    photo = cf.read_photo("eye.jpg")
    clear = cf.enhance(photo)
    cf.write_photo(clear, "eye_clear.png")

The map of the package, from the ground up; imports go down only:

    errors       every error raised on purpose, drawn as a tree
    photo        Photo, and its way from and to a file
    fundus       the field of view; crop to it and put back; align; degrade; a photograph drawn with its vessels
    networks     the paper's generator and discriminator, the vessel segmenter, weights files, devices
    methods      METHODS: name -> (Photo, Field) -> Photo
    quality      METRICS: name -> a measure of a photograph, some beside a reference
    vessels      vessels found, followed and measured
    training     the paper's training, from a TOML file to weights
    pipeline     enhance(): the floors in order
    interfaces   the command line
    pretrained   the weights that ship with the package

Importing this module imports nothing heavy: each name below is fetched when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from clearfundus.errors import (
    AlignmentError,
    ClearfundusError,
    DeviceError,
    FieldNotFoundError,
    MissingExtraError,
    PhotoError,
    PhotoMemoryError,
    PhotoReadError,
    PhotoWriteError,
    QualityError,
    SettingsError,
    TrainingError,
    WeightsError,
)
from clearfundus.version import __version__

if TYPE_CHECKING:
    from clearfundus.fundus.field import Field, find_field
    from clearfundus.methods import METHODS
    from clearfundus.networks.weights import load_weights
    from clearfundus.photo import Photo, read_photo, read_provenance, write_photo
    from clearfundus.pipeline import enhance, enhance_with_each, prepare_method
    from clearfundus.pretrained import shipped_weights
    from clearfundus.quality import METRICS
    from clearfundus.vessels.segment import segment
    from clearfundus.vessels.track import track

_HOMES = {
    "Photo": "clearfundus.photo",
    "read_photo": "clearfundus.photo",
    "read_provenance": "clearfundus.photo",
    "write_photo": "clearfundus.photo",
    "Field": "clearfundus.fundus.field",
    "find_field": "clearfundus.fundus.field",
    "METHODS": "clearfundus.methods",
    "METRICS": "clearfundus.quality",
    "segment": "clearfundus.vessels.segment",
    "track": "clearfundus.vessels.track",
    "enhance": "clearfundus.pipeline",
    "enhance_with_each": "clearfundus.pipeline",
    "prepare_method": "clearfundus.pipeline",
    "load_weights": "clearfundus.networks.weights",
    "shipped_weights": "clearfundus.pretrained",
}

__all__ = [
    "METHODS",
    "METRICS",
    "AlignmentError",
    "ClearfundusError",
    "DeviceError",
    "Field",
    "FieldNotFoundError",
    "MissingExtraError",
    "Photo",
    "PhotoError",
    "PhotoMemoryError",
    "PhotoReadError",
    "PhotoWriteError",
    "QualityError",
    "SettingsError",
    "TrainingError",
    "WeightsError",
    "__version__",
    "enhance",
    "enhance_with_each",
    "find_field",
    "load_weights",
    "prepare_method",
    "read_photo",
    "read_provenance",
    "segment",
    "shipped_weights",
    "track",
    "write_photo",
]


def __getattr__(name: str) -> object:
    """Fetch a public name from its module at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'clearfundus' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, fetched or not."""
    return sorted({*globals(), *__all__})
