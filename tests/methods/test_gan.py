import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from clearfundus import Field, Photo, SettingsError, load_weights
from clearfundus.fundus.guided import apply_affine, fit_affine
from clearfundus.methods.gan import gan
from clearfundus.networks.inference import run_generator
from clearfundus.networks.weights import LoadedWeights


class Watched(torch.nn.Module):
    """A stand-in for the network: lightens by 0.1 and remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.shown: list[torch.Size] = []
        self.pictures: list[torch.Tensor] = []

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        self.shown.append(picture.shape)
        self.pictures.append(picture.clone())
        return picture + 0.2  # [-1, 1] is twice as wide as [0, 1]


@pytest.fixture
def watched(tiny_weights: Path) -> LoadedWeights:
    return dataclasses.replace(load_weights(tiny_weights), network=Watched())


def disc(diameter: int) -> Field:
    row, column = np.mgrid[:diameter, :diameter] - (diameter - 1) / 2
    return Field(mask=np.hypot(row, column) <= diameter / 2)


def textured(diameter: int) -> Photo:
    rng = np.random.default_rng(1)
    return Photo(pixels=rng.uniform(0.35, 0.65, (diameter, diameter, 3)).astype(np.float32))


@pytest.mark.parametrize(
    ("size", "side"),
    [
        (None, 64),  # the weights' own diameter, from the fixture
        ("change", 64),
        ("guided", 64),
        (128, 128),
        (52, 52),
        ("native", 200),
    ],
)
def test_the_network_sees_the_field_at_the_asked_diameter(size, side: int, watched: LoadedWeights) -> None:
    gan(textured(200), disc(200), model=watched, size=size)
    shown = watched.network.shown[0]
    # the field of `disc` has 0.2 % more area than a circle of 200 pixels; sides are padded to multiples of 4
    assert shown[0] == 1
    assert abs(shown[2] - side) <= 4
    assert shown[2] == shown[3]


@pytest.mark.parametrize("size", [None, 300, "change", "guided", "native"])
def test_the_change_is_added_and_the_detail_stays(size, watched: LoadedWeights) -> None:
    photo = textured(200)
    result = gan(photo, disc(200), model=watched, size=size)
    assert np.allclose(result.pixels, photo.pixels + 0.1, atol=1e-6)


def test_native_size_gives_the_output_of_the_network(tiny_weights: Path) -> None:
    model, photo = load_weights(tiny_weights), textured(66)
    result = gan(photo, disc(66), model=model, size="native")
    assert np.allclose(result.pixels, run_generator(model.network, photo.pixels), atol=1e-6)


def test_a_smaller_size_gives_the_enlarged_change(tiny_weights: Path) -> None:
    model, photo = load_weights(tiny_weights), textured(200)
    field = Field(mask=np.ones((200, 200), bool))
    side = round(200 * 100 / field.diameter)
    small = cv2.resize(photo.pixels, (side, side), interpolation=cv2.INTER_AREA)
    change = run_generator(model.network, small) - small
    change = cv2.resize(change, (200, 200), interpolation=cv2.INTER_CUBIC)
    expected = np.clip(photo.pixels + change, 0, 1)
    assert np.allclose(gan(photo, field, model=model, size=100).pixels, expected, atol=1e-6)


def test_guided_carries_the_change_by_the_guided_filter(tiny_weights: Path) -> None:
    model, photo = load_weights(tiny_weights), textured(200)
    field = Field(mask=np.ones((200, 200), bool))
    side = round(200 * 64 / field.diameter)
    small = cv2.resize(photo.pixels, (side, side), interpolation=cv2.INTER_AREA)
    change = run_generator(model.network, small) - small
    gain, offset = fit_affine(small, change, radius=2, deviation=0.03)  # 4 / 512 of 64, but 2 at least
    expected = np.clip(apply_affine(photo.pixels, gain, offset), 0, 1)
    result = gan(photo, field, model=model, size="guided").pixels
    assert np.allclose(result, expected, atol=1e-6)
    assert not np.allclose(result, gan(photo, field, model=model).pixels, atol=1e-3)


def test_the_default_is_the_enlarged_change(tiny_weights: Path) -> None:
    model, photo = load_weights(tiny_weights), textured(200)
    results = [gan(photo, disc(200), model=model, size=size) for size in (None, "change", 64)]
    for result in results[1:]:
        assert np.array_equal(result.pixels, results[0].pixels)
        assert result.provenance == results[0].provenance


@pytest.mark.parametrize("size", [100, "guided", "native"])
def test_weights_trained_with_a_black_surround_are_shown_one(size, watched: LoadedWeights) -> None:
    photo, field = textured(200), disc(200)
    gan(photo, field, model=watched, size=size)
    result = gan(photo, field, model=dataclasses.replace(watched, surround="black"), size=size)
    filled, black = (picture[0].permute(1, 2, 0).numpy() / 2 + 0.5 for picture in watched.network.pictures)
    side = black.shape[0]  # both sizes are multiples of 4, so nothing is padded
    row, column = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    radius = np.hypot(row, column)
    outside, inside = radius > 0.5 + 2 / side, radius < 0.5 - 2 / side  # but for two pixels of the edge
    assert outside.sum() > 0.1 * side * side
    assert np.abs(black[outside]).max() < 1e-6
    assert filled[outside].min() > 0.3  # drawn between 0.35 and 0.65
    assert np.allclose(black[inside], filled[inside], atol=1e-6)
    assert np.allclose(result.pixels[field.mask], photo.pixels[field.mask] + 0.1, atol=1e-6)


@pytest.mark.parametrize("size", [None, 150, "guided", "native"])
def test_the_uneven_part_of_the_change_is_damped_if_the_weights_say_so(size, watched: LoadedWeights) -> None:
    photo, field = textured(200), disc(200)
    tilt = torch.linspace(-0.1, 0.1, 1000)  # brighter to the right, as no gain and offset of the texture explains

    class Tilting(Watched):
        def forward(self, picture: torch.Tensor) -> torch.Tensor:
            width = picture.shape[-1]
            return super().forward(picture) + tilt[torch.arange(width) * 999 // (width - 1)]

    whole = dataclasses.replace(watched, network=Tilting())
    damped = dataclasses.replace(whole, uneven_error=0.02)
    results = [gan(photo, field, model=model, size=size) for model in (whole, damped)]
    assert [one.provenance.get("uneven_error") for one in results] == [None, "0.02"]
    changes = [one.pixels - photo.pixels for one in results]
    inside = field.mask
    across = np.broadcast_to(np.arange(200)[None, :, None], (200, 200, 3))[inside]
    slopes = [np.polyfit(across.ravel(), change[inside].ravel(), 1)[0] for change in changes]
    # The tilt's standard deviation over a disc is a quarter of its range, and smoothing takes a little of it; of the
    # colour's principal components it is one, the gray, to which three channels add.
    kept = 3 * 0.025**2 / (3 * 0.025**2 + 0.02**2)
    assert slopes[1] / slopes[0] == pytest.approx(kept, abs=0.06)
    assert changes[1][inside].mean() == pytest.approx(changes[0][inside].mean(), abs=1e-3)


def test_without_a_model_the_default_weights_are_used(watched: LoadedWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearfundus.networks.weights.load_weights", lambda: watched)
    assert gan(textured(200), disc(200)).provenance["weights"] == "tiny"
    assert len(watched.network.shown) == 1


def test_it_says_how_the_picture_was_made(watched: LoadedWeights) -> None:
    result = gan(textured(200), disc(200), model=watched)
    assert result.provenance == {
        "method": "gan",
        "weights": "tiny",
        "sha256": watched.sha256[:12],
        "size": "64",
    }


def test_it_says_that_the_change_was_guided(watched: LoadedWeights) -> None:
    assert gan(textured(200), disc(200), model=watched, size="guided").provenance["size"] == "guided"


@pytest.mark.parametrize("size", [0, -512, 31, 16_385, 512.0, True, "large"])
def test_a_size_that_makes_no_sense_is_refused(size, watched: LoadedWeights) -> None:
    with pytest.raises(
        SettingsError, match=r"size: found .*expected 32 to 16384 pixels, or 'change', 'guided' or 'native'"
    ):
        gan(textured(50), disc(50), model=watched, size=size)
