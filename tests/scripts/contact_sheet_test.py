# contact_sheet.py: its size, its rows, what a caption may hold, and how errors end.
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
from PIL import Image

from world_clips import SCRIPTS, Example, write_run

import contact_sheet


def draw(*arguments, path=None):
    environment = dict(os.environ, **({"PATH": path} if path is not None else {}))
    return subprocess.run([sys.executable, str(SCRIPTS / "contact_sheet.py"), *map(str, arguments)], timeout=120,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False)


class Sheets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="causeway-sheet-"))
        cls.clips = [Example(seed).clip() for seed in range(3)]
        captions = [Example(0).prompt, "long " * 300, "猫 🐈 \u202e\u0007\n\t e\u0301 \U0010ffff " + "x" * 400]
        write_run(cls.folder / "run", [(f"id{number}", caption, clip, "hdf5")
                                       for number, (caption, clip) in enumerate(zip(captions, cls.clips))])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def expect(self, answer, code, *words):
        self.assertEqual(answer.returncode, code, answer.stdout + answer.stderr)
        for word in words:
            self.assertIn(word, answer.stdout + answer.stderr)
        self.assertNotIn("Traceback", answer.stderr)

    def find(self, sheet, frame):
        """(x, y) of the place in the sheet that looks most like a frame, and the mean difference there."""
        sheet, frame = (np.asarray(each, np.float32)[::4, ::4].mean(axis=2) for each in (sheet, frame))
        views = np.lib.stride_tricks.sliding_window_view(sheet, frame.shape)
        away = np.abs(views - frame).mean(axis=(2, 3))
        y, x = np.unravel_index(away.argmin(), away.shape)
        return 4 * x, 4 * y, float(away.min())

    def test_every_row_has_its_frames_first_and_last_among_them(self):
        out = self.folder / "a.png"
        self.expect(draw(self.folder / "run", out, "--frames", 5), 0, "3 of 3 videos")
        sheet = Image.open(out).convert("RGB")
        self.assertEqual(sheet.width, 4 + 5 * (128 + 4))
        self.assertGreater(sheet.height, 3 * 128 + 3 * 12)
        self.assertLess(sheet.height, 3 * (128 + 80))
        rows = []
        for clip in self.clips:
            for place, index in enumerate((0, 8, 16, 24, 32)):
                x, y, away = self.find(sheet, clip[index])
                self.assertLess(away, 12.0)
                # A clip at rest has the same frame everywhere: its place says nothing then.
                if np.abs(clip[0].astype(int) - clip[-1]).mean() > 2.0 and place in (0, 4):
                    self.assertAlmostEqual(x, 4 + place * 132, delta=8)
            rows.append(y)
        self.assertEqual(rows, sorted(rows))

    def test_captions_leave_ink(self):
        out = self.folder / "b.png"
        self.expect(draw(self.folder / "run", out, "--count", 1), 0, "1 of 3 videos")
        sheet = np.asarray(Image.open(out).convert("L"))
        self.assertEqual(sheet.shape[1], 4 + 8 * 132)
        caption = sheet[:sheet.shape[0] - 128 - 6]
        self.assertGreater(caption.std(), 5.0)
        self.assertGreater(sheet.std(), 5.0)

    def test_a_long_caption_fits_the_width_in_few_lines(self):
        for text in ("word " * 100, "x" * 2000, "word " * 2000, "猫" * 500, ""):
            font, lines = contact_sheet.fit(text, 600)
            self.assertLessEqual(len(lines), contact_sheet.MOST_LINES)
            for line in lines:
                self.assertLessEqual(contact_sheet.text_width(line, font), 600)
        self.assertTrue(contact_sheet.fit("word " * 2000, 600)[1][-1].endswith("…"))
        self.assertEqual(contact_sheet.fit("a short one", 600)[1], ["a short one"])

    def test_any_text_can_be_drawn_also_without_a_font(self):
        picture = Image.fromarray(self.clips[0][0])
        name = contact_sheet.FONT
        try:
            for contact_sheet.FONT in (name, "no such font.ttf"):
                for text in ("\ud83d half", "猫 🐈", "\u202eback", "\x00\x07", "e\u0301" * 50, "\U0010ffff"):
                    sheet = contact_sheet.draw_sheet([text], [([picture], "")], 2)
                    self.assertEqual(sheet.width, 4 + 2 * 132)
        finally:
            contact_sheet.FONT = name

    def test_a_missing_video_keeps_its_row_and_says_so(self):
        shutil.copytree(self.folder / "run", self.folder / "holes")
        (self.folder / "holes" / "samples" / "0000" / "id1.mp4").unlink()
        self.expect(draw(self.folder / "holes", self.folder / "c.png"), 1, "id1", "is missing", "3 of 3 videos")
        with Image.open(self.folder / "c.png") as sheet:
            self.assertGreater(sheet.height, 3 * 128)

    def test_errors_end_with_their_code(self):
        run = self.folder / "run"
        self.expect(draw(self.folder / "no", self.folder / "d.png"), 3, "no such folder")
        self.expect(draw(run, self.folder / "d.png", path=str(self.folder)), 3, "apt-get install ffmpeg")
        self.expect(draw(run, self.folder / "d.jpg"), 2, ".png")
        self.expect(draw(run, self.folder / "d.png", "--frames", 1), 2, "at least 2")
        self.expect(draw(run, self.folder / "d.png", "--count", "many"), 2, "at least 1")
        self.expect(draw(run, self.folder / "no" / "d.png"), 6, "no/d.png")
        self.expect(draw(), 2, "RUN")
        self.assertFalse((self.folder / "d.png").exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
