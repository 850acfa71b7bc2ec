#!/usr/bin/env bash
# Fetches the headers of cudnn-frontend (Apache 2.0), with which the CUDA backend uses cuDNN; 4 MB in out/cudnn_frontend.
#
#   scripts/setup_cudnn_frontend.sh       does nothing where there is no CUDA toolkit with cuDNN, or where they are there
#
# They come from NVIDIA's Python package, of which only the headers are kept. setup.sh, test.sh and demo.sh call this. A
# build without them leaves attention and convolutions on GPUs to the plain kernels; -DCAUSEWAY_CUDNN_FRONTEND_DIR=DIR
# names headers that came another way.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

version=1.32.0
folder=out/cudnn_frontend

toolkit_has_cudnn() {
  local toolkit header
  toolkit="$(dirname "$(dirname "$(realpath "$(command -v nvcc)")")")"
  for header in "$toolkit"/{,targets/*/}include/cudnn.h /usr/include/{,*/}cudnn.h; do
    [[ ! -f "$header" ]] || return 0
  done
  return 1
}

# A virtual environment of its own: Debian's Python lets nobody else's pip install anything.
download() {
  /usr/bin/python3 -m venv "$1/venv" &&
    "$1/venv/bin/python" -m pip download --disable-pip-version-check --quiet --no-deps --only-binary=:all: \
      --dest "$1" "nvidia-cudnn-frontend==$version"
}

unpack() {
  /usr/bin/python3 - "$1" <<'PYTHON'
import sys
import zipfile
from pathlib import Path

scratch = Path(sys.argv[1])
with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
    wheel.extractall(scratch, [name for name in wheel.namelist() if name.startswith("include/") or "/licenses/" in name])
next(scratch.glob("*.dist-info/licenses")).rename(scratch / "licenses")
PYTHON
}

command -v nvcc >/dev/null || exit 0
toolkit_has_cudnn || exit 0
[[ ! -f "$folder/version" || "$(cat "$folder/version")" != "$version" ]] || exit 0

echo "fetching the headers of cudnn-frontend $version to $folder"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
causeway_packages=(python3 python3-venv)
if ! install_missing_packages || ! download "$scratch" || ! unpack "$scratch"; then
  echo "setup_cudnn_frontend.sh: the headers could not be fetched (no network?); a build without them leaves attention" \
    "and convolutions on GPUs to the plain kernels, which are much slower" >&2
  exit 1
fi
rm -rf "$folder"
mkdir -p "$folder"
mv "$scratch/include" "$scratch/licenses" "$folder/"
echo "$version" >"$folder/version"
