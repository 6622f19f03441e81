import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from clearfundus import Field
from clearfundus.errors import QualityError
from clearfundus.quality import METRICS
from clearfundus.quality.brisque import brisque_features
from clearfundus.quality.frechet import frechet_distance, load_features
from clearfundus.quality.models import SLOTS, load_models
from clearfundus.quality.niqe import live_model, niqe
from clearfundus.quality.view import View, make_view
from drawn import blur_fundus, draw_fundus, field_mask

# what the tests need to make a file; loading one must not warn
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.(script|save|trace). is deprecated:DeprecationWarning")


class Distance(torch.nn.Module):
    def forward(self, picture: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        return (picture - reference).abs().mean().reshape(1, 1, 1, 1)


class Mean(torch.nn.Module):
    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture.mean()


class Colours(torch.nn.Module):
    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture.mean([2, 3])


class NotFinite(torch.nn.Module):
    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return picture.mean() / 0


class Shape(torch.nn.Module):
    def forward(self, picture: torch.Tensor) -> list[int]:
        return picture.shape


class TrainOnly(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.drop(picture).mean()


def program(folder: Path, module: torch.nn.Module) -> Path:
    path = folder / f"{type(module).__name__.lower()}.pt"
    torch.jit.script(module).save(str(path))
    return path


def view_of(size: int = 160, *, protocol="fov", blurred: bool = False, share: float = 0.96) -> View:
    photo = draw_fundus(size)
    photo = blur_fundus(photo) if blurred else photo
    return make_view(photo, Field(mask=field_mask(size, share)), protocol, size)


def brisque_file(folder: Path, **changed: object) -> Path:
    rng = np.random.default_rng(0)
    arrays = {"Alpha": rng.normal(size=(5, 1)), "Bias": 43.0, "SupportVectors": rng.random((5, 36)), "Scale": 0.9}
    np.savez(folder / "brisque.npz", **(arrays | changed))
    return folder / "brisque.npz"


def niqe_file(folder: Path, **changed: object) -> Path:
    live = live_model()
    arrays = {"Mean": live.mean[None], "Covariance": live.covariance, "BlockSize": [96, 96]}
    np.savez(folder / "niqe.npz", **(arrays | changed))
    return folder / "niqe.npz"


def test_without_files_there_are_no_such_metrics() -> None:
    assert load_models({}) == {}
    assert not SLOTS.keys() & METRICS.keys()


def test_each_file_gives_its_metric_and_no_other(tmp_path: Path) -> None:
    files = {
        "fiqa": program(tmp_path, Mean()),
        "lpips": program(tmp_path, Distance()),
        "niqe_matlab": niqe_file(tmp_path),
        "brisque_matlab": brisque_file(tmp_path),
    }
    found = load_models(files)
    assert list(found) == list(files)
    assert files.keys() == SLOTS.keys()
    for name, metric in found.items():
        assert metric.name == name
        assert metric.needs_reference == (name == "lpips")
        score = metric.on_view(view_of(), view_of(blurred=True))
        digest = hashlib.sha256(files[name].read_bytes()).hexdigest()
        assert score.fit == f"{files[name].name} {digest[:12]}"


def test_a_program_gets_rgb_in_0_to_1_and_its_number_is_the_score(tmp_path: Path) -> None:
    view, blurred = view_of(), view_of(blurred=True)
    metrics = load_models({"lpips": program(tmp_path, Distance()), "fiqa": program(tmp_path, Mean())})
    expected = np.abs(view.pixels / 255 - blurred.pixels / 255).mean()
    assert metrics["lpips"].on_view(blurred, view).value == pytest.approx(expected, rel=1e-5)
    assert metrics["lpips"].on_view(view, view).value == 0
    assert metrics["fiqa"].on_view(view).value == pytest.approx(view.pixels.mean() / 255, rel=1e-5)


def test_a_program_is_run_as_trained(tmp_path: Path) -> None:
    metric = load_models({"fiqa": program(tmp_path, TrainOnly())})["fiqa"]
    view = view_of()
    assert metric.on_view(view).value == pytest.approx(view.pixels.mean() / 255, rel=1e-5)


def test_a_missing_reference_is_named(tmp_path: Path) -> None:
    metric = load_models({"lpips": program(tmp_path, Distance())})["lpips"]
    for call in (metric.on_view, metric.function):
        with pytest.raises(QualityError, match="lpips: found no reference"):
            call(view_of(), None)


def test_an_unknown_slot_and_a_missing_or_other_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="found the slot 'dists', expected one of: brisque_matlab"):
        load_models({"dists": tmp_path / "a.pt"})
    (tmp_path / "text").write_text("no model")
    for slot in SLOTS:
        with pytest.raises(QualityError, match=r"none: cannot be read: No such file"):
            load_models({slot: tmp_path / "none"})
        with pytest.raises(QualityError, match=r"text: (no TorchScript file|expected an npz file with)"):
            load_models({slot: tmp_path / "text"})


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Distance(), "failed on a picture of shape"),
        (Colours(), r"found a result of shape \(1, 3\), expected one number"),
        (NotFinite(), "not finite"),
        (Shape(), "found a list, expected a tensor"),
    ],
)
def test_a_program_that_gives_no_number_is_refused(module: torch.nn.Module, message: str, tmp_path: Path) -> None:
    metric = load_models({"fiqa": program(tmp_path, module)})["fiqa"]
    with pytest.raises(QualityError, match=message):
        metric.on_view(view_of())


def test_matlabs_regressor_is_its_formula(tmp_path: Path) -> None:
    path = brisque_file(tmp_path, Scale=40.0)
    view = view_of(protocol="whole")
    features, _ = brisque_features(view.gray)
    with np.load(path) as held:
        kernel = np.exp(-(((features - held["SupportVectors"]) / 40.0) ** 2).sum(1))
        expected = held["Alpha"].ravel() @ kernel + 43.0
    assert load_models({"brisque_matlab": path})["brisque_matlab"].on_view(view).value == pytest.approx(expected)


def test_far_from_every_support_vector_matlabs_regressor_says_its_bias(tmp_path: Path) -> None:
    path = brisque_file(tmp_path, SupportVectors=np.full((5, 36), 1e3))
    metric = load_models({"brisque_matlab": path})["brisque_matlab"]
    assert metric.on_view(view_of()).value == 43
    with pytest.raises(QualityError, match="holds a square of 22 pixels"):
        metric.on_view(view_of(32))


@pytest.mark.parametrize("protocol", ["fov", "whole"])
def test_matlabs_niqe_is_niqe_with_other_numbers(protocol: str, tmp_path: Path) -> None:
    view = view_of(300, protocol=protocol)
    measured = load_models({"niqe_matlab": niqe_file(tmp_path)})["niqe_matlab"].on_view(view)
    assert measured.value == pytest.approx(niqe(view.gray, view.mask if protocol == "fov" else None).value)
    other = niqe_file(tmp_path, Mean=live_model().mean + 1)
    assert load_models({"niqe_matlab": other})["niqe_matlab"].on_view(view).value != measured.value


def test_exports_of_another_shape_are_refused(tmp_path: Path) -> None:
    for changed in (
        {"Alpha": np.zeros(4)},
        {"Bias": [1.0, 2.0]},
        {"SupportVectors": np.zeros((5, 35))},
        {"SupportVectors": np.zeros(5)},
        {"Scale": 0.0},
        {"Bias": np.nan},
    ):
        with pytest.raises(QualityError, match=r"brisque\.npz: (found shapes|holds values that are not finite)"):
            load_models({"brisque_matlab": brisque_file(tmp_path, **changed)})
    for changed in ({"Mean": np.zeros(35)}, {"Covariance": np.zeros((36, 35))}, {"BlockSize": [48, 48]}):
        with pytest.raises(QualityError, match=r"niqe\.npz: found shapes .* blocks of 96 x 96"):
            load_models({"niqe_matlab": niqe_file(tmp_path, **changed)})
    np.savez(tmp_path / "other.npz", mu=np.zeros(36))
    with pytest.raises(QualityError, match=r"other\.npz: expected an npz file with Mean, Covariance, BlockSize"):
        load_models({"niqe_matlab": tmp_path / "other.npz"})


def test_fid_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(40, 6)) @ rng.normal(size=(6, 6)), 1 + rng.normal(size=(30, 6))
    first, second = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    difference = one.mean(0) - two.mean(0)
    expected = difference @ difference + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet_distance(list(one), list(two)) == pytest.approx(expected, rel=1e-9)


def test_fid_closed_forms() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 4))
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(rows + 3, rows) == pytest.approx(4 * 9)
    spread = np.trace(np.cov(rows, rowvar=False))
    centred = rows - rows.mean(0)
    assert frechet_distance(3 * centred, centred) == pytest.approx(4 * spread)
    assert frechet_distance(rows[:3], rows[3:6]) > 0  # fewer pictures than features


def test_fid_of_views_grows_with_haze(tmp_path: Path) -> None:
    features = load_features(program(tmp_path, Colours()))
    field = Field(mask=field_mask(96))
    eyes = [draw_fundus(96, np.random.default_rng(seed)) for seed in range(6)]
    clear = [features(make_view(eye, field, side=64)) for eye in eyes]
    assert clear[0].shape == (3,)
    hazed = [
        frechet_distance([features(make_view(blur_fundus(eye, haze=haze), field, side=64)) for eye in eyes], clear)
        for haze in (0.1, 0.3, 0.6)
    ]
    assert 0 < hazed[0] < hazed[1] < hazed[2]


def test_fid_refuses_what_is_no_set_of_vectors(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 4))
    for wrong, message in (
        (rows[:1], "found 1 features"),
        ([], "found 0 features"),
        ([rows[0], rows[1, :3]], "of one length"),
        (rows[:, None], "2 or more vectors"),
        (rows * np.nan, "not finite"),
        (rows[:, :3], "lengths 3 and 4"),
    ):
        with pytest.raises(QualityError, match=f"fid: found .*{message}|{message}"):
            frechet_distance(wrong, rows)
    with pytest.raises(QualityError, match="no TorchScript file"):
        load_features(tmp_path / "none.pt")


def test_torch_waits_until_a_program_is_loaded() -> None:
    code = "import sys, clearfundus.quality.models, clearfundus.quality.frechet; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
