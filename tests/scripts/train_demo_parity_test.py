# The program against the PyTorch pipeline on one checkpoint and one noise, in float32: latents and frames.
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import train_demo_support as support
from train_demo_support import SCRIPTS, SOURCE

support.need("h5py")
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from train_demo.evaluate import to_bytes  # noqa: E402
from train_demo.export import export, load_exported  # noqa: E402
from train_demo.generate import FewSteps, generate  # noqa: E402
from train_demo.program_noise import program_noise, sample_ids, sample_numbers  # noqa: E402
from train_demo.training import load_config  # noqa: E402

SEED = 5
RELATIVE = 1e-3      # root mean square of the difference over that of the latents
LEAST_PSNR = 40.0    # dB, over all samples of the 8-bit planes
SHIPPED = SOURCE / "configs/demo_model"
PROMPTS = ["a red circle moves left over a grey background",
           "on a pink background, a green cross drifts left and a blue triangle moves right"]
YUV = "scale=in_range=full:out_range=limited:out_color_matrix=bt709:out_h_chr_pos=0:out_v_chr_pos=128:" \
      "flags=bicubic+accurate_rnd+full_chroma_inp+bitexact,format=yuv420p"


def ffmpeg(arguments, data=None):
    """The yuv420p bytes of a video, or of frames given as rgb24."""
    result = subprocess.run(["ffmpeg", "-v", "error", *arguments, "-f", "rawvideo", "-"], input=data,
                            stdin=subprocess.DEVNULL if data is None else None, capture_output=True, check=True)
    return np.frombuffer(result.stdout, np.uint8)


def planes_of(frames):
    """The yuv420p samples that frames uint8 [F, H, W, 3] become, as the program has them made."""
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    return ffmpeg(["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-i", "-", "-vf", YUV], frames.tobytes())


def psnr(a, b):
    return 10.0 * np.log10(255.0**2 / max(np.mean((a.astype(np.float64) - b) ** 2), 1e-9))


class Parity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="causeway-parity-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        (cls.folder / "prompts.txt").write_text("\n".join(PROMPTS) + "\n", encoding="utf-8")

    def by_program(self, model, ranks, side, chunks, window, sink):
        """{id: (latents [frames, 16, H, W], yuv420p samples)}; the MP4s are lossless."""
        out, config = self.folder / f"{model.name}_{chunks}_{ranks}", self.folder / "run.yaml"
        config.write_text(
            f"model: {{path: {model}, precision: fp32}}\nseed: {SEED}\n"
            f"video: {{height: {side}, width: {side}, frames: {12 * chunks - 3}}}\n"
            f"rollout: {{window_frames: {window}, sink_frames: {sink}}}\n"
            "parallel: {group_size: 0}\nencoding: {crf: 0, preset: ultrafast}\n", encoding="utf-8")
        support.generate(config, self.folder / "prompts.txt", out, ranks=ranks)
        found = {}
        for path in sorted(out.glob("samples/*/*.h5")):
            with h5py.File(path) as file:
                latents = file["latents"][...].swapaxes(0, 1)
            found[path.stem] = latents, ffmpeg(["-i", str(path.with_suffix(".mp4"))])
        return found

    @torch.inference_mode()
    def by_pytorch(self, model, side, chunks, window, sink):
        """The same from PyTorch: the networks as diffusers and transformers read them, diffusers' own decoder."""
        config = load_config(SCRIPTS / "train_demo/demo_model.yaml")
        networks, vae, mean, deviation = load_exported(model)
        noise = program_noise(SEED, sample_numbers(PROMPTS), (len(PROMPTS), 3, 16, side // 8, side // 8))
        videos = generate(networks, config, PROMPTS, chunks, noise, FewSteps(config["schedule"]), window, sink)
        found = {}
        for name, latents in zip(sample_ids(PROMPTS), videos):
            raw = (latents * deviation + mean).transpose(0, 1)[None]
            found[name] = latents.numpy(), planes_of(to_bytes(vae.decode(raw).sample[0]))
        return found

    def check(self, model, side, chunks, window=-1, sink=0):
        reference = self.by_pytorch(model, side, chunks, window, sink)
        made = {ranks: self.by_program(model, ranks, side, chunks, window, sink) for ranks in (1, 2)}
        self.assertEqual(made[1].keys(), reference.keys())
        for name, (latents, planes) in reference.items():
            ours, samples = made[1][name]
            self.assertEqual(ours.tobytes(), made[2][name][0].tobytes(), "1 and 2 ranks differ")
            self.assertEqual(ours.shape, latents.shape)
            size = np.sqrt(np.mean(latents**2))
            relative = np.sqrt(np.mean((ours - latents) ** 2)) / size
            self.assertEqual(samples.shape, planes.shape)
            decibels = psnr(samples, planes)
            print(f"  {model.name} {name}: latents of size {size:.3f} differ by {relative:.1e}, frames by "
                  f"{decibels:.1f} dB; planes vary by {planes.std():.1f}", flush=True)
            self.assertGreater(size, 0.1)
            self.assertGreater(planes.std(), 1.0, "flat frames prove nothing")
            self.assertLess(relative, RELATIVE)
            self.assertGreater(decibels, LEAST_PSNR)

    def tiny(self, name, *overrides):
        out = self.folder / f"{name}_training"
        out.mkdir()
        config = support.tiny_config(*overrides)
        support.write_untrained(config, out)
        return export(config, out, self.folder / name)

    def test_random_weights_give_the_same_video(self):
        self.check(self.tiny("random"), side=64, chunks=3)

    def test_random_weights_give_the_same_video_beyond_a_rolling_window_with_a_sink(self):
        self.check(self.tiny("rolling", "transformer.heads=6", "transformer.head_dim=8"), side=48, chunks=5,
                   window=7, sink=1)

    def test_the_model_that_is_shipped_gives_the_same_video(self):
        if not (SHIPPED / "model_index.json").exists():
            self.skipTest(f"there is no checkpoint in {SHIPPED}")
        self.check(SHIPPED, side=128, chunks=3)
        self.check(SHIPPED, side=128, chunks=4, window=7, sink=1)


if __name__ == "__main__":
    if "CAUSEWAY_PROGRAM" not in os.environ:
        raise SystemExit("CAUSEWAY_PROGRAM names no program; run this test by ctest")
    torch.set_num_threads(1)
    unittest.main(verbosity=2)
