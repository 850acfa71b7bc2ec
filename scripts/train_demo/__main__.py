"""python3 scripts/train_demo STEP [--config FILE] [--out FOLDER] [--set section.key=value ...]

`evaluate --help`, `export --help` and `curves --help` tell what these take besides.
"""
import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __package__ in (None, ""):  # run as a folder: make the package importable by name
    sys.path.insert(0, str(HERE.parent))

from train_demo.training import load_config  # noqa: E402


def _vae(config, out, _):
    from train_demo.train_vae import train_vae
    train_vae(config, out)


def _latents(config, out, _):
    from train_demo.latents import write_latents
    write_latents(config, out)


def _teacher(config, out, _):
    from train_demo.train_teacher import train_teacher
    train_teacher(config, out)


def _student(config, out, _):
    from train_demo.train_student import train_student
    train_student(config, out)


def _export(config, out, arguments):
    from train_demo.export import main as export
    export(config, out, arguments)


def _evaluate(config, out, arguments):
    from train_demo.evaluate import main as evaluate
    evaluate(config, out, arguments)


def _curves(_, out, arguments):
    from train_demo.curves import draw_curves
    parser = argparse.ArgumentParser(prog="train_demo curves", description="The loss curves as one picture.")
    parser.add_argument("--to", type=Path, default=out / "curves.png", metavar="PNG", help="(%(default)s)")
    draw_curves(out, parser.parse_args(arguments).to)


STEPS = {"vae": _vae, "latents": _latents, "teacher": _teacher, "student": _student, "export": _export,
         "evaluate": _evaluate, "curves": _curves}
OWN_OPTIONS = ("export", "evaluate", "curves")      # steps that take further ones


def main():
    parser = argparse.ArgumentParser(prog="train_demo", description=__doc__, allow_abbrev=False,
                                     add_help=not any(step in sys.argv[1:] for step in OWN_OPTIONS))
    parser.add_argument("step", choices=list(STEPS))
    parser.add_argument("--config", type=Path, default=HERE / "demo_model.yaml")
    parser.add_argument("--out", type=Path, default=Path("out/train_demo"))
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options, more = parser.parse_known_args()
    if more and options.step not in OWN_OPTIONS:
        parser.error(f"unknown for the step '{options.step}': {' '.join(more)}")
    STEPS[options.step](load_config(options.config, options.set), options.out, more)


if __name__ == "__main__":
    main()
