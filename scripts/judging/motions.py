"""Names the motion of an object from the track of its centre and of its radius.

Each motion has a rule of its own; the rules exclude each other, and a track that keeps none is "none". They
allow what generated videos do (a wobble of a pixel or two, some unevenness) and refuse mixtures: moving left
while growing is neither.
"""
import numpy as np
from scipy import ndimage

from train_demo.world import (GROWTH, GROWTH_SECONDS, MARGIN, ORBIT_PERIOD, ORBIT_RADIUS, SCATTER, SIZE,
                              SPEED, relative_radius)

WOBBLE = 3.0         # pixels from its median place that an object at rest may be
GROWING_WOBBLE = 4.0 # the same while its size changes
ENOUGH = 0.7         # share of the shortest way, turn or growth of the world that must be made
TOO_MUCH = 1.4       # times the most that the world makes
ASTRAY = 0.10        # pixels sideways, for each pixel of the way
LEAST_ASTRAY = 2.5   # pixels sideways that a short way may go
BACKWARDS = 0.15     # share of the way that may be lost again, counted from the farthest point so far
# A steady object's radius: all values within a fifth (a pixel at the smallest radius of 11 is a tenth), and no
# more than a tenth between the first and the last quarter. The world's growth is 1.7.
STEADY_RANGE = np.log(1.2)
STEADY_DRIFT = np.log(1.1)
GROWN = (0.65, 1.35)  # times the world's growth in this time, as logarithms


def seconds_to_grow(start, end):
    """log(radius at the end / at the start) of the world's growing and shrinking, over [start, end] seconds."""
    return tuple(np.log(relative_radius(motion, end) / relative_radius(motion, start))
                 for motion in ("grow", "shrink"))


def setback(values):
    """How far values fall below the highest before them. A wobble does not add up, turning back does."""
    return float((np.maximum.accumulate(values) - values).max())


class Course:
    """A track with its outliers of one frame removed. seconds from 0; x, y, radius in pixels."""

    def __init__(self, seconds, x, y, radius):
        self.x, self.y = (ndimage.median_filter(np.asarray(v, float), 3, mode="nearest") for v in (x, y))
        self.size = np.log(ndimage.median_filter(np.asarray(radius, float), 3, mode="nearest"))
        self.seconds = float(seconds[-1] - seconds[0])
        self.grows, self.shrinks = seconds_to_grow(seconds[0], seconds[-1])

    def ends(self, values):
        """Change from the mean of the first quarter to that of the last."""
        quarter = max(1, len(values) // 4)
        return float(np.mean(values[-quarter:]) - np.mean(values[:quarter]))

    def change(self, values):
        """Change from the first to the last frame, over two frames each."""
        return float(np.mean(values[-2:]) - np.mean(values[:2]))

    def keeps_size(self):
        # In a short clip growth itself is small, and a steady object must be steadier.
        growth = min(abs(self.grows), abs(self.shrinks)) if self.seconds < GROWTH_SECONDS else np.log(GROWTH)
        return (np.ptp(self.size) <= min(STEADY_RANGE, 0.7 * growth)
                and abs(self.ends(self.size)) <= min(STEADY_DRIFT, 0.35 * growth))

    def keeps_place(self, wobble):
        return np.hypot(self.x - np.median(self.x), self.y - np.median(self.y)).max() <= wobble

    def goes(self, along, across):
        """Whether `along` rises as far and as straight as the world has it."""
        way = self.change(along)
        room = SIZE - 2.0 * (np.exp(np.median(self.size)) + MARGIN) - SCATTER
        return (ENOUGH * min(SPEED[0] * self.seconds, room) <= way <= TOO_MUCH * SPEED[1] * self.seconds
                and np.ptp(across) <= max(LEAST_ASTRAY, ASTRAY * way)
                and setback(along) <= BACKWARDS * way)

    def bend(self):
        """Pixels from one side of the track to the other, across its longer axis."""
        track = np.stack([self.x - self.x.mean(), self.y - self.y.mean()], axis=1)
        return float(np.ptp(track @ np.linalg.svd(track, full_matrices=False)[2][1]))

    def circles(self):
        """Whether the centre runs on a circle of the world's size, evenly and at its speed, either way round."""
        # A short straight way fits a wide circle too; the flattest arc of the world in 9 frames is 3.2 px high.
        if self.bend() <= LEAST_ASTRAY:
            return False
        # Least squares for x² + y² = 2ax + 2by + c (Kåsa): (a, b) is the middle.
        left = np.stack([2.0 * self.x, 2.0 * self.y, np.ones_like(self.x)], axis=1)
        (a, b, c), *_ = np.linalg.lstsq(left, self.x**2 + self.y**2, rcond=None)
        radius = np.sqrt(max(c + a * a + b * b, 0.0))
        if not ENOUGH * ORBIT_RADIUS[0] <= radius <= TOO_MUCH * ORBIT_RADIUS[1]:
            return False
        away = np.hypot(self.x - a, self.y - b) - radius
        angle = np.unwrap(np.arctan2(self.y - b, self.x - a)) / (2.0 * np.pi)
        turns = self.change(angle)
        middle = len(angle) // 2
        halves = abs(angle[middle] - angle[0]), abs(angle[-1] - angle[middle])
        return (np.abs(away).max() <= 0.2 * radius
                and ENOUGH * self.seconds / ORBIT_PERIOD[1] <= abs(turns) <= TOO_MUCH * self.seconds / ORBIT_PERIOD[0]
                and setback(angle * np.sign(turns)) <= BACKWARDS * abs(turns)
                and min(halves) >= 0.35 * abs(turns))

    def resizes(self, expected):
        change = self.change(self.size)
        return (GROWN[0] <= change / expected <= GROWN[1]
                and setback(self.size * np.sign(expected)) <= BACKWARDS * abs(expected) + 0.02
                and self.keeps_place(GROWING_WOBBLE))


def motion_of(seconds, x, y, radius):
    """(name or None, figures): the one motion whose rule the track keeps. Arrays of one value a frame."""
    course = Course(seconds, x, y, radius)
    steady = course.keeps_size()
    kept = {
        "left": steady and course.goes(-course.x, course.y),
        "right": steady and course.goes(course.x, course.y),
        "up": steady and course.goes(-course.y, course.x),
        "down": steady and course.goes(course.y, course.x),
        "circle": steady and course.circles(),
        "still": steady and course.keeps_place(WOBBLE),
        "grow": course.grows > 0.0 and course.resizes(course.grows),
        "shrink": course.shrinks < 0.0 and course.resizes(course.shrinks),
    }
    names = [name for name, yes in kept.items() if yes]
    figures = {"dx": course.change(course.x), "dy": course.change(course.y),
               "growth": float(np.exp(course.change(course.size))),
               "path": float(np.hypot(np.diff(course.x), np.diff(course.y)).sum())}
    return (names[0] if len(names) == 1 else None), figures
