import dataclasses

import numpy as np
import pytest
from PIL import Image

from clearfundus import Photo
from clearfundus.photo import Pixels
from clearfundus.photo.sheet import (
    GAP,
    MARGIN,
    PAPER,
    SIDE,
    Tile,
    busiest_square,
    draw_sheet,
    middle_square,
    square_around,
    view,
    whole_and_part,
)
from drawn import field_mask

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def plain(colour: tuple[float, float, float], height: int = 40, width: int = 40) -> Pixels:
    return np.full((height, width, 3), colour, dtype=np.float32)


def tile(colour: tuple[float, float, float], heading: str = "", **rest: object) -> Tile:
    return Tile(heading=heading, views=(view(plain(colour), (0, 0, 40)),), **rest)


def levels(pixels: Pixels) -> np.ndarray:
    return np.rint(pixels * 255).astype(int)


def coloured(pixels: Pixels, colour: tuple[float, float, float]) -> tuple[int, int, int, int]:
    """Return top, left, bottom, right of the pixels of one colour."""
    rows, columns = np.nonzero((pixels == np.array(colour, np.float32)).all(axis=2))
    return int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1


def test_a_view_at_the_picture_s_own_scale_is_the_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3)).astype(np.float32) / np.float32(255)
    assert np.array_equal(np.asarray(view(pixels, (4, 7, 20), 20)), levels(pixels)[4:24, 7:27])


def test_a_reduced_view_is_the_mean_of_what_it_covers() -> None:
    pixels = np.random.default_rng(0).random((40, 40, 3), dtype=np.float32)
    expected = pixels.reshape(10, 4, 10, 4, 3).mean(axis=(1, 3))
    assert np.allclose(np.asarray(view(pixels, (0, 0, 40), 10)) / 255, expected, atol=0.6 / 255)


@pytest.mark.parametrize("square", [(-10, -10, 60), (-10, 0, 40), (0, 20, 40)])
def test_a_view_beyond_the_picture_is_black_there(square: tuple[int, int, int]) -> None:
    top, left, side = square
    shown = np.asarray(view(plain(RED), square, side))
    lit = np.zeros((side, side), dtype=bool)
    lit[max(-top, 0) : 40 - top, max(-left, 0) : 40 - left] = True
    assert np.array_equal(shown[..., 0], np.where(lit, 255, 0))
    assert not shown[..., 1:].any()


@pytest.mark.parametrize("shape", [(2000, 40), (40, 2000), (60, 3000), (2000, 300)])
def test_an_oblong_picture_is_reduced_as_its_square_would_be_without_making_that(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cv2.copyMakeBorder", None)
    pixels = np.random.default_rng(0).random((*shape, 3), np.float32)
    square = square_around((0, 0, *shape))
    top, left, size = square
    whole = np.zeros((size, size, 3), np.float32)
    whole[-top : shape[0] - top, -left : shape[1] - left] = pixels
    found, wanted = (np.asarray(view(*one, 100), float) for one in ((pixels, square), (whole, (0, 0, size))))
    assert found.mean() == pytest.approx(wanted.mean(), rel=0.15)  # an edge is drawn on whole pixels
    assert np.abs(found.any((1, 2)).sum() - wanted.any((1, 2)).sum()) <= 1
    assert np.abs(found.any((0, 2)).sum() - wanted.any((0, 2)).sum()) <= 1


def test_the_frame_in_the_whole_is_where_the_part_is() -> None:
    pixels = plain((0.2, 0.2, 0.2), 200, 200)
    pixels[80:130, 60:110] = RED
    whole, part = whole_and_part(pixels, (0, 0, 200), (80, 60, 50), 400)
    framed = np.asarray(whole)
    rows, columns = np.nonzero((framed == 255).all(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (160, 259, 120, 219)
    assert (framed[162:258, 122:218] == (255, 0, 0)).all()
    assert (np.asarray(part) == (255, 0, 0)).all()
    assert part.size == whole.size == (400, 400)


def test_squares_around_and_in_the_middle_share_their_centre() -> None:
    assert square_around((10, 20, 50, 100)) == (-10, 20, 80)
    assert middle_square((-10, 20, 80)) == (20, 50, 20)
    assert middle_square((0, 0, 2))[2] == 1


@pytest.mark.parametrize("place", [(40, 30), (140, 60), (90, 150)])
def test_the_busiest_square_is_where_the_structure_is(place: tuple[int, int]) -> None:
    row, column = place
    pixels = plain((0.5, 0.4, 0.2), 256, 256)
    pixels[row : row + 40 : 4, column : column + 40] *= 0.5
    top, left, side = busiest_square(pixels, np.ones((256, 256), bool), 48)
    assert side == 48
    assert abs(top + 24 - row - 20) <= 6
    assert abs(left + 24 - column - 20) <= 6


def test_the_edge_of_the_field_and_what_lies_outside_are_no_structure(drawn: Photo) -> None:
    mask = field_mask(128)
    pixels = np.where(mask[..., None], np.float32(0.8), np.float32(0))
    pixels = np.repeat(pixels, 3, axis=2)
    pixels[:10, :10] = np.random.default_rng(0).random((10, 10, 3))  # an annotation in the corner
    pixels[60:68, 70:72] = 0.5
    top, left, side = busiest_square(pixels, mask, 30)
    assert top <= 60
    assert top + side >= 68
    assert left <= 70
    assert left + side >= 72
    top, left, side = busiest_square(drawn.pixels, mask, 30)
    assert mask[top : top + side, left : left + side].mean() > 0.97


@pytest.mark.parametrize("shape", [(2, 2), (5, 3), (9, 130), (700, 40)])
def test_the_busiest_square_lies_within_pictures_of_any_size(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    side = min(shape) // 2
    top, left, found = busiest_square(pixels, np.ones(shape, bool), side)
    assert found == side
    assert 0 <= top <= shape[0] - side
    assert 0 <= left <= shape[1] - side


def test_tiles_stand_row_by_row_in_the_order_given() -> None:
    tiles = [tile(RED), *(tile((0, 0, 0)) for _ in range(4)), tile(BLUE)]
    sheet = draw_sheet(tiles)  # six tiles: two rows of three
    top, left, bottom, right = coloured(sheet, RED)
    assert (left, right - left, bottom - top) == (MARGIN, SIDE, SIDE)
    lower, last, _, end = coloured(sheet, BLUE)
    assert lower > bottom
    assert last == MARGIN + 2 * (SIDE + GAP)
    assert sheet.shape[1] == end + MARGIN


@pytest.mark.parametrize(("count", "across"), [(1, 1), (5, 5), (6, 3), (9, 5), (10, 5), (11, 4)])
def test_rows_are_of_equal_length_and_not_too_long(count: int, across: int) -> None:
    sheet = draw_sheet([tile(RED)] * count)
    assert sheet.shape[1] == 2 * MARGIN + across * (SIDE + GAP) - GAP


def test_the_sheet_is_a_picture_of_8_bits() -> None:
    sheet = draw_sheet([tile(RED, "red")], title="title", footer=["footer"])
    Photo(pixels=sheet)  # refuses what is none
    assert np.array_equal(sheet, (levels(sheet) / 255).astype(np.float32))


@pytest.mark.parametrize("label", ["heading", "lines", "title", "footer", "message"])
def test_every_label_is_drawn_and_stays_off_the_pictures(label: str) -> None:
    bare = {"title": "", "footer": ("a",)}
    options = {**bare, **{"title": {"title": "Words"}, "footer": {"footer": ("Words",)}}.get(label, {})}
    first = tile(RED, lines=("",))
    changes = {"heading": "Words", "lines": ("Words",), "message": "Words"}
    second = dataclasses.replace(first, **{label: changes[label]}) if label in changes else first
    if label == "message":
        first, second = dataclasses.replace(first, views=()), dataclasses.replace(second, views=())
    without, written = draw_sheet([first], **bare), draw_sheet([second], **options)
    if without.shape == written.shape:
        assert not np.array_equal(without, written)
    else:
        assert written.shape[0] > without.shape[0]  # the title takes room of its own
    if label != "message":
        top, left, bottom, right = coloured(written, RED)
        assert (bottom - top, right - left) == (SIDE, SIDE)


@pytest.mark.parametrize("text", ["word " * 200, "x" * 500])
def test_long_texts_stay_within_the_sheet_and_their_tile(text: str) -> None:
    tiles = [Tile(heading=text, lines=(text,), message="why not " * 30), tile(RED)]
    sheet = draw_sheet(tiles, title=text, footer=[text])
    paper = np.array(PAPER)
    assert (levels(sheet[:, : MARGIN - 2]) == paper).all()  # a letter may hang over by a pixel
    assert (levels(sheet[:, 2 - MARGIN :]) == paper).all()
    top, _, bottom, _ = coloured(sheet, RED)
    beside = sheet[top - 40 : bottom, MARGIN + SIDE + 2 : MARGIN + SIDE + GAP]
    assert (levels(beside) == paper).all()  # nothing runs over into the next tile


def test_a_message_too_long_for_its_tile_is_cut() -> None:
    short, long = (
        draw_sheet([Tile(heading="", message="why not " * count), tile(RED)], across=1) for count in (1, 500)
    )
    changed = np.nonzero((short != long).any(axis=(1, 2)))[0]
    assert SIDE / 2 < changed.max() - changed.min() <= SIDE  # the next tile's place stays clean


def test_a_footer_too_long_for_a_line_is_broken_and_nothing_of_it_is_lost() -> None:
    short = draw_sheet([tile(RED)], footer=["word"])
    long = draw_sheet([tile(RED)], footer=["word " * 60])
    assert long.shape[0] > short.shape[0]


def test_views_of_another_side_set_the_grid() -> None:
    small = Tile(heading="", views=(Image.new("RGB", (50, 50), (255, 0, 0)),))
    assert draw_sheet([small, small]).shape[1] == 2 * MARGIN + 2 * 50 + GAP
