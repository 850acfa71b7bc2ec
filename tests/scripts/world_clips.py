# Clips of the synthetic world for the tests of its judge: whole ones, and ones broken in a known way.
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from scipy import ndimage

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from train_demo import prompts, world  # noqa: E402

EVERYTHING = {"background", "count", "colour", "shape", "motion"}
TURNS = ("left", "right", "up", "down", "grow", "shrink")   # another motion when played backwards


class Example:
    """A sentence, its words and a scene that shows them. Even seeds: as in training; odd ones: held out."""

    def __init__(self, seed, frames=33):
        self.generator = np.random.Generator(np.random.Philox(key=[seed, 4711]))
        self.background, self.objects = prompts.draw_words(self.generator, held_out=seed % 2 == 1)
        self.prompt = prompts.tell(self.generator, self.background, self.objects)
        self.scene = prompts.fill_scene(self.generator, self.background, self.objects)
        self.frames = frames

    def clip(self, scene=None):
        return world.render(scene or self.scene, self.frames)

    def choose(self, choices):
        choices = sorted(choices)   # a set has another order in each run
        return choices[self.generator.integers(len(choices))]

    def with_thing(self, **changes):
        """The scene with its first object changed."""
        first, *others = self.scene.things
        return replace(self.scene, things=(replace(first, **changes), *others))

    def other_colour(self):
        return self.choose(set(world.COLOURS) - {words[1] for words in self.objects})

    def half_way(self, scene):
        """As told until the middle, then another scene."""
        first, second = self.clip(), self.clip(scene)
        return np.concatenate([first[:self.frames // 2], second[self.frames // 2:]])


def soft(clip, seed, blur=1.0, noise=3.0):
    """As a decoder gives it: blurred (standard deviation in pixels) and with noise (of 0..255)."""
    blurred = ndimage.gaussian_filter(clip.astype(np.float32), (0, blur, blur, 0))
    noisy = blurred + np.random.default_rng(seed).normal(0.0, noise, clip.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


# Each breakage: example -> (clip, prompt, attributes that are broken, attributes that are still right),
# or None where it does not apply.

def wrong_colour(example):
    clip = example.clip(example.with_thing(colour=example.other_colour()))
    return clip, example.prompt, {"colour"}, EVERYTHING - {"colour"}


def muddy_colour(example):
    # Half way to a grey: away from its own name by more than a tint takes, and near no other.
    colour = np.array(world.COLOURS[example.objects[0][1]])
    clip = example.clip(example.with_thing(tint=tuple((110.0 - colour) * 0.5)))
    return clip, example.prompt, {"colour"}, EVERYTHING - {"colour"}


def wrong_shape(example):
    shape = example.choose(set(world.SHAPES) - {example.objects[0][0]})
    return example.clip(example.with_thing(shape=shape)), example.prompt, {"shape"}, EVERYTHING - {"shape"}


def upside_down(example):
    if all(words[0] != "triangle" for words in example.objects):
        return None
    return example.clip()[:, ::-1], example.prompt, {"shape"}, {"background", "count", "colour"}


def wrong_motion(example):
    (shape, colour, size, motion), *others = example.objects
    choices = world.MOTIONS if not others else world.PAIR_MOTIONS
    other = example.choose(set(choices) - {motion})
    scene = prompts.fill_scene(example.generator, example.background, [(shape, colour, size, other), *others])
    return example.clip(scene), example.prompt, {"motion"}, EVERYTHING - {"motion"}


def reversed_clip(example):
    if example.objects[0][3] not in TURNS:
        return None
    return example.clip()[::-1], example.prompt, {"motion"}, EVERYTHING - {"motion"}


def frozen_half_way(example):
    if example.objects[0][3] == "still":
        return None
    clip = example.clip()
    clip[12:] = clip[12]
    return clip, example.prompt, {"motion"}, EVERYTHING - {"motion"}


def grows_on_its_way(example):
    """Moves as told, and grows by 1.4 while it does."""
    first = example.scene.things[0]
    if first.motion not in ("left", "right", "up", "down", "circle", "still"):
        return None
    frames = []
    for index in range(example.frames):
        growth = 1.0 + 0.4 * index / (example.frames - 1)
        x, y, _ = first.at(index / world.FRAMES_PER_SECOND)
        swelling = replace(first, motion="still", x=x, y=y, radius=0.85 * first.radius * growth)
        things = (swelling, *example.scene.things[1:])
        frames.append(world.render(replace(example.scene, things=things), 1, first_frame=index)[0])
    return np.stack(frames), example.prompt, {"motion"}, EVERYTHING - {"motion"}


def missing_object(example):
    clip = example.clip(replace(example.scene, things=example.scene.things[1:]))
    return clip, example.prompt, EVERYTHING - {"background"}, {"background"}


def extra_object(example):
    """One more, at rest where none of the others comes."""
    for _ in range(200):
        x, y = example.generator.uniform(16.0, world.SIZE - 16.0, 2)
        spots = [thing.at(index / world.FRAMES_PER_SECOND) for thing in example.scene.things
                 for index in range(example.frames)]
        if all(max(abs(x - a), abs(y - b)) > 1.05 * radius + 14.0 for a, b, radius in spots):
            more = world.Thing(example.choose(world.SHAPES), example.other_colour(), "small", "still", 11.0, x, y)
            clip = example.clip(replace(example.scene, things=example.scene.things + (more,)))
            return clip, example.prompt, {"count"}, EVERYTHING - {"count"}
    return None


def vanishes_half_way(example):
    clip = example.half_way(replace(example.scene, things=example.scene.things[1:]))
    return clip, example.prompt, {"count", "motion"}, {"background", "colour", "shape"}


def vanishes_at_the_end(example):
    clip = example.clip()
    clip[-4:] = example.clip(replace(example.scene, things=example.scene.things[1:]))[-4:]
    return clip, example.prompt, {"count"}, {"background", "colour", "shape"}


def changes_shape_half_way(example):
    shape = example.choose(set(world.SHAPES) - {example.objects[0][0]})
    clip = example.half_way(example.with_thing(shape=shape))
    return clip, example.prompt, {"shape"}, EVERYTHING - {"shape"}


def changes_colour_half_way(example):
    clip = example.half_way(example.with_thing(colour=example.other_colour()))
    return clip, example.prompt, {"colour"}, EVERYTHING - {"colour"}


def exchanged_colours(example):
    """Of two objects with different shapes and motions."""
    if len(example.objects) != 2 or any(a == b for a, b in zip(example.objects[0][::3], example.objects[1][::3])):
        return None
    one, two = example.scene.things
    things = replace(one, colour=two.colour), replace(two, colour=one.colour)
    clip = example.clip(replace(example.scene, things=things))
    return clip, example.prompt, {"shape", "motion"}, {"background", "count", "colour"}


def static_noise(example):
    clip = example.generator.integers(0, 256, (example.frames, world.SIZE, world.SIZE, 3), dtype=np.uint8)
    return clip, example.prompt, EVERYTHING, set()


def black_video(example):
    clip = np.zeros((example.frames, world.SIZE, world.SIZE, 3), np.uint8)
    broken = EVERYTHING if example.background != "black" else EVERYTHING - {"background"}
    return clip, example.prompt, broken, EVERYTHING - broken


def wrong_background(example):
    other = example.choose(set(world.BACKGROUNDS) - {example.background})
    clip = example.clip(replace(example.scene, background=other))
    return clip, example.prompt, {"background"}, EVERYTHING - {"background"}


def two_backgrounds(example):
    """Another background in the left third."""
    other = example.choose(set(world.BACKGROUNDS) - {example.background})
    clip = example.clip()
    third = world.SIZE // 3
    clip[:, :, :third] = example.clip(replace(example.scene, background=other))[:, :, :third]
    return clip, example.prompt, {"background"}, set()


def swapped_prompt(example):
    """The sentence of another example: what differs is wrong, what agrees is right."""
    while True:
        background, objects = prompts.draw_words(example.generator, held_out=False)
        if len(objects) != len(example.objects):
            broken = {"count"} | ({"background"} if background != example.background else set())
            break
        if len(objects) == 1:
            ours, theirs = example.objects[0], objects[0]
            broken = {name for name, place in (("shape", 0), ("colour", 1), ("motion", 3))
                      if ours[place] != theirs[place]}
            broken |= {"background"} if background != example.background else set()
            if broken:
                break
    right = EVERYTHING - broken if len(objects) == len(example.objects) else set()
    return example.clip(), prompts.tell(example.generator, background, objects), broken, right


BREAKAGES = (wrong_colour, muddy_colour, wrong_shape, upside_down, wrong_motion, reversed_clip, frozen_half_way,
             grows_on_its_way, missing_object, extra_object, vanishes_half_way, vanishes_at_the_end,
             changes_shape_half_way, changes_colour_half_way, exchanged_colours, static_noise, black_video,
             wrong_background, two_backgrounds, swapped_prompt)


def write_mp4(path, clip, comment=None, rate=world.FRAMES_PER_SECOND):
    """An MP4 as Causeway writes it: H.264, yuv420p, crf 18, BT.709, the prompt as its comment."""
    told = ["-metadata", f"comment={comment}"] if comment is not None else []
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24",
         "-s", f"{clip.shape[2]}x{clip.shape[1]}", "-r", str(rate), "-i", "-",
         "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p",
         "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
         "-movflags", "+faststart", "-threads", "1", *told, str(path)],
        input=np.ascontiguousarray(clip).tobytes(), check=True, timeout=120)


def write_run(folder, samples, failures=(), not_begun=0):
    """A run's folder as `causeway generate` leaves it. samples: (id, prompt, clip, how its prompt is told)."""
    (folder / "samples" / "0000").mkdir(parents=True)
    journal = []
    for index, (name, prompt, clip, told_by) in enumerate(samples):
        stem = f"samples/0000/{name}"
        entry = {"id": name, "index": index, "content": "0", "video": f"{stem}.mp4", "frames": len(clip)}
        write_mp4(folder / f"{stem}.mp4", clip, prompt if told_by == "mp4" else None)
        if told_by == "hdf5":
            entry["latents"] = f"{stem}.h5"
            with h5py.File(folder / f"{stem}.h5", "w") as file:
                file.attrs["prompt"] = prompt
        journal.append(json.dumps(entry))
    # Finished in another order than the list's, as several groups do.
    (folder / "journal.jsonl").write_text("".join(line + "\n" for line in reversed(journal)), encoding="utf-8")
    total = len(samples) + len(failures) + not_begun
    counts = {"total": total, "done": len(samples), "skipped": 0, "failed": len(failures), "not_started": not_begun,
              "failures": [{"id": name, "problem": problem} for name, problem in failures]}
    (folder / "report.json").write_text(json.dumps({"samples": counts}), encoding="utf-8")
