import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from clearfundus import Field
from clearfundus.errors import QualityError
from clearfundus.quality.psnr import measure_psnr, psnr
from clearfundus.quality.view import make_view
from drawn import blur_fundus, draw_fundus, field_mask


def noise(shape: tuple[int, ...] = (40, 51, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_equal_pictures_give_infinity() -> None:
    assert psnr(noise(), noise()) == math.inf


def test_it_is_what_scikit_image_says() -> None:
    expected = peak_signal_noise_ratio(noise(), noise(seed=1), data_range=255)
    assert psnr(noise(seed=1), noise()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("low", "high"), [(100, 110), (110, 100), (0, 255)])
def test_a_step_of_all_levels_gives_20_log_255_over_the_step(low: int, high: int) -> None:
    one, two = np.full((9, 9, 3), low, np.uint8), np.full((9, 9, 3), high, np.uint8)
    assert psnr(one, two) == pytest.approx(20 * math.log10(255 / 10) if high != 255 else 0)


def test_the_error_is_pooled_over_the_channels_before_the_logarithm() -> None:
    one, two = np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9, 3), np.uint8)
    two[..., 0] = 30  # in one channel of three
    assert psnr(one, two) == pytest.approx(10 * math.log10(255**2 / (30**2 / 3)))


def test_only_what_is_inside_counts() -> None:
    mask = field_mask(64)
    one, two = noise((64, 64, 3)), noise((64, 64, 3), seed=1)
    expected = psnr(one, two, mask)
    two[~mask] = 255 - one[~mask]
    assert psnr(one, two, mask) == expected


def test_the_black_surround_adds_what_its_share_says() -> None:
    mask = field_mask(64)
    one, two = (noise((64, 64, 3), seed) * mask[..., None].astype(np.uint8) for seed in (0, 1))
    assert psnr(one, two) - psnr(one, two, mask) == pytest.approx(10 * math.log10(1 / mask.mean()))


def test_more_blur_and_haze_give_less() -> None:
    photo, field = draw_fundus(128), Field(mask=field_mask(128))
    reference = make_view(photo, field, side=96)
    for change in ("sigma", "haze"):
        values = [
            measure_psnr(
                make_view(blur_fundus(photo, **{"sigma": 0.005, "haze": 0.1, change: much}), field, side=96), reference
            ).value
            for much in (0.02, 0.04, 0.3)
        ]
        assert values == sorted(values, reverse=True), change
        assert values[0] > values[-1] + 1, change


def test_more_noise_gives_less() -> None:
    photo, field = draw_fundus(128), Field(mask=field_mask(128))
    reference, drawn = make_view(photo, field, side=96), np.random.default_rng(0).normal(size=(128, 128, 3))
    noisy = [photo.with_pixels(photo.pixels + np.float32(sigma / 255) * drawn) for sigma in (2, 4, 8, 16, 32)]
    values = [measure_psnr(make_view(one, field, side=96), reference).value for one in noisy]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 15


def test_the_protocol_says_what_counts() -> None:
    photo, field = draw_fundus(128), Field(mask=field_mask(128, 0.7))
    for protocol, share in (("fov", 1.0), ("whole", None)):
        views = [make_view(one, field, protocol, 96) for one in (blur_fundus(photo), photo)]
        inside = views[0].mask if share else None
        assert measure_psnr(*views).value == psnr(views[0].pixels, views[1].pixels, inside)


@pytest.mark.parametrize(
    ("test", "reference", "inside", "message"),
    [
        (noise((9, 9)), noise((9, 9)), None, r"shape \(9, 9\) and type uint8, expected \(height, width, 3\)"),
        (noise((9, 9, 4)), noise((9, 9, 4)), None, r"expected \(height, width, 3\) and uint8"),
        (noise() / 255, noise(), None, "type float64, expected"),
        (noise(), noise().astype(np.uint16), None, "type uint16"),
        (noise((9, 9, 3)), noise((9, 8, 3)), None, r"shapes \(9, 9, 3\) and \(9, 8, 3\), expected the same"),
        (noise((9, 9, 3)), noise((9, 9, 3)), np.ones((9, 8), bool), r"mask of shape \(9, 8\)"),
        (noise((9, 9, 3)), noise((9, 9, 3)), np.ones((9, 9)), "type float64, expected .* bool"),
        (noise((9, 9, 3)), noise((9, 9, 3)), np.zeros((9, 9), bool), "empty mask"),
    ],
)
def test_other_arrays_are_refused(test, reference, inside, message: str) -> None:
    with pytest.raises(QualityError, match=f"psnr: found .*{message}"):
        psnr(test, reference, inside)


def test_without_a_reference_it_says_so() -> None:
    view = make_view(draw_fundus(64), Field(mask=field_mask(64)), side=32)
    with pytest.raises(QualityError, match="psnr: found no reference"):
        measure_psnr(view)
