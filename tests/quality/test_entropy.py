import numpy as np
import pytest
import skimage
from skimage.measure import shannon_entropy

from clearfundus import Field
from clearfundus.errors import QualityError
from clearfundus.quality.entropy import entropy, entropy_rgb, measure_entropy, measure_entropy_rgb
from clearfundus.quality.view import make_view, to_gray
from drawn import blur_fundus, draw_fundus, field_mask


def noise(*shape: int, most: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(0, most, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "gray", "pooled"),
    [  # of scikit-image's pictures, by shannon_entropy on MATLAB's gray and on all three channels
        ("camera", 7.231695, 7.231695),
        ("chelsea", 7.000866, 7.401366),
        ("coffee", 7.657463, 7.811581),
        ("astronaut", 7.453649, 7.471824),
        ("retina", 5.647115, 6.707991),
    ],
)
def test_known_pictures_have_the_known_entropy(name: str, gray: float, pooled: float) -> None:
    picture = getattr(skimage.data, name)()
    pixels = np.dstack([picture] * 3) if picture.ndim == 2 else picture
    assert entropy(to_gray(pixels)) == pytest.approx(gray, abs=1e-6)
    assert entropy_rgb(pixels) == pytest.approx(pooled, abs=1e-6)


def test_it_is_what_scikit_image_says() -> None:
    pixels = noise(60, 50, 3, most=93)
    assert entropy(pixels[..., 0]) == pytest.approx(shannon_entropy(pixels[..., 0]), abs=1e-12)
    assert entropy_rgb(pixels) == pytest.approx(shannon_entropy(pixels), abs=1e-12)


def test_closed_forms() -> None:
    assert entropy(np.full((9, 9), 77, np.uint8)) == 0
    assert entropy(np.tile(np.array([3, 250], np.uint8), (8, 4))) == 1
    assert entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == 8
    thirds = np.broadcast_to(np.array([0, 100, 255], np.uint8), (5, 5, 3))
    assert entropy_rgb(thirds) == pytest.approx(np.log2(3))


def test_only_what_is_inside_counts() -> None:
    mask = field_mask(64)
    pixels = noise(64, 64, 3) * mask[..., None].astype(np.uint8)
    assert entropy(pixels[..., 1], mask) == pytest.approx(shannon_entropy(pixels[..., 1][mask]))
    assert entropy_rgb(pixels, mask) == pytest.approx(shannon_entropy(pixels[mask]))
    assert entropy_rgb(pixels) < entropy_rgb(pixels, mask) - 0.5


@pytest.mark.parametrize("measure", [measure_entropy, measure_entropy_rgb])
def test_haze_takes_levels_away_and_noise_adds_them(measure) -> None:
    photo, field = draw_fundus(256), Field(mask=field_mask(256))
    clear, light, thick = (
        measure(make_view(one, field, side=200)).value
        for one in (photo, *(blur_fundus(photo, sigma=0.001, haze=haze) for haze in (0.3, 0.7)))
    )
    assert clear > light > thick + 0.5
    grain = np.random.default_rng(0).normal(0, 0.05, photo.pixels.shape)
    assert measure(make_view(photo.with_pixels(photo.pixels + grain), field, side=200)).value > clear


def test_a_view_counts_what_its_protocol_says() -> None:
    photo, field = draw_fundus(128), Field(mask=field_mask(128))
    fov, whole = (make_view(photo, field, protocol, side=96) for protocol in ("fov", "whole"))
    assert measure_entropy(fov).value == entropy(fov.gray, fov.mask)
    assert measure_entropy_rgb(fov).value == entropy_rgb(fov.pixels, fov.mask)
    assert measure_entropy(whole).value == entropy(whole.gray)
    assert measure_entropy_rgb(whole).value == entropy_rgb(whole.pixels)


def test_other_arrays_are_refused() -> None:
    for wrong, message in (
        (noise(9, 9, 3), r"shape \(9, 9, 3\)"),
        (noise(9, 9).astype(np.float32), "type float32"),
        (noise(9, 9) / 255, "not whole numbers"),
        (noise(9, 9) + 100.0, "expected 0 to 255"),
    ):
        with pytest.raises(QualityError, match=message):
            entropy(wrong)
    for wrong in (noise(9, 9), noise(9, 9, 4), noise(9, 9, 3) / 255):
        with pytest.raises(QualityError, match=r"entropy_rgb: found .*expected \(height, width, 3\) and uint8"):
            entropy_rgb(wrong)
    for function, picture in ((entropy, noise(9, 9)), (entropy_rgb, noise(9, 9, 3))):
        with pytest.raises(QualityError, match="empty mask"):
            function(picture, np.zeros((9, 9), bool))
        with pytest.raises(QualityError, match=r"expected \(9, 9\) and bool"):
            function(picture, np.ones((9, 7), bool))
