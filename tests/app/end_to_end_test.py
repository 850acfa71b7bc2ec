# The program as a user meets it: runs on several ranks, what they leave on disk, and how bad input ends.
import fcntl
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

PROGRAM = os.environ["CAUSEWAY_PROGRAM"]
SOURCE = os.environ["CAUSEWAY_SOURCE"]
MPIEXEC = os.environ["CAUSEWAY_MPIEXEC"]
CHECKPOINT = os.environ["CAUSEWAY_CHECKPOINT"]

SMALL = ["--set", "video.height=32", "--set", "video.width=48", "--set", "video.frames=21"]


def run(arguments, ranks=None, timeout=300):
    """Runs the program; ranks=None means alone, without a launcher."""
    command = [PROGRAM] + [str(a) for a in arguments]
    if ranks is not None:
        command = [MPIEXEC, "-n", str(ranks)] + command
    # These tests are of the CPU backend, and of what is said where there is no GPU.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                          env=environment)


def latents_of(folder):
    """{id: numpy array} of a run."""
    found = {}
    for path in glob.glob(os.path.join(folder, "samples", "*", "*.h5")):
        with h5py.File(path) as file:
            name = os.path.basename(path)[:-3]
            assert name not in found, name
            found[name] = file["latents"][...]
    return found


class EndToEnd(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="causeway-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.config = self.write("run.yaml", f"model: {{path: {CHECKPOINT}, precision: fp32}}\n")
        self.prompts = self.write("prompts.txt", "a red ball\na blue cube\n\na red ball\ncafé at night\n")

    def write(self, name, text, mode="w"):
        path = os.path.join(self.folder, name)
        with open(path, mode) as file:
            file.write(text)
        return path

    def out(self, name):
        return os.path.join(self.folder, name)

    def generate(self, out, *extra, ranks=None, prompts=None, config=None):
        return run(["generate", config or self.config, "--prompts", prompts or self.prompts, "--out", self.out(out),
                    *SMALL, *extra], ranks=ranks)

    def expect(self, result, code, *fragments):
        text = result.stdout + result.stderr
        self.assertEqual(result.returncode, code, text)
        for fragment in fragments:
            self.assertIn(fragment, text)


class Distribution(EndToEnd):
    """The law of distribution: the same bits on every number of ranks and job groups."""

    def check(self, precision):
        setting = ("--set", f"model.precision={precision}")
        self.expect(self.generate("alone", *setting), 0)
        reference = latents_of(self.out("alone"))
        self.assertEqual(len(reference), 4)
        for ranks, group_size in [(2, 2), (3, 3), (4, 4), (5, 5), (8, 8), (2, 1), (3, 1), (4, 2), (6, 2)]:
            name = f"on{ranks}by{group_size}"
            result = self.generate(name, *setting, "--set", f"parallel.group_size={group_size}", ranks=ranks)
            self.expect(result, 0)
            latents = latents_of(self.out(name))
            self.assertEqual(latents.keys(), reference.keys())
            for key, values in latents.items():
                self.assertTrue(np.isfinite(values).all())
                self.assertEqual(values.tobytes(), reference[key].tobytes(), f"{key} on {name}")
            for path in glob.glob(os.path.join(self.out(name), "samples", "*", "*.mp4")):
                with open(path, "rb") as file, open(path.replace(name, "alone"), "rb") as other:
                    self.assertEqual(file.read(), other.read(), path)

    def test_fp32_latents_and_videos_have_the_same_bits(self):
        self.check("fp32")

    def test_bf16_latents_and_videos_have_the_same_bits(self):
        self.check("bf16")


class FiftyPrompts(EndToEnd):
    def test_two_groups_of_two_make_every_prompt_once_with_the_bits_of_one_rank(self):
        prompts = self.write("fifty.txt", "".join(f"prompt number {i % 48}\n" for i in range(50)))
        self.expect(self.generate("one", prompts=prompts), 0)
        self.expect(self.generate("four", "--set", "parallel.group_size=2", prompts=prompts, ranks=4), 0)
        one, four = latents_of(self.out("one")), latents_of(self.out("four"))
        self.assertEqual(len(four), 50)
        self.assertEqual(one.keys(), four.keys())
        for key in one:
            self.assertEqual(one[key].tobytes(), four[key].tobytes())
        with open(os.path.join(self.out("four"), "journal.jsonl")) as journal:
            ids = [json.loads(line)["id"] for line in journal]
        self.assertEqual(sorted(ids), sorted(four.keys()))
        with open(os.path.join(self.out("four"), "report.json")) as file:
            report = json.load(file)
        self.assertEqual(report["samples"]["done"], 50)
        self.assertEqual(report["groups"], 2)
        self.assertEqual({rank["group"] for rank in report["per_rank"] if rank["videos"] > 0}, {0, 1})
        self.assertGreater(report["bytes_exchanged"], 0)
        self.assertTrue(all(rank["within_memory_bound"] for rank in report["per_rank"]), report["per_rank"])


class Files(EndToEnd):
    def test_latents_say_where_they_come_from_and_the_video_has_the_right_form(self):
        self.expect(self.generate("run", "--limit", "2", "--set", "latents.type=bf16"), 0)
        paths = sorted(glob.glob(os.path.join(self.out("run"), "samples", "0000", "*.h5")))
        self.assertEqual(len(paths), 2)
        prompts = set()
        for path in paths:
            with h5py.File(path) as file:
                self.assertEqual(file["latents"].shape, (16, 6, 4, 6))
                self.assertEqual(file["latents"][...].dtype, np.float32)
                attributes = dict(file.attrs)
                self.assertEqual(attributes["id"], os.path.basename(path)[:-3])
                self.assertEqual(len(attributes["checkpoint_hash"]), 32)
                self.assertIn("denoising_steps", attributes["configuration"])
                self.assertEqual(attributes["precision"], "fp32")
                self.assertIn("first_frame", json.loads(attributes["timings"]))
                prompts.add(attributes["prompt"])
            probe = json.loads(subprocess.run(
                ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries",
                 "stream=nb_read_frames,width,height,pix_fmt,color_space,color_range,avg_frame_rate", "-of", "json",
                 path[:-3] + ".mp4"], capture_output=True, text=True, check=True).stdout)["streams"][0]
            self.assertEqual((probe["nb_read_frames"], probe["width"], probe["height"]), ("21", 48, 32))
            self.assertEqual((probe["pix_fmt"], probe["color_space"], probe["color_range"], probe["avg_frame_rate"]),
                             ("yuv420p", "bt709", "tv", "16/1"))
        self.assertEqual(prompts, {"a red ball", "a blue cube"})
        self.assertEqual(glob.glob(os.path.join(self.out("run"), "samples", "*", ".*")), [])

    def test_a_second_call_makes_only_what_is_missing(self):
        self.expect(self.generate("run"), 0)
        before = latents_of(self.out("run"))
        videos = sorted(glob.glob(os.path.join(self.out("run"), "samples", "*", "*.mp4")))
        os.remove(videos[0])
        stamps = {path: os.stat(path).st_mtime_ns for path in videos[1:]}
        self.expect(self.generate("run", ranks=2), 0, "1 done, 3 skipped")
        self.assertTrue(os.path.exists(videos[0]))
        self.assertEqual(stamps, {path: os.stat(path).st_mtime_ns for path in videos[1:]})
        after = latents_of(self.out("run"))
        for key in before:
            self.assertEqual(before[key].tobytes(), after[key].tobytes())
        self.expect(self.generate("run"), 0, "0 done, 4 skipped")
        self.expect(self.generate("run", "--set", "seed=5"), 2, "another configuration", "seed")

    def test_a_distinct_prompt_is_encoded_once_and_a_prompt_beyond_the_text_length_is_reported(self):
        prompts = self.write("long.txt", "short\n" + "word " * 600 + "\n" + "other\n" * 6 + "short\n")
        self.expect(self.generate("run", prompts=prompts), 0, "more tokens than the text encoder sees (512)", "9 done")
        with open(os.path.join(self.out("run"), "report.json")) as file:
            self.assertEqual(json.load(file)["per_rank"][0]["prompts_encoded"], 3)

    def test_an_id_whose_line_has_changed_and_a_folder_in_use_are_refused(self):
        first = self.write("ids.jsonl", '{"id": "a", "prompt": "a cat"}\n')
        self.expect(self.generate("run", prompts=first), 0, "1 done")
        # A line that a crash cut off harms neither its neighbours nor the next run.
        with open(os.path.join(self.out("run"), "journal.jsonl"), "a") as journal:
            journal.write('{"id": "b", "cont')
        changed = self.write("ids.jsonl", '{"id": "a", "prompt": "a dog"}\n')
        self.expect(self.generate("run", prompts=changed), 2, "'a'", "another line")
        more = self.write("ids.jsonl", '{"id": "a", "prompt": "a cat"}\n{"id": "b", "prompt": "a dog"}\n')
        with open(os.path.join(self.out("run"), "journal.jsonl")) as journal:
            fcntl.flock(journal, fcntl.LOCK_EX)
            self.expect(self.generate("run", prompts=more), 2, "another run is writing")
        self.expect(self.generate("run", prompts=more), 0, "1 done, 1 skipped")
        with open(os.path.join(self.out("run"), "journal.jsonl")) as journal:
            lines = journal.read().splitlines()
        self.assertEqual(json.loads(lines[-1])["id"], "b")

    def test_latents_alone_are_made_without_decoding(self):
        self.expect(self.generate("run", "--set", "encoding.save=false"), 0, "4 done", "84 of 4 videos")
        self.assertEqual(glob.glob(os.path.join(self.out("run"), "samples", "*", "*.mp4")), [])
        self.expect(self.generate("both"), 0)
        bare, both = latents_of(self.out("run")), latents_of(self.out("both"))
        for key in both:
            self.assertEqual(bare[key].tobytes(), both[key].tobytes())

    def test_a_video_goes_on_from_an_image_where_the_first_frame_stands_alone(self):
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=96x64:rate=1", "-frames:v", "1",
                        os.path.join(self.folder, "image.png")], check=True)
        prompts = self.write("image.jsonl", json.dumps({"id": "moving", "prompt": "a ball", "video": "image.png"}) + "\n")
        # One independent latent frame and two chunks of three.
        settings = ["--set", "video.frames=25", "--set", "rollout.independent_first_frame=true"]
        self.expect(self.generate("one", *settings, prompts=prompts), 0)
        self.expect(self.generate("two", *settings, "--set", "parallel.group_size=2", prompts=prompts, ranks=2), 0)
        one, two = latents_of(self.out("one")), latents_of(self.out("two"))
        self.assertEqual(one["moving"].shape, (16, 7, 4, 6))
        self.assertEqual(one["moving"].tobytes(), two["moving"].tobytes())
        self.expect(self.generate("three", prompts=prompts), 1, "too few")

    def test_a_checkpoint_in_the_original_layout_in_shards_runs_with_another_transformer_file(self):
        script = os.path.join(SOURCE, "scripts", "make_random_checkpoint.py")
        wan, other = os.path.join(self.folder, "wan"), os.path.join(self.folder, "other")
        for folder, extra in [(wan, ["--shard-bytes", "400000"]), (other, ["--seed", "5"])]:
            subprocess.run([sys.executable, script, "--preset", "tiny", "--layout", "wan", *extra, folder], check=True,
                           capture_output=True)
        config = self.write("wan.yaml", f"model: {{path: {wan}, precision: fp32}}\n")
        file = glob.glob(os.path.join(other, "diffusion_pytorch_model*.safetensors"))[0]
        self.expect(self.generate("wan", "--limit", "1", config=config), 0)
        self.expect(self.generate("replaced", "--limit", "1", "--set", f"model.transformer_file={file}", config=config), 0)
        wan_latents, replaced = latents_of(self.out("wan")), latents_of(self.out("replaced"))
        for key in wan_latents:
            self.assertNotEqual(wan_latents[key].tobytes(), replaced[key].tobytes())

    def test_a_longer_list_keeps_what_is_done(self):
        self.expect(self.generate("run"), 0)
        longer = self.write("longer.txt", "something new\ncafé at night\na red ball\na blue cube\na red ball\n")
        self.expect(self.generate("run", prompts=longer), 0, "1 done, 4 skipped")

    def test_rolling_window_and_prompt_switches_run_beyond_the_window(self):
        stories = self.write("stories.jsonl", json.dumps(
            {"id": "story", "frames": 45, "prompts": [{"prompt": "a red ball", "chunks": 2}, "a blue cube"]}) + "\n" +
            json.dumps({"id": "plain", "frames": 45, "prompt": "a red ball", "seed": 7, "samples": 2}) + "\n")
        window = ["--set", "rollout.window_frames=6", "--set", "rollout.sink_frames=1"]
        self.expect(self.generate("one", *window, prompts=stories), 0)
        self.expect(self.generate("three", *window, "--set", "parallel.group_size=0", prompts=stories, ranks=3), 0)
        one, three = latents_of(self.out("one")), latents_of(self.out("three"))
        self.assertEqual(set(one), {"story", "plain", "plain-s1"})
        for key in one:
            self.assertEqual(one[key].shape, (16, 12, 4, 6))
            self.assertEqual(one[key].tobytes(), three[key].tobytes())
        self.assertNotEqual(one["plain"].tobytes(), one["plain-s1"].tobytes())

    def test_a_video_goes_on_from_given_frames(self):
        self.expect(self.generate("first", "--limit", "1"), 0)
        clip = glob.glob(os.path.join(self.out("first"), "samples", "*", "*.mp4"))[0]
        shutil.copy(clip, os.path.join(self.folder, "clip.mp4"))
        lines = [{"id": "longer", "prompt": "a red ball", "frames": 45, "video": "clip.mp4"},
                 {"id": "impossible", "prompt": "a red ball", "frames": 9, "video": "clip.mp4"},
                 {"id": "not-a-video", "prompt": "a red ball", "video": "prompts.txt"},
                 {"id": "fine", "prompt": "a blue cube"}]
        prompts = self.write("extend.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        for ranks, group in [(None, 1), (2, 2)]:
            name = f"extended{ranks}"
            result = self.generate(name, "--set", f"parallel.group_size={group}", prompts=prompts, ranks=ranks)
            self.expect(result, 1, "not-a-video", "prompts.txt", "2 done, 0 skipped (done before), 2 failed")
            self.assertEqual(set(latents_of(self.out(name))), {"longer", "fine"})
        one, two = latents_of(self.out("extendedNone")), latents_of(self.out("extended2"))
        self.assertEqual(one["longer"].tobytes(), two["longer"].tobytes())
        # The given part is what the encoder made of the clip: close to the clip's own latents, not noise.
        with open(os.path.join(self.out("extended2"), "report.json")) as file:
            self.assertEqual(len(json.load(file)["samples"]["failures"]), 2)


class BadInput(EndToEnd):
    def test_every_kind_of_bad_input_ends_with_its_exit_code_on_one_and_on_two_ranks(self):
        broken = self.write("broken.yaml", f"model: {{path: {CHECKPOINT}}}\nvideo: {{fps: 0, hieght: 32}}\n")
        no_model = self.write("no_model.yaml", "model: {path: /nowhere}\n")
        empty = self.write("empty.txt", "\n\n")
        not_utf8 = os.path.join(self.folder, "latin.txt")
        with open(not_utf8, "wb") as file:
            file.write(b"caf\xe9\n")
        doubled = self.write("doubled.jsonl", '{"prompt": "a", "id": "x"}\n{"prompt": "b", "id": "x"}\n')
        a_file = self.write("a_file", "")
        cases = [
            (dict(config=broken), [], 2, ["broken.yaml:2", "hieght", "video.height", "video.fps"]),
            (dict(config="/nowhere.yaml"), [], 2, ["/nowhere.yaml"]),
            (dict(config=no_model), [], 3, ["/nowhere"]),
            (dict(prompts="/nowhere.txt"), [], 3, ["/nowhere.txt"]),
            (dict(prompts=empty), [], 3, ["empty.txt"]),
            (dict(prompts=not_utf8), [], 3, ["latin.txt:1"]),
            (dict(prompts=doubled), [], 3, ["doubled.jsonl:2", "x"]),
            ({}, ["--set", "parallel.device=cuda"], 4, ["CUDA"]),
            ({}, ["--set", "video.height=33"], 2, ["video.height", "32"]),
            ({}, ["--limit", "many"], 2, ["--limit"]),
            ({}, ["--nonsense"], 2, ["nonsense"]),
            ({}, ["--set", "encoding.codec=libnothing"], 2, ["libnothing", "libx264"]),
            ({}, ["--set", "encoding.options={tune: nonsense}"], 2, ["nonsense"]),
        ]
        for ranks in (None, 2):
            for where, extra, code, fragments in cases:
                with self.subTest(ranks=ranks, where=where, extra=extra):
                    self.expect(self.generate("bad", *extra, ranks=ranks, **where), code, *fragments)
            result = run(["generate", self.config, "--prompts", self.prompts, "--out", os.path.join(a_file, "x"), *SMALL],
                         ranks=ranks)
            self.expect(result, 6, "a_file")
        self.expect(self.generate("bad", "--set", "parallel.group_size=2", ranks=3), 2, "group_size")

    def test_a_damaged_checkpoint_is_named_and_no_rank_hangs(self):
        damaged = os.path.join(self.folder, "damaged")
        shutil.copytree(CHECKPOINT, damaged)
        weights = glob.glob(os.path.join(damaged, "transformer", "*.safetensors"))[0]
        with open(weights, "r+b") as file:
            file.truncate(os.path.getsize(weights) - 100)
        config = self.write("damaged.yaml", f"model: {{path: {damaged}}}\n")
        self.expect(self.generate("x", config=config), 3, os.path.basename(weights))
        self.expect(self.generate("x", "--set", "parallel.group_size=2", config=config, ranks=4), 3,
                    os.path.basename(weights))
        shutil.rmtree(os.path.join(damaged, "text_encoder"))
        shutil.copy(glob.glob(os.path.join(CHECKPOINT, "transformer", "*.safetensors"))[0], weights)
        self.expect(self.generate("x", config=config), 3, "text encoder")

    def test_a_dry_run_finds_a_tensor_with_a_wrong_name(self):
        damaged = os.path.join(self.folder, "renamed")
        shutil.copytree(CHECKPOINT, damaged)
        weights = glob.glob(os.path.join(damaged, "transformer", "*.safetensors"))[0]
        with open(weights, "r+b") as file:
            content = file.read()
            file.seek(0)
            file.write(content.replace(b"blocks.1.ffn.net.2.weight", b"blocks.1.ffn.net.9.weight", 1))
        config = self.write("renamed.yaml", f"model: {{path: {damaged}}}\n")
        self.expect(self.generate("x", "--dry-run", config=config), 3, "blocks.1.ffn.2.weight")

    def test_a_full_disk_for_a_single_sample_is_exit_code_6_too(self):
        os.makedirs(os.path.join(self.out("run"), "samples"))
        with open(os.path.join(self.out("run"), "samples", "0000"), "w"):
            pass
        self.expect(self.generate("run", "--limit", "1"), 6, "0000")

    def test_a_full_disk_stops_the_run_with_exit_code_6(self):
        # A folder that refuses new files stands in for a full disk (root may write anywhere, so a file blocks it).
        os.makedirs(os.path.join(self.out("run"), "samples"))
        with open(os.path.join(self.out("run"), "samples", "0000"), "w"):
            pass
        self.expect(self.generate("run"), 6, "0000", "3 not started")

    def test_dry_run_checks_everything_and_writes_nothing(self):
        self.expect(self.generate("run", "--dry-run", ranks=2), 0, "in order", "4 to make")
        self.assertFalse(os.path.exists(self.out("run")))

    def test_an_instruction_set_that_is_not_there_is_an_error(self):
        environment = dict(os.environ, CAUSEWAY_CPU_ISA="quantum")
        result = subprocess.run([PROGRAM, "generate", self.config, "--prompts", self.prompts, "--out", self.out("x"),
                                 *SMALL], capture_output=True, text=True, env=environment, timeout=60)
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertIn("quantum", result.stderr)


class Inspect(EndToEnd):
    def test_inspect_tells_what_a_checkpoint_a_file_and_a_run_hold(self):
        result = run(["inspect", CHECKPOINT, "--json"])
        self.expect(result, 0)
        networks = {network["name"]: network for network in json.loads(result.stdout)["networks"]}
        self.assertEqual(networks["transformer"]["problem"], "")
        self.assertIn(["heads", "12"], networks["transformer"]["facts"])
        self.assertEqual(len(networks["vae"]["tensors"]), 194)
        self.expect(run(["inspect", CHECKPOINT]), 0, "patch_embedding.weight", "parameters")

        self.expect(self.generate("run", "--limit", "2"), 0)
        path = glob.glob(os.path.join(self.out("run"), "samples", "*", "*.h5"))[0]
        described = json.loads(run(["inspect", path, "--json"]).stdout)
        self.assertEqual(described["shape"], [16, 6, 4, 6])
        self.expect(run(["inspect", path]), 0, "prompt", "checkpoint_hash")
        state = json.loads(run(["inspect", self.out("run"), "--json"]).stdout)
        self.assertEqual((state["samples"], state["done"], len(state["missing"])), (4, 2, 2))
        self.expect(run(["inspect", self.prompts]), 3, "prompts.txt")
        self.expect(run(["inspect", "/nowhere"]), 3, "/nowhere")

    def test_the_printed_configuration_is_complete_and_reads_back(self):
        self.expect(run(["generate", "--print-config"]), 0, "height: 480")
        printed = run(["generate", "--print-config", self.config, "--prompts", self.prompts, "--out", self.out("x"), *SMALL])
        self.expect(printed, 0, "denoising_steps: [1000, 750, 500, 250]", "frames: 21")
        again = self.write("printed.yaml", printed.stdout)
        self.assertEqual(run(["generate", "--print-config", again]).stdout, printed.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
