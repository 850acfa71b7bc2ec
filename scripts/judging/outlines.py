"""Names the shape of a mask by comparing it with the ideal outlines of the world."""
from functools import lru_cache

import numpy as np

from train_demo import world

# Ideals of equal area overlap another by an IoU of at most 0.84 (circle on square), while a rendered object,
# blurred by 1 px and compressed, keeps 0.90 or more of its own. 0.86 is above every wrong one; the margin
# refuses what lies between two shapes, such as a square with round corners.
FLOOR = 0.86
MARGIN = 0.04


@lru_cache(maxsize=None)
def ideal(shape):
    """(area / radius², centroid's height below the centre / radius) of a shape, counted on a fine grid."""
    v, u = np.mgrid[-150:151, -150:151].astype(np.float32)
    inside = world.distance(shape, u, v, 100.0) <= 0.0
    return float(inside.sum()) / 1e4, float(v[inside].mean()) / 100.0


def radius_of(shape, area):
    """Half extent in pixels of a shape with this area; of a circle where the shape is unknown (None)."""
    return float(np.sqrt(area / ideal(shape or "circle")[0]))


def overlaps(found):
    """{shape: IoU} of an object's mask with each ideal of equal area and centroid."""
    reach = 1.3 * radius_of("triangle", found.area) + 2.0
    height, width = found.mask.shape
    rows = slice(max(int(found.y - reach), 0), min(int(found.y + reach) + 1, height))
    columns = slice(max(int(found.x - reach), 0), min(int(found.x + reach) + 1, width))
    mask = found.mask[rows, columns]
    outside = found.area - mask.sum()    # of a mask that is longer than any ideal
    u = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + np.float32(0.5 - found.x)
    v = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + np.float32(0.5 - found.y)
    values = {}
    for shape in world.SHAPES:
        radius = radius_of(shape, found.area)
        inside = world.distance(shape, u, v + np.float32(ideal(shape)[1] * radius), radius) <= 0.0
        common = np.count_nonzero(inside & mask)
        values[shape] = common / (np.count_nonzero(inside | mask) + outside)
    return values


def shape_of(found):
    """(name or None, best IoU, IoU of the second best)."""
    ranked = sorted(((value, shape) for shape, value in overlaps(found).items()), reverse=True)
    (best, shape), (second, _) = ranked[:2]
    named = best >= FLOOR and best - second >= MARGIN
    return (shape if named else None), best, second
