"""The package's version, alone in a file so that the build and every written file read the same one."""

__version__ = "0.1.0"
