"""Looks at the videos of output_samples with ffprobe and ffmpeg."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HEIGHT, WIDTH = 144, 176


def probe(ffprobe, path):
    output = subprocess.run(
        [ffprobe, "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json",
         str(path)], check=True, capture_output=True).stdout
    return json.loads(output)


def decode(ffmpeg, path, pixel_format):
    output = subprocess.run(
        [ffmpeg, "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", pixel_format, "-"],
        check=True, capture_output=True).stdout
    return np.frombuffer(output, np.uint8)


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return 10 * np.log10(255**2 / error) if error else float("inf")


def boxes(path):
    """Names of the top-level boxes of an MP4, in order."""
    data, position, names = path.read_bytes(), 0, []
    while position < len(data):
        size = int.from_bytes(data[position:position + 4], "big")
        if size == 1:
            size = int.from_bytes(data[position + 8:position + 16], "big")
        names.append(data[position + 4:position + 8].decode())
        position += size or len(data)
    return names


def check_tags(info, codec, frames, rate):
    (stream,) = info["streams"]
    expected = {"codec_name": codec, "width": WIDTH, "height": HEIGHT, "pix_fmt": "yuv420p",
                "color_range": "tv", "color_space": "bt709", "color_transfer": "bt709",
                "color_primaries": "bt709", "nb_read_frames": str(frames), "avg_frame_rate": rate,
                "r_frame_rate": rate, "sample_aspect_ratio": "1:1", "start_time": "0.000000"}
    if codec == "h264":
        expected["chroma_location"] = "left"
    for key, value in expected.items():
        assert stream.get(key) == value, (codec, key, stream.get(key), value)
    tags = info["format"]["tags"]
    assert tags["title"] == "fox-01", tags
    assert json.loads(tags["comment"])["prompt"] == "Ein Fuchs läuft", tags
    assert "encoder" not in tags and "creation_time" not in tags, tags


def check_planes(planes, source):
    """Lossless H.264 holds BT.709 planes (ITU-R BT.709-6, section 3), limited, chroma left, to the last byte."""
    rgb = source.astype(float) / 255
    luma = rgb @ np.array([0.2126, 0.7152, 0.0722])
    chroma_blue = 128 + 224 * (rgb[..., 2] - luma) / 1.8556
    chroma_red = 128 + 224 * (rgb[..., 0] - luma) / 1.5748
    y_size, c_size = HEIGHT * WIDTH, HEIGHT * WIDTH // 4
    y = planes[:, :y_size].reshape(-1, HEIGHT, WIDTH)
    assert np.abs(y - (16 + 219 * luma)).max() <= 0.501
    for start, full in ((y_size, chroma_blue), (y_size + c_size, chroma_red)):
        plane = planes[:, start:start + c_size].reshape(-1, HEIGHT // 2, WIDTH // 2).astype(float)
        rows = np.pad((full[:, 0::2] + full[:, 1::2]) / 2, ((0, 0), (0, 0), (1, 0)), mode="edge")
        left = (rows[:, :, :-1:2] + 2 * rows[:, :, 1::2] + rows[:, :, 2::2]) / 4
        assert np.abs(plane - left).max() <= 0.501, np.abs(plane - left).max()


def check_other_machine(samples_program, folder):
    """The same bytes where the C library may use no fused or wide instructions."""
    environment = dict(os.environ)
    environment["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX,-SSE4_2,-ERMS"
    with tempfile.TemporaryDirectory() as other:
        subprocess.run([samples_program, "write", other], check=True, env=environment,
                       capture_output=True)
        latents = [folder / f"{kind}.h5" for kind in ("f32", "f16", "bf16")]
        for path in sorted(folder.glob("*.mp4")) + latents:
            assert path.read_bytes() == (Path(other) / path.name).read_bytes(), path.name


def main():
    folder, samples_program, ffmpeg, ffprobe = Path(sys.argv[1]), *sys.argv[2:5]
    source = np.fromfile(folder / "source.rgb", np.uint8).reshape(33, HEIGHT, WIDTH, 3)
    for name, codec, frames, rate, least in (("x264", "h264", 33, "16/1", 35),
                                             ("x265", "hevc", 33, "16/1", 35),
                                             ("svtav1", "av1", 33, "16/1", 33),
                                             ("lossless", "h264", 5, "30000/1001", 40)):
        path = folder / f"{name}.mp4"
        order = boxes(path)
        assert order.index("moov") < order.index("mdat"), order
        check_tags(probe(ffprobe, path), codec, frames, rate)
        quality = psnr(decode(ffmpeg, path, "rgb24"), source[:frames].reshape(-1))
        assert quality >= least, (name, quality)
        print(f"{name}: {frames} frames, {path.stat().st_size} bytes, PSNR {quality:.1f} dB")
    planes = decode(ffmpeg, folder / "lossless.mp4", "yuv420p").reshape(5, -1)
    check_planes(planes, source[:5])
    check_other_machine(samples_program, folder)


if __name__ == "__main__":
    main()
