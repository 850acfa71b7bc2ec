# `causeway bench` on the demo model: counts that must be exact, and that nothing but its file is written.
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM, MPIEXEC = os.environ["CAUSEWAY_PROGRAM"], os.environ["CAUSEWAY_MPIEXEC"]
SOURCE = Path(os.environ["CAUSEWAY_SOURCE"])
FRAME_TOKENS = 8 * 8     # of a latent frame of 16 x 16, patches of 2 x 2


class Bench(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="causeway-bench-")
        self.addCleanup(self.folder.cleanup)
        self.json = Path(self.folder.name) / "bench.json"

    def bench(self, ranks, *arguments):
        return subprocess.run([MPIEXEC, "-n", str(ranks), PROGRAM, "bench", str(SOURCE / "configs/runs/demo.yaml"),
                               *arguments], cwd=self.folder.name, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=600, check=False)

    def test_every_chunk_of_every_video_is_counted(self):
        answer = self.bench(2, "--set", "parallel.group_size=2", "--videos", "2", "--json", str(self.json),
                            "--show-placement")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("frames per second", answer.stdout)
        self.assertRegex(answer.stdout, r"(?m)^   1 +\S+ +0 +1 +\d+ +cpu$")
        told = json.loads(self.json.read_text(encoding="utf-8"))
        self.assertEqual((told["group_size"], told["groups"], len(told["places"]), len(told["videos"])), (2, 1, 2, 2))
        for video in told["videos"]:
            self.assertEqual([chunk["keys"] for chunk in video["chunks"]], [3 * k * FRAME_TOKENS for k in (1, 2, 3)])
            self.assertEqual(video["passes"], 3 * 4 + 2)     # the last chunk needs no refresh
            self.assertEqual(video["chunks"][2]["refresh"], 0)
            self.assertGreater(video["exchanged_bytes"], 0)
            work = sum(chunk[part] for chunk in video["chunks"] for part in ("denoise", "refresh", "decode"))
            self.assertLess(work, video["seconds"])
            self.assertLess(video["first_frame"], video["seconds"])
            for chunk in video["chunks"]:
                self.assertLessEqual(chunk["exchange"], chunk["denoise"] + chunk["refresh"])
        self.assertAlmostEqual(told["frames_per_second"],
                               2 * 33 / sum(video["seconds"] for video in told["videos"]), delta=1e-3)
        self.assertEqual([path.name for path in Path(self.folder.name).iterdir()], ["bench.json"])

    def test_groups_work_side_by_side_and_a_window_bounds_the_keys(self):
        answer = self.bench(2, "--set", "parallel.group_size=1", "--set", "rollout.window_frames=6", "--set",
                            "encoding.save=false", "--videos", "1", "--json", str(self.json))
        self.assertEqual(answer.returncode, 0, answer.stderr)
        told = json.loads(self.json.read_text(encoding="utf-8"))
        self.assertEqual((told["group_size"], told["groups"]), (1, 2))
        video = told["videos"][0]
        self.assertEqual([chunk["keys"] for chunk in video["chunks"]], [3 * k * FRAME_TOKENS for k in (1, 2, 2)])
        self.assertEqual(video["exchanged_bytes"], 0)
        self.assertAlmostEqual(told["frames_per_second"], 2 * 33 / video["seconds"], delta=1e-6)

    def test_what_is_missing_is_told_with_the_right_code(self):
        for arguments, code, words in ((["--set", "model.path=/no/such/model"], 3, "/no/such/model"),
                                       (["--set", "video.frames=34"], 2, "video.frames: 34"),
                                       (["--json", "/no/such/folder/x.json", "--videos", "1"], 6, "/no/such/folder")):
            answer = self.bench(1, *arguments)
            self.assertEqual(answer.returncode, code, answer.stderr)
            self.assertIn(words, answer.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
