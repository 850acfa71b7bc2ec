"""Sentences of the synthetic world: how a scene is told, how a sentence is understood, what is held out."""
import hashlib
import itertools
import re

import numpy as np

from .world import BACKGROUNDS, COLOURS, MOTIONS, PAIR_MOTIONS, SHAPES, fill_scene

MOTION_PHRASES = {
    "left": ("moves left", "slides to the left", "drifts left"),
    "right": ("moves right", "slides to the right", "drifts right"),
    "up": ("moves up", "rises", "floats upwards"),
    "down": ("moves down", "sinks", "falls downwards"),
    "circle": ("moves in a circle", "goes round in a circle", "circles around"),
    "still": ("stays still", "does not move", "rests"),
    "grow": ("grows", "gets bigger", "becomes larger"),
    "shrink": ("shrinks", "gets smaller", "becomes smaller"),
}
TEMPLATES = (
    "{objects} over a {background} background",
    "{objects} on a {background} background",
    "on a {background} background, {objects}",
    "a {background} background where {objects}",
    "{objects} in front of a {background} wall",
)
HELD_OUT_SHARE = 0.15    # of all combinations of shape, colour and motion


def is_held_out(shape, colour, motion):
    """Whether training never shows this combination. Decided by its name, so for good."""
    digest = hashlib.sha256(f"held out/{shape}/{colour}/{motion}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2.0**32 < HELD_OUT_SHARE


def combinations(held_out):
    """All (shape, colour, motion) of one side of the split."""
    return [words for words in itertools.product(SHAPES, COLOURS, MOTIONS)
            if is_held_out(*words) == held_out]


def draw_words(generator, held_out, pair_share=0.25):
    """(background, [(shape, colour, size, motion), ...]); two objects differ in colour."""
    choices = combinations(held_out)
    background = str(generator.choice(list(BACKGROUNDS)))
    if generator.random() >= pair_share:
        shape, colour, motion = choices[generator.integers(len(choices))]
        size = str(generator.choice(["small", "medium", "medium", "large"]))
        return background, [(shape, colour, size, motion)]
    choices = [words for words in choices if words[2] in PAIR_MOTIONS]
    first = choices[generator.integers(len(choices))]
    others = [words for words in choices if words[1] != first[1]]
    second = others[generator.integers(len(others))]
    return background, [(shape, colour, "medium", motion) for shape, colour, motion in (first, second)]


def tell(generator, background, objects):
    """A sentence for the words; synonyms and the template come from the generator."""
    parts = []
    for shape, colour, size, motion in objects:
        noun = " ".join(word for word in ("" if size == "medium" else size, colour, shape) if word)
        article = "an" if noun[0] in "aeiou" else "a"
        parts.append(f"{article} {noun} {generator.choice(MOTION_PHRASES[motion])}")
    template = str(generator.choice(TEMPLATES))
    return template.format(objects=" and ".join(parts), background=background)


def understand(prompt):
    """(background, [(shape, colour, size, motion), ...]) of a sentence of this world.

    Raises ValueError naming what is missing where the sentence is not of this world.
    """
    text = prompt.lower()
    background = re.search(rf"\b({'|'.join(BACKGROUNDS)}) (?:background|wall)\b", text)
    if not background:
        raise ValueError(f"no background in {prompt!r}; say 'on a grey background' "
                         f"({', '.join(BACKGROUNDS)})")
    noun = re.compile(rf"(?:\b(small|large) )?\b({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})\b")
    found = list(noun.finditer(text))
    if not 1 <= len(found) <= 2:
        raise ValueError(f"{len(found)} objects in {prompt!r}; say one or two, "
                         f"'a red circle' ({', '.join(COLOURS)}; {', '.join(SHAPES)})")
    objects = []
    for number, match in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        motion = _motion(text[match.end():end])
        if motion is None:
            raise ValueError(f"no motion for '{match.group(0)}' in {prompt!r}; say 'moves left'")
        objects.append((match.group(3), match.group(2), match.group(1) or "medium", motion))
    return background.group(1), objects


def _motion(text):
    for motion, phrases in MOTION_PHRASES.items():
        if any(re.match(rf"\s*{phrase}\b", text) for phrase in phrases):
            return motion
    return None


def training_example(seed):
    """(sentence, scene) number `seed` of the endless training set."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    background, objects = draw_words(generator, held_out=False)
    return tell(generator, background, objects), fill_scene(generator, background, objects)


def held_out_prompts(count, seed=2026):
    """`count` different sentences of combinations that training never shows."""
    generator = np.random.Generator(np.random.Philox(key=[seed, 1]))
    prompts = []
    while len(prompts) < count:
        sentence = tell(generator, *draw_words(generator, held_out=True))
        if sentence not in prompts:
            prompts.append(sentence)
    return prompts
