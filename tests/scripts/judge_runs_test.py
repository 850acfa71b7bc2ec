# judge_demo.py as a person calls it: runs and lists, tables and JSON, what is missing or damaged, exit codes.
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

from world_clips import SCRIPTS, Example, write_mp4, write_run

PROGRAM = os.environ.get("CAUSEWAY_PROGRAM")
CHECKPOINT = os.environ.get("CAUSEWAY_CHECKPOINT")


def judge(*arguments, path=None):
    environment = dict(os.environ, **({"PATH": path} if path is not None else {}))
    return subprocess.run([sys.executable, str(SCRIPTS / "judge_demo.py"), *map(str, arguments)], timeout=300,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False)


class InFolder(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="causeway-judge-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def expect(self, answer, code, *words):
        self.assertEqual(answer.returncode, code, answer.stdout + answer.stderr)
        for word in words:
            self.assertIn(word, answer.stdout + answer.stderr)
        self.assertNotIn("Traceback", answer.stderr)

    def read(self, name):
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


class Runs(InFolder):
    def test_a_whole_run_is_right_and_told_by_table_and_json(self):
        samples = [(f"id{seed}", Example(seed).prompt, Example(seed).clip(), told_by)
                   for seed, told_by in ((1, "hdf5"), (2, "mp4"), (3, "hdf5"))]
        write_run(self.folder / "run", samples)
        answer = judge(self.folder / "run", "--json", self.folder / "a.json", "--require", "all=1,size=0.9")
        self.expect(answer, 0, "right  id1", "95 % interval", "100.0 %", "43.9 … 100.0 %")   # Wilson, 3 of 3
        content = self.read("a.json")
        self.assertEqual([video["name"] for video in content["videos"]], ["id1", "id2", "id3"])
        self.assertEqual([video["prompt"] for video in content["videos"]], [sample[1] for sample in samples])
        self.assertEqual(content["summary"]["all"]["right"], 3)
        self.assertTrue(all(video["all"] for video in content["videos"]))

    def test_what_is_missing_damaged_or_of_another_world_is_named_and_wrong(self):
        clips = {seed: Example(seed) for seed in range(1, 6)}
        samples = [(f"id{seed}", each.prompt, each.clip(), "hdf5") for seed, each in clips.items()]
        samples[2] = ("id3", "a fox in the snow", clips[3].clip(), "mp4")
        samples[3] = ("id4", '[[0, "a red circle grows"], [2, "on a grey background"]]', clips[4].clip(), "hdf5")
        samples.append(("id6", "", clips[1].clip(), "nothing"))
        write_run(self.folder / "run", samples, failures=[("id7", "the disk is full")], not_begun=2)
        videos = self.folder / "run" / "samples" / "0000"
        (videos / "id1.mp4").unlink()
        content = (videos / "id2.mp4").read_bytes()
        (videos / "id2.mp4").write_bytes(content[:len(content) // 2])
        answer = judge(self.folder / "run", "--json", self.folder / "a.json")
        self.expect(answer, 0, "8 of 9 videos could not be judged", "causeway generate",
                    "id7 counts as wrong: was not made: the disk is full", "(not begun 2) counts as wrong")
        problems = {video["name"]: video["problem"] for video in self.read("a.json")["videos"]}
        for name, words in (("id1", "is missing"), ("id2", "damaged"), ("id3", "no background"), ("id5", ""),
                            ("id4", "several prompts"), ("id6", "prompt is unknown")):
            self.assertIn(words, problems[name])
        summary = self.read("a.json")["summary"]
        self.assertEqual((summary["all"]["right"], summary["all"]["of"]), (1, 9))
        self.assertEqual(summary["background"]["of"], 9)
        self.assertGreaterEqual(summary["colour"]["of"], 9)
        self.expect(judge(self.folder / "run", "--require", "all=0.2"), 1, "all is right in 1 of 9 (11.1 %), 20 %")

    def test_a_file_without_its_line_in_the_journal_is_judged_too(self):
        example = Example(1)
        write_run(self.folder / "run", [("id1", example.prompt, example.clip(), "mp4")])
        (self.folder / "run" / "journal.jsonl").write_text('{"id": "id1", "ind', encoding="utf-8")
        self.expect(judge(self.folder / "run", "--require", "all=1"), 0, "right  id1")

    def test_a_video_of_another_length_or_rate_than_it_should_have_is_wrong(self):
        example = Example(1)
        write_run(self.folder / "run", [("id1", example.prompt, example.clip(), "hdf5"),
                                        ("id2", example.prompt, example.clip(), "hdf5")])
        write_mp4(self.folder / "run" / "samples" / "0000" / "id1.mp4", example.clip()[:21])
        write_mp4(self.folder / "run" / "samples" / "0000" / "id2.mp4", example.clip(), rate=24)
        self.expect(judge(self.folder / "run"), 0, "has 21 frames, the journal says 33", "24 frames a second")

    def test_what_is_no_finished_run_ends_with_code_3(self):
        self.expect(judge(self.folder / "nothing"), 3, "no such folder")
        self.expect(judge(self.folder), 3, "no finished run", "report.json")
        (self.folder / "report.json").write_text("{}", encoding="utf-8")
        self.expect(judge(self.folder), 3, "not a report of causeway")
        (self.folder / "report.json").write_text('{"samples": {"not_started": 0, "failures": []}}', encoding="utf-8")
        self.expect(judge(self.folder), 3, "journal.jsonl")
        (self.folder / "journal.jsonl").write_text("", encoding="utf-8")
        self.expect(judge(self.folder), 3, "holds no videos")

    def test_without_ffmpeg_nothing_is_judged_and_the_package_is_named(self):
        example = Example(1)
        write_run(self.folder / "run", [("id1", example.prompt, example.clip(), "hdf5")])
        self.expect(judge(self.folder / "run", path=str(self.folder)), 3, "apt-get install ffmpeg")


class Lists(InFolder):
    def write_list(self, *lines):
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        (self.folder / "list.jsonl").write_text(text, encoding="utf-8")
        return self.folder / "list.jsonl"

    def test_arrays_and_mp4s_are_judged_and_bad_ones_named(self):
        example, long = Example(1), Example(2, frames=97)
        np.save(self.folder / "a.npy", example.clip())
        np.save(self.folder / "half.npy", example.clip().astype(np.float16))
        np.save(self.folder / "long.npy", long.clip())
        write_mp4(self.folder / "b.mp4", example.clip())
        (self.folder / "c.mp4").write_bytes(b"no video")
        path = self.write_list({"video": "a.npy", "prompt": example.prompt, "id": "first"}, "",
                               *({"video": name, "prompt": example.prompt}
                                 for name in ("b.mp4", "c.mp4", "d.mp4", "half.npy")))
        self.expect(judge("--videos", path), 0, "right  first", "right  b.mp4", "3 of 5 videos could not be judged",
                    "c.mp4' is not a video", "d.mp4' is missing", "float16")
        path = self.write_list({"video": "long.npy", "prompt": long.prompt})
        self.expect(judge("--videos", path, "--beyond", 32, "--require", "all=1,shape=1"), 0,
                    "Only the frames after frame 32 were judged", "count, colour and shape")
        self.expect(judge("--videos", path, "--beyond", 90), 0, "6 frames after frame 90")

    def test_a_wrong_video_says_what_is_seen_instead(self):
        example = Example(4)
        np.save(self.folder / "a.npy", example.clip())
        path = self.write_list({"video": "a.npy", "prompt": "a cyan rectangle circles around on a pink background"})
        answer = judge("--videos", path, "--require", "all=0.5,count=0")
        self.expect(answer, 1, "WRONG  a.npy", "cyan", "all is right in 0 of 1")

    def test_a_list_that_cannot_be_read_ends_with_code_3_and_the_line(self):
        self.expect(judge("--videos", self.folder / "no.jsonl"), 3, "no.jsonl")
        self.expect(judge("--videos", self.write_list("", "")), 3, "is empty")
        for line in ("not json", "[]", '{"video": "a.mp4"}', '{"video": 1, "prompt": "x"}'):
            self.expect(judge("--videos", self.write_list({"video": "a", "prompt": "b"}, line)), 3, "list.jsonl:2")

    def test_a_wrong_command_line_ends_with_code_2(self):
        for arguments, words in (([], "--videos"), (["a", "--videos", "b"], "either"),
                                 (["a", "--beyond", "x"], "--beyond"), (["a", "--beyond", "-1"], "--beyond is -1"),
                                 (["a", "--require", "all"], "NAME=SHARE"), (["a", "--require", "all=2"], "0 to 1"),
                                 (["a", "--require", "look=0.5"], "background"),
                                 (["a", "--beyond", "9", "--require", "motion=1"], "motion")):
            self.expect(judge(*arguments), 2, words)
        self.expect(judge("--help"), 0, "Exit codes", "--require", "--beyond")

    def test_json_that_cannot_be_written_ends_with_code_6(self):
        np.save(self.folder / "a.npy", Example(1).clip())
        path = self.write_list({"video": "a.npy", "prompt": Example(1).prompt})
        self.expect(judge("--videos", path, "--json", self.folder / "no" / "a.json"), 6, "no/a.json")


@unittest.skipUnless(PROGRAM and CHECKPOINT, "CAUSEWAY_PROGRAM and CAUSEWAY_CHECKPOINT are not set")
class OfCauseway(InFolder):
    """A run of the program itself. Its weights are random: every video is readable, none is right."""

    def test_a_run_of_the_program_is_read_whole(self):
        prompts = [Example(seed).prompt for seed in range(3)]
        (self.folder / "prompts.txt").write_text("\n".join(prompts), encoding="utf-8")
        (self.folder / "run.yaml").write_text(
            f"model: {{path: {CHECKPOINT}, precision: fp32}}\nvideo: {{height: 128, width: 128, frames: 9}}\n",
            encoding="utf-8")
        for saved in ("true", "false"):   # the prompt from HDF5, then from the MP4
            run = self.folder / f"latents_{saved}"
            made = subprocess.run([PROGRAM, "generate", self.folder / "run.yaml", "--prompts",
                                   self.folder / "prompts.txt", "--out", run, "--set", f"latents.save={saved}"],
                                  capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False)
            self.assertEqual(made.returncode, 0, made.stderr)
            self.expect(judge(run, "--json", self.folder / "a.json"), 0, "95 % interval")
            videos = self.read("a.json")["videos"]
            self.assertEqual([video["prompt"] for video in videos], prompts)
            self.assertEqual({video["problem"] for video in videos}, {""})
            self.assertFalse(any(video["all"] for video in videos))
            sheet = subprocess.run([sys.executable, str(SCRIPTS / "contact_sheet.py"), run, self.folder / "sheet.png"],
                                   capture_output=True, text=True, timeout=300, check=False)
            self.expect(sheet, 0, "3 of 3 videos")


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
