"""Every error this package raises on purpose. Each message says what was found, what was expected, what to do.

ClearfundusError
├── PhotoError               a photograph cannot be used; the other photographs still can
│   ├── PhotoReadError         missing, empty, truncated, not an image, too large, not finite
│   ├── PhotoWriteError        unknown suffix, unwritable folder, would overwrite
│   ├── PhotoMemoryError       takes more memory than is allowed, or than there is
│   ├── FieldNotFoundError     readable, but shows no lit field of view
│   └── AlignmentError         two photographs that cannot be laid over each other
├── QualityError             a measure was given what it cannot judge
├── SettingsError            a setting is unknown, of the wrong type or out of range
├── MissingExtraError        an optional package is not installed
├── WeightsError             a weights file is missing, altered, or of another architecture
├── DeviceError              the named device or precision is not there
└── TrainingError            a training run cannot start or go on
    ├── RunMismatchError       the run folder belongs to another configuration
    └── NonFiniteLossError     a loss became NaN or infinite
"""


class ClearfundusError(Exception):
    """Base of all errors raised on purpose; an interface shows its message and no traceback."""


class PhotoError(ClearfundusError):
    """One photograph cannot be used."""


class PhotoReadError(PhotoError):
    """The file or array is no usable picture."""


class PhotoWriteError(PhotoError):
    """The picture cannot be written there."""


class PhotoMemoryError(PhotoError):
    """A network would take more memory for the picture than is allowed, or than there is; nothing was tried."""


class FieldNotFoundError(PhotoError):
    """The picture shows no lit field of view, so it is no fundus photograph."""


class AlignmentError(PhotoError):
    """Two photographs cannot be laid over each other: not one eye, or too hazy to tell."""


class QualityError(ClearfundusError):
    """A measure was given what it cannot judge: an array of another kind, a field too small, nothing to see."""


class SettingsError(ClearfundusError):
    """A setting is unknown, of the wrong type or out of range."""


class MissingExtraError(ClearfundusError):
    """A method needs an optional package that is not installed; the message has the line that installs it."""


class WeightsError(ClearfundusError):
    """A weights file is missing, altered, or made for another architecture."""


class DeviceError(ClearfundusError):
    """The named device or precision is not available; nothing was put in its place."""


class TrainingError(ClearfundusError):
    """A training run cannot start or cannot go on."""


class RunMismatchError(TrainingError):
    """The run folder was made with another configuration."""


class NonFiniteLossError(TrainingError):
    """A loss became NaN or infinite; the last good checkpoint is kept."""
