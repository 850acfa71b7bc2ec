"""Makes pictures and videos of many kinds; compares what read_frames and ffmpeg (or numpy) see."""
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np


def png(path, pixels):
    """Writes uint8 [height, width, channels] as PNG."""
    height, width, channels = pixels.shape
    colour = {1: 0, 3: 2, 4: 6}[channels]

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    path.write_bytes(b"\x89PNG\r\n\x1a\n"
                     + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Checker:
    def __init__(self, program, ffmpeg, folder):
        self.program, self.ffmpeg, self.folder = program, ffmpeg, folder

    def read(self, path):
        raw = self.folder / "read.rgb"
        line = subprocess.run([self.program, "read", str(path), str(raw)], check=True,
                              capture_output=True, text=True).stdout
        count, height, width, rate = line.split()
        shape = (int(count), int(height), int(width), 3)
        return np.fromfile(raw, np.uint8).reshape(shape), rate

    def run_ffmpeg(self, *arguments):
        return subprocess.run([self.ffmpeg, "-v", "error", "-y", *map(str, arguments)], check=True,
                              capture_output=True).stdout

    def by_ffmpeg(self, path, shape):
        raw = self.run_ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-sws_flags",
                              "bicubic+accurate_rnd+full_chroma_int", "-")
        return np.frombuffer(raw, np.uint8).reshape(shape)


def check_png(checker, smooth):
    for name, pixels in (("rgb", smooth), ("odd", smooth[:37, :51]), ("gray", smooth[..., :1]),
                         ("rgba", np.concatenate([smooth, np.full_like(smooth[..., :1], 255)], 2))):
        path = checker.folder / f"{name}%03d.png"  # the pattern must mean nothing
        png(path, pixels)
        frames, rate = checker.read(path)
        expected = pixels[..., :3] if pixels.shape[2] > 1 else np.repeat(pixels, 3, 2)
        assert frames.shape == (1, *expected.shape) and rate == "0/1", (name, frames.shape, rate)
        assert np.array_equal(frames[0], expected), name


def with_exif_orientation(jpeg, value):
    """The JPEG with an EXIF block that holds the tag Orientation alone."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    block = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def check_jpeg(checker, smooth):
    source = checker.folder / "source.png"
    png(source, smooth)
    path = checker.folder / "photo.jpg"
    checker.run_ffmpeg("-i", source, "-q:v", "1", "-pix_fmt", "yuvj420p", path)
    plain, rate = checker.read(path)
    assert rate == "0/1"
    assert np.abs(plain[0].astype(int) - smooth).mean() < 2  # BT.601, full range, as JFIF says
    # EXIF 2.3: where row 0 and column 0 are seen.
    upright = {1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1],
               4: lambda p: p[::-1], 5: lambda p: p.swapaxes(0, 1),
               6: lambda p: p.swapaxes(0, 1)[:, ::-1],
               7: lambda p: p.swapaxes(0, 1)[::-1, ::-1],
               8: lambda p: p.swapaxes(0, 1)[::-1]}
    stored = path.read_bytes()
    for value, turn in upright.items():
        turned = checker.folder / "turned.jpg"
        turned.write_bytes(with_exif_orientation(stored, value))
        frames, _ = checker.read(turned)
        assert np.array_equal(frames[0], turn(plain[0])), value


def check_videos(checker, smooth):
    source = checker.folder / "source.png"
    png(source, smooth)
    still = ["-loop", "1", "-framerate", "24", "-i", source, "-frames:v", "6"]
    h264 = ["-c:v", "libx264", "-crf", "5", "-pix_fmt", "yuv420p"]
    for name, matrix, level, options in (
            ("bt709.mp4", "bt709", "tv", h264), ("bt601.mp4", "smpte170m", "tv", h264),
            ("full.mp4", "bt709", "pc", h264),
            ("bt601.mkv", "smpte170m", "tv", ["-c:v", "ffv1", "-pix_fmt", "yuv444p"]),
            ("ten.mp4", "bt709", "tv", ["-c:v", "libx265", "-crf", "5", "-x265-params",
                                        "log-level=error", "-pix_fmt", "yuv422p10le"]),
            ("vp9.webm", "bt709", "tv",
             ["-c:v", "libvpx-vp9", "-crf", "10", "-pix_fmt", "yuv420p"])):
        path = checker.folder / name
        scale_matrix = "bt601" if matrix == "smpte170m" else matrix
        convert = f"scale=out_color_matrix={scale_matrix}:out_range={level}"
        checker.run_ffmpeg(*still, "-vf", convert, *options, "-colorspace", matrix,
                           "-color_primaries", matrix, "-color_trc", matrix, "-color_range", level,
                           path)
        frames, rate = checker.read(path)
        assert frames.shape == (6, *smooth.shape) and rate == "24/1", (name, frames.shape, rate)
        error = np.abs(frames.astype(int) - smooth)
        assert error.mean() < 2.5 and error.max() < 16, (name, error.mean(), error.max())
        difference = np.abs(frames.astype(int) - checker.by_ffmpeg(path, frames.shape))
        assert difference.mean() < 1.5, (name, difference.mean())
    for degrees in (90, 180, 270):
        turned = checker.folder / "turned.mp4"
        checker.run_ffmpeg("-i", checker.folder / "bt709.mp4", "-c", "copy", "-metadata:s:v:0",
                           f"rotate={degrees}", turned)
        frames, _ = checker.read(turned)
        difference = np.abs(frames.astype(int) - checker.by_ffmpeg(turned, frames.shape))
        assert difference.mean() < 1.5, (degrees, difference.mean())
    # Without tags: BT.709, limited range.
    untagged = checker.folder / "untagged.mp4"
    checker.run_ffmpeg(*still, "-vf", "scale=out_color_matrix=bt709:out_range=tv", *h264, "-bsf:v",
                       "h264_metadata=matrix_coefficients=2:colour_primaries=2:"
                       "transfer_characteristics=2", "-movflags", "-write_colr", untagged)
    frames, _ = checker.read(untagged)
    assert np.abs(frames.astype(int) - smooth).mean() < 2.5


def main():
    samples, program, ffmpeg = Path(sys.argv[1]), *sys.argv[2:4]
    frame = np.fromfile(samples / "source.rgb", np.uint8, 144 * 176 * 3).reshape(144, 176, 3)
    smooth = frame[:80, :112]
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(program, ffmpeg, Path(folder))
        check_png(checker, smooth)
        check_jpeg(checker, smooth)
        check_videos(checker, smooth)
    print("PNG, JPEG, MP4, Matroska, WebM: read_frames sees what ffmpeg sees")


if __name__ == "__main__":
    main()
