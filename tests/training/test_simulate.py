import numpy as np
import pytest

from clearfundus.fundus.degradations import DEGRADATIONS
from clearfundus.fundus.degrade import degrade_pixels, draw_degradation
from clearfundus.fundus.field import Field
from clearfundus.training import simulate as module
from clearfundus.training.config import MixSettings, SimulatedSettings
from clearfundus.training.simulate import simulate
from drawn import draw_fundus, field_mask

SIDE = 64
CLEAR, FIELD = draw_fundus(SIDE).pixels, Field(mask=field_mask(SIDE))


def test_without_a_mix_nothing_is_drawn_but_the_scatter() -> None:
    settings, random, other = SimulatedSettings(), np.random.default_rng(3), np.random.default_rng(3)
    found = simulate(CLEAR, FIELD, settings, random)
    assert np.array_equal(found, degrade_pixels(CLEAR, FIELD, draw_degradation(other, settings.degrade)))
    assert random.bit_generator.state == other.bit_generator.state


@pytest.mark.parametrize("name", ["peli", "arcnet", "cofe", "focus"])
def test_a_share_of_1_is_that_model_at_a_severity_in_its_range(name: str) -> None:
    settings = SimulatedSettings(mix=MixSettings(**{name: 1.0}, severity=(0.4, 0.6)))
    found = simulate(CLEAR, FIELD, settings, np.random.default_rng(5))
    random = np.random.default_rng(5)
    random.random()  # which model
    severity = float(random.uniform(0.4, 0.6))
    assert np.array_equal(found, DEGRADATIONS[name].draw(random, severity).degrade(CLEAR, FIELD))


def test_each_model_is_drawn_at_about_its_share() -> None:
    shares = {"peli": 0.1, "arcnet": 0.2, "cofe": 0.05, "focus": 0.3}
    settings, random, count = SimulatedSettings(mix=MixSettings(**shares)), np.random.default_rng(0), 4000
    drawn = [module._draw_model(settings, random) for _ in range(count)]
    for name, share in {**shares, None: 0.35}.items():
        deviation = np.sqrt(share * (1 - share) / count)
        assert abs(drawn.count(name) / count - share) < 4 * deviation
