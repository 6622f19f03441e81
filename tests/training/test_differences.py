from clearfundus.training.differences import differences


def test_differences_name_each_setting_that_changed() -> None:
    one = {"seed": 1, "loss": {"image": 0.0, "identity": 10.0}, "gone": 3}
    other = {"seed": 1, "loss": {"image": 1.0, "identity": 10.0}, "new": "x"}
    assert differences(one, other) == ["gone: 3 -> None", "loss.image: 0.0 -> 1.0", "new: None -> 'x'"]
    assert differences(one, one) == []


def test_of_many_names_only_those_that_came_and_went_are_told() -> None:
    names = [f"{number:03d}.png" for number in range(300)]
    assert differences({"names": names}, {"names": [*names, "new.png"]}) == ["names: 1 added ('new.png')"]
    assert differences({"names": names}, {"names": names[1:]}) == ["names: 1 removed ('000.png')"]
    others = [f"{number:03d}.jpg" for number in range(5)]
    assert differences({"names": names}, {"names": others + names[2:]}) == [
        "names: 5 added ('000.jpg', '001.jpg', '002.jpg', ...), 2 removed ('000.png', '001.png')"
    ]
    # folders below may hold two files of one name
    assert differences({"names": ["a", "a"]}, {"names": ["a"]}) == ["names: 1 removed ('a')"]
    assert differences({"names": ["a", "b"]}, {"names": ["b", "a"]}) == ["names: the same names in another order"]


def test_a_range_is_told_whole() -> None:
    assert differences({"blur": [0.0, 1.0]}, {"blur": [0.0, 2.0]}) == ["blur: [0.0, 1.0] -> [0.0, 2.0]"]
