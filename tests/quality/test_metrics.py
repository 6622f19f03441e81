import numpy as np
import pytest

import clearfundus as cf
from clearfundus.errors import QualityError
from clearfundus.quality import METRICS, Measured, Metric, make_view
from drawn import draw_fundus, field_mask

FIELD = cf.Field(mask=field_mask(400))


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_says_what_it_is_and_stays_in_its_range(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert metric.conventions.endswith(".")
    photo = draw_fundus(400)
    for protocol in ("fov", "whole"):
        score = metric(photo, FIELD, photo, protocol=protocol, side=384)
        assert (score.metric, score.protocol, score.side) == (name, protocol, 384)
        assert not score.enlarged
        assert metric.range[0] <= float(score) <= metric.range[1]
        reference = make_view(photo, FIELD, protocol, 384) if metric.needs_reference else None
        assert metric.on_view(make_view(photo, FIELD, protocol, 384), reference) == score


@pytest.fixture
def difference() -> Metric:
    def function(view, reference) -> Measured:
        return Measured(value=float(np.abs(view.gray - reference.gray).mean()))

    return Metric(
        name="difference",
        function=function,
        needs_reference=True,
        direction="lower",
        range=(0, 255),
        conventions="For this test.",
    )


def test_a_reference_is_seen_through_the_same_field(difference: Metric) -> None:
    photo = draw_fundus(400)
    other = photo.with_pixels(photo.pixels + np.float32(0.2) * ~field_mask(400)[..., None])
    assert float(difference(photo, FIELD, other, side=384)) == 0


def test_a_missing_or_other_reference_is_refused(difference: Metric) -> None:
    photo = draw_fundus(400)
    with pytest.raises(QualityError, match="difference: found no reference, expected one"):
        difference(photo, FIELD)
    with pytest.raises(QualityError, match=r"found a field of shape \(400, 400\), expected \(200, 200\)"):
        difference(photo, FIELD, draw_fundus(200))
    views = make_view(photo, FIELD, "fov", 300), make_view(photo, FIELD, "whole", 300)
    with pytest.raises(QualityError, match=r"found a reference of shape .* in protocol 'whole'"):
        difference.on_view(*views)


def test_an_enlarged_photograph_is_told_in_the_score() -> None:
    assert METRICS["niqe"](draw_fundus(400), FIELD, side=500).enlarged
