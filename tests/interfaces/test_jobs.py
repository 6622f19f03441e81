from pathlib import Path

import pytest

from clearfundus import SettingsError
from clearfundus.interfaces.jobs import plan_jobs


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of empty files: planning looks at names only."""
    for name in ("in/b.jpg", "in/a.PNG", "in/left/b.jpg", "in/notes.txt", "in/.hidden.jpg", "in/.cache/c.jpg"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def pairs(inputs: list[Path], output: Path, root: Path) -> list[tuple[str, str]]:
    return [
        (job.source.relative_to(root).as_posix(), job.target.relative_to(root).as_posix())
        for job in plan_jobs(inputs, output).jobs
    ]


def test_a_folder_keeps_its_tree_and_hidden_files_are_left_out(tree: Path) -> None:
    assert pairs([tree / "in"], tree / "out", tree) == [
        ("in/a.PNG", "out/a.PNG"),
        ("in/b.jpg", "out/b.png"),
        ("in/left/b.jpg", "out/left/b.png"),
    ]


def test_files_that_are_no_pictures_are_counted(tree: Path) -> None:
    assert plan_jobs([tree / "in"], tree / "out").ignored == 1  # notes.txt; hidden files do not count


def test_a_file_given_by_name_lands_in_the_output_folder(tree: Path) -> None:
    files = [tree / "in/left/b.jpg", tree / "in/a.PNG"]
    assert pairs(files, tree / "out", tree) == [("in/left/b.jpg", "out/b.png"), ("in/a.PNG", "out/a.PNG")]


def test_a_single_file_may_name_its_output_file(tree: Path) -> None:
    assert pairs([tree / "in/b.jpg"], tree / "clear.png", tree) == [("in/b.jpg", "clear.png")]


def test_a_folder_that_looks_like_a_file_is_a_folder(tree: Path) -> None:
    (tree / "out.png").mkdir()
    assert pairs([tree / "in/b.jpg"], tree / "out.png", tree) == [("in/b.jpg", "out.png/b.png")]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("eye.bmp", "eye.png"),  # BMP has no place for a note
        ("eye.pgm", "eye.png"),  # a clear photograph is a colour photograph
        ("eye.tif", "eye.tif"),
        ("eye.JPEG", "eye.png"),  # lossy
    ],
)
def test_a_format_that_is_lossy_or_has_no_writer_or_note_becomes_png(name: str, target: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert pairs([tmp_path / name], tmp_path / "out", tmp_path) == [(name, f"out/{target}")]


def test_jpeg_stays_jpeg_if_asked(tree: Path) -> None:
    jobs = plan_jobs([tree / "in/b.jpg"], tree / "out", output_format="same").jobs
    assert [job.target.name for job in jobs] == ["b.jpg"]


def test_a_photograph_given_twice_is_done_once(tree: Path) -> None:
    inputs = [tree / "in", tree / "in/b.jpg", tree / "in" / "left" / ".." / "b.jpg"]
    assert len(pairs(inputs, tree / "out", tree)) == 3


def test_results_within_the_input_folder_are_no_inputs_of_the_next_run(tree: Path) -> None:
    (tree / "in/out").mkdir()
    (tree / "in/out/b.png").touch()
    assert [source for source, _ in pairs([tree / "in"], tree / "in/out", tree)] == [
        "in/a.PNG",
        "in/b.jpg",
        "in/left/b.jpg",
    ]


def test_a_link_that_leads_back_up_is_not_followed(tree: Path) -> None:
    (tree / "in/left/up").symlink_to(tree / "in")
    assert len(plan_jobs([tree / "in"], tree / "out").jobs) == 3


def test_two_links_to_one_file_are_two_photographs(tree: Path) -> None:
    store = tree / "store"
    (store / "site").mkdir(parents=True)
    (store / "blob").touch()
    (store / "site" / "eye.png").touch()
    folder = tree / "links"
    folder.mkdir()
    for name in ("left.png", "right.png"):
        (folder / name).symlink_to(store / "blob")
    (folder / "site").symlink_to(store / "site")
    (folder / "gone.png").symlink_to(store / "nowhere")  # fails when its turn comes
    assert [target for _, target in pairs([folder, folder / "left.png"], tree / "out", tree)] == [
        "out/gone.png",
        "out/left.png",
        "out/right.png",
        "out/site/eye.png",
    ]


def test_a_link_that_leads_to_itself_stops_no_other_photograph(tree: Path) -> None:
    (tree / "in" / "loop.png").symlink_to("loop.png")
    assert ("in/loop.png", "out/loop.png") in pairs([tree / "in"], tree / "out", tree)
    assert len(pairs([tree / "in"], tree / "out", tree)) == 4


def test_results_that_a_link_leads_to_are_no_inputs(tree: Path) -> None:
    (tree / "out" / "left").mkdir(parents=True)
    (tree / "out" / "left" / "b.png").touch()
    (tree / "in" / "made").symlink_to(tree / "out" / "left")
    assert len(pairs([tree / "in"], tree / "out", tree)) == 3


def test_links_in_a_circle_come_to_an_end(tree: Path) -> None:
    one, other = tree / "one", tree / "other"
    for folder, target in ((one, other), (other, one)):
        folder.mkdir()
        (folder / "eye.png").touch()
        (folder / "link").symlink_to(target)
    assert len(pairs([one], tree / "out", tree)) == 2


def test_a_folder_is_not_written_into_itself(tree: Path) -> None:
    with pytest.raises(SettingsError, match=r"is the input folder, where results would be taken"):
        plan_jobs([tree / "in"], tree / "in" / "left" / "..")


def test_a_missing_file_fails_in_its_turn_and_not_before(tree: Path) -> None:
    assert len(pairs([tree / "in/b.jpg", tree / "missing.jpg"], tree / "out", tree)) == 2


def test_two_photographs_that_would_become_one_file_are_both_named(tree: Path) -> None:
    with pytest.raises(SettingsError, match=r"in/b\.jpg and .*left/b\.jpg would both become .*out/b\.png"):
        plan_jobs([tree / "in/b.jpg", tree / "in/left/b.jpg"], tree / "out")


def test_a_bmp_and_a_png_of_one_name_are_seen_to_collide(tmp_path: Path) -> None:
    for suffix in ("bmp", "png"):
        (tmp_path / f"eye.{suffix}").touch()
    with pytest.raises(SettingsError, match=r"would both become .*eye\.png"):
        plan_jobs([tmp_path], tmp_path / "out")


def test_an_output_that_is_an_input_is_refused(tree: Path) -> None:
    with pytest.raises(SettingsError, match="which is never overwritten"):
        plan_jobs([tree / "in/a.PNG"], tree / "in")


def test_an_output_that_is_another_input_is_refused(tree: Path) -> None:
    (tree / "other").mkdir()
    (tree / "other/a.PNG").touch()
    with pytest.raises(SettingsError, match=r"is the input .*in/a\.PNG, which is never overwritten"):
        plan_jobs([tree / "other/a.PNG", tree / "in/a.PNG"], tree / "in")


def test_nothing_found_is_an_error_that_says_what_was_looked_for(tree: Path) -> None:
    (tree / "empty").mkdir()
    (tree / "empty/notes.txt").touch()
    with pytest.raises(SettingsError, match=r"no photograph found in .*empty \(1 other files\).*\.png"):
        plan_jobs([tree / "empty"], tree / "out")
    with pytest.raises(SettingsError, match=r"missing: no such file or folder"):
        plan_jobs([tree / "missing"], tree / "out")


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["in"], "out.png", "names a file, but there is more than one photograph"),
        (["in/a.PNG", "in/b.jpg"], "out.png", "names a file"),
        (["in/b.jpg"], "out.gif", r"unknown suffix '\.gif'; known: .*\.png"),
        (["in"], "in/notes.txt", "is a file; name a folder"),
    ],
)
def test_an_output_that_cannot_serve_is_refused(inputs: list[str], output: str, message: str, tree: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        plan_jobs([tree / name for name in inputs], tree / output)
