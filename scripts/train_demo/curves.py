"""The loss curves of a training as one picture. Needs matplotlib."""
import json
from pathlib import Path

PANELS = (("log_vae.jsonl", "psnr", "VAE: PSNR of training crops, dB"),
          ("log_teacher.jsonl", "loss", "teacher: squared error of the flow"),
          ("log_student.jsonl", "loss", "student: loss (consistency; outlines: of the flow)"))


def read_log(path):
    """{phase: ([step], {figure: [value]})}; a line that a resumed run wrote again replaces the first."""
    phases = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "step" in entry:
            phases.setdefault(entry.get("phase", ""), {})[entry["step"]] = entry
    return phases


def draw_curves(out, picture):
    """Writes `picture` (PNG) from the logs in `out`; phases follow each other on one axis."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [panel for panel in PANELS if (Path(out) / panel[0]).exists()]
    if not panels:
        raise SystemExit(f"{out}: no logs; train something first")
    figure, axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 3.2), squeeze=False)
    for axis, (name, key, title) in zip(axes[0], panels):
        offset = 0
        for phase, lines in read_log(Path(out) / name).items():
            steps = sorted(lines)
            axis.plot([offset + step for step in steps], [lines[step][key] for step in steps],
                      label=phase or None)
            offset += steps[-1]
        axis.set(title=title, xlabel="step", yscale="log" if key == "loss" else "linear")
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[1]:
            axis.legend()
    figure.tight_layout()
    figure.savefig(picture, dpi=90)
