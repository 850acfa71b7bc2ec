"""Counts verdicts: shares with their intervals, the table, the requirements."""
import math

from .verdicts import BEYOND_ATTRIBUTES, IN_ALL, OBJECT_ATTRIBUTES, VIDEO_ATTRIBUTES

ATTRIBUTES = ("all",) + VIDEO_ATTRIBUTES + OBJECT_ATTRIBUTES
NORMAL_95 = 1.959964   # two-sided 95 % point of the normal distribution


def wilson(right, of):
    """95 % interval of a share (Wilson 1927): it stays within 0 and 1, and is honest at both ends."""
    if of == 0:
        return 0.0, 1.0
    share, z2 = right / of, NORMAL_95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = NORMAL_95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def failed(told, problem, beyond=None):
    """The verdicts on a video that could not be judged: wrong in everything that would have been judged.

    told: what `prompts.understand` says of its prompt; None where that is unknown (then one object).
    """
    objects = told[1] if told else [None]
    judged = set(BEYOND_ATTRIBUTES if beyond is not None else IN_ALL + (("size",) if len(objects) == 1 else ()))
    verdicts = {name: False if name in judged else None for name in VIDEO_ATTRIBUTES + OBJECT_ATTRIBUTES}
    things = [{"told": dict(zip(("shape", "colour", "size", "motion"), words)) if words else None, "seen": None,
               "verdicts": {name: verdicts[name] for name in OBJECT_ATTRIBUTES}} for words in objects]
    return {"verdicts": verdicts, "all": False, "problem": problem, "objects": things}


def summary(results):
    """{attribute: {"right", "of", "share", "low", "high"}}; of colour, shape, motion and size per object."""
    rows = {}
    for name in ATTRIBUTES:
        if name == "all":
            flags = [result["all"] for result in results]
        elif name in VIDEO_ATTRIBUTES:
            flags = [result["verdicts"][name] for result in results]
        else:
            flags = [thing["verdicts"][name] for result in results for thing in result["objects"]]
        flags = [flag for flag in flags if flag is not None]
        if flags:
            low, high = wilson(sum(flags), len(flags))
            rows[name] = {"right": sum(flags), "of": len(flags), "share": sum(flags) / len(flags),
                          "low": low, "high": high}
    return rows


def steadiness(results):
    """[(what, median, largest)] over the objects for which it was measured."""
    things = [thing for result in results for thing in result["objects"] if thing["seen"]]
    rows = []
    for name, words in (("lost_frames", "frames in which the object is lost"),
                        ("area_drift", "drift of its area, relative (neither told to grow nor to shrink)"),
                        ("colour_drift", "drift of its colour, of 0..255")):
        values = sorted(thing[name] for thing in things if thing.get(name) is not None)
        if values:
            rows.append((words, values[len(values) // 2], values[-1]))
    return rows


def table(results, beyond=None):
    """The summary for people."""
    judged = BEYOND_ATTRIBUTES if beyond is not None else IN_ALL
    lines = [f"{'':<12}{'right':>7}{'of':>7}{'share':>10}   95 % interval"]
    for name, row in summary(results).items():
        lines.append(f"{name:<12}{row['right']:>7}{row['of']:>7}{100 * row['share']:>8.1f} %"
                     f"   {100 * row['low']:.1f} … {100 * row['high']:.1f} %")
    lines += ["", f"all: {', '.join(judged[:-1])} and {judged[-1]} of a video are as told.",
              f"{', '.join(VIDEO_ATTRIBUTES)}: per video; {', '.join(OBJECT_ATTRIBUTES)}: per object told "
              "(size of single ones only)."]
    if beyond is not None:
        lines.append(f"Only the frames after frame {beyond} were judged, and of them only {', '.join(judged)}.")
    steady = steadiness(results)
    if steady:
        lines += ["", f"{'steadiness, per object':<70}{'median':>9}{'largest':>9}"]
        lines += [f"  {words:<68}{middle:>9.3g}{largest:>9.3g}" for words, middle, largest in steady]
    return "\n".join(lines)


def complaint(result):
    """What is wrong with one video, in words; "" where nothing is."""
    if result.get("problem"):
        return result["problem"]
    words = []
    if result["verdicts"]["background"] is False:
        words.append(f"background {result['background'] or 'none of the five'}, not {result['told_background']}")
    if result["verdicts"]["count"] is False:
        counts = result["counts"]
        least, most = min(counts), max(counts)
        words.append(f"{least if least == most else f'{least} to {most}'} objects, not {len(result['objects'])}")
    for thing in result["objects"]:
        told = thing["told"]
        if thing["seen"] is None:
            words.append(f"no {told['colour']} {told['shape']}")
            continue
        for name in OBJECT_ATTRIBUTES:
            if thing["verdicts"][name] is False:
                seen = thing["seen"].get(name)
                seen = f"{seen} at times" if seen == told[name] else seen or "unclear"
                words.append(f"{name} of the {told['colour']} {told['shape']}: {seen}, not {told[name]}")
    return "; ".join(words)


def shortfalls(rows, required):
    """Messages for the attributes of `required` ({name: share}) that fall short."""
    return [f"{name} is right in {row['right']} of {row['of']} ({100 * row['share']:.1f} %), "
            f"{100 * share:g} % are required" for name, share in required.items()
            if (row := rows[name])["share"] < share]
