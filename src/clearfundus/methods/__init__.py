"""The methods: each makes a new photograph of one that is cropped to its field with the surround filled.

A method's numbers are its keyword arguments, with their defaults; `METHODS` is the table by name.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from clearfundus.fundus.field import Field
from clearfundus.methods.clahe import clahe
from clearfundus.methods.gan import gan
from clearfundus.methods.identity import identity
from clearfundus.photo import Photo

Method = Callable[[Photo, Field], Photo]
"""From a cropped, filled photograph and its field to a photograph of the same size, with its provenance."""

METHODS: Mapping[str, Method] = MappingProxyType({"gan": gan, "clahe": clahe, "identity": identity})
"""All methods by name; the first is the default."""

EXTRAS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {"starck2003": ("curvelet", ("curvelets", "typing_extensions"))}
)
"""Methods that need more than this package does -> the extra that brings it, and what must be importable."""

__all__ = ["EXTRAS", "METHODS", "Method", "clahe", "gan", "identity"]
