# The synthetic world: what training shows, what it holds out, and that sentences mean what scenes show.
import os
import subprocess
import sys
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "scripts"))
from train_demo import prompts, world  # noqa: E402

SENTENCES = 20000

HASHES = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from train_demo import prompts, world
for seed in (0, 7, 2**40):
    sentence, scene = prompts.training_example(seed)
    print(sentence, hashlib.sha256(world.render(scene, 3).tobytes()).hexdigest())
"""


def words_of(scene):
    return scene.background, [(thing.shape, thing.colour, thing.size, thing.motion) for thing in scene.things]


def lines_of(name):
    return (SOURCE / "configs/prompts" / name).read_text(encoding="utf-8").splitlines()


class World(unittest.TestCase):
    def test_a_scene_follows_from_its_seed_in_every_process(self):
        texts = []
        for hash_seed in ("1", "2"):
            environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
            texts.append(subprocess.run([sys.executable, "-c", HASHES, str(SOURCE / "scripts")], env=environment,
                                        capture_output=True, text=True, check=True).stdout)
        self.assertEqual(texts[0], texts[1])
        self.assertEqual(len(set(texts[0].splitlines())), 3)

    def test_a_clip_that_begins_later_is_the_rest_of_the_clip(self):
        for seed in range(12):
            _, scene = prompts.training_example(seed)
            whole = world.render(scene, 9)
            np.testing.assert_array_equal(world.render(scene, 4, first_frame=5), whole[5:])
            self.assertEqual((whole.shape, whole.dtype), ((9, world.SIZE, world.SIZE, 3), np.uint8))

    def test_objects_stay_inside_the_picture_however_long_the_clip(self):
        for seed in range(300):
            _, scene = prompts.training_example(seed)
            for thing in scene.things:
                for seconds in (0.0, 0.7, 2.0, 6.5, 60.0):
                    x, y, radius = thing.at(seconds)
                    self.assertGreaterEqual(min(x, y) - radius, 0.0, (seed, seconds))
                    self.assertLessEqual(max(x, y) + radius, world.SIZE, (seed, seconds))

    def test_the_attribute_map_names_the_objects_where_they_are(self):
        cells, frames = 8, (0, 4, 32)
        side = world.SIZE // cells
        for seed in range(60):
            _, scene = prompts.training_example(seed)
            clip, found = world.render(scene, 33), world.attribute_map(scene, frames, cells)
            self.assertEqual(found.shape, (3, cells, cells, 4))
            for index, frame in enumerate(frames):
                painted = np.any(clip[frame] != world.render(replace(scene, things=()), 1)[0], axis=-1)
                inside = painted.reshape(cells, side, cells, side).sum(axis=(1, 3)) > 12
                marked = found[index, ..., 0] >= 0
                self.assertTrue(np.all(marked | ~inside), (seed, frame))
                self.assertLess(marked.sum(), cells * cells * 2 // 3)
            told = {tuple(names[i] for names, i in zip(world.ATTRIBUTES.values(), cell))
                    for cell in found.reshape(-1, 4) if cell[0] >= 0}
            self.assertEqual(told, {(thing.shape, thing.colour, thing.size, thing.motion) for thing in scene.things})

    def test_of_two_objects_the_first_has_the_upper_half(self):
        pairs = [scene.things for _, scene in (prompts.training_example(seed) for seed in range(60))
                 if len(scene.things) == 2]
        self.assertGreater(len(pairs), 5)
        self.assertTrue(all(first.at(seconds)[1] < world.SIZE / 2 < second.at(seconds)[1]
                            for first, second in pairs for seconds in (0.0, 2.0)))

    def test_training_never_shows_what_is_held_out_and_tells_what_it_shows(self):
        seen = set()
        for seed in range(SENTENCES):
            sentence, scene = prompts.training_example(seed)
            self.assertEqual(prompts.understand(sentence), words_of(scene), sentence)
            seen.update((thing.shape, thing.colour, thing.motion) for thing in scene.things)
        held_out = set(prompts.combinations(held_out=True))
        self.assertEqual(seen & held_out, set())
        self.assertEqual(seen, set(prompts.combinations(held_out=False)), "training shows all of the rest")

    def test_what_is_told_is_understood(self):
        generator = np.random.Generator(np.random.Philox(key=5))
        for held_out in (True, False):
            for _ in range(1000):
                background, objects = prompts.draw_words(generator, held_out)
                sentence = prompts.tell(generator, background, objects)
                self.assertEqual(prompts.understand(sentence), (background, objects), sentence)

    def test_the_held_out_list_is_the_one_that_the_world_draws(self):
        lines = lines_of("held_out.txt")
        self.assertEqual(lines, prompts.held_out_prompts(200))
        self.assertEqual(len(set(lines)), 200)
        for line in lines:
            for shape, colour, _, motion in prompts.understand(line)[1]:
                self.assertTrue(prompts.is_held_out(shape, colour, motion), line)

    def test_the_demonstration_shows_every_shape_and_motion_and_mostly_what_is_held_out(self):
        if not (SOURCE / "configs/demo_model/model_index.json").exists():
            self.skipTest("the demonstration runs the model of this world once configs/demo_model holds it")
        told = [prompts.understand(line) for line in lines_of("demo.txt")]
        self.assertEqual(len(told), 8)
        objects = [words for _, each in told for words in each]
        self.assertEqual({shape for shape, *_ in objects}, set(world.SHAPES))
        self.assertEqual({motion for *_, motion in objects}, set(world.MOTIONS))
        self.assertEqual({background for background, _ in told}, set(world.BACKGROUNDS))
        held_out = [all(prompts.is_held_out(s, c, m) for s, c, _, m in each) for _, each in told]
        self.assertGreaterEqual(sum(held_out), 5)

    def test_sentences_of_another_world_are_refused_by_what_they_lack(self):
        for sentence, lack in (("a red circle moves left", "background"), ("a circle on a grey background", "objects"),
                               ("a red circle sings on a grey background", "motion")):
            with self.assertRaisesRegex(ValueError, lack):
                prompts.understand(sentence)


if __name__ == "__main__":
    unittest.main(verbosity=2)
