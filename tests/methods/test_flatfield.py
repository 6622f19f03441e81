import numpy as np
import pytest

from clearfundus import Field, Photo, SettingsError
from clearfundus.fundus.colour import rgb_to_lab
from clearfundus.methods.flatfield import flatfield

SIDE = 192
FIELD = Field(mask=np.ones((SIDE, SIDE), bool))


def textured(level: np.ndarray, contrast: np.ndarray) -> Photo:
    """Return a reddish photograph of fine noise, of a level and a contrast for each pixel."""
    noise = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32)
    gray = np.clip(level + contrast * noise, 0.05, 0.95).astype(np.float32)
    return Photo(pixels=np.dstack([gray, gray * 0.6, gray * 0.4]))


def lightness(photo: Photo) -> np.ndarray:
    return rgb_to_lab(photo.pixels)[..., 0]


def test_everywhere_the_level_and_the_contrast_are_those_asked_for() -> None:
    across = np.linspace(0, 1, SIDE, dtype=np.float32)[None]
    photo = textured(0.3 + 0.4 * across, 0.01 + 0.02 * across)
    before, after = lightness(photo), lightness(flatfield(photo, FIELD, contrast=3.0))
    thirds = [slice(32, 64), slice(80, 112), slice(128, 160)]  # away from the border
    assert np.ptp([before[:, third].mean() for third in thirds]) > 10
    assert np.ptp([after[:, third].mean() for third in thirds]) < 1
    assert np.allclose([after[:, third].std() for third in thirds], 3.0, rtol=0.1)
    assert abs(after.mean() - before.mean()) < 0.5


def test_a_veil_is_undone_whatever_its_strength() -> None:
    clear = textured(np.full((SIDE, SIDE), 0.5), np.full((SIDE, SIDE), 0.05))
    veiled = Photo(pixels=clear.pixels * np.float32(0.5) + np.float32(0.25) * clear.pixels.mean((0, 1)) * 2)
    one, other = (lightness(flatfield(photo, FIELD)) for photo in (clear, veiled))
    assert np.corrcoef((one - one.mean()).ravel(), (other - other.mean()).ravel())[0, 1] > 0.99
    assert abs(one.std() / other.std() - 1) < 0.05


def test_what_shows_nothing_is_not_amplified_beyond_the_bound() -> None:
    photo = textured(np.full((SIDE, SIDE), 0.5), np.full((SIDE, SIDE), 0.0005))
    gain = lightness(flatfield(photo, FIELD)).std() / lightness(photo).std()
    assert abs(gain - 2.7 / 0.5) < 0.3


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"contrast": 0.0}, "contrast: found 0.0"), ({"sigma": 0.0}, "sigma: found 0.0"), ({"sigma": 2.0}, "up to 1")],
)
def test_numbers_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        flatfield(textured(np.full((SIDE, SIDE), 0.5), np.full((SIDE, SIDE), 0.01)), FIELD, **settings)
