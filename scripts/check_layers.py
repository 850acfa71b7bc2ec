#!/usr/bin/env python3
"""Checks that the sources keep to the architecture: who may include whom, where each third party has its door.

    scripts/check_layers.py [--root FOLDER]    prints every violation; exit code 1 if there is one
    scripts/check_layers.py --self-test        plants violations in a temporary tree and looks for each

The tables below are the architecture (ARCHITECTURE.md explains them); this script only compares.
"""
import argparse
import fnmatch
import re
import sys
import tempfile
from pathlib import Path

# From a folder to the folders of ours that it may include (its own always).
MAY_INCLUDE = {
    "app": ["lib/batch", "lib/core"],
    "lib/batch": ["lib/rollout", "lib/output", "lib/model", "lib/comm", "lib/tensor", "lib/core"],
    "lib/rollout": ["lib/model", "lib/ops", "lib/comm", "lib/tensor", "lib/core"],
    "lib/model": ["lib/checkpoint", "lib/ops", "lib/comm", "lib/tensor", "lib/core"],
    "lib/ops": ["lib/tensor", "lib/core", "kernels"],
    "lib/comm": ["lib/tensor", "lib/core"],
    "lib/checkpoint": ["lib/tensor", "lib/core"],
    "lib/output": ["lib/core", "kernels/bfloat16.hpp"],
    "lib/tensor": ["lib/core", "kernels/view.hpp", "kernels/bfloat16.hpp"],
    "lib/core": [],
    "kernels": [],
}

# Header patterns of a third party and the files that may include them. "private": only sources, or headers
# that no file of another folder reaches.
DOORS = [
    ("MPI", ["mpi.h"], ["lib/comm/*"], "private"),
    ("NCCL", ["nccl.h"], ["lib/comm/*"], "private"),
    ("CUDA", ["cuda*.h", "cuda*.hpp", "cublas*.h"], ["lib/tensor/*", "lib/comm/*", "kernels/*"], "private"),
    ("cuDNN", ["cudnn*.h", "nvrtc.h"], ["kernels/cudnn_*.cpp"], "private"),
    ("libraries opened at run time", ["dlfcn.h"], ["kernels/opened_library.hpp"], "private"),
    ("HDF5", ["hdf5.h", "H5*.h"], ["lib/output/*"], "private"),
    ("libav", ["libav*/*", "libsw*/*"], ["lib/output/*"], "private"),
    ("yaml-cpp", ["yaml-cpp/*"], ["lib/batch/config_yaml.cpp"], "private"),
    ("Boost", ["boost/program_options*"], ["app/*"], "private"),
    ("oneDNN", ["dnnl*", "oneapi/*"], ["kernels/conv_*"], "private"),
    ("sentencepiece", ["sentencepiece*"],
     ["lib/model/sentencepiece_file.cpp"], "private"),
    ("utf8proc", ["utf8proc.h"],
     ["lib/model/text_cleaning.cpp", "lib/model/code_points.cpp"], "private"),
    ("xxHash", ["xxhash.h"], ["lib/model/checkpoint_hash.cpp"], "private"),
    ("nlohmann-json", ["nlohmann/*"], ["lib/*"], "private"),
    ("OpenMP", ["omp.h"], ["kernels/*", "lib/batch/session.cpp"], "private"),
    ("vector instructions", ["*intrin.h", "arm_neon.h"], ["kernels/*"], "private"),
    ("libfmt", ["fmt/*"], ["app/*", "lib/*"], "anywhere"),
]

# Headers of the operating system; not for kernels.
SYSTEM = ["fcntl.h", "sched.h", "unistd.h", "signal.h", "poll.h", "sys/*.h"]

CODE = {".hpp", ".cpp", ".cu", ".cuh"}
HEADERS = {".hpp", ".cuh"}
LAYERED = ["app", "lib", "kernels"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:([<"])([^<>"]+)[>"]|(\S.*))')


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def folder_of(path):
    """"lib/model/vae.cpp" → "lib/model", "kernels/view.hpp" → "kernels"."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "lib" else parts[0]


def list_files(root, folders, endings):
    found = []
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in endings and "fixtures" not in path.parts:
                found.append(path.relative_to(root).as_posix())
    return found


class Tree:
    """The sources of one tree and what they include."""

    def __init__(self, root):
        self.root = root
        self.files = list_files(root, LAYERED, CODE | {".in"})
        self.known = set(self.files)
        self.includes = {}  # file → [(line, "<" or '"', name as written, file of ours or None)]
        for file in self.files:
            self.includes[file] = self.read_includes(file)

    def read_includes(self, file):
        rows = []
        text = (self.root / file).read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            found = INCLUDE.match(line)
            if found:
                mark, name, odd = found.groups()
                rows.append((number, mark or "?", name or odd, self.resolve(file, name)))
        return rows

    def resolve(self, file, name):
        if name is None:
            return None
        beside = f"{file.rsplit('/', 1)[0]}/{name}"
        for candidate in (f"lib/{name}", name, beside):
            if candidate in self.known:
                return candidate
        return None

    def reaching(self, header):
        """Every file that includes `header`, directly or through headers."""
        reached, waiting = set(), [header]
        while waiting:
            target = waiting.pop()
            for file, rows in self.includes.items():
                if file not in reached and any(row[3] == target for row in rows):
                    reached.add(file)
                    waiting.append(file)
        return reached


def check_own_include(file, target):
    home = folder_of(file)
    if home not in MAY_INCLUDE:
        return f"{home} is no layer of the architecture"
    allowed = [home, *MAY_INCLUDE[home]]
    if folder_of(target) in allowed or target in allowed:
        return None
    return f"{home} must not include {target} (it may include {', '.join(MAY_INCLUDE[home]) or 'nothing of ours'})"


def check_foreign_include(tree, file, name):
    for party, headers, doors, exposure in DOORS:
        if not matches(name, headers):
            continue
        if not matches(file, doors):
            return f"{party} has its door in {', '.join(doors)}, not here"
        if exposure == "private" and Path(file).suffix in HEADERS:
            outside = sorted(user for user in tree.reaching(file) if folder_of(user) != folder_of(file))
            if outside:
                return f"a header that others include ({outside[0]}) must not include {party}"
        return None
    if re.fullmatch(r"[a-z_0-9]+", name):  # the C++ standard library
        return None
    if matches(name, SYSTEM):
        return "kernels must not call the operating system" if folder_of(file) == "kernels" else None
    return "no door is known for this third party"


def check_includes(tree):
    for file, rows in tree.includes.items():
        for number, mark, name, target in rows:
            if target is not None:
                problem = check_own_include(file, target)
                if mark != '"':
                    problem = problem or "our own headers are included in quotes"
                if Path(target).suffix not in HEADERS:
                    problem = problem or "only headers are included"
            elif mark == "<":
                problem = check_foreign_include(tree, file, name)
            elif mark == '"':
                problem = "there is no such header in the tree"
            else:
                problem = "an include is a name in quotes or angle brackets"
            if problem:
                yield f"{file}:{number}: {name}: {problem}"


def check_stems(root):
    by_stem = {}
    for file in list_files(root, LAYERED, CODE):
        by_stem.setdefault(Path(file).stem, []).append(file)
    for stem, files in sorted(by_stem.items()):
        pair = (len(files) == 2 and len({Path(file).parent for file in files}) == 1
                and sum(Path(file).suffix in HEADERS for file in files) == 1)
        if len(files) > 1 and not pair:
            yield f"{files[0]}: shares its stem '{stem}' with {', '.join(files[1:])} (only a header and its source may)"


def first_words(path):
    """The comment that a file begins with, or what stands there instead."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    if not lines:
        return ""
    mark = "//" if path.suffix in CODE | {".in"} else "#"
    if path.suffix == ".py" and lines[0].startswith('"""'):
        end = next((i for i, line in enumerate(lines) if '"""' in (line[3:] if i == 0 else line)), 0)
        return " ".join(lines[: end + 1]).replace('"""', "").strip()
    words = []
    for line in lines:
        if not line.startswith(mark):
            break
        words.append(line[len(mark):].strip())
    return " ".join(words).strip()


def check_first_lines(root):
    files = list_files(root, [*LAYERED, "tests"], CODE | {".in", ".py", ".cmake"})
    files += list_files(root, ["scripts", "jobs"], {".py", ".sh", ".sbatch"})
    files += [path.relative_to(root).as_posix() for path in sorted(root.glob("cmake/*.cmake"))]
    files += [path.relative_to(root).as_posix()
              for folder in ("app", "lib", "kernels", "tests") for path in sorted((root / folder).rglob("CMakeLists.txt"))]
    for file in files:
        words = first_words(root / file)
        if not re.match(r"\S.{8,}?[.:!?](\s|$)", words):
            yield f"{file}:1: the first line is no comment that says in a sentence what the file is"


def violations(root):
    return [*check_includes(Tree(root)), *check_stems(root), *check_first_lines(root)]


# Planted files of the self-test: path, text, and a part of the complaint (None: there must be none).
SENTENCE = "// A file of the self-test.\n"
PLANTED = [
    ("lib/core/error.hpp", SENTENCE + "#include <fmt/format.h>\n", None),
    ("kernels/view.hpp", SENTENCE + "#include <array>\n", None),
    ("kernels/kernels.hpp", SENTENCE + '#include "kernels/view.hpp"\n', None),
    ("lib/tensor/tensor.hpp", SENTENCE + '#include "kernels/view.hpp"\n#include "core/error.hpp"\n', None),
    ("lib/output/handles.hpp", SENTENCE + "#include <hdf5.h>\n", None),
    ("lib/output/file.hpp", SENTENCE, None),
    ("lib/output/file.cpp", SENTENCE + '#include "output/file.hpp"\n#include "output/handles.hpp"\n', None),
    ("lib/output/upward.cpp", SENTENCE + '#include "batch/batch.hpp"\n', "lib/output must not include lib/batch/batch.hpp"),
    ("lib/batch/batch.hpp", SENTENCE + '#include "output/leaky.hpp"\n', None),
    ("lib/output/leaky.hpp", SENTENCE + "extern int x;\n#include <hdf5.h>\n", "must not include HDF5"),
    ("lib/tensor/greedy.cpp", SENTENCE + '#include "kernels/kernels.hpp"\n', "must not include kernels/kernels.hpp"),
    ("kernels/talkative_cpu.cpp", SENTENCE + '#include "core/error.hpp"\n', "kernels must not include lib/core/error.hpp"),
    ("kernels/formatting_cpu.cpp", SENTENCE + "#include <fmt/format.h>\n", "libfmt has its door"),
    ("kernels/files_cpu.cpp", SENTENCE + "#include <unistd.h>\n", "operating system"),
    ("lib/model/ranks.cpp", SENTENCE + "#include <mpi.h>\n", "MPI has its door"),
    ("lib/batch/prompts.cpp", SENTENCE + "#include <yaml-cpp/yaml.h>\n", "yaml-cpp has its door"),
    ("lib/batch/arguments.cpp", SENTENCE + "#include <boost/program_options.hpp>\n", "Boost has its door"),
    ("lib/ops/fast.cpp", SENTENCE + "#include <dnnl.hpp>\n", "oneDNN has its door"),
    ("lib/model/transformer.cpp", SENTENCE + "#include <sentencepiece_processor.h>\n", "sentencepiece has its door"),
    ("lib/rollout/letters.cpp", SENTENCE + "#include <utf8proc.h>\n", "utf8proc has its door"),
    ("app/main.cpp", SENTENCE + '#include "tensor/tensor.hpp"\n', "app must not include lib/tensor/tensor.hpp"),
    ("app/json.cpp", SENTENCE + "#include <nlohmann/json.hpp>\n", "nlohmann-json has its door"),
    ("lib/batch/report.cpp", SENTENCE + "#include <nlohmann/json.hpp>\n", None),
    ("lib/core/stranger.cpp", SENTENCE + "#include <opencv2/core.hpp>\n", "no door is known"),
    ("lib/core/missing.cpp", SENTENCE + '#include "core/nowhere.hpp"\n', "no such header"),
    ("lib/core/angles.cpp", SENTENCE + "#include <core/error.hpp>\n", "in quotes"),
    ("lib/core/swallow.cpp", SENTENCE + '#include "core/angles.cpp"\n', "only headers"),
    ("lib/core/macro.cpp", SENTENCE + "#include SOMETHING\n", "quotes or angle brackets"),
    ("lib/comm/twin.cpp", SENTENCE, "shares its stem 'twin'"),
    ("lib/model/twin.cpp", SENTENCE, None),
    ("lib/core/silent.cpp", "int x;\n", "the first line is no comment"),
    ("lib/core/word.cpp", "// silent\nint y;\n", "the first line is no comment"),
    ("scripts/mute.sh", "#!/bin/sh\nexit 0\n", "the first line is no comment"),
    ("scripts/said.sh", "#!/bin/sh\n# Does nothing, and says so.\nexit 0\n", None),
    ("lib/newcomer/new.cpp", SENTENCE + '#include "core/error.hpp"\n', "is no layer"),
]


def self_test():
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, text, _ in PLANTED:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        found = violations(root)
        for path, _, part in PLANTED:
            mine = [line for line in found if line.startswith(f"{path}:")]
            well = (not mine) if part is None else (len(mine) == 1 and part in mine[0])
            if not well:
                failed += 1
                print(f"self-test: {path}: expected {part!r}, found {mine}")
    print(f"self-test: {len(PLANTED)} planted files, {failed} not judged as they should be")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description="Checks the layers of the source tree.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true", help="plant violations, see that each is found")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    missing = [folder for folder in LAYERED if not (options.root / folder).is_dir()]
    if missing:
        print(f"{options.root}: no folder {', '.join(missing)}: this is not the source tree", file=sys.stderr)
        return 2
    found = violations(options.root)
    for line in found:
        print(line)
    print(f"{len(Tree(options.root).files)} files, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
