import io

import numpy as np
import pytest
from PIL import Image

from clearfundus.fundus.field import Field
from clearfundus.training.camera import Spot, add_spot, compress, draw_spots, photograph
from clearfundus.training.config import CameraSettings
from drawn import draw_fundus, field_mask

SIDE = 128
CLEAR, FIELD = draw_fundus(SIDE).pixels, Field(mask=field_mask(SIDE))
HAZY = (0.3 * CLEAR + 0.4).astype(np.float32)


def random() -> np.random.Generator:
    return np.random.default_rng(4)


def test_by_default_the_camera_adds_nothing_and_draws_no_chance() -> None:
    source = random()
    degraded, clear = photograph(HAZY, CLEAR, FIELD, CameraSettings(), source)
    assert np.array_equal(degraded, HAZY)
    assert np.array_equal(clear, CLEAR)
    assert source.bit_generator.state == random().bit_generator.state


def test_spots_stand_in_the_truth_at_the_strength_that_is_seen() -> None:
    degraded, clear = photograph(HAZY, CLEAR, FIELD, CameraSettings(spots=1.0), random())
    added, truth = degraded - HAZY, clear - CLEAR
    assert added.max() > 0.005
    room = (CLEAR < 0.9).all(axis=2)  # what is clipped adds less
    assert np.allclose(added[room], truth[room], atol=1e-6)


def test_the_file_touches_the_degraded_picture_alone() -> None:
    degraded, clear = photograph(HAZY, CLEAR, FIELD, CameraSettings(jpeg=1.0, quality=(80, 80)), random())
    assert np.array_equal(clear, CLEAR)
    assert np.array_equal(degraded, compress(HAZY, 80))


def test_each_happens_at_about_its_share() -> None:
    settings, source, count = CameraSettings(spots=0.25, jpeg=0.5, quality=(30, 30)), random(), 400
    small, field = CLEAR[::2, ::2].copy(), Field(mask=FIELD.mask[::2, ::2].copy())
    pairs = [photograph(small, small, field, settings, source) for _ in range(count)]
    spots = sum(not np.array_equal(clear, small) for _, clear in pairs)
    files = sum(not np.array_equal(degraded, clear) for degraded, clear in pairs)
    for found, share in ((spots, 0.25), (files, 0.5)):
        assert abs(found / count - share) < 4 * np.sqrt(share * (1 - share) / count)


def test_a_spot_is_full_inside_half_at_its_radius_and_nothing_beyond() -> None:
    dark = np.zeros((SIDE, SIDE, 3), np.float32)
    spot = Spot(centre=(0.0, 0.0), radius=0.25, softness=0.2, light=(0.1, 0.2, 0.3))
    found = add_spot(dark, FIELD, spot)
    top, left, bottom, right = FIELD.box
    row, column = (top + bottom - 1) // 2, (left + right - 1) / 2
    far = np.abs(np.arange(SIDE) - column) / FIELD.diameter
    assert found[row, far < 0.19] == pytest.approx(np.tile([0.1, 0.2, 0.3], (int((far < 0.19).sum()), 1)))
    assert not found[row, far > 0.31].any()
    # the edge falls evenly from 0.2 to 0.3 diameters, so along a line it covers as much as a sharp disc of 0.25 does
    assert found[row, :, 1].sum() / 0.2 == pytest.approx(0.5 * FIELD.diameter, abs=1)


def test_light_is_added_and_stays_in_range() -> None:
    for spot in draw_spots(random()):
        lit = add_spot(CLEAR, FIELD, spot)
        assert (lit >= CLEAR - 1e-6).all()
        assert lit.max() <= 1


def test_the_first_spot_is_a_ghost_near_the_middle() -> None:
    source = random()
    for _ in range(50):
        ghost, *dust = draw_spots(source)
        assert max(map(abs, ghost.centre)) <= 0.08
        assert all(grain.radius <= ghost.radius for grain in dust)
        assert len(dust) <= 3


@pytest.mark.parametrize("quality", [98, 80, 40])
def test_a_file_is_what_another_library_makes_of_that_quality(quality: int) -> None:
    file = io.BytesIO()
    Image.fromarray(np.rint(CLEAR * 255).astype(np.uint8)).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    expected = np.asarray(Image.open(file), dtype=np.float32) / 255
    found = compress(CLEAR, quality)
    # both round to 8 bits on the way, through their own conversions of colour
    assert np.abs(found - expected).mean() < 1 / 255
    assert np.abs(found - CLEAR).mean() == pytest.approx(np.abs(expected - CLEAR).mean(), rel=0.1)
