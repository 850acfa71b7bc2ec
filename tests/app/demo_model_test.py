# The shipped demo model: the laws of distribution and completion on a real model, and videos that show their prompts.
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py

PROGRAM = os.environ["CAUSEWAY_PROGRAM"]
SOURCE = os.environ["CAUSEWAY_SOURCE"]
MPIEXEC = os.environ["CAUSEWAY_MPIEXEC"]
CONFIG = os.path.join(SOURCE, "configs", "runs", "demo.yaml")

sys.path.insert(0, os.path.join(SOURCE, "scripts"))
from judging.runs import load_video, read_run  # noqa: E402
from judging.verdicts import judge_clip  # noqa: E402

PROMPTS = ("a red circle moves left over a grey background\n"
           "on a white background, a large blue square stays still\n"
           "a small green triangle falls downwards on a black background\n"
           "an orange rectangle grows and a purple circle slides to the right in front of a pink wall\n")


def command(out, prompts, ranks, *extra):
    return [MPIEXEC, "-n", str(ranks), PROGRAM, "generate", CONFIG, "--prompts", prompts, "--out", out, *extra]


def results_of(folder):
    """{id: (bytes of the latents, bytes of the MP4)} of a run."""
    found = {}
    for path in glob.glob(os.path.join(folder, "samples", "*", "[!.]*.h5")):
        with h5py.File(path) as file, open(path[:-3] + ".mp4", "rb") as video:
            found[os.path.basename(path)[:-3]] = (file["latents"][...].tobytes(), video.read())
    return found


def ids_in_journal(folder):
    """Ids of the samples that a run has finished; a line that a kill cut short is none."""
    with open(os.path.join(folder, "journal.jsonl")) as file:
        return [json.loads(line)["id"] for line in file if line.endswith("\n")]


def kill_all_that_name(folder):
    """SIGKILL to mpirun and to its ranks, which are in process groups of their own."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/cmdline", "rb") as file:
                named = folder.encode() in file.read().split(b"\0")
            if named:
                os.kill(int(process), signal.SIGKILL)
        except OSError:   # it has ended meanwhile, or is somebody else's
            continue


class DemoModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="causeway-demo-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.prompts = os.path.join(cls.folder, "prompts.txt")
        with open(cls.prompts, "w") as file:
            file.write(PROMPTS)
        cls.alone = cls.make("alone", 1)

    @classmethod
    def make(cls, name, ranks, *extra):
        out = os.path.join(cls.folder, name)
        result = subprocess.run(command(out, cls.prompts, ranks, *extra), capture_output=True, text=True,
                                timeout=600, stdin=subprocess.DEVNULL)
        if result.returncode:
            raise AssertionError(result.stdout + result.stderr)
        return out

    def test_every_number_of_ranks_and_groups_makes_the_same_bits(self):
        reference = results_of(self.alone)
        self.assertEqual(len(reference), 4)
        for ranks, group_size in [(2, 2), (3, 3), (4, 4), (6, 6), (2, 1), (4, 2)]:
            with self.subTest(ranks=ranks, group_size=group_size):
                out = self.make(f"on{ranks}by{group_size}", ranks, "--set", f"parallel.group_size={group_size}")
                self.assertEqual(results_of(out), reference)

    def test_a_run_killed_between_two_videos_goes_on_and_ends_with_the_same_bits(self):
        out = os.path.join(self.folder, "killed")
        with subprocess.Popen(command(out, self.prompts, 2), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True) as run:
            journal, deadline = os.path.join(out, "journal.jsonl"), time.monotonic() + 300
            while not (os.path.exists(journal) and os.path.getsize(journal)):
                self.assertLess(time.monotonic(), deadline, "no video within five minutes")
                self.assertIsNone(run.poll(), "the run ended before it could be killed")
                time.sleep(0.01)
            kill_all_that_name(out)
            run.wait(timeout=60)
        # Only what the journal names is finished: the kill may leave the latents of one more without its video.
        before = ids_in_journal(out)
        self.assertTrue(0 < len(before) < 4, f"{len(before)} videos when it was killed")
        self.make("killed", 3)
        self.assertEqual(results_of(out), results_of(self.alone))
        ids = ids_in_journal(out)
        self.assertEqual(sorted(ids), sorted(set(ids)))

    def test_videos_show_what_the_prompts_say(self):
        videos = read_run(self.alone)
        verdicts = [judge_clip(load_video(video)[0], video.prompt) for video in videos]
        self.assertEqual(len(verdicts), 4)
        wrong = [f"{video.prompt}: {verdict['verdicts']}" for video, verdict in zip(videos, verdicts)
                 if not (verdict["verdicts"]["colour"] and verdict["verdicts"]["count"]
                         and verdict["verdicts"]["background"])]
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(sum(verdict["all"] for verdict in verdicts), 3,
                                [verdict["verdicts"] for verdict in verdicts])


if __name__ == "__main__":
    unittest.main(verbosity=2)
