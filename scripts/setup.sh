#!/usr/bin/env bash
# Installs the Debian packages that Causeway is built, tested and demonstrated with, where any is missing.
#
#   scripts/setup.sh       asks nothing; apt-get runs as root or through `sudo -n`. Where neither is to be
#                          had it prints the command that installs what is missing, and exits with 1.
#   CAUSEWAY_SKIP_SETUP=1  looks for nothing and installs nothing (the libraries came another way)
#
# Where there is a CUDA toolkit it fetches the headers of cudnn-frontend, too (setup_cudnn_frontend.sh); a build does
# without them where there is no network. The other scripts source this file and call `install_missing_packages`.
set -euo pipefail

causeway_packages=(
  build-essential cmake ninja-build git pkg-config
  openmpi-bin libopenmpi-dev
  libhdf5-dev
  libavcodec-dev libavformat-dev libavutil-dev libswscale-dev
  libyaml-cpp-dev libboost-program-options-dev
  libdnnl-dev
  nlohmann-json3-dev libfmt-dev libxxhash-dev libutf8proc-dev libsentencepiece-dev
  libgtest-dev
  ffmpeg python3 python3-numpy python3-h5py python3-scipy python3-pil
)

package_is_installed() {
  # With several architectures the answer is one word behind the other; "not-installed" must not match.
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed* ]]
}

name_the_libraries() {
  cat >&2 <<'TEXT'
This system has no dpkg, so nothing was installed. Causeway needs, by whatever names they go here:
  to build   a C++20 compiler (GCC 12 or newer), CMake 3.25, Ninja, git, pkg-config
  libraries  MPI 3.1 (OpenMPI), HDF5 (serial), libavcodec, libavformat, libavutil and libswscale of FFmpeg,
             oneDNN 2.6, yaml-cpp, Boost.Program_options 1.74, nlohmann-json 3.11, fmt, xxHash, utf8proc,
             sentencepiece
  to test    GoogleTest, the programs ffmpeg and ffprobe, /usr/bin/python3 with numpy, h5py,
             scipy and Pillow
Where they are all there, set CAUSEWAY_SKIP_SETUP=1.
TEXT
}

apt_get() {
  local as_root=()
  [[ "$(id -u)" == 0 ]] || as_root=(sudo -n)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get --yes --option DPkg::Lock::Timeout=300 "$@" </dev/null
}

may_install() {
  [[ "$(id -u)" == 0 ]] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

package_lists_are_there() {
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null
}

install_missing_packages() {
  [[ -z "${CAUSEWAY_SKIP_SETUP:-}" ]] || return 0
  if ! command -v dpkg-query >/dev/null; then
    name_the_libraries
    return 1
  fi
  local missing=() package
  for package in "${causeway_packages[@]}"; do
    package_is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  if ! may_install; then
    echo "sudo apt-get install ${missing[*]}"
    return 1
  fi
  echo "installing ${missing[*]}"
  # A fresh container has no package lists; those of an old machine may name versions that are gone.
  package_lists_are_there || apt_get update
  apt_get install --no-install-recommends "${missing[@]}" && return 0
  apt_get update
  apt_get install --no-install-recommends "${missing[@]}"
}

fetch_cudnn_frontend() {
  [[ -z "${CAUSEWAY_SKIP_SETUP:-}" ]] || return 0
  command -v nvcc >/dev/null || return 0
  "$(dirname "${BASH_SOURCE[0]}")/setup_cudnn_frontend.sh" || true # it has said what is missing
}

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
  install_missing_packages
  fetch_cudnn_frontend
fi
