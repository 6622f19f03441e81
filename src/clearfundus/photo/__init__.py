"""A photograph in memory, and its way from and to a file."""

from clearfundus.photo.photo import Gray, Mask, Photo, Pixels
from clearfundus.photo.reading import READABLE_SUFFIXES, read_photo
from clearfundus.photo.writing import WRITABLE_SUFFIXES, write_photo

__all__ = [
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Gray",
    "Mask",
    "Photo",
    "Pixels",
    "read_photo",
    "write_photo",
]
