"""The synthetic world: scenes of plain shapes that move, drawn as short video clips.

A scene is one or two objects over a plain background. Everything about it follows from a seed, so the
data set is endless and never stored. Pixels: 128 x 128, y points down, centres at half-integers.
Time: 16 frames a second. A motion has an end where it would leave the picture (the object then rests
there), so a clip may be as long as wanted. Needs numpy only.
"""
from dataclasses import dataclass, replace

import numpy as np

SIZE = 128           # pixels, both ways
FRAMES_PER_SECOND = 16

SHAPES = ("circle", "square", "triangle", "diamond", "rectangle")
MOTIONS = ("left", "right", "up", "down", "circle", "still", "grow", "shrink")
PAIR_MOTIONS = ("left", "right", "still", "grow", "shrink")  # two objects have half the height each

# sRGB, 0..255. Any two differ enough to survive 4:2:0 video.
COLOURS = {
    "red": (222, 45, 40), "orange": (240, 140, 25), "yellow": (242, 218, 40),
    "green": (45, 165, 65), "cyan": (60, 205, 220), "blue": (45, 80, 225),
    "purple": (150, 55, 190),
}
BACKGROUNDS = {
    "black": (16, 16, 18), "white": (238, 238, 236), "grey": (128, 128, 130),
    "brown": (92, 62, 42), "pink": (250, 196, 208),
}

COLOUR_JITTER = 6.0              # 0..255, each channel of each scene
RADII = {"small": (16.0, 17.0), "medium": (21.5, 22.5), "large": (27.5, 28.5)}  # pixels, half extent
PAIR_RADII = (16.5, 17.5)
GROWTH = 1.5                     # largest over smallest radius of one that grows or shrinks
GROWTH_SECONDS = 2.0             # until one that grows or shrinks has its last size
SCATTER = 3.0                    # pixels, how far from its usual place an object starts
MARGIN = 4.0                     # pixels between a resting object and the picture's edge
SPEED = (31.0, 35.0)             # pixels a second
ORBIT_RADIUS = (21.0, 23.0)      # pixels
ORBIT_PERIOD = (2.2, 2.4)        # seconds, clockwise from near the top

ATTRIBUTES = {"shape": SHAPES, "colour": tuple(COLOURS), "size": tuple(RADII), "motion": MOTIONS}


@dataclass(frozen=True)
class Thing:
    """One object. Positions in pixels at time 0, speed in pixels a second, period in seconds."""
    shape: str
    colour: str
    size: str
    motion: str
    radius: float
    x: float
    y: float
    speed: float = 0.0
    orbit: float = 0.0
    period: float = 0.0
    phase: float = 0.0
    tint: tuple = (0.0, 0.0, 0.0)

    def at(self, seconds):
        """(x, y, radius) at a time."""
        x, y, radius = self.x, self.y, self.radius
        way = self.speed * seconds
        low, high = radius + MARGIN, SIZE - radius - MARGIN
        if self.motion == "left":
            x = max(min(x, low), x - way)
        elif self.motion == "right":
            x = min(max(x, high), x + way)
        elif self.motion == "up":
            y = max(min(y, low), y - way)
        elif self.motion == "down":
            y = min(max(y, high), y + way)
        elif self.motion == "circle":
            angle = self.phase + 2.0 * np.pi * seconds / self.period
            x, y = x + self.orbit * np.cos(angle), y + self.orbit * np.sin(angle)
        return x, y, radius * relative_radius(self.motion, seconds)


def relative_radius(motion, seconds):
    """Radius at a time over the one that the word for the size means."""
    grown = (GROWTH - 1.0) * min(seconds / GROWTH_SECONDS, 1.0)
    return {"grow": 1.0 + grown, "shrink": GROWTH - grown}.get(motion, 1.0)


@dataclass(frozen=True)
class Scene:
    """What a prompt tells and what it leaves open."""
    background: str
    things: tuple
    tint: tuple = (0.0, 0.0, 0.0)


def fill_scene(generator, background, objects):
    """A scene with the given words: positions, speeds and tints come from the generator."""
    things = []
    # Two objects share the picture: the first that is told has the upper half.
    middles = [SIZE / 2] if len(objects) == 1 else [34.0, 94.0]
    for (shape, colour, size, motion), middle in zip(objects, middles):
        low, high = RADII[size] if len(objects) == 1 else PAIR_RADII
        thing = Thing(shape, colour, size, motion, radius=generator.uniform(low, high), x=0.0, y=0.0,
                      tint=_tint(generator))
        things.append(_place(generator, thing, middle))
    return Scene(background, tuple(things), _tint(generator))


def _tint(generator):
    return tuple(generator.uniform(-COLOUR_JITTER, COLOUR_JITTER, 3))


def _place(generator, thing, middle):
    """Start and course, such that a motion has room to be seen."""
    widest = thing.radius * (GROWTH if thing.motion in ("grow", "shrink") else 1.0)
    low, high = widest + MARGIN, SIZE - widest - MARGIN
    # Nothing starts just anywhere: what a prompt leaves open is all that few-step sampling has to guess.
    x = SIZE / 2 + generator.uniform(-SCATTER, SCATTER)
    y = middle + generator.uniform(-SCATTER, SCATTER)
    x, y = (float(np.clip(v, low, high)) for v in (x, y))
    far = generator.uniform(high - SCATTER, high)   # the end of the picture it comes from
    speed = generator.uniform(*SPEED)
    if thing.motion == "left":
        return replace(thing, x=far, y=y, speed=speed)
    if thing.motion == "right":
        return replace(thing, x=SIZE - far, y=y, speed=speed)
    if thing.motion == "up":
        return replace(thing, x=x, y=far, speed=speed)
    if thing.motion == "down":
        return replace(thing, x=x, y=SIZE - far, speed=speed)
    if thing.motion == "circle":
        orbit = generator.uniform(*ORBIT_RADIUS)
        edge = orbit + thing.radius + MARGIN
        x, y = (float(np.clip(v, edge, SIZE - edge)) for v in (x, y))
        return replace(thing, x=x, y=y, orbit=orbit, period=generator.uniform(*ORBIT_PERIOD),
                       phase=-np.pi / 2.0 + generator.uniform(-0.25, 0.25))
    return replace(thing, x=x, y=y)


def render(scene, frames, first_frame=0):
    """uint8 [frames, 128, 128, 3], sRGB. Edges are anti-aliased over one pixel."""
    backdrop = _colour(BACKGROUNDS[scene.background], scene.tint)
    clip = np.broadcast_to(backdrop, (frames, SIZE, SIZE, 3)).copy()
    for thing in scene.things:
        colour = _colour(COLOURS[thing.colour], thing.tint)
        for index in range(frames):
            x, y, radius = thing.at((first_frame + index) / FRAMES_PER_SECOND)
            _paint(clip[index], thing.shape, x, y, radius, colour)
    return np.round(clip * 255.0).astype(np.uint8)


def attribute_map(scene, frames, cells):
    """What the objects at each cell of the picture are called: int64 [len(frames), cells, cells, 4].

    Indices into ATTRIBUTES, or -1 where no object's box touches the cell.
    """
    side = SIZE / cells
    low = np.arange(cells) * side
    found = np.full((len(frames), cells, cells, len(ATTRIBUTES)), -1)
    for index, frame in enumerate(frames):
        for thing in scene.things:
            x, y, radius = thing.at(frame / FRAMES_PER_SECOND)
            columns = (low < x + radius) & (low + side > x - radius)
            rows = (low < y + radius) & (low + side > y - radius)
            found[index][np.ix_(rows, columns)] = [names.index(getattr(thing, attribute))
                                                   for attribute, names in ATTRIBUTES.items()]
    return found


def _colour(words, tint):
    return np.clip((np.asarray(words, np.float32) + np.asarray(tint, np.float32)) / 255.0, 0.0, 1.0)


def _paint(frame, shape, x, y, radius, colour):
    """Blends one object into a frame; only the pixels near it are touched."""
    left, right = (int(np.clip(v, 0, SIZE)) for v in (x - radius - 2, x + radius + 3))
    top, bottom = (int(np.clip(v, 0, SIZE)) for v in (y - radius - 2, y + radius + 3))
    u = np.arange(left, right, dtype=np.float32)[None, :] + np.float32(0.5 - x)
    v = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)
    cover = np.clip(0.5 - distance(shape, u, v, radius), 0.0, 1.0)[..., None]
    patch = frame[top:bottom, left:right]
    patch += cover * (colour - patch)


def distance(shape, u, v, radius):
    """Signed distance in pixels from the outline (negative inside), u right and v down from the centre."""
    if shape == "circle":
        return np.hypot(u, v) - radius
    if shape == "square":
        return np.maximum(np.abs(u), np.abs(v)) - 0.9 * radius
    if shape == "diamond":
        return (np.abs(u) + np.abs(v) - 1.05 * radius) * np.float32(np.sqrt(0.5))
    if shape == "triangle":  # upright, as wide as high; apex at the top
        slope = np.float32(1.0 / np.sqrt(5.0))
        return np.maximum((2.0 * np.abs(u) - v - radius) * slope, v - radius)
    if shape == "rectangle":  # twice as wide as high
        return np.maximum(np.abs(u) - radius, np.abs(v) - 0.5 * radius)
    raise ValueError(f"unknown shape {shape!r}; shapes are {', '.join(SHAPES)}")
