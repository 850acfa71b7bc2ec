#!/usr/bin/env python3
# Writes a small tokenizer.json (Unigram, English) for demonstration checkpoints.
"""Usage: make_demo_tokenizer.py FOLDER

Needs the standard library only. The file has the shape of umT5's: `<pad>` 0, `</s>` 1, `<s>` 2,
`<unk>` 3, words that begin with U+2581, then single characters, then the sentinels `<extra_id_99>`
… `<extra_id_0>`. The log-probabilities are made up: Zipf's law over the word list below, with
letters far behind, so that a known word is one token and any other text in printable ASCII is spelled.
"""

import json
import math
import pathlib
import sys

SPACE = "\u2581"
SPECIALS = ["<pad>", "</s>", "<s>", "<unk>"]
SENTINELS = 100

# Roughly by frequency in prompts for videos.
WORDS = """
a the of in and with on to is at by from as its an over into under through his her their it that
are camera shot scene view close up wide slow motion cinematic light lighting soft warm cold
bright dark golden hour sunset sunrise sun sky cloud clouds rain snow storm fog mist wind sea
ocean wave waves water river lake beach sand shore island mountain mountains hill valley forest
tree trees leaf leaves grass field flower flowers garden city street road bridge building
buildings house window door room kitchen table chair floor wall roof tower castle night day
morning evening moon star stars space planet earth fire smoke flame candle lamp neon reflection
shadow man woman boy girl child children people person crowd dancer chef painter soldier astronaut
robot dragon cat dog horse bird fish bear fox wolf lion tiger elephant rabbit butterfly whale
dolphin turtle panda owl eagle car train boat ship plane bicycle truck bus rocket balloon kite
ball book cup glass bottle bread cake apple fruit red blue green yellow orange purple pink white
black brown gray silver gold colorful vivid pale deep clear walking running jumping flying
swimming dancing singing playing sitting standing looking smiling laughing eating drinking reading
writing painting cooking driving riding falling rising turning moving floating drifting glowing
shining burning melting growing opening closing rolling spinning swinging climbing sailing surfing
skating fighting small big large tiny huge tall short long young old new ancient modern beautiful
pretty calm quiet busy empty full round square sharp smooth rough wet dry hot fast gentle strong
heavy fluffy shiny wooden metal stone paper hand hands face eye eyes hair head arm leg foot feet
body smile dress coat hat shirt shoes gloves mask crown front back left right top bottom side
center middle behind above below between around across along near far away one two three four five
six seven eight nine ten many few some all each every other another same different video film
photo picture image style realistic detailed quality high low resolution background foreground
focus blurred depth angle aerial drone tracking panning zoom static handheld frame texture pattern
abstract cartoon anime watercolor oil sketch render digital art artistic vintage retro futuristic
fantasy magic magical spring summer autumn winter ice frozen desert jungle cave cliff waterfall
rainbow lightning thunder volcano lava music guitar piano violin drum song stage spotlight concert
party festival market shop restaurant cafe school library museum church temple station airport
harbor farm barn fence path trail park playground pool boxing gear play run walk jump fly swim
dance sing sit stand look laugh eat drink read write paint cook drive ride fall rise turn move
float drift glow shine burn melt grow open close roll spin swing climb sail wearing holding
carrying using making watching waiting sleeping chasing catching throwing kicking slowly quickly
gently softly brightly suddenly gracefully intensely quietly smoothly towards toward against while
then when where as if but or not no very more most just only also still almost like he she they we
you i this these those there here what who which how has have had was were be been being will time
life world home way place thing part moment story dream journey adventure energy power speed sound
movement atmosphere mood feeling emotion expression gesture pose detail details contrast tone
tones color colors early late soon before after during until since always never again once
together alone silk cotton leather linen marble brick concrete copper bronze crystal diamond pearl
jade ivory puppy kitten duck goose swan frog bee spider snake monkey deer cow sheep goat pig
chicken penguin seal shark crab coffee tea milk soup rice pasta pizza cheese egg honey sugar
chocolate lemon tomato carrot pumpkin doctor teacher student farmer artist musician player king
queen prince princess knight wizard pirate ninja hero
""".split()

ENDINGS = ["s", "ed", "ing", "er", "est", "ly", "y", "es", "d", "r", "n", "'s"]


def demo_vocabulary():
    """[(piece, log-probability)], the id being the index."""
    pieces = [(special, 0.0) for special in SPECIALS]
    known = set(SPECIALS)

    def add(piece, score):
        if piece not in known:
            known.add(piece)
            pieces.append((piece, round(score, 6)))

    add(SPACE, -4.0)
    for character in ",.":
        add(character, -3.5)
    words = list(dict.fromkeys(WORDS))
    harmonic = sum(1.0 / rank for rank in range(1, len(words) + 1))
    for rank, word in enumerate(words, start=1):
        add(SPACE + word, math.log(0.7 / (rank * harmonic)))
    for rank, word in enumerate(words, start=1):  # at the head of a sentence
        add(SPACE + word.capitalize(), math.log(0.02 / (rank * harmonic)))
    for ending in ENDINGS:
        add(ending, -6.0)
    for code in range(ord("a"), ord("z") + 1):
        add(chr(code), -9.0)
        add(SPACE + chr(code), -10.0)
        add(SPACE + chr(code).upper(), -10.5)
    for code in range(ord("!"), ord("~") + 1):
        add(chr(code), -10.0)
    for n in reversed(range(SENTINELS)):
        add(f"<extra_id_{n}>", 0.0)
    return pieces


def demo_tokenizer():
    """The content of tokenizer.json, as the Hugging Face `tokenizers` library reads it."""
    pieces = demo_vocabulary()
    specials = {
        piece: index
        for index, (piece, _) in enumerate(pieces)
        if piece in SPECIALS or piece.startswith("<extra_id_")
    }
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": index,
                "content": piece,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for piece, index in specials.items()
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Metaspace",
            "replacement": SPACE,
            "prepend_scheme": "always",
            "split": True,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, end],
            "pair": [
                {"Sequence": {"id": "A", "type_id": 0}},
                end,
                {"Sequence": {"id": "B", "type_id": 0}},
                end,
            ],
            "special_tokens": {
                "</s>": {"id": "</s>", "ids": [specials["</s>"]], "tokens": ["</s>"]}
            },
        },
        "decoder": {
            "type": "Metaspace",
            "replacement": SPACE,
            "prepend_scheme": "always",
            "split": True,
        },
        "model": {
            "type": "Unigram",
            "unk_id": specials["<unk>"],
            "vocab": [[piece, score] for piece, score in pieces],
            "byte_fallback": False,
        },
    }


def write_demo_tokenizer(folder):
    """Writes FOLDER/tokenizer.json (the folder is made) and returns the size of the vocabulary."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = demo_tokenizer()
    with open(folder / "tokenizer.json", "w", encoding="utf-8", newline="\n") as file:
        json.dump(content, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    return len(content["model"]["vocab"])


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: make_demo_tokenizer.py FOLDER")
    size = write_demo_tokenizer(sys.argv[1])
    print(f"wrote {sys.argv[1]}/tokenizer.json: {size} pieces")
