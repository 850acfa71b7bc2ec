#!/usr/bin/env python3
"""Judges videos of the demo model: whether each shows what its prompt says, by plain image measurement.

    scripts/judge_demo.py RUN                       the folder of a finished run of `causeway generate`
    scripts/judge_demo.py --videos LIST.jsonl       MP4s or .npy arrays, a line each:
                                                    {"video": "a.mp4", "prompt": "a red circle rests on …"}

Of each video: background, number of objects, and of each object colour, shape, motion and size (size is
reported, and not part of `all`). A video that is missing or damaged, or whose prompt is not of this world,
is named and counts as wrong. Nothing is rendered, learnt or fetched; MP4s are read by ffmpeg.

Exit codes: 0 judged, and everything required was reached · 1 a share is below --require · 2 usage ·
3 the run or the list cannot be read, or ffmpeg or scipy is not there · 6 --json cannot be written.
"""
import argparse
import json
import os
import sys
from pathlib import Path

try:
    from judging import runs, tally
    from judging.verdicts import judge_clip
    from train_demo import prompts, world
except ImportError as problem:
    print(f"judge_demo: {problem}; apt-get install python3-numpy python3-scipy, and run it by /usr/bin/python3",
          file=sys.stderr)
    sys.exit(3)


def main():
    options = read_options()
    try:
        videos = runs.read_list(options.videos) if options.videos else runs.read_run(options.run)
        results = []
        for video in videos:
            results.append(judge_video(video, options.beyond))
            print(line_of(results[-1]), flush=True)
    except runs.InputError as error:
        print(f"judge_demo: {error}", file=sys.stderr)
        return 3
    print("\n" + tally.table(results, options.beyond))
    rows = tally.summary(results)
    if options.json and not write_json(options, rows, results):
        return 6
    return say_what_is_wrong(options, rows, results)


def read_options():
    parser = argparse.ArgumentParser(prog="judge_demo.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", metavar="RUN", help="folder of a finished run")
    parser.add_argument("--videos", metavar="LIST.jsonl", help="judge these instead of a run")
    parser.add_argument("--json", metavar="FILE", help="verdicts and measurements of each video, and the summary")
    parser.add_argument("--beyond", type=int, metavar="FRAME",
                        help="judge only the frames after FRAME (from 0), and only count, shape and colour")
    parser.add_argument("--require", type=requirements, default={}, metavar="NAME=SHARE,…",
                        help="exit with 1 where a share falls short: all=0.8,colour=0.95 "
                             f"({', '.join(tally.ATTRIBUTES)})")
    options = parser.parse_args()
    if bool(options.run) == bool(options.videos):
        parser.error("give either a run's folder or --videos LIST.jsonl")
    if options.beyond is not None and options.beyond < 0:
        parser.error(f"--beyond is {options.beyond}; frames count from 0")
    judged = tally.ATTRIBUTES if options.beyond is None else ("all",) + tally.BEYOND_ATTRIBUTES
    for name in options.require:
        if name not in judged:
            parser.error(f"--require {name}: with --beyond only {', '.join(judged)} are judged")
    return options


def requirements(text):
    required = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        try:
            required[name] = float(share)
        except ValueError:
            required[name] = -1.0
        if name not in tally.ATTRIBUTES or not 0.0 <= required[name] <= 1.0:
            raise argparse.ArgumentTypeError(
                f"'{part}' is no requirement; write NAME=SHARE, share from 0 to 1, with one of "
                f"{', '.join(tally.ATTRIBUTES)}")
    return required


def judge_video(video, beyond):
    """judge_clip's answer with name, prompt and, where the video could not be judged, the problem."""
    told, result = None, None
    try:
        told = understand(video.prompt)
        frames, rate = runs.load_video(video)
        check_rate(rate)
        result = {**judge_clip(frames, video.prompt, beyond), "problem": ""}
    except (runs.BadVideo, ValueError) as error:
        # What is the matter with the file matters more than that its prompt is unknown for that reason.
        result = tally.failed(told, video.problem or str(error), beyond)
    return {"name": video.name, "prompt": video.prompt, "video": str(video.path or ""), **result}


def understand(prompt):
    if not prompt:
        raise ValueError("its prompt is unknown (no HDF5 file beside it, no comment in the MP4); use --videos")
    if prompt.startswith("[[") and isinstance(_json_or_none(prompt), list):
        raise ValueError("it goes through several prompts; only videos of one prompt can be judged")
    return prompts.understand(prompt)


def _json_or_none(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def check_rate(rate):
    if rate is not None and abs(rate - world.FRAMES_PER_SECOND) > 0.01:
        raise ValueError(f"it has {rate:g} frames a second (the world's motions have "
                         f"{world.FRAMES_PER_SECOND}); set video.fps to that")


def line_of(result):
    what = tally.complaint(result)
    verdict = "right" if result["all"] else "WRONG"
    return f"{verdict}  {result['name']}  {' '.join(result['prompt'].split())!r}" + (f": {what}" if what else "")


def write_json(options, rows, results):
    content = {"judged": options.run or options.videos, "beyond": options.beyond, "summary": rows, "videos": results}
    path = Path(options.json)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8",
                        errors="backslashreplace")
        os.replace(part, path)
    except OSError as error:
        print(f"judge_demo: cannot write '{path}' ({error.strerror}); choose another file for --json", file=sys.stderr)
        return False
    return True


def say_what_is_wrong(options, rows, results):
    """The exit code; what could not be judged and what fell short goes to the error stream."""
    broken = [result for result in results if result["problem"]]
    for result in broken:
        print(f"judge_demo: {result['name']} counts as wrong: {result['problem']}", file=sys.stderr)
    if broken:
        print(f"judge_demo: {len(broken)} of {len(results)} videos could not be judged", file=sys.stderr)
    absent = [name for name in options.require if name not in rows]
    short = tally.shortfalls(rows, {name: share for name, share in options.require.items() if name in rows})
    short += [f"{name} was judged in no video, and is required" for name in absent]
    for message in short:
        print(f"judge_demo: {message}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")
    sys.stderr.reconfigure(errors="replace")
    sys.exit(main())
