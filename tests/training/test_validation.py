from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clearfundus.training.batches import Photographs
from clearfundus.training.data import Specimen
from clearfundus.training.step import Translator
from clearfundus.training.validation import answer, as_numbers, rim_change, sample_sheet, validate
from tiny_run import tiny_settings


class Affine(nn.Module):
    """A stand-in for a generator that knows what it does: gain and offset on the scale [0, 1]."""

    def __init__(self, gain: float, offset: float = 0.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.offset = offset

    def forward(self, picture: Tensor) -> Tensor:
        return ((picture + 1) / 2 * self.gain + self.offset) * 2 - 1


def translator(enhancer: nn.Module, blurrer: nn.Module) -> Translator:
    made = Translator(tiny_settings())
    made.enhancer, made.blurrer = enhancer, blurrer
    return made


def specimen(seed: int, side: int = 64, level: tuple[float, float] = (0.3, 0.6)) -> Specimen:
    random = np.random.default_rng(seed)
    pixels = np.rint(random.uniform(*level, (side, side, 3)) * 255).astype(np.uint8)
    mask = np.zeros((side, side), bool)
    mask[4:-4, 8:-8] = True
    return Specimen(name=str(seed), pixels=pixels, mask=mask, corners=np.zeros(1, np.int32))


HELD_OUT = Photographs(blurry=[specimen(1), specimen(2)], clear=[specimen(3)])
NO_HAZE = tiny_settings(simulated={"degrade": {"untouched": 1.0}})


def test_the_identity_changes_nothing_and_loses_nothing() -> None:
    found = validate(translator(Affine(1.0), Affine(1.0)), HELD_OUT, NO_HAZE)
    assert found["sharpness_gain"] == pytest.approx(1, abs=1e-5)
    for name in ("identity_error", "color_shift", "restored_error", "degraded_error", "cycle_error"):
        assert found[name] == pytest.approx(0, abs=1e-6)
    assert found["ssim_clear"] == pytest.approx(1, abs=1e-6)
    assert found["rim_change"] == pytest.approx(0, abs=1e-6)
    # rounding is exact here, so what is left is noise of deviation 1/255: its mean magnitude is sqrt(2 / pi) of that
    assert found["cycle_error_8_bit"] == pytest.approx(np.sqrt(2 / np.pi) / 255, rel=0.02)


def test_a_gain_and_an_offset_for_each_channel_are_no_answer_to_the_photograph() -> None:
    pixels = specimen(1).pixels.astype(np.float32) / np.float32(255)
    inside = specimen(1).mask
    levels = pixels * np.array([1.1, 0.9, 1.3], np.float32) + np.array([0.1, 0.0, 0.3], np.float32)
    assert answer(np.clip(levels, 0, 1), pixels, inside) < 1e-5  # blue is clipped in places
    assert answer(pixels, pixels, inside) == 0
    # half of the variance of the change is a gain, half of it is independent of the photograph
    random = np.random.default_rng(0).normal(0, 0.1 * pixels[inside].std(axis=0), pixels.shape)
    assert answer((1.1 * pixels + random).astype(np.float32), pixels, inside) == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_figures_of_a_known_gain_by_hand() -> None:
    found = validate(translator(Affine(1.2), Affine(1.0)), HELD_OUT, NO_HAZE)
    # energy goes with the square; errors are 0.2 times the mean of what was shown; nothing reaches 1 and is clipped
    assert found["sharpness_gain"] == pytest.approx(1.2**2, rel=1e-4)
    assert found["answer"] == pytest.approx(0, abs=1e-4)
    blurry = np.mean([one.pixels[one.mask].mean() / 255 for one in HELD_OUT.blurry])
    clear = HELD_OUT.clear[0].pixels[HELD_OUT.clear[0].mask] / 255
    assert found["cycle_error"] == pytest.approx(0.2 * blurry, rel=1e-3)
    assert found["identity_error"] == found["restored_error"] == pytest.approx(0.2 * clear.mean(), rel=1e-3)
    assert found["color_shift"] == pytest.approx(0.2 * clear.mean(0).max(), rel=1e-3)


def test_a_blurrer_that_undoes_the_enhancer_has_no_cycle_error() -> None:
    found = validate(translator(Affine(1.0, 0.2), Affine(1.0, -0.2)), HELD_OUT, NO_HAZE)
    assert found["cycle_error"] == pytest.approx(0, abs=1e-6)
    assert found["identity_error"] == pytest.approx(0.2, abs=1e-6)


def test_nothing_outside_the_field_counts() -> None:
    def spoilt(one: Specimen) -> Specimen:
        pixels = np.where(one.mask[..., None], one.pixels, 255 - one.pixels)
        # the gradient looks one pixel beyond the edge, so leave that one as it was
        near = cv2.dilate(one.mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        return Specimen(
            name="", pixels=np.where(near[..., None], one.pixels, pixels), mask=one.mask, corners=one.corners
        )

    others = Photographs(blurry=[spoilt(one) for one in HELD_OUT.blurry], clear=[spoilt(one) for one in HELD_OUT.clear])
    networks = translator(Affine(1.1), Affine(0.9))
    assert validate(networks, others, NO_HAZE) == pytest.approx(validate(networks, HELD_OUT, NO_HAZE))


def test_simulated_photographs_are_the_same_at_every_validation() -> None:
    settings = tiny_settings()
    networks = translator(Affine(1.1), Affine(1.0))
    first = validate(networks, HELD_OUT, settings)
    assert first == validate(networks, HELD_OUT, settings)
    assert first["degraded_error"] > 0.01
    assert first["degraded_error"] != validate(networks, HELD_OUT, tiny_settings(seed=1))["degraded_error"]


def test_a_photograph_without_any_detail_does_not_stop_the_run() -> None:
    flat = Photographs(blurry=[specimen(1, level=(0.5, 0.5))], clear=HELD_OUT.clear)
    found = validate(translator(Affine(1.0), Affine(1.0)), flat, NO_HAZE)
    assert all(np.isfinite(value) for value in found.values())


def test_networks_are_trained_on_as_before() -> None:
    networks = Translator(tiny_settings())
    validate(networks, HELD_OUT, NO_HAZE)
    sample_sheet(networks, HELD_OUT)
    assert networks.training
    assert all(parameter.grad is None for parameter in networks.parameters())


def test_a_sheet_shows_both_cycles_in_order() -> None:
    # x, G_e(x), G_b(G_e(x)), y, G_b(y), G_e(G_b(y)) with G_e = 1.5 v and G_b = v / 2
    sheet = sample_sheet(translator(Affine(1.5), Affine(0.5)), HELD_OUT)
    assert sheet.pixels.shape == (256, 6 * 256, 3)  # one row: the sides have one photograph in common number
    means = [float(sheet.pixels[:, 256 * tile : 256 * (tile + 1)].mean()) for tile in range(6)]
    x, y = (float(one.pixels.mean()) / 255 for one in (HELD_OUT.blurry[0], HELD_OUT.clear[0]))
    assert means == pytest.approx([x, 1.5 * x, 0.75 * x, y, 0.5 * y, 0.75 * y], rel=0.01)


def test_terms_become_numbers() -> None:
    assert as_numbers({"a": torch.tensor(2.5), "b": torch.tensor(1)}) == {"a": 2.5, "b": 1.0}


def test_a_repainted_rim_is_told_from_a_change_everywhere() -> None:
    row, column = np.mgrid[:200, :200] - 99.5
    depth = 90 - np.hypot(row, column)
    inside = depth > 0
    pixels = np.full((200, 200, 3), 0.5, np.float32)
    painted = np.where((depth < 5)[..., None], pixels + np.float32(0.3), pixels + np.float32(0.1))
    assert rim_change(painted, pixels, inside) == pytest.approx((0.3, 0.1), abs=1e-5)
    assert rim_change(pixels + np.float32(0.1), pixels, inside) == pytest.approx((0.1, 0.1), abs=1e-5)


def test_a_field_without_an_edge_in_the_picture_has_no_rim() -> None:
    pixels = np.zeros((32, 32, 3), np.float32)
    assert np.isnan(rim_change(pixels, pixels, np.ones((32, 32), bool))).all()
    whole = replace(HELD_OUT.clear[0], mask=np.ones_like(HELD_OUT.clear[0].mask))
    found = validate(translator(Affine(1.0), Affine(1.0)), Photographs(blurry=HELD_OUT.blurry, clear=[whole]), NO_HAZE)
    assert "rim_change" not in found
    assert found["ssim_clear"] == pytest.approx(1, abs=1e-6)


def test_the_similarity_of_clear_photographs_falls_with_what_is_done_to_them() -> None:
    little, much = (
        validate(translator(Affine(gain), Affine(1.0)), HELD_OUT, NO_HAZE)["ssim_clear"] for gain in (0.9, 0.5)
    )
    assert much < little < 1
