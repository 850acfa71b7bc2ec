#!/usr/bin/env python3
# Writes the fixtures of the text tests from independent libraries: ftfy, tokenizers, sentencepiece.
"""Usage: make_text_fixtures.py [FOLDER]          (default: tests/model/fixtures)

Needs `pip install ftfy tokenizers sentencepiece` in an environment of its own; the committed files
were made with 6.3.1, 0.21.4 and 0.2.3. Writes

* cleaning.json            [[raw, cleaned], …] by ftfy, html.unescape and white space as in Wan2.1
* trained/tokenizer.json   a Unigram vocabulary trained on text made here
* ties/tokenizer.json      a random Unigram vocabulary of few letters and round scores: equal paths
* segmentation.json        {folder: [[text, [id, …]], …]} by `tokenizers` reading those two files
* spiece/spiece.model      a small SentencePiece unigram model with user-defined symbols
* spiece_bpe/spiece.model  the same text as a BPE model, which must be refused

Random choices come from fixed seeds. The trainer of `tokenizers` does not order its pieces the same
way twice: a second run gives trained/ other ids, and segmentation.json with them.
"""

import html
import html.entities
import io
import json
import os
import pathlib
import random
import re
import sys
import unicodedata

os.environ["RAYON_NUM_THREADS"] = "1"
import ftfy  # noqa: E402
import sentencepiece  # noqa: E402
import tokenizers  # noqa: E402

SPACE = "\u2581"


def clean(raw):
    """Wan2.1's cleaning in mode "whitespace"; None where ftfy's repair of encodings takes part."""
    text = ftfy.fix_text(raw)
    if text != ftfy.fix_text(raw, fix_encoding=False):
        return None
    text = html.unescape(html.unescape(text)).strip()
    return re.sub(r"\s+", " ", text).strip()


def listed_cases():
    """Every rule by itself."""
    cases = [
        "", " ", "\n", "a", "plain ASCII stays.", "UPPER lower Mixed",
        "\u201cquoted\u201d it\u2019s", "\ufb01ne \u0149", "色调艳丽，过曝", "ＡＢＣ　ｶﾀｶﾅ",
        "\x1b[31mred\x1b[0m", "a\r\nb\rc d", "\x1b[1;2;3Hx", "\x1b[\u0663mx", "\x1b[", "\x1b[3",
        "\x1b[3;", "\x1b[3~x", "\x1b]x", "\x1b\x1b[mA", "a\u0085b\u2028c\u2029d", "\r\r\n\n\r",
        "x\u200by", "\ufeffbom", "a\x00b\x07c\x7fd", "\u206aa\u206fb\ufff9c\ufffcd\ufffde",
        "\u00e6 \u0153 \u00df \u017f", "e\u0301 \u212b \u1e9b\u0323", "\u1112\u1161\u11ab",
        "ﾡￂ\uffaf", "ｶﾞﾊﾟ", "가\u11a8", "q\u0323\u0307 q\u0307\u0323", "\u0344 \u0958 \u2126 \uf900",
        "\u0f71\u0f72\u0f74", "𝕜 ⑦ ½ ™ stay", "👩\u200d🚀 🇩🇪",
        "\u02bcn \u2018a\u2019 \u201ab\u201b \u201ec\u201f", "«guillemets» ‹›",
    ]
    cases += [f"<{c}" for c in "ab"] + [
        "< &amp; > &lt;", "no &amp; then\n<b> &amp; &eacute;\nlater &eacute;",
        "&eacute; first\n<b> &amp;amp; second\n&NTILDE; third", "&lt;b&gt; &amp;lt; &amp;amp;lt;",
    ]
    cases += [
        "&amp;", "&AMP;", "&amp", "&amper;", "&notit;", "&notin;", "&not", "&NTILDE;",
        "&NTILDE &NTILDEs;", "&SZLIG;", "&FFILIG;", "&unknown;", "&;", "&#;", "&#x;", "&#xg;",
        "& &", "&&amp;&", "&gt&lt", "&ampamp;", "&#65;", "&#65", "&#x41;", "&#X41", "&#65a;",
        "&#x41g;", "&#59;", "&#x3b;", "&#x3B", "&#0;", "&#x0;", "&#13;x", "&#10;x", "&#9;x",
        "&#12;x", "&#11;x", "&#8;x", "&#31;", "&#127;", "&#xd800;", "&#x110000;", "&#x10ffff;",
        "&#xfffe;", "&#xfdd0;", "&#99999999999999999999;", "&#999999999999999999999999999;",
        "&#x1F600;", "&nbsp;a&nbsp;", "&emsp;b", "&zwj;", "&CounterClockwiseContourIntegral;",
        "&CounterClockwiseContourIntegral", "&NotEqualTilde;", "&nGt;", "&bne;", "&fjlig;",
        "&hearts;5", "&quot;x&quot; &apos;", "&ldquo;x&rdquo;", "&#147;x&#148;", "&#8220;x",
        "&ccedil&atilde", "&copy2024", "&copy;2024", "&lt;script&gt;", "&amp;#65;", "&amp;amp;#65;",
        "&amp;amp;amp;amp;", "a&b;c", "AT&T", "R&D;", "&\u00e9;", "&am\u00e9;", "&not\u00e9",
        "&" + "a" * 40 + ";",
        "&lt" + "b" * 40,
        "&Tab;x&NewLine;y",
    ]
    # ftfy looks at no more than 24 digits; what it decodes it also uncurls.
    cases += ["&#" + "8220".zfill(digits) + ";" for digits in (4, 23, 24, 25, 26)]
    cases += [f"x&#{n};y" for n in range(0x7E, 0xA2)] + [f"x{chr(n)}y" for n in range(0x7F, 0xA2)]
    cases += [
        f"x{chr(n)}y"
        for n in list(range(0x00, 0x21))
        + [0xA0, 0xAD, 0x1680, 0x180E]
        + list(range(0x2000, 0x2010))
        + [0x202F, 0x205F, 0x2060, 0x3000]
    ]
    cases += ["ĲĳŉǱǲǳǄǅǆǇǈǉǊǋǌ", "ﬀ ﬁ ﬂ ﬃ ﬄ ﬅ ﬆ ﬓ"]
    cases += [
        "".join(f"{chr(n)}." for n in range(first, min(first + 16, 0xFFF0)))
        for first in range(0xFF00, 0xFFF0, 16)
    ]
    return cases


def random_cases(count):
    """Random mixes of what the rules look at."""
    chance = random.Random(20250101)
    names = sorted(html.entities.html5)
    combining = [chr(n) for n in range(0x300, 0x370)]

    def atom():
        kind = chance.randrange(13)
        if kind <= 2:
            return chance.choice(
                ["cat", "red", "it's", "A", "x1", "the sea", ".", ",", "-", "[web]"]
            )
        if kind == 3:
            return "&" + chance.choice(names)
        if kind == 4:
            return "&" + chance.choice(names).upper()
        if kind == 5:
            return chance.choice(["&#%d;", "&#x%x;", "&#%d", "&#X%x"]) % chance.choice(
                [
                    chance.randrange(0x20, 0x180),
                    chance.randrange(0x80, 0xA0),
                    chance.randrange(0x3000, 0xFFFF),
                ]
            )
        if kind == 6:
            return chr(chance.randrange(0xFF00, 0xFFF0))
        if kind == 7:
            return chance.choice("\u201c\u201d\u201e\u2018\u2019\u201a\u02bc«»")
        if kind == 8:
            return chance.choice(
                ["\x1b[0m", "\x00", "\x0b", "\x7f", "\ufeff", "\x0c", "\u200b", "\u206b", "\x85"]
            )
        if kind == 9:
            return chance.choice("ﬁﬂﬃĲŉǅæœ")
        if kind == 10:
            return chance.choice("aeioucnqAEIOUの한\u1100か") + "".join(
                chance.choice(combining) for _ in range(chance.randrange(1, 4))
            )
        if kind == 11:
            return chance.choice(
                [" ", "  ", "\n", "\r\n", "\r", "\t", "\u2028", "\u3000", "\u00a0"]
            )
        return chance.choice(["<", "&", ";", "&amp;", "&lt;", "&amp;amp;", "#", "&#"])

    return ["".join(atom() for _ in range(chance.randrange(1, 12))) for _ in range(count)]


def normalization_cases():
    """Every character that NFC changes, and every pair that it composes, 32 to a line."""
    singles = [
        chr(n) for n in range(0xA0, 0x30000) if unicodedata.normalize("NFC", chr(n)) != chr(n)
    ]
    pairs = [
        unicodedata.normalize("NFD", chr(n))
        for n in range(0xA0, 0x30000)
        if unicodedata.normalize("NFD", chr(n)) != chr(n) and not 0xAC00 + 400 < n < 0xD7A4
    ]
    rows = [singles[i :: len(singles) // 32 + 1] for i in range(len(singles) // 32 + 1)]
    rows += [pairs[i :: len(pairs) // 64 + 1] for i in range(len(pairs) // 64 + 1)]
    return [" ".join(row) for row in rows]


def write_cleaning(folder):
    cases, excluded, seen = [], 0, set()
    for raw in listed_cases() + normalization_cases() + random_cases(400):
        if raw in seen:
            continue
        seen.add(raw)
        cleaned = clean(raw)
        if cleaned is None:
            excluded += 1
        else:
            cases.append([raw, cleaned])
    write_rows(folder / "cleaning.json", cases)
    print(f"cleaning.json: {len(cases)} strings, {excluded} left out for their encoding repair")


def write_rows(path, rows):
    """A list of lists, a row a line, in ASCII."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="ascii", newline="\n")


WORDS = """
a the of in and with on to is at cat cats dog dogs bird child street house river mountain light
shadow camera slowly walking running jumping moves glides through over under between bright dark
golden quiet loud anthropomorphic comfy boxing gear gloves fight fighting intensely spotlighted
stage stages photograph café naïve résumé Zürich São Paulo München señor été garçon красный кот
идёт 猫 犬 走る 静かな 山 河 色 光 화려한 도시 قطة cinematic cinematography realistic realism watercolor
watercolour interesting uninteresting light lights lighted 4k 1080p 24fps 35mm f/1.8 [web]
well-known mother-in-law don't it's she's we're 'n rock'n'roll""".split()


def sentences(seed, count):
    chance = random.Random(seed)
    weights = [1.0 / (rank + 1) ** 0.7 for rank in range(len(WORDS))]
    for _ in range(count):
        words = chance.choices(WORDS, weights, k=chance.randrange(3, 14))
        if chance.random() < 0.5:
            words[0] = words[0].capitalize()
        yield " ".join(words) + chance.choice([".", ",", "!", "", "?", "..."])


def pipeline(tokenizer):
    """The steps around the model, as in umT5's tokenizer.json."""
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(
        replacement=SPACE, prepend_scheme="always"
    )
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>",
        pair="$A </s> $B </s>",
        special_tokens=[("</s>", tokenizer.token_to_id("</s>"))],
    )
    return tokenizer


SPECIALS = ["<pad>", "</s>", "<s>", "<unk>"]


def special(content, **flags):
    return tokenizers.AddedToken(content, normalized=False, special=True, **flags)


def trained_tokenizer():
    tokenizer = tokenizers.Tokenizer(tokenizers.models.Unigram())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(
        replacement=SPACE, prepend_scheme="always"
    )
    trainer = tokenizers.trainers.UnigramTrainer(
        vocab_size=800,
        special_tokens=SPECIALS,
        unk_token="<unk>",
        show_progress=False,
        max_piece_length=16,
    )
    tokenizer.train_from_iterator(list(sentences(1, 4000)), trainer)
    tokenizer.add_special_tokens([special(s) for s in SPECIALS])
    tokenizer.add_special_tokens([special(f"<extra_id_{n}>") for n in reversed(range(5))])
    tokenizer.add_special_tokens(
        [
            special("<extra_id_1>>"),
            special("<left>", lstrip=True),
            special("<right>", rstrip=True),
            special("<both>", lstrip=True, rstrip=True),
        ]
    )
    return pipeline(tokenizer)


def tied_tokenizer():
    chance = random.Random(7)
    letters = ["a", "b", "é", "猫", "𝕜", SPACE]
    pieces = {letter: -4.0 for letter in letters[:4]}  # 𝕜 and a lone U+2581 are unknown
    while len(pieces) < 120:
        piece = "".join(chance.choice(letters[:5]) for _ in range(chance.randrange(1, 6)))
        if chance.random() < 0.4:
            piece = SPACE + piece
        if piece != "𝕜":
            pieces.setdefault(piece, float(-chance.randrange(1, 9)))
    vocabulary = (
        [(s, 0.0) for s in SPECIALS] + [("[web]", 0.0), ("<0x61>", 0.0)] + sorted(pieces.items())
    )
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.Unigram(vocabulary, unk_id=3, byte_fallback=False)
    )
    tokenizer.add_special_tokens([special(s) for s in SPECIALS])
    return pipeline(tokenizer)


def trained_texts():
    chance = random.Random(11)
    texts = [
        "", " ", "cat",
        SPACE,
        f"a{SPACE}b cat", f"cat {SPACE}dog", "cat <extra_id_0> dog", "<extra_id_0>",
        "cat<extra_id_1>>dog", "<extra_id_1>", "<extra_id_", "a </s> b", "</s></s>", "<pad> <pad>",
        "a <left> b", "a <right> b", "a <both> b<both>", "  two  spaces  ", "<unk>", "\U00020000",
        "cat \U00020000\U00020001 dog", "\U00020000cat", "日本国", "cat <s", "𝑔ｗｅｂ①", "<right> <left>",
        "<left> <right>  <both>  x", "\u00e9\u0301",
    ]
    texts += list(sentences(2, 80))
    symbols = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789.,'-[]<>/ éïüçкот猫犬光한قطة☃🚀" + SPACE
    texts += [
        "".join(chance.choice(symbols) for _ in range(chance.randrange(1, 30))) for _ in range(100)
    ]
    stock = WORDS + SPECIALS + ["<extra_id_2>", "<both>", "<left>", "<right>", "☃☃", "zzz", SPACE]
    texts += [
        "".join(
            chance.choice(stock) + chance.choice(["", " "]) for _ in range(chance.randrange(1, 10))
        )
        for _ in range(100)
    ]
    return texts


def tied_texts():
    chance = random.Random(13)
    return [
        "".join(chance.choice("aabbé猫𝕜 " + SPACE) for _ in range(chance.randrange(1, 24)))
        for _ in range(250)
    ] + ["[web] a", "a[web]", "<0x61>b", "𝕜𝕜 𝕜a𝕜𝕜"]


def write_tokenizers(folder):
    makers = {"trained": (trained_tokenizer, trained_texts), "ties": (tied_tokenizer, tied_texts)}
    rows = {}
    for name, (make, texts) in makers.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        path = folder / name / "tokenizer.json"
        make().save(str(path), pretty=False)
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
        rows[name] = [[text, tokenizer.encode(text).ids] for text in dict.fromkeys(texts())]
        print(
            f"{name}/tokenizer.json: {tokenizer.get_vocab_size()} entries, "
            f"{path.stat().st_size} bytes, {len(rows[name])} texts"
        )
    parts = [
        f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in cases) + "\n]"
        for name, cases in rows.items()
    ]
    (folder / "segmentation.json").write_text(
        "{\n" + ",\n".join(parts) + "\n}\n", encoding="ascii", newline="\n"
    )


def write_sentencepiece(folder):
    for name, model_type in (("spiece", "unigram"), ("spiece_bpe", "bpe")):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences(3, 3000)),
            model_writer=model,
            model_type=model_type,
            vocab_size=520,
            character_coverage=1.0,
            byte_fallback=True,
            normalization_rule_name="identity",
            pad_id=0,
            eos_id=1,
            bos_id=2,
            unk_id=3,
            user_defined_symbols=["[web]", "[code]"],
            num_threads=1,
            minloglevel=2,
            hard_vocab_limit=False,
        )
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "spiece.model").write_bytes(model.getvalue())
        print(f"{name}/spiece.model: {len(model.getvalue())} bytes")


def main():
    here = pathlib.Path(__file__).resolve().parent
    folder = (
        pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "tests/model/fixtures"
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_cleaning(folder)
    write_tokenizers(folder)
    write_sentencepiece(folder)


if __name__ == "__main__":
    main()
