#!/usr/bin/env bash
# Runs every test: packages, a build with warnings as errors in build/ci, then CTest.
#
#   scripts/test.sh [OPTION…]      options go to ctest, e.g. -L unit or -R tokenizer
#   CAUSEWAY_TORCH_PYTHON=PYTHON   an interpreter with PyTorch and diffusers (scripts/setup_torch.sh makes one);
#                                  without it the tests with label `torch` report that they were skipped
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

install_missing_packages
fetch_cudnn_frontend
cmake --preset ci ${CAUSEWAY_TORCH_PYTHON:+"-DCAUSEWAY_TORCH_PYTHON=$CAUSEWAY_TORCH_PYTHON"}
cmake --build --preset ci --parallel "$(nproc)"
# A test of n ranks counts as n jobs, so wide ones run alone on a small machine.
ctest --preset ci --parallel "$(nproc)" "$@"
