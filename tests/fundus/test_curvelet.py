import numpy as np
import pytest

from clearfundus.fundus.curvelet import CurveletTransform, _udct

pytest.importorskip("curvelets")


@pytest.mark.parametrize("shape", [(2, 2), (5, 3), (9, 130), (97, 64), (101, 133)])
@pytest.mark.parametrize(("scales", "wedges"), [(2, 3), (3, 6), (5, 3), (6, 6)])
def test_a_plane_of_any_size_comes_back_exactly(shape: tuple[int, int], scales: int, wedges: int) -> None:
    plane = np.random.default_rng(0).random(shape, dtype=np.float32)
    transform = CurveletTransform(shape, scales=scales, wedges=wedges)
    bands = transform.forward(plane)
    assert {band.dtype for group in bands for band in group} == {np.dtype(np.complex64)}
    back = transform.backward(bands)
    assert back.dtype == np.float32
    assert back.shape == shape
    assert np.abs(back - plane).max() < 2e-6


def test_the_package_alone_is_wrong_at_an_odd_size() -> None:
    from curvelets.numpy import UDCT

    plane = np.random.default_rng(0).random((100, 90), dtype=np.float32)
    udct = UDCT(shape=plane.shape, num_scales=4, wedges_per_direction=3)
    assert np.abs(udct.backward(udct.forward(plane)) - plane).max() > 0.1  # if this fails, the padding may go


def test_white_noise_has_the_norms_in_its_bands() -> None:
    shape = (224, 352)  # with the least padding a multiple of the raster
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    transform = CurveletTransform(shape, scales=3, wedges=3)
    bands = transform.forward(noise)
    for group, norms in zip(bands, transform.norms, strict=True):
        ratios = [np.sqrt(np.mean(np.abs(band) ** 2)) / norm for band, norm in zip(group, norms, strict=True)]
        # the faded border, a tenth of the samples, is mirrored and mixed noise: a few percent weaker
        assert np.mean(ratios) == pytest.approx(1, abs=0.05)


def test_opposite_edges_do_not_meet_in_a_step() -> None:
    ramp = np.repeat(np.linspace(0, 1, 100, dtype=np.float32)[:, None], 90, axis=1)
    transform = CurveletTransform(ramp.shape, scales=3, wedges=3)
    largest = max(np.abs(band).max() for band in transform.forward(ramp)[-1])
    step = np.where(ramp < 0.5, np.float32(0), np.float32(1))
    largest_of_a_step = max(np.abs(band).max() for band in transform.forward(step)[-1])
    assert largest < 0.05 * largest_of_a_step


def test_pictures_of_nearly_one_size_share_their_windows() -> None:
    _udct.cache_clear()
    for side in (70, 80, 96):
        CurveletTransform((side, side), scales=3, wedges=3)
    assert _udct.cache_info().misses == 1
    assert _udct.cache_info().hits == 2
