"""The oracle of the drawn pictures is the lit shape they were drawn with, less a ring at its edge."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from clearfundus.errors import FieldNotFoundError
from clearfundus.fundus.field import RIM, Field, find_field
from clearfundus.photo import Gray, Mask, Photo, Pixels, read_photo
from drawn import blur_fundus, draw_fundus, field_mask

ORANGE = np.array((0.75, 0.38, 0.18), dtype=np.float32)
RNG_SEED = 7
RING = 0.01
"""Widest ring, in field diameters, that may be missing at the edge. The recipe takes off 0.003 of a sharp, bright
edge; at a dim edge its threshold bites further in."""


def disc(
    height: int = 256, width: int = 256, *, centre: tuple[float, float] | None = None, radius: float | None = None
) -> Mask:
    row, column = np.mgrid[:height, :width]
    middle = centre or ((height - 1) / 2, (width - 1) / 2)
    inside: Mask = np.hypot(row - middle[0], column - middle[1]) < (radius or 0.45 * min(height, width))
    return inside


def shade(mask: Mask, *, level: float = 1.0, vignette: float = 0.4) -> Pixels:
    """Light the mask in orange, darker towards the edge of the frame."""
    height, width = mask.shape
    row, column = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light: Gray = (level * mask * (1 - vignette * (row**2 + column**2) / 2)).astype(np.float32)
    return light[..., None] * ORANGE


def noisy(pixels: Pixels, sigma: float, offset: float = 0) -> Pixels:
    noise = np.random.default_rng(RNG_SEED).normal(offset, sigma, pixels.shape)
    return np.clip(pixels + noise, 0, 1).astype(np.float32)


def write(text: str, corner: tuple[int, int], *, scale: float, thickness: int = 1) -> Mask:
    """Return where a text stands in a frame of 256 pixels; `corner` is its lower left, column first."""
    page = np.zeros((256, 256), dtype=np.uint8)
    cv2.putText(page, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness)
    return np.asarray(page > 127)


def check(found: Mask, true: Mask, *, ring: float = RING) -> None:
    """Assert that the found field is the true one, but for at most a ring at its edge. The frame is no edge."""
    assert not (found & ~true).any()
    depth = cv2.distanceTransform(true.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    deep = depth > ring * 2 * np.sqrt(true.sum() / np.pi) + 1
    assert found[deep].all()


def notched() -> Mask:
    """A registration tab, as Topcon and Canon cameras draw it: a small square that juts out of the circle."""
    mask = disc()
    mask[120:128, 238:250] = True
    return mask


def truncated_top_and_bottom() -> Mask:
    mask = disc(200, 256, radius=118)
    mask[:12] = mask[-12:] = False
    return mask


SHAPES = {
    "a full circle": disc(),
    "a circle in a wide frame": disc(200, 301),
    "a circle out of the middle": disc(centre=(110, 140), radius=100),
    "a circle cut off by the frame": disc(200, 256, radius=120),
    "a circle cut off within the frame": truncated_top_and_bottom(),
    "a circle with a registration tab": notched(),
    "an odd frame": disc(255, 383),
    "a frame larger than the working size": disc(701, 1003),
    "a small frame": disc(64, 64),
}


@pytest.mark.parametrize("true", SHAPES.values(), ids=SHAPES.keys())
def test_finds_the_lit_shape_less_a_ring(true: Mask) -> None:
    check(find_field(Photo(pixels=noisy(shade(true), 0.004))).mask, true)


def test_the_edge_lies_where_it_was_drawn_within_a_pixel_of_the_working_size() -> None:
    true = disc(1400, 1400, radius=600)
    found = find_field(Photo(pixels=shade(true)))
    expected = 2 * 600 * (1 - 2 * RIM)  # the rim is taken off on both sides
    assert found.diameter == pytest.approx(expected, abs=2 * 1400 / 512)


def test_a_picture_twice_as_large_has_a_field_twice_as_large() -> None:
    pixels = shade(disc(600, 800))
    large = cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    small, double = find_field(Photo(pixels=pixels)), find_field(Photo(pixels=large))
    assert double.diameter == pytest.approx(2 * small.diameter, rel=0.002)


LIGHTS = {
    "dark": shade(disc(), level=25 / 255 / 0.75),  # its brightest level is 25 of 255
    "strongly vignetted": shade(disc(), vignette=1.3),
    "hazy": 0.4 * shade(disc()) + 0.55 * disc()[..., None].astype(np.float32),
    "overexposed": np.repeat(disc()[..., None].astype(np.float32), 3, axis=2),
}


@pytest.mark.parametrize("pixels", LIGHTS.values(), ids=LIGHTS.keys())
def test_finds_the_field_in_any_light(pixels: Pixels) -> None:
    check(find_field(Photo(pixels=noisy(pixels, 0.004))).mask, disc())


def test_what_lies_under_full_transparency_is_surround() -> None:
    true = disc()
    white = np.where(true[..., None], shade(true), np.float32(1))
    photo = Photo(pixels=white.astype(np.float32), alpha=true.astype(np.float32))
    found = find_field(photo).mask
    assert not (found & ~true).any()
    assert found.sum() > 0.95 * true.sum()


def test_a_noisy_surround_is_not_lit() -> None:
    # A surround of level 10 with noise of 8 levels, as of an old camera at high gain.
    pixels = noisy(shade(disc()), 8 / 255, offset=10 / 255)
    check(find_field(Photo(pixels=pixels)).mask, disc())


def test_a_gray_surround_below_the_threshold_is_not_lit() -> None:
    pixels = np.maximum(shade(disc()), 18 / 255)
    check(find_field(Photo(pixels=pixels)).mask, disc())


@pytest.mark.parametrize("level", [0.9, 1.0])
def test_a_white_box_and_text_in_the_corner_are_left_out(level: float) -> None:
    pixels = shade(disc(radius=105))
    pixels[4:24, 4:40] = level
    pixels[write("OD 1234", (150, 248), scale=0.5)] = level
    check(find_field(Photo(pixels=pixels)).mask, disc(radius=105))


def test_text_that_touches_the_field_does_not_join_it() -> None:
    pixels = shade(disc(radius=105))
    pixels[128:129, 220:250] = 1  # a line of one pixel from the rim outwards
    # A stub of the line, no longer than it is wide after smoothing, may stay.
    check(find_field(Photo(pixels=pixels)).mask, disc(radius=108), ring=0.03)


def test_dark_spots_within_the_field_belong_to_it() -> None:
    pixels = shade(disc())
    pixels[disc(centre=(120, 100), radius=15)] = 0  # a haemorrhage as black as the surround
    check(find_field(Photo(pixels=pixels)).mask, disc())


@pytest.mark.parametrize("size", [300, 900])
def test_the_surround_beside_a_circle_that_touches_the_border_is_left_out(size: int) -> None:
    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    true = np.hypot(row, column) < 0.4975 * size  # all but touches: the slivers are thinner than the smoothing spreads
    found = find_field(Photo(pixels=shade(true))).mask
    assert not (found & ~true).any()
    assert found.sum() > 0.97 * true.sum()


def test_a_shadowed_corner_of_an_overexposed_field_belongs_to_it() -> None:
    # As seen in a real photograph: P90 at 212 of 255, its corner at 15 to 25, its surround at 0.
    true = disc()
    pixels = shade(true, level=1.2)
    row, column = np.mgrid[:256, :256]
    pixels[true & (row - column > 110)] = 20 / 255
    check(find_field(Photo(pixels=pixels)).mask, true, ring=0.03)


def test_a_photograph_cropped_inside_the_field_is_field_throughout() -> None:
    field = find_field(Photo(pixels=noisy(shade(np.ones((200, 240), dtype=np.bool_)), 0.01)))
    assert field.mask.all()
    assert field.mask.shape == (200, 240)
    assert field.box == (0, 0, 200, 240)


def test_a_featureless_hazy_photograph_cropped_inside_the_field_is_not_refused() -> None:
    pixels = shade(np.ones((256, 256), dtype=np.bool_), vignette=0.1) * 0.3 + 0.5
    assert find_field(Photo(pixels=pixels.astype(np.float32))).mask.all()


@pytest.mark.parametrize("size", [96, 128, 257])
def test_the_drawn_photograph_and_its_blurred_twin_have_one_field(size: int) -> None:
    clear = draw_fundus(size, np.random.default_rng(RNG_SEED))
    for photo in (clear, blur_fundus(clear)):
        check(find_field(photo).mask, field_mask(size))


def lettered() -> Pixels:
    """Lines of white text on black."""
    page = np.zeros((256, 256, 3), dtype=np.float32)
    for line in range(30, 250, 40):
        page[write("not an eye", (10, line), scale=1.2, thickness=2)] = 1
    return page


def branching() -> Pixels:
    """A cross of two broad lit bars."""
    pixels = np.zeros((256, 256, 3), dtype=np.float32)
    pixels[100:150], pixels[:, 100:150] = 0.8, 0.8
    return pixels


REFUSED = {
    "all black": (np.zeros((128, 128, 3), np.float32), "not black"),
    "nearly black": (noisy(np.zeros((128, 128, 3), np.float32), 3 / 255), "not black"),
    "all white": (np.ones((128, 128, 3), np.float32), "uniform picture of level 255"),
    "all gray": (np.full((128, 128, 3), 0.6, np.float32), "uniform picture of level 153"),
    "a tiny lit spot": (shade(disc(radius=20)), r"2\.\d% of the frame, expected .* at least 5%"),
    "lines of text": (lettered(), "no lit field|of the frame"),
    "a cross": (branching(), "fills its outline to .* expected a disc"),
}


@pytest.mark.parametrize(("pixels", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_shows_no_lit_field_is_refused_with_the_reason(pixels: Pixels, reason: str) -> None:
    with pytest.raises(FieldNotFoundError, match=reason) as refusal:
        find_field(Photo(pixels=pixels, name="holiday.jpg"))
    message = str(refusal.value)
    assert message.startswith("holiday.jpg: found ")
    assert "expected" in message
    assert "; give a " in message  # what to do


def test_a_photograph_without_a_name_is_refused_as_an_array() -> None:
    with pytest.raises(FieldNotFoundError, match=r"^array: "):
        find_field(Photo(pixels=np.zeros((64, 64, 3), np.float32)))


def test_diameter_and_box_of_a_field_follow_their_definitions() -> None:
    mask = np.zeros((20, 30), dtype=np.bool_)
    mask[3:9, 5:17] = True
    field = Field(mask=mask)
    assert field.box == (3, 5, 9, 17)
    assert field.diameter == pytest.approx(2 * np.sqrt(72 / np.pi))


def test_the_photograph_is_left_unchanged() -> None:
    pixels = shade(disc())
    before = pixels.copy()
    find_field(Photo(pixels=pixels))
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.data
def test_every_real_test_photograph_has_a_field_of_its_folders_known_share(data_folder: Path) -> None:
    # The folder holds pictures cropped to the field, so a circle covers pi / 4 of them, a truncated one more.
    paths = sorted((data_folder / "test" / "blurry").glob("*.jpg"))
    assert len(paths) == 25
    shares = {path.name: find_field(read_photo(path)).mask.mean() for path in paths}
    assert all(0.74 < share < 0.78 for share in shares.values()), shares


@pytest.mark.data
def test_untouched_camera_files_have_the_field_their_cropped_copies_have(data_folder: Path) -> None:
    # The copies in test/blurry were cropped to the field by other code, at scale 1500 / native_width of the field.
    with (data_folder / "manifest.csv").open() as file:
        cropped = {Path(row["file"]).stem: row for row in csv.DictReader(file) if "test/blurry" in row["file"]}
    paths = [path for path in sorted((data_folder / "full_size").iterdir()) if path.stem in cropped]
    assert len(paths) >= 3
    for path in paths:
        whole = find_field(read_photo(path))
        copy = find_field(read_photo(data_folder / cropped[path.stem]["file"]))
        top, left, bottom, right = whole.box
        copy_top, copy_left, copy_bottom, copy_right = copy.box
        aspect = (bottom - top) / (right - left)
        assert aspect == pytest.approx((copy_bottom - copy_top) / (copy_right - copy_left), rel=0.02)
        assert whole.diameter / (bottom - top) == pytest.approx(copy.diameter / (copy_bottom - copy_top), rel=0.01)


@pytest.mark.data
def test_vessels_drawn_by_experts_lie_in_the_field_or_at_its_rim(data_folder: Path) -> None:
    # LES-AV: vessels were labelled up to the dark rim, which is about 0.006 diameters wide in these photographs.
    folder = data_folder / "vessels" / "les_av"
    paths = sorted((folder / "images").iterdir())
    assert len(paths) == 11
    for path in paths:
        field = find_field(read_photo(path))
        label = cv2.imread(str(folder / "vessel-segmentations" / path.name), cv2.IMREAD_GRAYSCALE) > 0
        outside = cv2.distanceTransform((~field.mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        assert outside[label].max() < 0.009 * field.diameter, path.name
