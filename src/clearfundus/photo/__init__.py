"""A photograph in memory, and its way from and to a file."""

from clearfundus.photo.photo import Gray, Mask, Photo, Pixels

__all__ = ["Gray", "Mask", "Photo", "Pixels"]
