"""Says of one clip which words of its prompt are seen in it."""
from itertools import pairwise, permutations

import numpy as np
from scipy import ndimage

from train_demo import prompts, world

from .motions import motion_of
from .objects import follow, look
from .outlines import ideal, radius_of, shape_of

LEAST_FRAMES = 9
VIDEO_ATTRIBUTES = ("background", "count")            # one verdict a video
OBJECT_ATTRIBUTES = ("colour", "shape", "motion", "size")   # one verdict an object
IN_ALL = ("background", "count", "colour", "shape", "motion")
BEYOND_ATTRIBUTES = ("count", "colour", "shape")

# How far a colour may be from its name: half the way to the nearest other name, at most 40 (orange and yellow
# are 79 apart, white and pink 52). Tints take 10 of it at most; what is further away is muddy, and wrong.
FARTHEST = 40.0
# What holds for a clip: true in nine of ten frames, and never false for longer than a blink of 1/8 s.
HOLDS = 0.9
BLINK = 2            # frames
EVEN = 0.9           # share of the pixels away from objects that must have the background's colour
EVEN_OBJECT = 0.8    # share of an object's inner pixels that must have its mean colour
# Half extents in pixels that a size word stands for: halfway between the world's ranges.
SIZES = dict(zip(world.RADII, pairwise([
    0.75 * min(low for low, _ in world.RADII.values()),
    *((below + above) / 2.0 for (_, below), (above, _) in pairwise(world.RADII.values())),
    1.2 * max(high for _, high in world.RADII.values())])))
PRESENT = 0.25       # share of the clip in which an object must be seen for its colour and shape to count
TRACKS = 6           # the longest tracks, among which a prompt's objects are looked for


def judge_clip(frames, prompt, beyond=None):
    """The verdicts on one clip, plain values that JSON can hold.

    frames: uint8 [frames >= 9, 128, 128, 3], sRGB, 16 a second. prompt: a sentence of the world.
    beyond: judge only frames with a number (from 0) greater than this, and of those only BEYOND_ATTRIBUTES.

    Returns {"verdicts": {attribute: bool, or None where it was not judged}, "all": bool, "background": name,
    "counts": objects in each frame, "objects": [{"told", "verdicts", "seen" and measurements} per told object]}.
    Raises ValueError for frames of another kind, and for a prompt that is not of this world.
    """
    background, told = prompts.understand(prompt)
    frames = _checked(frames, beyond)
    pictures = [look(frame) for frame in frames]
    tracks = follow(pictures)
    whole = beyond is None
    things = [_thing(words, track, len(frames), whole, alone=len(told) == 1)
              for words, track in zip(told, _assigned(told, tracks, len(frames)))]
    counts = [len(picture.objects) for picture in pictures]
    names = [_background_of(picture) for picture in pictures]
    verdicts = {"background": holds([name == background for name in names]) if whole else None,
                "count": holds([count == len(told) for count in counts])}
    for attribute in OBJECT_ATTRIBUTES:
        values = [thing["verdicts"][attribute] for thing in things]
        verdicts[attribute] = None if None in values else all(values)
    judged = IN_ALL if whole else BEYOND_ATTRIBUTES
    return {"verdicts": verdicts, "all": all(verdicts[name] for name in judged),
            "background": _most(names), "told_background": background, "counts": counts,
            "clutter": _rounded(1.0 - np.mean([picture.even for picture in pictures])), "objects": things}


def _checked(frames, beyond):
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != (world.SIZE, world.SIZE, 3):
        raise ValueError(f"frames are {frames.dtype} {list(frames.shape)}; "
                         f"the world's are uint8 [frames, {world.SIZE}, {world.SIZE}, 3]")
    if beyond is not None:
        frames = frames[beyond + 1:]
    if len(frames) < LEAST_FRAMES:
        behind = "" if beyond is None else f" after frame {beyond}"
        raise ValueError(f"{len(frames)} frames{behind}; at least {LEAST_FRAMES} are needed to see what happens")
    return frames


def holds(flags, share=HOLDS, blink=BLINK):
    """Whether something is so throughout: in `share` of the frames (all but one of a few), without a lapse
    longer than `blink` frames."""
    flags = np.asarray(flags, bool)
    if flags.size == 0:
        return False
    lapses, count = ndimage.label(~flags)
    longest = np.bincount(lapses)[1:].max() if count else 0
    return bool((~flags).sum() <= max(1.0, (1.0 - share) * flags.size) and longest <= blink)


def colour_name(colour, names):
    """The nearest of `names` ({name: sRGB}), or None where even that is too far."""
    away = {name: float(np.linalg.norm(np.subtract(colour, words))) for name, words in names.items()}
    name = min(away, key=away.get)
    others = [np.linalg.norm(np.subtract(names[name], words)) for other, words in names.items() if other != name]
    return name if away[name] <= min(FARTHEST, 0.5 * min(others)) else None


def _background_of(picture):
    return colour_name(picture.background, world.BACKGROUNDS) if picture.even >= EVEN else None


def _most(names):
    """The name of most frames; None where most have none."""
    return max(dict.fromkeys(names), key=names.count) if names else None


def _assigned(told, tracks, frames):
    """A track, or None, for each told object: matched by colour, and by how long it is seen."""
    def fit(words, track):
        if track is None:
            return 0.0
        right = colour_name(track.colour, world.COLOURS) == words[1]
        near = np.linalg.norm(track.colour - world.COLOURS[words[1]]) / 1000.0   # below 0.45
        return (2.0 if right else 0.6) * len(track.frames) / frames - (0.1 * near if not right else 0.0)
    choices = tracks[:TRACKS] + [None] * len(told)
    return max(permutations(choices, len(told)),
               key=lambda chosen: sum(fit(words, track) for words, track in zip(told, chosen)))


def _thing(words, track, frames, whole, alone):
    """Verdicts and measurements of one told object."""
    told = dict(zip(("shape", "colour", "size", "motion"), words))
    judged = [name for name in OBJECT_ATTRIBUTES if whole or name in BEYOND_ATTRIBUTES]
    if not alone and "size" in judged:
        judged.remove("size")    # two objects are all of one size, whatever is told
    verdicts = {name: False if name in judged else None for name in OBJECT_ATTRIBUTES}
    if track is None:
        return {"told": told, "seen": None, "verdicts": verdicts, "lost_frames": frames}
    shapes = [shape_of(found) for found in track.seen]
    colours = [colour_name(found.colour, world.COLOURS) if found.even >= EVEN_OBJECT else None
               for found in track.seen]
    seen = {"shape": _most([shape for shape, _, _ in shapes]), "colour": _most(colours)}
    there = len(track.frames) >= PRESENT * frames
    verdicts["colour"] = there and holds([colour == told["colour"] for colour in colours])
    verdicts["shape"] = there and holds([shape == told["shape"] for shape, _, _ in shapes])
    figures = _steadiness(track, frames)
    if "motion" in judged:
        seen["motion"], moved = _motion(track, [shape or seen["shape"] for shape, _, _ in shapes], frames)
        verdicts["motion"] = seen["motion"] == told["motion"]
        figures.update({name: _rounded(value) for name, value in moved.items()})
    if told["motion"] in ("grow", "shrink"):
        figures["area_drift"] = None
    radius = _radius(track, seen["shape"], told["motion"])
    seen["size"] = next((name for name, (low, high) in SIZES.items() if low <= radius < high), None)
    if "size" in judged:
        verdicts["size"] = seen["size"] == told["size"]
    figures["overlap"] = _rounded(np.median([best for _, best, _ in shapes]))
    return {"told": told, "seen": seen, "verdicts": verdicts, "radius": _rounded(radius),
            "mean_colour": [_rounded(value) for value in track.colour], **figures}


def _steadiness(track, frames):
    """lost_frames; area_drift: largest change of the area, relative; colour_drift: largest distance in sRGB."""
    area = ndimage.median_filter(np.array([found.area for found in track.seen]), 3, mode="nearest")
    away = [np.linalg.norm(found.colour - track.colour) for found in track.seen]
    return {"lost_frames": frames - len(track.frames),
            "area_drift": _rounded(np.ptp(area) / np.median(area)), "colour_drift": _rounded(max(away))}


def _motion(track, shapes, frames):
    """(name or None, figures). shapes: of each frame seen, so that a change of shape is no change of size.
    A track with gaps is judged as if the object had gone straight through them."""
    radius = np.array([radius_of(shape, found.area) for shape, found in zip(shapes, track.seen)])
    # The middle an object grows around: a triangle's centroid lies below it.
    below = np.array([ideal(shape)[1] if shape else 0.0 for shape in shapes]) * radius
    x, y = (np.array([getattr(found, name) for found in track.seen]) for name in "xy")
    every = np.arange(frames)
    x, y, radius = (np.interp(every, track.frames, values) for values in (x, y - below, radius))
    name, figures = motion_of(every / world.FRAMES_PER_SECOND, x, y, radius)
    there = np.isin(every, track.frames)
    return (name if holds(there) else None), figures


def _radius(track, shape, motion):
    """Half extent at the size that the world calls by its word: the smaller one where it changes."""
    areas = [found.area for found in track.seen]
    few = {"grow": areas[:3], "shrink": areas[-3:]}.get(motion, areas)
    radius = radius_of(shape, float(np.median(few)))
    if motion == "shrink":   # in a short clip it has not come to its end
        radius /= world.relative_radius(motion, (track.frames[-1] - 1) / world.FRAMES_PER_SECOND)
    return radius


def _rounded(value):
    return round(float(value), 3)
