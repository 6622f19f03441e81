"""A photograph in memory, and its way from and to a file."""

from clearfundus.photo.photo import Gray, Mask, Photo, Pixels
from clearfundus.photo.reading import READABLE_SUFFIXES, read_photo, read_provenance
from clearfundus.photo.writing import NOTED_SUFFIXES, WRITABLE_SUFFIXES, encode_photo, write_encoded, write_photo

__all__ = [
    "NOTED_SUFFIXES",
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Gray",
    "Mask",
    "Photo",
    "Pixels",
    "encode_photo",
    "read_photo",
    "read_provenance",
    "write_encoded",
    "write_photo",
]
