from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

from clearfundus import SettingsError
from clearfundus.training.config import RunSettings
from clearfundus.training.reading import read_settings, settings_from

CONFIGS = Path(__file__).parents[2] / "configs"


def nested(dotted: str, value: object) -> dict[str, object]:
    """Return the table in which one setting stands, with the name that every run needs."""
    table: dict[str, object] = {"name": "run"}
    *sections, key = dotted.split(".")
    inner = table
    for section in sections:
        inner[section] = inner = {}
    inner[key] = value
    return table


@pytest.mark.parametrize("name", ["paper", "compact"])
def test_the_shipped_configurations_can_be_read(name: str) -> None:
    settings = read_settings(CONFIGS / f"{name}.toml")
    assert settings.name.startswith(name)
    assert settings.steps > 0


def test_the_papers_configuration_is_the_default_of_every_setting() -> None:
    assert read_settings(CONFIGS / "paper.toml") == RunSettings(name="paper")


def test_the_defaults_are_the_ones_of_the_method() -> None:
    found = flat(asdict(RunSettings(name="paper")))
    # METHOD.md: each figure stands there, under "Networks", "Objective" and "Training"
    expected = {
        "generator.width": 64,
        "generator.blocks": 9,
        "generator.upsample": "transposed",
        "generator.skip": False,
        "generator.gain": False,
        "generator.norm": "instance",
        "discriminator.width": 64,
        "discriminator.downsamplings": 4,
        "discriminator.output": "linear",
        "loss.adversarial": 1,
        "loss.feature": 10,
        "loss.identity": 10,
        "loss.image": 0,
        "loss.simulated": 0,
        "loss.feature_layers": 5,
        "loss.feature_reduction": "mean",
        "loss.feature_relative": False,
        "loss.cycle_noise": 0,
        "unpaired.pool": 50,
        "unpaired.batch": 1,
        "unpaired.learning_rate": 2e-4,
        "unpaired.discriminator_rate": 2e-4,
        "simulated.steps": 0,
        "data.crop": 256,
        "data.diameter": 512,
        "data.inside": 0.75,
        "data.surround": "fill",
        "data.gain_jitter": 0,
    }
    assert {key: found[key] for key in expected} == expected


def flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def test_compact_says_in_its_name_that_it_has_the_skip() -> None:
    settings = read_settings(CONFIGS / "compact.toml")
    assert settings.generator.skip
    assert "skip" in settings.name
    assert settings.simulated.steps > 0
    assert settings.unpaired.steps > 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "run", "lr": 1}, r"run\.toml: unknown setting 'lr'; known: name, seed, "),
        (nested("loss.cycel", 1), r"run\.toml \[loss\]: unknown setting 'cycel'; known: adversarial, feature, "),
        (
            nested("simulated.degrade.blurr", [0, 1]),
            r"run\.toml \[simulated\.degrade\]: unknown setting 'blurr'; known: transmission, ",
        ),
        ({}, r"run\.toml: name: found none, expected a value of type str"),
        (nested("name", 3), r"run\.toml: name: found 3, expected a value of type str"),
        (nested("loss.feature", "10"), r"run\.toml \[loss\]: feature: found '10', expected a value of type float"),
        (nested("seed", 1.0), r"run\.toml: seed: found 1\.0, expected a value of type int"),
        (nested("unpaired.batch", True), r"\[unpaired\]: batch: found True, expected a value of type int"),
        (nested("generator.skip", 1), r"\[generator\]: skip: found 1, expected a value of type bool"),
        (nested("loss", 3), r"run\.toml: loss: found 3, expected a table"),
        (nested("simulated.degrade", 3), r"run\.toml \[simulated\]: degrade: found 3, expected a table"),
        (
            nested("generator.upsample", "nearest"),
            r"\[generator\]: upsample: found 'nearest', expected one of \('transposed', 'resize'\)",
        ),
        (nested("discriminator.downsamplings", 3), r"downsamplings: found 3, expected one of \(2, 4\)"),
        (nested("discriminator.downsamplings", 4.0), r"downsamplings: found 4\.0, expected one of \(2, 4\)"),
        (nested("precision", "fp16"), r"precision: found 'fp16', expected one of \('auto', 'fp32', 'bf16'\)"),
        (nested("simulated.degrade.blur", [0.1]), r"\[simulated\.degrade\]: blur: found \[0\.1\], expected 2 values"),
        (nested("simulated.degrade.blur", 0.1), r"blur: found 0\.1, expected 2 values"),
        (
            nested("simulated.degrade.veil", [0, "1"]),
            r"\[simulated\.degrade\]: veil: found '1', expected a value of type float",
        ),
        (nested("loss.feature", float("nan")), r"\[loss\]: feature: found nan, expected a finite number"),
        (nested("unpaired.learning_rate", float("inf")), r"learning_rate: found inf, expected a finite number"),
    ],
)
def test_an_unknown_missing_or_mistyped_setting_is_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings_from(table, "run.toml")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", -1, "0 or more"),
        ("ema", 1.0, "a value in [0, 1)"),
        ("uneven_error", 1.5, "a value in [0, 1]"),
        ("data.crop", 60, "a multiple of 4, from 64 on"),
        ("data.crop", 66, "a multiple of 4, from 64 on"),
        ("data.inside", 1.5, "a value in [0, 1]"),
        ("data.validation", 0.0, "a value in (0, 0.5]"),
        ("data.validation", 0.6, "a value in (0, 0.5]"),
        ("data.gain_jitter", 0.7, "a value in [0, 0.5]"),
        ("data.shrink", 0.6, "a value in [0, 0.5]"),
        ("data.finest", 0.0, "a value in (0, 1]"),
        ("data.finest", 1.1, "a value in (0, 1]"),
        ("data.extra_times", 0, "1 or more"),
        ("data.extra_diameter", -1, "0 or more"),
        ("data.extra_diameter", 63, "at least the crop, 256"),
        ("data.diameter", 128, "at least the crop, 256"),
        ("simulated.camera.spots", 1.5, "a value in [0, 1]"),
        ("simulated.camera.jpeg", -0.1, "a value in [0, 1]"),
        ("simulated.camera.quality", (0.0, 90.0), "low and high, in this order, in [1, 100]"),
        ("simulated.camera.quality", (90.0, 60.0), "low and high, in this order, in [1, 100]"),
        ("simulated.degrade.tint", 1.1, "a value in [0, 1]"),
        ("generator.width", 0, "1 or more"),
        ("generator.blocks", 0, "1 or more"),
        ("generator.leak", 1.0, "a value in [0, 1)"),
        ("discriminator.width", 0, "1 or more"),
        ("simulated.batch", 0, "1 or more"),
        ("simulated.squares", 0, "1 or more"),
        ("simulated.steps", -1, "0 or more"),
        ("simulated.scales", 0, "a whole number from 1 to 8"),
        ("simulated.scales", 9, "a whole number from 1 to 8"),
        ("simulated.learning_rate", 0.0, "more than 0"),
        ("simulated.gradient", -1.0, "0 or more"),
        ("simulated.blurrer_every", -1, "0 or more"),
        ("simulated.degrade.transmission", (0.5, 1.5), "low and high, in this order, in [0, 1]"),
        ("simulated.degrade.transmission", (0.9, 0.5), "low and high, in this order, in [0, 1]"),
        ("simulated.degrade.veil", (-0.1, 0.5), "low and high, in this order, in [0, 1]"),
        ("simulated.degrade.blur", (0.0, 2.0), "low and high, in this order, in [0, 0.1]"),
        ("simulated.degrade.light", 2.0, "a value in [0, 1]"),
        ("simulated.degrade.noise", -0.1, "a value in [0, 1]"),
        ("simulated.degrade.untouched", 1.1, "a value in [0, 1]"),
        ("simulated.mix.peli", 1.5, "a value in [0, 1]"),
        ("simulated.mix.severity", (0.6, 0.4), "low and high, in this order, in [0, 1]"),
        ("unpaired.batch", 0, "1 or more"),
        ("unpaired.learning_rate", -1.0, "more than 0"),
        ("unpaired.discriminator_rate", 0.0, "more than 0"),
        ("unpaired.pool", -1, "0 or more"),
        ("loss.adversarial", -1.0, "0 or more"),
        ("loss.image", -0.1, "0 or more"),
        ("loss.coarse", -0.1, "0 or more"),
        ("loss.cycle_noise", -1.0, "0 or more"),
        ("loss.feature_layers", 0, "a value in [1, 5]"),
        ("loss.feature_layers", 6, "a value in [1, 5]"),
        ("every.log", 0, "1 or more"),
        ("every.checkpoint", 0, "1 or more"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_what_was_found_and_expected(
    key: str, value: object, expected: str
) -> None:
    section, _, last = key.rpartition(".")
    with pytest.raises(SettingsError) as caught:
        settings_from(nested(key, value), "run.toml")
    assert (
        str(caught.value)
        == f"run.toml{f' [{section}]' if section else ''}: {last}: found {value!r}, expected {expected}"
    )


def test_extra_photographs_do_not_count_twice_where_sources_are_balanced() -> None:
    with pytest.raises(SettingsError, match=r"extra_times: found 2 with balanced, expected 1"):
        settings_from({"name": "x", "data": {"balanced": True, "extra_times": 2}}, "run.toml")


def test_a_diameter_that_shrinks_below_the_crop_is_refused() -> None:
    table = {"name": "mine", "data": {"diameter": 512, "crop": 256, "shrink": 0.5}}
    assert settings_from(table, "run.toml").data.shrink == 0.5
    table["data"]["crop"] = 260
    with pytest.raises(SettingsError, match=r"found 512, made smaller by up to 0\.5, expected at least the crop, 260"):
        settings_from(table, "run.toml")


def test_an_extra_diameter_that_shrinks_below_the_crop_is_refused() -> None:
    table = {"name": "mine", "data": {"diameter": 768, "crop": 256, "shrink": 0.5, "extra_diameter": 512}}
    assert settings_from(table, "run.toml").data.extra_diameter == 512
    table["data"]["extra_diameter"] = 511
    with pytest.raises(SettingsError, match=r"extra_diameter: found 511, expected at least the crop, 256"):
        settings_from(table, "run.toml")


def test_more_scales_than_a_crop_has_are_refused() -> None:
    table = {"name": "run", "data": {"crop": 64}, "simulated": {"scales": 6}}
    assert settings_from(table, "run.toml").simulated.scales == 6
    table["simulated"] = {"scales": 7}
    with pytest.raises(SettingsError, match=r"scales: found 7 with a crop of 64, expected a crop of 128 at least"):
        settings_from(table, "run.toml")


def test_a_run_of_no_steps_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"steps: found 0 in \[simulated\] and \[unpaired\], expected some"):
        settings_from(nested("unpaired.steps", 0), "run.toml")


def test_shares_of_more_than_everything_are_refused() -> None:
    table = {"name": "run", "simulated": {"mix": {"peli": 0.6, "cofe": 0.5}}}
    with pytest.raises(SettingsError, match=r"run\.toml \[simulated\.mix\]: found shares of 1\.1 in all, expected 1"):
        settings_from(table, "run.toml")
    table["simulated"] = {"mix": {"peli": 0.6, "cofe": 0.4}}
    assert settings_from(table, "run.toml").simulated.mix.cofe == 0.4


def test_losses_that_are_all_0_are_refused_if_there_is_an_unpaired_stage() -> None:
    table = {"name": "run", "loss": {"adversarial": 0, "feature": 0, "identity": 0}}
    with pytest.raises(SettingsError, match=r"run\.toml \[loss\]: found weight 0 for every loss"):
        settings_from(table, "run.toml")
    only_pairs = {**table, "simulated": {"steps": 1}, "unpaired": {"steps": 0}}
    assert settings_from(only_pairs, "run.toml").steps == 1


def test_settings_that_do_not_go_together_are_refused_with_their_section() -> None:
    with pytest.raises(
        SettingsError, match=r"run\.toml \[generator\]: generator: found gain without skip; set skip = true"
    ):
        settings_from(nested("generator.gain", True), "run.toml")


def test_an_integer_is_taken_for_the_same_number_and_nothing_else_is_coerced() -> None:
    settings = settings_from(nested("loss.feature", 10), "run.toml")
    assert settings.loss.feature == 10.0
    assert isinstance(settings.loss.feature, float)


def test_a_list_of_toml_becomes_the_pair_it_stands_for() -> None:
    settings = settings_from(nested("simulated.degrade.transmission", [0, 0.5]), "run.toml")
    assert settings.simulated.degrade.transmission == (0.0, 0.5)


def test_what_was_left_out_keeps_its_default() -> None:
    table = {"name": "run", "loss": {"image": 1.0}}
    assert settings_from(table, "run.toml").loss.feature == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"run\.toml: no readable TOML file: .*No such file"),
        (b"name = 1 2\n", r"run\.toml: no readable TOML file: .*line 1"),
        (b"\xff\xfe", r"run\.toml: no readable TOML file: .*utf-8"),
        (b"name = 'a'\nname = 'b'", r"run\.toml: no readable TOML file: "),
        (b"name = 'a'\n[loss]\nwrong = 1", r"^run\.toml \[loss\]: unknown setting 'wrong'"),
    ],
)
def test_a_missing_or_broken_file_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_settings(path)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no readable TOML file"):
        read_settings(tmp_path)


def test_the_squares_of_a_photograph_must_divide_the_batch() -> None:
    table = {"name": "run", "simulated": {"batch": 6, "squares": 4}}
    with pytest.raises(SettingsError, match=r"\[simulated\]: squares: found 4 .* in a batch of 6, expected a divisor"):
        settings_from(table, "run.toml")
    assert settings_from({"name": "run", "simulated": {"batch": 6, "squares": 3}}, "run.toml").simulated.squares == 3


def test_spots_and_a_teacher_do_not_go_together() -> None:
    table = {"name": "run", "simulated": {"teacher": "strong12-skip", "camera": {"spots": 0.3}}}
    with pytest.raises(SettingsError, match=r"\[simulated\.camera\]: spots: found 0\.3 with a teacher, expected 0"):
        settings_from(table, "run.toml")
