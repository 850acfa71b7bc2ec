# The judge's own error: right on whole clips of the world, refusing on broken ones.
#
#   judge_test.py Accuracy Broken                   a few of each kind
#   CAUSEWAY_JUDGE_SCENES=480 judge_test.py …       as many scenes; CTest's `judge.slow`
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

import world_clips
from world_clips import Example, soft, world, write_mp4

from judging import judge_clip
from judging.runs import Video, load_video
from judging.verdicts import holds

SCENES = int(os.environ.get("CAUSEWAY_JUDGE_SCENES", "12"))   # of each main condition
GOAL = 0.99           # with few scenes: all of them


class Counted(unittest.TestCase):
    def check(self, what, flags, failures):
        """At least GOAL of the flags are true (with few: all)."""
        share = sum(flags) / len(flags)
        print(f"  {what}: {sum(flags)} of {len(flags)} ({100 * share:.2f} %)", flush=True)
        self.assertGreaterEqual(share, GOAL, f"{what}: " + "\n".join(failures[:10]))


class Accuracy(Counted):
    def judge(self, what, count, make, frames=33, beyond=None):
        right, sizes, failures = [], [], []
        for seed in range(count):
            example = Example(seed, frames)
            result = judge_clip(make(example, seed), example.prompt, beyond)
            right.append(result["all"])
            if result["verdicts"]["size"] is not None:
                sizes.append(result["verdicts"]["size"])
            if not result["all"]:
                failures.append(f"seed {seed}: {example.prompt}: {json.dumps(result)[:600]}")
        self.check(what, right, failures)
        if sizes:
            self.check(f"{what}, size", sizes, failures)

    def test_whole_clips_are_right(self):
        self.judge("as drawn", SCENES, lambda example, _: example.clip())

    def test_blurred_and_noisy_clips_are_right(self):
        self.judge("blur 1 px, noise 3", SCENES, lambda example, seed: soft(example.clip(), seed))

    def test_clips_that_went_through_an_mp4_are_right(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"

            def through(clip):
                write_mp4(path, clip)
                frames, rate = load_video(Video("clip", "", path))
                self.assertEqual((frames.shape, rate), (clip.shape, world.FRAMES_PER_SECOND))
                return frames
            self.judge("MP4, crf 18", max(4, SCENES // 3), lambda example, _: through(example.clip()))
            self.judge("blur, noise, MP4", max(4, SCENES // 6),
                       lambda example, seed: through(soft(example.clip(), seed)))

    def test_a_wobble_of_a_pixel_is_allowed(self):
        def wobbling(example, seed):
            generator = np.random.default_rng(seed)
            clip = soft(example.clip(), seed)
            return np.stack([np.roll(frame, tuple(generator.integers(-1, 2, 2)), (0, 1)) for frame in clip])
        self.judge("blur, noise, wobble of 1 px", max(4, SCENES // 3), wobbling)

    def test_short_and_long_clips_are_right(self):
        for frames in (9, 21, 97):
            self.judge(f"{frames} frames", max(4, SCENES // 4),
                       lambda example, seed: soft(example.clip(), seed), frames)
        self.judge("97 frames, beyond 32", max(4, SCENES // 8), lambda example, _: example.clip(), 97, 32)


class Broken(Counted):
    def test_each_kind_of_broken_clip_is_refused_in_what_is_broken_and_only_there(self):
        for breakage in world_clips.BREAKAGES:
            with self.subTest(breakage.__name__):
                self.refused(breakage, max(4, SCENES // 4))

    def refused(self, breakage, wanted):
        refused, kept, failures, seed = [], [], [], 0
        while len(refused) < wanted:
            seed += 1
            self.assertLess(seed, 100 * wanted, f"{breakage.__name__} applies too seldom")
            example = Example(10_000 + seed)
            made = breakage(example)
            if made is None:
                continue
            clip, prompt, broken, right = made
            # Every other one as a decoder would give it.
            result = judge_clip(soft(clip, seed) if seed % 2 else clip, prompt)
            verdicts = result["verdicts"]
            refused.append(not result["all"] and not any(verdicts[name] for name in broken))
            kept.append(all(verdicts[name] for name in right))
            if not (refused[-1] and kept[-1]):
                failures.append(f"seed {seed}: {prompt}: {json.dumps(result)[:700]}")
        name = breakage.__name__.replace("_", " ")
        self.check(f"{name}: refused", refused, failures)
        self.check(f"{name}: the rest right", kept, failures)

    def test_of_a_long_clip_only_what_comes_after_is_judged_with_beyond(self):
        example = Example(2, frames=97)
        clip = example.clip()
        clip[:20] = 0
        self.assertFalse(judge_clip(clip, example.prompt)["all"])
        result = judge_clip(clip, example.prompt, beyond=32)
        self.assertTrue(result["all"])
        self.assertIsNone(result["verdicts"]["motion"])
        self.assertEqual(len(result["counts"]), 64)
        clip[60:] = example.clip(example.with_thing(shape=example.choose(
            set(world.SHAPES) - {example.objects[0][0]})))[60:]
        verdicts = judge_clip(clip, example.prompt, beyond=32)["verdicts"]
        self.assertEqual((verdicts["count"], verdicts["colour"], verdicts["shape"]), (True, True, False))


class Rules(unittest.TestCase):
    def test_something_holds_that_lapses_for_a_blink_only(self):
        for flags, expected in (("1111111111", True), ("1110111111", True), ("1110011111", False), ("", False),
                                ("1" * 20 + "00" + "1" * 11, True), ("1" * 20 + "000" + "1" * 10, False),
                                ("1" * 29 + "0000", False),
                                ("0" + "1" * 15 + "0" + "1" * 15 + "0", True), ("10" * 16, False)):
            self.assertEqual(holds([flag == "1" for flag in flags]), expected, flags)

    def test_what_is_no_clip_of_the_world_is_an_error_that_says_so(self):
        prompt = "a red circle rests on a grey background"
        for frames, words in ((np.zeros((8, 128, 128, 3), np.uint8), "8 frames; at least 9"),
                              (np.zeros((9, 64, 64, 3), np.uint8), "64"),
                              (np.zeros((9, 128, 128, 3), np.float32), "float32")):
            with self.assertRaisesRegex(ValueError, words):
                judge_clip(frames, prompt)
        with self.assertRaisesRegex(ValueError, "after frame 30"):
            judge_clip(np.zeros((33, 128, 128, 3), np.uint8), prompt, beyond=30)
        with self.assertRaisesRegex(ValueError, "no background"):
            judge_clip(np.zeros((9, 128, 128, 3), np.uint8), "a fox in the snow")

    def test_verdicts_are_values_that_json_can_hold(self):
        example = Example(1)
        result = judge_clip(example.clip(), example.prompt)
        self.assertEqual(json.loads(json.dumps(result)), result)
        thing = result["objects"][0]
        self.assertEqual(set(thing["verdicts"]), {"colour", "shape", "motion", "size"})
        self.assertEqual(thing["lost_frames"], 0)
        self.assertLess(thing["colour_drift"], 2.0)
        self.assertGreater(thing["overlap"], 0.9)


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
