# The training from its first to its last step at tiny sizes, each as a person calls it; and what the program makes of it.
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import train_demo_support as support
from train_demo_support import SCRIPTS, TINY, step

support.need()
import torch  # noqa: E402

import numpy as np  # noqa: E402
from train_demo.export import export  # noqa: E402
from train_demo.latents import (FIRST_SEEDS, LONG_FRAMES, PIXEL_FRAMES, Latents, clip_tensor,  # noqa: E402
                                load_vae)
from train_demo.prompts import training_example  # noqa: E402
from train_demo.training import load_checkpoint, save_checkpoint  # noqa: E402
from train_demo.vae import encode  # noqa: E402
from train_demo.world import attribute_map, render  # noqa: E402

VAE_STEPS, TEACHER_STEPS = 75, 60
SETTINGS = [
    "compile=false",
    "vae.warm_up=5", "latents.pictures=16", "latents.clips=8", "latents.long=3", "latents.batch=2",
    f"vae.phases=[{{name: pictures, steps: {VAE_STEPS}, batch: 4, frames: 1, crop: 32, rate: 3.0e-3}},"
    " {name: clips, steps: 2, batch: 1, frames: 9, crop: 32, rate: 5.0e-4}]",
    "teacher.warm_up=5",
    f"teacher.phases=[{{name: pictures, from: pictures, steps: {TEACHER_STEPS}, batch: 8, copies: 1, frames: 1,"
    " chunks: 1, rate: 3.0e-3}, {name: clips, from: clips, steps: 4, batch: 2, copies: 2, chunks: 3,"
    " rate: 1.0e-3, moved: 0.5, own_history: 0.5, history_noise: 0.3, shift: 3.0}]",
    "student.warm_up=2", "student.grid=8", "student.guidance=1.5",
    "student.phases=[{name: openings, from: clips, steps: 20, batch: 2, chunks: 1, rate: 3.0e-4},"
    " {name: clips, from: clips, steps: 2, batch: 1, chunks: 3, rate: 1.0e-4, moved: 0.5,"
    " own_history: 1.0}, {name: outlines, from: clips, steps: 2, batch: 1, copies: 2, chunks: 3, rate: 1.0e-4,"
    " consistency: false, used_share: 1.0, object_weight: 4.0}, {name: long, from: clips, steps: 4, batch: 1, chunks: 3,"
    " rate: 1.0e-4, long: 0.5, own_history: 0.5, consistency: false, used_share: 1.0, odds: [2, 1, 2, 3],"
    " own_input: 0.5}]",
]
PROMPT = "a red circle moves left over a grey background"

# A step that keeps its state after every update, so that it can be killed anywhere.
EAGER = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from train_demo import __main__ as program, training
training.SAVE_SECONDS = -1.0
program.main()
"""


def run(name, out, *arguments):
    return step(name, out, *arguments, overrides=SETTINGS)


def log_of(out, name, phase):
    lines = [json.loads(line) for line in (out / f"log_{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line.get("phase") == phase]


def start_and_kill(name, out, updates):
    """Runs a step until its checkpoint holds so many updates of the first phase; then kills it.

    Returns the number of updates that the checkpoint holds.
    """
    command = [sys.executable, "-W", "ignore", "-c", EAGER, str(SCRIPTS), name, "--out", str(out)]
    for override in TINY + SETTINGS:
        command += ["--set", override]
    done, deadline = None, time.monotonic() + 300
    with open(out / f"{name}.log", "wb") as log:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
            while not done or done["step"] < updates:
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    raise AssertionError("it ended before it could be killed: "
                                         + (out / f"{name}.log").read_text(errors="replace"))
                time.sleep(0.02)
                done = load_checkpoint(out / f"{name}.pt")
                assert not done or done["phase"] == 0, "the first phase was over before it could be killed"
            process.kill()
    return load_checkpoint(out / f"{name}.pt")["step"]


def digests(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


class Steps(unittest.TestCase):
    """The tests run in the order of their names; each goes on from what the one before left."""

    @classmethod
    def setUpClass(cls):
        cls.out = Path(tempfile.mkdtemp(prefix="causeway-train-"))
        cls.addClassCleanup(shutil.rmtree, cls.out)

    def test_1_the_vae_learns_and_a_killed_training_goes_on_where_it_was(self):
        done = start_and_kill("vae", self.out, 26)
        run("vae", self.out)
        lines = log_of(self.out, "vae", "pictures")
        # The line of step 25 was written before the kill; a training begun anew would write it again.
        self.assertEqual([line["step"] for line in lines].count(25), 1, f"killed after {done} updates: {lines}")
        self.assertEqual(lines[-1]["step"], VAE_STEPS)
        self.assertLess(lines[-1]["loss"], 0.9 * lines[0]["loss"])
        self.assertEqual(load_checkpoint(self.out / "vae.pt")["phase"], 2)
        before = (self.out / "vae.pt").stat().st_mtime_ns
        logged = (self.out / "log_vae.jsonl").read_bytes()
        run("vae", self.out)
        self.assertEqual((self.out / "log_vae.jsonl").read_bytes(), logged, "a finished training learns no more")
        self.assertGreaterEqual((self.out / "vae.pt").stat().st_mtime_ns, before)

    def test_2_the_latents_are_those_of_the_clips_and_are_made_once(self):
        run("latents", self.out)
        first = digests(self.out)
        notes = json.loads((self.out / "latents.json").read_text(encoding="utf-8"))
        self.assertEqual((len(notes["mean"]), len(notes["std"])), (16, 16))
        run("latents", self.out)
        second = digests(self.out)
        for name in ("clips.npy", "long.npy", "pictures.npy", "latents.json"):
            self.assertEqual(first[name], second[name], name)
        # What a clip of three times the length shows at first, and at last.
        config, table = support.tiny_config(*SETTINGS), np.load(self.out / "long.npy")
        self.assertEqual(table.shape[:2], (3, 27))
        vae = load_vae(config, self.out)
        for frames in (PIXEL_FRAMES, LONG_FRAMES):
            clip = clip_tensor(render(training_example(FIRST_SEEDS["long"] + 2)[1], frames)[None])
            with torch.inference_mode():
                mean = encode(vae, clip)[0][0].transpose(0, 1).numpy()
            stored = table[2, :len(mean)].astype(np.float32)
            self.assertLess(np.abs(stored - mean).mean(), 0.02 * np.abs(mean).mean(), f"{frames} frames")

    def test_2b_batches_hold_the_chunks_that_were_asked_for(self):
        for kind, numbers in (("clips", [0, 1, 2]), ("long", [0, 6, 7, 8])):
            latents = Latents(self.out, kind)
            batch, sentences, attributes = latents.batch([2, 1], 3, numbers)
            self.assertEqual((tuple(batch.shape), tuple(attributes.shape)),
                             ((2, len(numbers), 3, 16, 16, 16), (2, len(numbers), 3, 8, 8, 4)))
            sentence, scene = training_example(FIRST_SEEDS[kind] + 1)
            self.assertEqual(sentences[1], sentence)
            last = 3 * numbers[-1] + 2
            raw = torch.from_numpy(latents.table[1][last].astype(np.float32))
            self.assertTrue(torch.equal(batch[1, -1, -1], ((raw - latents.mean) / latents.std)))
            self.assertTrue(np.array_equal(attributes[1, -1, -1], attribute_map(scene, [4 * last], 8)[0]))


    def test_3_the_teacher_learns_and_a_killed_training_goes_on_where_it_was(self):
        start_and_kill("teacher", self.out, 5)
        run("teacher", self.out)
        done = load_checkpoint(self.out / "teacher.pt")
        # The average counts its updates over all calls: as many as there are steps, none of them twice.
        self.assertEqual((done["count"], done["phase"]), (TEACHER_STEPS + 4, 2))
        lines = log_of(self.out, "teacher", "pictures")
        self.assertEqual(lines[-1]["step"], TEACHER_STEPS)
        self.assertLess(lines[-1]["loss"], 0.9 * lines[0]["loss"])

    def test_4_the_student_is_distilled_from_the_teacher(self):
        run("student", self.out)
        teacher, student = (load_checkpoint(self.out / f"{name}.pt") for name in ("teacher", "student"))
        self.assertEqual((student["count"], student["phase"]), (28, 4))
        for weights in student["ema"].values():
            self.assertTrue(torch.isfinite(weights).all())
        changed = [name for name, weights in student["ema"].items() if not torch.equal(weights, teacher["ema"][name])]
        self.assertTrue(changed)
        self.assertFalse([name for name in changed if name.startswith("text_encoder.")])

    def test_5_an_exported_checkpoint_has_the_same_bytes_again_and_spares_other_files(self):
        folder = self.out / "model"
        run("export", self.out, "--to", folder)
        first = digests(folder)
        (folder / "README.md").write_text("a card\n", encoding="utf-8")
        run("export", self.out, "--to", folder)
        self.assertEqual((folder / "README.md").read_text(encoding="utf-8"), "a card\n")
        (folder / "README.md").unlink()
        self.assertEqual(digests(folder), first)
        with self.assertRaisesRegex(AssertionError, "no checkpoint"):
            run("export", self.out, "--to", SCRIPTS)
        diverged = load_checkpoint(self.out / "student.pt")
        diverged["ema"]["transformer.proj_out.weight"][0, 0] = float("nan")
        save_checkpoint(self.out / "diverged.pt", **diverged)
        with self.assertRaisesRegex(SystemExit, "proj_out.weight .*diverged"):
            export(support.tiny_config(*SETTINGS), self.out, self.out / "model", "diverged")
        self.assertEqual(digests(folder), first)

    def test_6_evaluating_judges_each_video_and_measures_the_vae(self):
        kept = self.out / "kept"
        for options in (["--count", 3, "--batch", 2, "--keep", kept],
                        ["--model", "teacher", "--steps", 2, "--guidance", 1.5, "--count", 1],
                        ["--folder", self.out / "model", "--count", 1, "--chunks", 4, "--window", 7, "--sink", 1,
                         "--beyond", 32]):
            text = run("evaluate", self.out, "--json", self.out / "verdicts.json", *options)
            self.assertIn("colour", text)
            verdicts = json.loads((self.out / "verdicts.json").read_text(encoding="utf-8"))
            count = options[options.index("--count") + 1]
            self.assertEqual((len(verdicts["videos"]), verdicts["summary"]["all"]["of"]), (count, count))
        entries = [json.loads(line) for line in (kept / "videos.jsonl").read_text(encoding="utf-8").splitlines()]
        self.assertEqual(len(entries), 3)
        self.assertTrue(all((kept / entry["video"]).is_file() for entry in entries))
        figures = run("evaluate", self.out, "--vae", "--count", 2)
        self.assertRegex(figures, r"2 held-out clips: PSNR \d+\.\d+ dB")

    def test_7_the_program_makes_a_video_from_the_exported_checkpoint(self):
        if "CAUSEWAY_PROGRAM" not in os.environ:
            self.skipTest("CAUSEWAY_PROGRAM names no program")
        config, prompts = self.out / "run.yaml", self.out / "prompts.txt"
        config.write_text(f"model: {{path: {self.out / 'model'}, precision: fp32}}\n"
                          "video: {height: 128, width: 128, frames: 33}\n", encoding="utf-8")
        prompts.write_text(PROMPT + "\n", encoding="utf-8")
        self.assertIn("in order", support.generate(config, prompts, self.out / "run", "--dry-run"))
        support.generate(config, prompts, self.out / "run")
        self.assertEqual(len(list((self.out / "run/samples/0000").glob("*.mp4"))), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
