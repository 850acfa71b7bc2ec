"""Finds the objects of each frame and follows them through a clip.

Colours are compared as distances in sRGB (0..255, all three channels), the space in which the world
blends, so the half-way level between background and object is where an outline really lies, blurred or not.
"""
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

BORDER = 3           # pixels of the ring the background is read from; objects rest 4 px inside the picture
# The closest colour and background of the world, purple on grey, are 97 apart, 76 after both tints. 30 stays
# below half of that, and four times above what a mild noise (standard deviation 4 a channel) does to a pixel.
APART = 30.0
EVEN_BORDER = 0.6    # share of the ring that must look like its median, or there is no background to stand out
# A quarter of the smallest object (a small triangle, about 240 px). Below that it is a speck of the decoder.
LEAST_AREA = 60      # pixels
# Two parts of one blob are two objects where their colours differ by more than this; names are 79 apart or more.
OTHER_COLOUR = 40.0
DEEP = 3.0           # pixels inside an outline where neither blur nor halved chroma reaches
# The fastest course, an orbit of 26 px in 2 s, is 5 px a frame at 16 frames a second. Places are middles of
# bounding boxes: where a circle becomes a triangle, the centroid leaps by up to 13 px, the middle stays.
REACH = 8.0          # pixels an object may go from one frame to the next and still be the same
MORE_REACH = 5.0     # pixels more for each frame in which it was lost
MEMORY = 4           # frames after which a lost object is given up


@dataclass
class Found:
    """One object in one frame. x and y: centroid in pixels, where pixel centres lie at half-integers."""
    mask: np.ndarray     # bool [height, width]
    area: float          # pixels
    x: float
    y: float
    middle: tuple        # of its bounding box, (x, y): where it is, whatever its shape
    colour: np.ndarray   # mean sRGB of the inner pixels
    even: float          # share of inner pixels that have this colour


@dataclass
class Picture:
    """What one frame holds."""
    background: np.ndarray   # sRGB
    even: float              # share of the pixels away from objects that have the background's colour
    objects: list


@dataclass
class Track:
    """One object through the clip: which frames it was seen in, and how."""
    frames: list = field(default_factory=list)
    seen: list = field(default_factory=list)   # Found, one a frame

    @property
    def colour(self):
        return np.median([found.colour for found in self.seen], axis=0)


def look(frame):
    """The Picture of one frame, uint8 [height, width, 3]."""
    pixels = frame.astype(np.float32)
    ring = np.concatenate([pixels[:BORDER].reshape(-1, 3), pixels[-BORDER:].reshape(-1, 3),
                           pixels[BORDER:-BORDER, :BORDER].reshape(-1, 3),
                           pixels[BORDER:-BORDER, -BORDER:].reshape(-1, 3)])
    background = np.median(ring, axis=0)
    even = float(np.mean(_distance(ring, background) < APART))
    if even < EVEN_BORDER:
        return Picture(background, even, [])
    away = _distance(pixels, background) > APART
    objects = [found for region, colour in _regions(pixels, away)
               if (found := _measure(pixels, background, region, colour)) is not None]
    rest = np.ones(away.shape, bool)
    for found in objects:
        rest &= ~_grown(found.mask, 4)
    even = float(1.0 - np.mean(away[rest])) if rest.any() else 0.0
    return Picture(background, even, objects)


def _distance(pixels, colour):
    return np.sqrt(np.square(pixels - colour).sum(axis=-1))


def _grown(mask, pixels):
    return ndimage.binary_dilation(mask, iterations=pixels)


def _regions(pixels, away):
    """(region, colour) of each object: blobs, cut where they join two cores of different colours.

    A growing pair of diamonds comes so close that a blurred picture joins their tips; without the outer
    2 px their cores are apart. (The thinnest object, a small rectangle, is 11 px high.)
    """
    blobs, _ = ndimage.label(away, structure=np.ones((3, 3)))
    cores, count = ndimage.label(ndimage.binary_erosion(away, structure=np.ones((5, 5))))
    if count == 0:
        return []
    sizes = ndimage.sum_labels(np.ones(cores.shape), cores, np.arange(count + 1))
    by_blob = {}
    for core in range(1, count + 1):
        inside = cores == core
        colour = np.median(pixels[inside], axis=0)
        by_blob.setdefault(int(blobs[inside][0]), []).append((sizes[core], core, colour))
    regions = []
    for blob, parts in by_blob.items():
        whole = _box_of(blobs == blob)
        regions += _cut(blobs, blob, cores, sorted(parts, key=lambda part: -part[0]), whole)
    return regions


def _box_of(mask):
    """Slices around a mask, 4 px wider."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (slice(max(rows[0] - 4, 0), rows[-1] + 5), slice(max(columns[0] - 4, 0), columns[-1] + 5))


def _cut(blobs, blob, cores, parts, box):
    """The regions of one blob, given its cores (size, label, colour), largest first."""
    kinds = []   # (colour, labels): cores of one colour are one object
    for _, core, colour in parts:
        for kind in kinds:
            if np.linalg.norm(kind[0] - colour) < OTHER_COLOUR:
                kind[1].append(core)
                break
        else:
            kinds.append((colour, [core]))
    near = np.stack([ndimage.distance_transform_edt(~np.isin(cores[box], labels)) for _, labels in kinds])
    mine = _grown(blobs[box] == blob, 2)
    owner = near.argmin(axis=0)
    regions = []
    for number, (colour, _) in enumerate(kinds):
        region = np.zeros(blobs.shape, bool)
        region[box] = mine & (owner == number)
        regions.append((region, colour))
    return regions


def _measure(pixels, background, region, colour):
    """The object of a region: its outline at half level between background and `colour`. None: a speck."""
    box = _box_of(region)
    way = colour - background
    level = (pixels[box] - background) @ way / max(float(way @ way), 1.0)
    labels, count = ndimage.label((level >= 0.5) & region[box])
    if count == 0:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    if sizes.max() < LEAST_AREA:
        return None
    mask = np.zeros(region.shape, bool)
    mask[box] = labels == 1 + sizes.argmax()
    depth = ndimage.distance_transform_edt(mask[box])
    inner = pixels[box][depth >= min(DEEP, 0.6 * depth.max())]
    mean = inner.mean(axis=0)
    y, x = np.nonzero(mask)
    return Found(mask, float(len(x)), float(x.mean() + 0.5), float(y.mean() + 0.5),
                 (0.5 * float(x.min() + x.max() + 1), 0.5 * float(y.min() + y.max() + 1)), mean,
                 float(np.mean(_distance(inner, mean) < OTHER_COLOUR)))


def follow(pictures):
    """The Tracks of a clip, longest first. Objects are linked by place alone, so that one which changes its
    colour or shape stays one object."""
    tracks = []
    for index, picture in enumerate(pictures):
        links = []
        for number, found in enumerate(picture.objects):
            for track in tracks:
                lost = index - track.frames[-1] - 1
                way = np.hypot(*np.subtract(found.middle, track.seen[-1].middle))
                if lost <= MEMORY and way <= REACH + MORE_REACH * lost:
                    links.append((way, number, track))
        taken = set()
        for _, number, track in sorted(links, key=lambda link: link[0]):
            if number not in taken and track.frames[-1] != index:
                taken.add(number)
                track.frames.append(index)
                track.seen.append(picture.objects[number])
        tracks += [Track([index], [found]) for number, found in enumerate(picture.objects)
                   if number not in taken]
    return sorted(tracks, key=lambda track: -len(track.frames))
