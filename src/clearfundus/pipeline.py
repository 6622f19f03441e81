"""The floors in order: find the field, crop and fill, let a method work, put its result back at full size.

Prepare a method once for many photographs: its weights are loaded then, and never again.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from clearfundus.engines.weights import EngineWeights
from clearfundus.errors import SettingsError
from clearfundus.fundus.field import Field, find_field
from clearfundus.fundus.frame import crop_to_field, put_back
from clearfundus.methods import EXTRAS, METHODS, Method
from clearfundus.methods.checks import require_extra
from clearfundus.methods.engine import LARGEST_ONE_PASS, load_model
from clearfundus.methods.gan import Size, check_size, describe_gan
from clearfundus.photo import Photo

if TYPE_CHECKING:
    from clearfundus.networks.weights import LoadedWeights

ARGUMENTS_OF_THEIR_OWN = {"model": "weights", "size": "size", "memory_limit": "memory_limit"}
"""Keyword arguments of methods that are no free parameters -> the argument here that sets them."""
TRIAL_SIDE = 16
"""Of the gray picture that a method is tried on, in pixels."""


@dataclass(frozen=True, kw_only=True)
class PreparedMethod:
    """A method with its parameters and weights, ready for any number of photographs.

    Attributes:
        name: Its name in `METHODS`.
        function: The method, its keyword arguments bound.
        provenance: What every photograph it returns says of itself; one that was worked on before says that, too.
        weights: The weights it runs, if it needs any.
    """

    name: str
    function: Method
    provenance: Mapping[str, str]
    weights: "LoadedWeights | EngineWeights | None" = None

    def __call__(self, photo: Photo, field: Field) -> Photo:
        """Run it on a cropped, filled photograph."""
        return self.function(photo, field)

    def within(self, memory_limit: int) -> "PreparedMethod":
        """Return the method with its network held to a limit; its results stay the same.

        Args:
            memory_limit: Bytes that the process may hold while the network runs, on the network's device.

        Raises:
            SettingsError: If the method has no network, or an engine that cannot be held to a limit.
        """
        if self.weights is None:
            raise SettingsError(f"method {self.name!r} takes no memory limit; it has no network")
        if isinstance(self.weights, EngineWeights):
            raise SettingsError(f"engine {self.weights.engine!r} takes no memory limit; use --engine torch")
        function: Callable[..., Photo] = self.function
        return replace(self, function=partial(function, memory_limit=memory_limit))


def prepare_method(  # noqa: PLR0913 - one argument a choice
    method: str,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "fp32",
    size: Size | None = None,
    memory_limit: int | None = None,
    parameters: Mapping[str, object] | None = None,
) -> PreparedMethod:
    """Choose a method, check its parameters and load its weights.

    A method without weights is run once on a tiny gray picture, so that it refuses a number out of range here, before
    any photograph is read.

    Args:
        method: A name of `METHODS`.
        weights: Name of shipped weights or path of a weights file or an exported one; None for the default ones.
        device: "auto", "cpu", "cuda" or "cuda:N"; a named device is never replaced by another.
        engine: What runs a network: "torch", "onnxruntime", "openvino", or "auto"; see `methods.engine`.
        precision: What torch or OpenVINO computes a network in: "fp32", the same on every machine; "bf16"; or "auto",
            which takes bf16 where it is fast and the weights bear it. With "auto" here and for the engine, that may
            be OpenVINO's; see `methods.engine`.
        size: Field diameter in pixels at which a network sees the photograph, or "native" for its own, or "change" or
            "guided" for the one its weights are made for; see `methods.gan`. None is "change".
        memory_limit: As for `PreparedMethod.within`; None for no such limit.
        parameters: The method's own parameters by name; the others keep their defaults.

    Raises:
        SettingsError: If a name is unknown, a value is of the wrong type or out of range, or the method does not
            take what it is given.
        WeightsError: If the weights are unknown, missing or altered.
        DeviceError: If the named device is not there, or the engine does not run on it.
        MissingExtraError: If the method or the engine needs an optional package that is not installed.
    """
    if method not in METHODS:
        raise SettingsError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if method in EXTRAS:
        require_extra(method, *EXTRAS[method])
    values = _check_parameters(method, parameters or {})
    if "model" in inspect.signature(METHODS[method]).parameters:
        if size is not None:
            check_size(size)
        small = size in (None, "change", "guided") or (isinstance(size, int) and size <= LARGEST_ONE_PASS)
        one_pass = small and memory_limit is None
        model = load_model(weights, engine=engine, device=device, precision=precision, one_pass=one_pass)
        prepared = _prepare_network(method, model, size, values)
        return prepared if memory_limit is None else prepared.within(memory_limit)
    unset = {
        "weights": (weights, None),
        "size": (size, None),
        "engine": (engine, "auto"),
        "bf16": (precision == "bf16", False),
        "memory limit": (memory_limit, None),
    }
    for name, (value, default) in unset.items():
        if value != default:
            raise SettingsError(f"method {method!r} takes no {name}; it has no network")
    if device not in ("auto", "cpu"):
        raise SettingsError(f"method {method!r} runs on the CPU; found device {device!r}, expected auto or cpu")
    provenance = MappingProxyType({"method": method, **{name: str(value) for name, value in values.items()}})
    function = partial(METHODS[method], **values)
    _try(function)
    return PreparedMethod(name=method, function=function, provenance=provenance)


def enhance(
    photo: Photo,
    method: str | Method = "gan",
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    size: Size | None = None,
    parameters: Mapping[str, object] | None = None,
) -> Photo:
    """Enhance one photograph; outside its field every pixel stays as it is.

    Args:
        photo: The photograph, whole.
        method: A name of `METHODS`, or a method itself: what `prepare_method` returned, or your own function.
        weights: As for `prepare_method`, like the rest.
        device: Where a network runs.
        size: The field diameter a network sees.
        parameters: The method's own parameters.

    Returns:
        A photograph of the same size, which says in its provenance what was done to it.

    Raises:
        FieldNotFoundError: If the photograph shows no lit field.
        SettingsError: As `prepare_method`, also if `method` is a function and settings are given beside it.
        WeightsError: As `prepare_method`.
        DeviceError: As `prepare_method`.
    """
    if isinstance(method, str):
        method = prepare_method(method, weights=weights, device=device, size=size, parameters=parameters)
    elif (weights, device, size, parameters) != (None, "auto", None, None):
        raise SettingsError("weights, device, size and parameters go with a method's name; found a function")
    return next(enhance_with_each(photo, [method]))


def enhance_with_each(photo: Photo, methods: Iterable[Method]) -> Iterator[Photo]:
    """Enhance one photograph by several methods; the field is found and the surround filled once.

    Args:
        photo: The photograph, whole.
        methods: What `prepare_method` returned, or functions of your own.

    Yields:
        For each method in turn, a photograph of the same size, as `enhance` returns it.

    Raises:
        FieldNotFoundError: If the photograph shows no lit field.
    """
    frame = crop_to_field(photo, find_field(photo))
    for method in methods:
        yield put_back(frame, method(frame.photo, frame.field))


def free_parameters(method: Callable[..., Photo]) -> dict[str, Any]:
    """Return the parameters of a method that a user may set, with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in ARGUMENTS_OF_THEIR_OWN
    }


def _prepare_network(
    method: str, model: "LoadedWeights | EngineWeights", size: Size | None, values: dict[str, Any]
) -> PreparedMethod:
    function: Callable[..., Photo] = METHODS[method]
    return PreparedMethod(
        name=method,
        function=partial(function, model=model, size=size, **values),
        provenance=MappingProxyType(describe_gan(model, size)),
        weights=model,
    )


def _try(function: Method) -> None:
    """Run a method on a tiny gray picture: the ranges of its numbers are its own to know.

    Raises:
        SettingsError: If it refuses its numbers.
    """
    photo = Photo(pixels=np.full((TRIAL_SIDE, TRIAL_SIDE, 3), 0.5, np.float32))
    try:
        function(photo, Field(mask=np.ones((TRIAL_SIDE, TRIAL_SIDE), np.bool_)))
    except SettingsError:
        raise
    except Exception:  # noqa: BLE001 - any other fault is the photographs' to meet, and to be told of with their names
        return


def _check_parameters(method: str, chosen: Mapping[str, object]) -> dict[str, Any]:
    """Return all the method's parameters, defaults and chosen ones, or raise a SettingsError."""
    values = free_parameters(METHODS[method])
    for name, value in chosen.items():
        if name in ARGUMENTS_OF_THEIR_OWN:
            raise SettingsError(f"{name!r} is set by {ARGUMENTS_OF_THEIR_OWN[name]!r}, not as a parameter")
        if name not in values:
            known = ", ".join(values) or "none"
            raise SettingsError(f"method {method!r}: unknown parameter {name!r}; known: {known}")
        expected = type(values[name])
        if type(value) is int:
            real = _to_float(method, name, value)
            value = real if expected is float else value
        if type(value) is not expected:  # not isinstance: True is an int to Python
            raise SettingsError(
                f"method {method!r}, parameter {name!r}: found {value!r} ({type(value).__name__}), "
                f"expected {expected.__name__}"
            )
        values[name] = value
    return values


def _to_float(method: str, name: str, value: int) -> float:
    """Return a whole number as a real one, or raise a SettingsError that does not repeat its hundreds of digits."""
    try:
        return float(value)
    except OverflowError as error:
        raise SettingsError(
            f"method {method!r}, parameter {name!r}: found a whole number of {value.bit_length()} bits, too large for "
            "any parameter; give a smaller one"
        ) from error
