#!/usr/bin/env python3
"""Draws one picture of a run: a row of frames for each video, its prompt above it.

    scripts/contact_sheet.py RUN OUT.png [--frames 8] [--count 16]

The frames of a row are evenly spaced, the first and the last among them. A video that is missing or damaged
keeps its row, which says so.

Exit codes: 0 drawn · 1 drawn, but not every row has its video · 2 usage · 3 the run cannot be read, or ffmpeg
or Pillow is not there · 6 the picture cannot be written.
"""
import argparse
import os
import sys
from pathlib import Path

try:
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    from judging import runs
except ImportError as problem:
    print(f"contact_sheet: {problem}; apt-get install python3-numpy python3-scipy python3-pil, and run it by "
          "/usr/bin/python3", file=sys.stderr)
    sys.exit(3)

FONT = "DejaVuSans.ttf"      # comes with ffmpeg's libraries on Debian
FONT_SIZES = (14, 12, 10, 9) # pixels; the first with which a caption fits into its lines
MOST_LINES = 4
GAP = 4                      # pixels between frames and around a row
WIDEST = 256                 # pixels; larger frames are drawn smaller
PAPER, INK, ALARM = (250, 250, 248), (25, 25, 25), (170, 30, 30)


def main():
    options = read_options()
    try:
        videos = runs.read_run(options.run)
        shown = videos[:options.count]
        rows = [read_row(video, options.frames) for video in shown]
    except runs.InputError as error:
        print(f"contact_sheet: {error}", file=sys.stderr)
        return 3
    for video, (_, problem) in zip(shown, rows):
        if problem:
            print(f"contact_sheet: {video.name}: {problem}", file=sys.stderr)
    sheet = draw_sheet([video.prompt or video.name for video in shown], rows, options.frames)
    if not write(sheet, Path(options.out)):
        return 6
    print(f"{options.out}: {len(shown)} of {len(videos)} videos, {sheet.width} x {sheet.height} pixels")
    return 1 if any(problem for _, problem in rows) else 0


def read_options():
    parser = argparse.ArgumentParser(prog="contact_sheet.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="folder of a finished run of `causeway generate`")
    parser.add_argument("out", metavar="OUT.png", help="the picture to write")
    parser.add_argument("--frames", type=at_least(2), default=8, metavar="N", help="frames in a row (8)")
    parser.add_argument("--count", type=at_least(1), default=16, metavar="N", help="videos at most (16)")
    options = parser.parse_args()
    if not options.out.lower().endswith(".png"):
        parser.error(f"'{options.out}' is no PNG; give a name that ends in .png")
    return options


def at_least(least):
    def number(text):
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
        return value
    return number


def read_row(video, count):
    """(pictures, "") or ([], why there are none)."""
    try:
        frames, _ = runs.load_video(video)
    except runs.BadVideo as error:
        return [], str(error)
    # A video of fewer frames shows each of them once.
    chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    pictures = [Image.fromarray(frames[index]) for index in chosen]
    for picture in pictures:
        picture.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    return pictures, ""


def draw_sheet(captions, rows, frames):
    """The whole picture. rows: (pictures, problem) of each caption; frames: places in a row."""
    cell_width, cell_height = cell_size(rows)
    width = GAP + frames * (cell_width + GAP)
    texts = [fit(caption, width - 2 * GAP) for caption in captions]
    heights = [GAP + line_height(font) * len(lines) + GAP + cell_height for font, lines in texts]
    sheet = Image.new("RGB", (width, sum(heights) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = 0
    for (font, lines), (pictures, problem), height in zip(texts, rows, heights):
        y = top + GAP
        for line in lines:
            draw.text((GAP, y), line, fill=INK, font=font)
            y += line_height(font)
        y += GAP // 2
        for number, picture in enumerate(pictures):
            sheet.paste(picture, (GAP + number * (cell_width + GAP), y))
        if problem:
            draw.rectangle((GAP, y, width - GAP - 1, y + cell_height - 1), outline=ALARM)
            font, lines = fit(problem, width - 4 * GAP)
            for number, line in enumerate(lines):
                draw.text((2 * GAP, y + GAP + number * line_height(font)), line, fill=ALARM, font=font)
        top += height
    return sheet


def cell_size(rows):
    sizes = [picture.size for pictures, _ in rows for picture in pictures] or [(128, 128)]
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def fit(text, width):
    """(font, lines): the largest font with which the text takes at most MOST_LINES; cut off with "…" if none."""
    text = plain(text)
    for size in FONT_SIZES:
        font = font_of(size)
        lines = wrap(text, font, width)
        if len(lines) <= MOST_LINES:
            return font, lines
    return font, lines[:MOST_LINES - 1] + [shorten(lines[MOST_LINES - 1], font, width)]


def plain(text):
    """Without line breaks, control characters and halves of surrogate pairs, which no font can draw."""
    text = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    return "".join(character if character.isprintable() else "?" for character in text)


def font_of(size):
    try:
        return ImageFont.truetype(FONT, size)
    except OSError:
        return ImageFont.load_default()


def text_width(text, font):
    return font.getlength(drawable(text, font))


def drawable(text, font):
    # Pillow's built-in font, for want of a better one, knows Latin-1 alone.
    if isinstance(font, ImageFont.FreeTypeFont):
        return text
    return text.encode("latin-1", "replace").decode("latin-1")


def line_height(font):
    return sum(font.getmetrics()) if isinstance(font, ImageFont.FreeTypeFont) else 12


def wrap(text, font, width):
    """Lines that are at most `width` pixels wide, broken at spaces, or inside a word that is too long itself."""
    lines = [""]
    for word in drawable(text, font).split(" "):
        candidate = f"{lines[-1]} {word}".strip()
        if text_width(candidate, font) <= width:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and text_width(lines[-1] + character, font) > width:
                lines.append("")
            lines[-1] += character
    return lines


def shorten(line, font, width):
    end = drawable("…", font)
    while line and text_width(line + end, font) > width:
        line = line[:-1]
    return line + end


def write(sheet, path):
    part = path.with_name(f".{path.name}.part")
    try:
        sheet.save(part, format="PNG")
        os.replace(part, path)
    except OSError as error:
        print(f"contact_sheet: cannot write '{path}' ({error.strerror or error}); choose another place",
              file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")
    sys.stderr.reconfigure(errors="replace")
    sys.exit(main())
