"""`clearfundus methods`: what there is to choose from."""

import inspect
import json
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from cyclopts import Parameter

SHORT_SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "gan": "Zhao et al. 2019",
        "clahe": "Zuiderveld 1994",
        "flatfield": "after Foracchia et al. 2005",
        "mitra2018": "Mitra et al. 2018, reconstruction",
        "zhou2018": "Zhou et al. 2018",
        "xiong2017": "Xiong et al. 2017, reconstruction",
        "he2011": "He et al. 2011",
        "polesel2000": "Polesel et al. 2000",
        "starck2003": "Starck et al. 2003",
        "identity": "the photograph itself",
    }
)
"""Every method -> its source, short enough for a label; here, for `METHODS` cannot be imported as fast as help is."""


def methods(*, json_: Annotated[bool, Parameter(name="--json", negative="")] = False) -> None:
    """List the methods and their parameters.

    Args:
        json_: Write one JSON object to standard output.
    """
    from clearfundus.interfaces.enhance import write_parameter
    from clearfundus.methods import METHODS

    entries = {name: _describe(name) for name in METHODS}
    if json_:
        sys.stdout.write(json.dumps(entries, indent=2) + "\n")
        return
    for name, entry in entries.items():
        sys.stdout.write(f"{name}: {entry['summary']}\n  source: {entry['source']}\n")
        sys.stdout.write(f"  needs weights: {'yes' if entry['needs_weights'] else 'no'}\n")
        for parameter, default in entry["parameters"].items():
            sys.stdout.write(f"  --set {write_parameter(parameter, default)}\n")


def _describe(name: str) -> dict[str, Any]:
    """Read a method's line, source and parameters from the method itself, where they cannot grow stale."""
    from clearfundus.methods import METHODS
    from clearfundus.pipeline import free_parameters

    method = METHODS[name]
    paragraphs = [" ".join(part.split()) for part in (inspect.getdoc(method) or "").split("\n\n")]
    sources = [part.removeprefix("Source: ") for part in paragraphs if part.startswith("Source: ")]
    return {
        "summary": paragraphs[0],
        "source": " ".join(sources),
        "needs_weights": "model" in inspect.signature(method).parameters,
        "parameters": free_parameters(method),
    }
