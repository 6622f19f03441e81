"""The command line: one verb a file, fetched only when it is called, so that `--help` answers at once.

Exit codes: 0 done, 1 some inputs failed, 2 wrong usage, 130 interrupted. Results go to standard output,
progress and errors to standard error. No traceback reaches a user, unless CLEARFUNDUS_TRACEBACK is set.
"""

import os
import sys
from collections.abc import Sequence

from cyclopts import App
from cyclopts.exceptions import CycloptsError

from clearfundus.errors import (
    ClearfundusError,
    DeviceError,
    MissingExtraError,
    RunMismatchError,
    SettingsError,
    WeightsError,
)
from clearfundus.interfaces import SAFETY
from clearfundus.version import __version__

DONE, SOME_FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

TRACEBACK = "CLEARFUNDUS_TRACEBACK"
"""Environment variable: set to 1, unexpected errors are shown with their traceback."""

VERBS = {
    "enhance": (
        "Make blurry photographs clear.",
        "clearfundus enhance eye.jpg -o eye_clear.png",
        "clearfundus enhance photographs/ -o clear/ --json",
        "clearfundus enhance photographs/ -o clahe/ --method clahe --set clip_limit=3.0",
    ),
    "compare": (
        "Show what every method makes of a photograph, on one sheet.",
        "clearfundus compare eye.jpg -o sheet.png",
        "clearfundus compare photographs/ -o sheets/ --methods gan,clahe",
    ),
    "degrade": (
        "Make clear photographs bad, in a known way, to test with.",
        "clearfundus degrade eye.jpg -o eye_bad.png --model peli --severity 0.6 --seed 1",
        "clearfundus degrade photographs/ -o bad/ --model cataract --json",
        "clearfundus degrade eye.jpg -o again.png --repeat eye_bad.png.degradation.json",
    ),
    "segment": (
        "Find the vessels, and measure them.",
        "clearfundus segment eye.jpg -o vessels/",
        "clearfundus segment photographs/ -o vessels/ --segmenter gabor --json",
    ),
    "track": (
        "Follow the vessels: all trees from the optic disc, or one vessel from a point.",
        "clearfundus track photographs/ -o trees/",
        "clearfundus track eye.jpg -o one/ --from 512,300",
        "clearfundus track eye.jpg -o path/ --from 512,300 --to 400,620",
    ),
    "evaluate": (
        "Compare methods on your photographs, with measures, intervals and a report.",
        "clearfundus evaluate --blurry DIR -o OUT --methods clahe,zhou2018,gan",
        "clearfundus evaluate --blurry DIR --pairs DIR --clear DIR -o OUT --protocol both",
        "clearfundus evaluate --clear DIR -o OUT --simulated peli --severity 0.8 --metrics psnr,ssim --json",
        "clearfundus evaluate --task vessels --labelled DIR -o OUT --methods clahe,gan",
    ),
    "train": (
        "Train the networks on two folders of your own, one blurry and one clear.",
        "clearfundus train --config configs/paper.toml --blurry DIR --clear DIR -o RUN",
    ),
    "export": (
        "Write the network as a file for ONNX Runtime or OpenVINO.",
        "clearfundus export -o enhancer.onnx",
        "clearfundus export --format openvino --weights runs/paper/enhancer.safetensors -o enhancer.xml",
    ),
    "methods": ("List the methods and their parameters.", "clearfundus methods --json"),
    "info": ("Show versions, device, weights and terms of use.", "clearfundus info --json"),
}
"""Verb -> what it does, and examples; here, for the verbs' own files are not imported by `--help`."""


def build_app() -> App:
    """Return the command line, its verbs not yet imported."""
    app = App(
        name="clearfundus",
        help=f"Makes blurry colour fundus photographs clear.\n\n{SAFETY}",
        version=__version__,
        help_format="plaintext",
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for verb, (summary, *examples) in VERBS.items():
        lines = "\n".join(f"    {example}" for example in examples)
        app.command(
            f"clearfundus.interfaces.{verb}:{verb}",
            name=verb,
            help=summary,
            help_format="markdown",  # flows the docstrings' lines; slower, so not for the list of verbs
            help_epilogue=f"{'Example' if len(examples) == 1 else 'Examples'}:\n\n{lines}",
        )
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: The words after the program's name; None takes the process's own.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        result = build_app()(words)
    except CycloptsError as error:
        return _fail(f"{error}\nsee: clearfundus {_verb(words)}--help", WRONG_USAGE)
    except (SettingsError, MissingExtraError, WeightsError, DeviceError, RunMismatchError) as error:
        return _fail(str(error), WRONG_USAGE)
    except ClearfundusError as error:
        return _fail(str(error), SOME_FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except OSError as error:
        return _fail(str(error), SOME_FAILED)
    except Exception as error:  # the last door before the user; nothing is hidden, only shortened
        if os.environ.get(TRACEBACK):
            raise
        return _fail(
            f"unexpected {type(error).__name__}: {error}\n"
            f"this is a fault of clearfundus; set {TRACEBACK}=1 and run again to see where",
            SOME_FAILED,
        )
    return result if isinstance(result, int) else DONE


def _verb(words: Sequence[str]) -> str:
    return f"{words[0]} " if words and words[0] in VERBS else ""


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"clearfundus: {message}\n")
    return code
