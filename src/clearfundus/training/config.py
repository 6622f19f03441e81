"""The settings of a training run: one tree of dataclasses, mirrored by TOML (see `reading.py`)."""

from dataclasses import dataclass, field
from typing import Literal

from clearfundus.fundus.degrade import DegradeSettings
from clearfundus.networks.device import Precision
from clearfundus.networks.discriminator import DiscriminatorSettings
from clearfundus.networks.generator import GeneratorSettings


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """How photographs become training squares.

    Attributes:
        diameter: Field diameter in pixels that each photograph is scaled to.
        crop: Side in pixels of the squares; a multiple of 4.
        inside: Least share of a square that lies in the field.
        validation: Share of the eyes that is held out.
        split_seed: Seed of which eyes these are. It is not the run's, so that runs with other seeds, and those that go
            on from their weights, hold out the same.
        surround: "fill" (reflected retina) or "black" outside the field.
        gain_jitter: Greatest relative change of each colour channel's gain, drawn alike for both sides.
        shrink: Greatest share by which a photograph is made smaller before a square is cut, drawn for each: one that
            was enlarged to the diameter is soft, and sharp again when made smaller.
        finest: Share of the clear photographs that is trained on, those with the finest detail; see `fineness.py`.
        extra_times: How often each photograph of `Sources.extra` counts among the clear ones.
        extra_diameter: Field diameter that these are scaled to; 0 for `diameter`.
        balanced: Whether each source's photographs are drawn equally often; see `data.source_of`.
    """

    diameter: int = 512
    crop: int = 256
    inside: float = 0.75
    validation: float = 0.05
    split_seed: int = 1
    surround: Literal["fill", "black"] = "fill"
    gain_jitter: float = 0.0
    shrink: float = 0.0
    finest: float = 1.0
    extra_times: int = 1
    extra_diameter: int = 0
    balanced: bool = False


@dataclass(frozen=True, kw_only=True)
class MixSettings:
    """How often a simulated pair is made by another model than the scatter of `SimulatedSettings.degrade`.

    Attributes:
        peli: Share of pairs made by `peli`; see `clearfundus.fundus.degradations`.
        arcnet: The same for `arcnet`.
        cofe: The same for `cofe`.
        focus: The same for `focus`.
        severity: Range of their severity, in [0, 1].
    """

    peli: float = 0.0
    arcnet: float = 0.0
    cofe: float = 0.0
    focus: float = 0.0
    severity: tuple[float, float] = (0.1, 1.0)

    @property
    def shares(self) -> dict[str, float]:
        """Model to its share; what is left to 1 is the scatter's."""
        return {"peli": self.peli, "arcnet": self.arcnet, "cofe": self.cofe, "focus": self.focus}


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """What the camera adds to simulated pairs; see `camera.py`.

    Attributes:
        spots: Share of photographs that get spots of stray light, in the degraded picture and its truth alike.
        jpeg: Share of pairs whose degraded picture has been a JPEG file.
        quality: Range of that file's quality, from 1 to 100.
    """

    spots: float = 0.0
    jpeg: float = 0.0
    quality: tuple[float, float] = (60.0, 98.0)


@dataclass(frozen=True, kw_only=True)
class SimulatedSettings:
    """The stage before the unpaired one: clear photographs and their degraded copies. Not in the paper.

    Attributes:
        steps: Iterations; 0 leaves the stage out.
        batch: Squares in an iteration, on each process.
        squares: How many of them are cut from each degraded photograph; many take less time and see fewer degradations.
        learning_rate: Adam's rate, constant over the first half, then linear to 0.
        gradient: Weight of the L1 of the gradients beside the L1 of the pixels.
        scales: At how many scales, each half the one before, the gradients are compared; 2 pixels must be left.
        blurrer_every: The blurrer is trained too, in every n-th iteration; 0 for never.
        degrade: Ranges of the scatter.
        mix: How often other models take its place.
        camera: What the camera adds.
        teacher: Name or file of weights whose output is the truth; "" for the clear photographs themselves.
        real: With a teacher, squares of blurry photographs in an iteration beside the pairs.
    """

    steps: int = 0
    batch: int = 2
    squares: int = 1
    learning_rate: float = 2e-4
    gradient: float = 2.0
    scales: int = 1
    blurrer_every: int = 0
    degrade: DegradeSettings = field(default_factory=DegradeSettings)
    mix: MixSettings = field(default_factory=MixSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    teacher: str = ""
    real: int = 0

    @property
    def loss_terms(self) -> tuple[float, int]:
        """Weight of the gradients, and at how many scales."""
        return self.gradient, self.scales


@dataclass(frozen=True, kw_only=True)
class UnpairedSettings:
    """The paper's stage.

    Attributes:
        steps: Iterations.
        batch: Squares of each side in an iteration, on each process.
        learning_rate: Adam's rate for the generators, constant over the first half, then linear to 0.
        discriminator_rate: The same for the discriminators.
        pool: Past fakes kept for each discriminator.
    """

    steps: int = 110_000
    batch: int = 1
    learning_rate: float = 2e-4
    discriminator_rate: float = 2e-4
    pool: int = 50


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """Weights and variants of the generators' losses.

    Attributes:
        adversarial: Weight of the least-squares adversarial loss.
        feature: Weight of the feature consistency L_Cfea (eq. 3).
        image: Weight of the image-level consistency L_C (eq. 2): 10 with `feature` 0 is the paper's ablation; a small
            value beside `feature` is the anchor against drifting colour.
        identity: Weight of the identity loss (eq. 4).
        coarse: Weight of `losses.coarse_loss`, which keeps colour at large. Not in the paper.
        simulated: Weight of the simulated-pair loss kept up in the unpaired stage. Not in the paper.
        feature_layers: How many of the discriminator's five convolutions take part, from the first on.
        feature_reduction: "mean" or "sum" over those layers.
        feature_relative: Whether each layer's difference is divided by the norm of the real photograph's features.
        cycle_noise: Standard deviation, in units of 1/255, of the noise added after 8-bit rounding of the translated
            picture before it is translated back; 0 leaves both out. It keeps the cycle from hiding a code there.
    """

    adversarial: float = 1.0
    feature: float = 10.0
    image: float = 0.0
    identity: float = 10.0
    coarse: float = 0.0
    simulated: float = 0.0
    feature_layers: int = 5
    feature_reduction: Literal["mean", "sum"] = "mean"
    feature_relative: bool = False
    cycle_noise: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EverySettings:
    """How often things happen, in iterations.

    Attributes:
        log: A line of the log.
        sample: A sheet of samples.
        validate: A validation.
        checkpoint: A checkpoint.
    """

    log: int = 20
    sample: int = 500
    validate: int = 1000
    checkpoint: int = 500


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Everything that decides what a training run yields.

    Attributes:
        name: Name of the weights.
        seed: Seed of every chance in the run but that of what is held out, which is `data.split_seed`.
        start: Name of shipped weights, or a run's folder, whose generators the run begins with; "" for random ones.
        precision: "auto" (bf16 where the device has it), "fp32" or "bf16".
        ema: Decay of the moving average of the generators that is saved.
        uneven_error: For use, not for training: the error of what the enhancer does to light at large, by which that is
            damped; see `fundus/unevenness.py`. 0 leaves the change whole.
    """

    name: str
    seed: int = 0
    start: str = ""
    precision: Precision = "auto"
    ema: float = 0.999
    uneven_error: float = 0.0
    data: DataSettings = field(default_factory=DataSettings)
    generator: GeneratorSettings = field(default_factory=GeneratorSettings)
    discriminator: DiscriminatorSettings = field(default_factory=DiscriminatorSettings)
    simulated: SimulatedSettings = field(default_factory=SimulatedSettings)
    unpaired: UnpairedSettings = field(default_factory=UnpairedSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    every: EverySettings = field(default_factory=EverySettings)

    @property
    def steps(self) -> int:
        """Iterations of both stages."""
        return self.simulated.steps + self.unpaired.steps
