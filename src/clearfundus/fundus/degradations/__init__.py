"""Degradations: ways to make a clear photograph bad, with every parameter known.

A model is drawn first (`draw`, from a generator and a severity in [0, 1]) and applied second (`apply`), so that it can
be recorded (`to_record`) and repeated bit for bit (`from_record`). Severity 0 hardly changes anything; what 1 means is
the model's to say, and `decibels` tells the strength on one scale for all of them.

    model = DEGRADATIONS["peli"].draw(np.random.default_rng(1), severity=0.6)
    bad = model.apply(photo, field)
    decibels(photo, bad, field)
"""

from collections.abc import Mapping
from types import MappingProxyType

from clearfundus.errors import SettingsError
from clearfundus.fundus.degradations.arcnet import ArcNet
from clearfundus.fundus.degradations.cataract import Cataract
from clearfundus.fundus.degradations.cofe import Cofe
from clearfundus.fundus.degradations.focus import Focus
from clearfundus.fundus.degradations.model import Model
from clearfundus.fundus.degradations.peli import Peli
from clearfundus.fundus.degradations.strength import decibels

DEGRADATIONS: Mapping[str, type[Model]] = MappingProxyType(
    {"cataract": Cataract, "peli": Peli, "arcnet": ArcNet, "cofe": Cofe, "focus": Focus}
)
"""Name -> model."""

__all__ = ["DEGRADATIONS", "Model", "decibels", "from_record"]


def from_record(record: object) -> Model:
    """Return the model that a record tells of; further keys of the record are left alone.

    Args:
        record: What `Model.to_record` gave, or the same read back from JSON.

    Raises:
        SettingsError: If the model is unknown, or a parameter is missing, unknown, of the wrong type or not finite.
    """
    if not isinstance(record, Mapping) or not {"model", "parameters"} <= record.keys():
        raise SettingsError("found no record of a degradation, expected a JSON object with model and parameters")
    name = record["model"]
    if not isinstance(name, str) or name not in DEGRADATIONS:
        raise SettingsError(f"model: found {name!r}, expected one of: {', '.join(DEGRADATIONS)}")
    return DEGRADATIONS[name].from_parameters(record["parameters"])
