#!/usr/bin/env bash
# Collects what a CAUSEWAY_CORE_ONLY build needs beside a compiler, for machines that have no packages of ours.
#
#   scripts/pack_core.sh [FOLDER]     FOLDER (core_headers) gets the headers of fmt and nlohmann-json, and GoogleTest;
#                                     and those of cudnn-frontend, where scripts/setup_cudnn_frontend.sh has fetched them
#
# Run it where the packages of scripts/setup.sh are installed; the folder is 8 MB and may be thrown away.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="${1:-core_headers}"
googletest=/usr/src/googletest/googletest
for needed in /usr/include/fmt /usr/include/nlohmann /usr/include/gtest "$googletest"; do
  if [[ ! -d "$needed" ]]; then
    echo "pack_core.sh: there is no $needed; run scripts/setup.sh (Debian: libfmt-dev nlohmann-json3-dev libgtest-dev)" >&2
    exit 1
  fi
done
mkdir -p "$folder/include" "$folder/googletest"
cp -RL /usr/include/fmt /usr/include/nlohmann /usr/include/gtest "$folder/include/"
cp -RL "$googletest/src" "$folder/googletest/"
if [[ -d out/cudnn_frontend ]]; then # where there is a CUDA toolkit, scripts/setup_cudnn_frontend.sh fetched it
  rm -rf "$folder/cudnn_frontend"
  cp -RL out/cudnn_frontend "$folder/"
fi
echo "$folder: $(du -sh "$folder" | cut -f1)"
