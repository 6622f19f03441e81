"""The methods: each makes a new photograph of one that is cropped to its field with the surround filled.

A method's numbers are its keyword arguments, with their defaults; `METHODS` is the table by name.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from clearfundus.fundus.field import Field
from clearfundus.methods.clahe import clahe
from clearfundus.methods.flatfield import flatfield
from clearfundus.methods.gan import gan
from clearfundus.methods.he2011 import he2011
from clearfundus.methods.identity import identity
from clearfundus.methods.mitra2018 import mitra2018
from clearfundus.methods.polesel2000 import polesel2000
from clearfundus.methods.starck2003 import starck2003
from clearfundus.methods.xiong2017 import xiong2017
from clearfundus.methods.zhou2018 import zhou2018
from clearfundus.photo import Photo

Method = Callable[[Photo, Field], Photo]
"""From a cropped, filled photograph and its field to a photograph of the same size, with its provenance."""

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "gan": gan,
        "clahe": clahe,
        "flatfield": flatfield,
        "mitra2018": mitra2018,
        "zhou2018": zhou2018,
        "xiong2017": xiong2017,
        "he2011": he2011,
        "polesel2000": polesel2000,
        "starck2003": starck2003,
        "identity": identity,
    }
)
"""All methods by name; the first is the default."""

EXTRAS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {"starck2003": ("curvelet", ("curvelets", "typing_extensions"))}
)
"""Methods that need more than this package does -> the extra that brings it, and what must be importable."""

__all__ = [
    "EXTRAS",
    "METHODS",
    "Method",
    "clahe",
    "flatfield",
    "gan",
    "he2011",
    "identity",
    "mitra2018",
    "polesel2000",
    "starck2003",
    "xiong2017",
    "zhou2018",
]
