"""Reads videos and their prompts: from the folder of a run of Causeway, or from a list.

Nothing is dropped on the way: a video that the run should have made and has not is a `Video` with a `problem`.
"""
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np


class InputError(Exception):
    """What was given cannot be read at all: no folder, no list, no ffmpeg."""


class BadVideo(Exception):
    """One video cannot be read; the others can."""


@dataclass(frozen=True)
class Video:
    """One video that was to be made. `problem` says why there is nothing to read, where that is known."""
    name: str
    prompt: str          # "" where it is unknown
    path: Path = None    # .mp4 or .npy
    problem: str = ""
    frames: int = None   # that it must have; None: any number


def read_run(folder):
    """The Videos of a finished run in the order of its prompt list."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"no run in '{folder}' (no such folder); give the output folder of `causeway generate`")
    try:
        samples = json.loads((folder / "report.json").read_text(encoding="utf-8"))["samples"]
        not_begun = int(samples["not_started"])
        failures = {each["id"]: each["problem"] for each in samples["failures"]}
    except OSError as error:
        raise InputError(f"no finished run in '{folder}' ({error.strerror}: report.json); "
                         "call `causeway generate` again, it makes what is missing") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"'{folder}/report.json' is not a report of causeway ({error!r}); "
                         "call `causeway generate` again") from error
    videos = {name: _made(folder, name, entry) for name, entry in _journal(folder / "journal.jsonl").items()}
    # Complete by their names, but a crash came before their line in the journal.
    for kind, suffix in (("video", ".mp4"), ("latents", ".h5")):
        for path in sorted(folder.glob(f"samples/*/[!.]*{suffix}")):
            if path.stem not in videos:
                videos[path.stem] = _made(folder, path.stem, {kind: str(path.relative_to(folder))})
    for name, problem in failures.items():
        videos.setdefault(name, Video(name, "", problem=f"was not made: {problem}"))
    for number in range(not_begun):
        name = f"(not begun {number + 1})"
        videos[name] = Video(name, "", problem="was not begun; call `causeway generate` again")
    if not videos:
        raise InputError(f"the run in '{folder}' holds no videos; look into its causeway.log")
    return list(videos.values())


def _journal(path):
    """{id: last entry}, in the order of the prompt list."""
    entries = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"cannot read '{path}' ({error.strerror}); give the output folder of a run") from error
    for line in lines:
        try:
            entry = json.loads(line)
            entries[str(entry["id"])] = entry
        except (ValueError, KeyError, TypeError):
            continue   # a crash cut this line off; its files are found by their names
    return dict(sorted(entries.items(), key=lambda item: item[1].get("index", len(entries))))


def _made(folder, name, entry):
    latents, video = entry.get("latents"), entry.get("video")
    path = folder / video if video else None
    prompt = _prompt_of(folder / latents if latents else path and path.with_suffix(".h5"), path)
    if path is None:
        return Video(name, prompt, problem="has no MP4; generate with encoding.save: true")
    if not path.is_file():
        return Video(name, prompt, path, f"'{path}' is missing; call `causeway generate` again")
    return Video(name, prompt, path, frames=entry.get("frames"))


def _prompt_of(latents, video):
    """The prompt that a sample's files carry; "" where neither tells it."""
    try:
        import h5py   # only where there are latents; the MP4 tells it too
        with h5py.File(latents, "r") as file:
            prompt = file.attrs["prompt"]
            return prompt.decode("utf-8", "replace") if isinstance(prompt, bytes) else str(prompt)
    except (ImportError, OSError, KeyError, TypeError, ValueError):
        pass
    try:
        return _probe(video)["format"]["tags"]["comment"] if video and video.is_file() else ""
    except (BadVideo, KeyError, TypeError):
        return ""


def read_list(path):
    """The Videos of a JSON Lines file: an object a line with `video` (.mp4 or .npy; relative to the list's
    folder), `prompt` and, as wished, `id`."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the list '{path}' ({error}); give a JSON Lines file") from error
    videos = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            video, prompt = entry["video"], entry["prompt"]
            if not (isinstance(video, str) and isinstance(prompt, str)):
                raise TypeError("video and prompt must be texts")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}:{number}: not an object with video and prompt ({error}); "
                             'write {"video": "a.mp4", "prompt": "…"}') from error
        file = path.parent / video
        problem = "" if file.is_file() else f"'{file}' is missing; correct the list"
        videos.append(Video(str(entry.get("id", video)), prompt, file, problem))
    if not videos:
        raise InputError(f"the list '{path}' is empty; write a line per video")
    return videos


def load_video(video):
    """(uint8 [frames, height, width, 3] in sRGB, frames a second; None for an array, which does not say).

    Raises BadVideo where there is nothing whole to read.
    """
    if video.problem:
        raise BadVideo(video.problem)
    frames, rate = (_load_array(video.path), None) if video.path.suffix == ".npy" else _decode(video.path)
    if video.frames is not None and len(frames) != video.frames:
        raise BadVideo(f"'{video.path}' has {len(frames)} frames, the journal says {video.frames}; "
                       "remove it and call `causeway generate` again")
    return frames, rate


def _load_array(path):
    try:
        frames = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadVideo(f"'{path}' is not a numpy array ({error}); save it with numpy.save") from error
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise BadVideo(f"'{path}' holds {frames.dtype} {list(frames.shape)}; "
                       "save uint8 [frames, height, width, 3]")
    return frames


def _decode(path):
    stream = _stream_of(path)
    width, height = stream["width"], stream["height"]
    answer = _call(["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path), "-map", "0:v:0",
                    "-sws_flags", "bicubic+accurate_rnd+full_chroma_int", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
    # A file that was cut off gives its first frames, a word of complaint, and often exit code 0.
    complaint = answer.stderr.decode("utf-8", "replace").strip()
    if answer.returncode != 0 or complaint or not answer.stdout or len(answer.stdout) % (width * height * 3):
        raise BadVideo(f"'{path}' is damaged (ffmpeg: {_first_line(complaint) or 'no whole frames'}); "
                       "remove it and call `causeway generate` again")
    above, _, below = stream["avg_frame_rate"].partition("/")
    frames = np.frombuffer(answer.stdout, np.uint8).reshape(-1, height, width, 3)
    return frames, float(above) / max(float(below or 1), 1e-9)


def _stream_of(path):
    streams = [each for each in _probe(path).get("streams", []) if each.get("codec_type") == "video"]
    if not streams or not streams[0].get("width"):
        raise BadVideo(f"'{path}' holds no video; remove it and call `causeway generate` again")
    return streams[0]


def _probe(path):
    answer = _call(["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)])
    if answer.returncode != 0:
        raise BadVideo(f"'{path}' is not a video (ffprobe: {_first_line(answer.stderr.decode('utf-8', 'replace'))}); "
                       "remove it and call `causeway generate` again")
    return json.loads(answer.stdout.decode("utf-8", "replace"))


def _first_line(text):
    return text.strip().splitlines()[0] if text.strip() else ""


def _call(command):
    if shutil.which(command[0]) is None:
        raise InputError(f"no program '{command[0]}' (it reads the MP4s); apt-get install ffmpeg")
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as error:
        raise BadVideo(f"{command[0]} did not end within {error.timeout:.0f} s; is the file whole?") from error
