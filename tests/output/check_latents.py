"""Reads the latents files of output_samples with h5py; compares them with numpy's own rounding."""
import json
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np

SHAPE = (16, 5, 6, 10)


def round_to_bfloat16(values):
    """float32 rounded to 8 significant bits, ties to even, by exact integer arithmetic."""
    words = values.view(np.uint32).astype(np.uint64)
    kept, cut = words >> 16, words & 0xFFFF
    kept += (cut > 0x8000) | ((cut == 0x8000) & (kept & 1 == 1))
    return (kept << 16).astype(np.uint32).view(np.float32)


def check_file(folder, kind, expected, dtype):
    with h5py.File(folder / f"{kind}.h5") as file:
        latents = file["latents"]
        assert latents.shape == SHAPE, latents.shape
        assert latents.dtype == dtype, latents.dtype
        assert latents.chunks == (16, 1, 6, 10), latents.chunks
        assert latents.fletcher32
        # Bits, so that -0 differs from 0.
        got = latents[:].astype(np.float32)
        assert np.array_equal(got.view(np.uint32), expected.view(np.uint32)), kind
        names = list(file.attrs)
        assert names == ["id", "prompt", "seed", "fps", "height", "scaling", "configuration",
                         "timings"], names
        assert file.attrs["id"] == "fox-01"
        assert file.attrs["prompt"] == "Ein Fuchs läuft, 狐 🦊"
        assert file.attrs["seed"] == 18446744073709551615
        assert file.attrs["seed"].dtype == np.uint64
        assert file.attrs["fps"] == 16.0
        assert file.attrs["height"] == 480
        assert file.attrs["scaling"] == "normalised"
        assert file.attrs["configuration"] == (folder / "long.txt").read_text(encoding="utf-8")
        assert json.loads(file.attrs["timings"]) == {"denoise": 1.5}


def check_flipped_byte(folder, kind):
    damaged = folder / f"damaged-{kind}.h5"
    shutil.copy(folder / f"{kind}.h5", damaged)
    with h5py.File(damaged) as file:
        where = file["latents"].id.get_chunk_info(2).byte_offset + 77
    with open(damaged, "r+b") as file:
        file.seek(where)
        byte = file.read(1)[0]
        file.seek(where)
        file.write(bytes([byte ^ 1]))
    with h5py.File(damaged) as file:
        try:
            file["latents"][:]
        except OSError as error:
            assert "Fletcher32" in str(error), error
        else:
            raise AssertionError(f"{kind}: a flipped bit went unnoticed")


def main():
    folder = Path(sys.argv[1])
    values = np.fromfile(folder / "values.f32", np.float32).reshape(SHAPE)
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    check_file(folder, "f32", values, np.float32)
    check_file(folder, "f16", half.astype(np.float32), np.float16)
    check_file(folder, "bf16", round_to_bfloat16(values), np.float32)
    for kind in ("f32", "f16", "bf16"):
        check_flipped_byte(folder, kind)
    print("latents: f32, f16, bf16 as h5py reads them: all right")


if __name__ == "__main__":
    main()
