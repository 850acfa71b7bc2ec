#!/usr/bin/env bash
# All that wants a GPU, on a machine that has one and perhaps nothing else: builds kernels and networks
# (CAUSEWAY_CORE_ONLY), runs the tests with label `gpu`, the sanitizer and the benchmarks; minutes in all. Exchanges
# between GPUs are not among them: they take MPI, and a full build (`ctest -L gpu`).
#
#   scripts/gpu_checks.sh [FOLDER]    FOLDER (out/gpu) gets the logs; what matters is printed
#
# Needs CMake, Ninja, a C++20 compiler and the CUDA toolkit. Where fmt, nlohmann-json and GoogleTest are not
# installed, bring the folder core_headers along (scripts/pack_core.sh). It has the headers for cuDNN, too; else
# scripts/setup_cudnn_frontend.sh fetches them, and without them cuDNN is left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="${1:-out/gpu}"
build=build/core
mkdir -p "$folder"

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

# "90a-real" on a GPU of compute capability 9.0; from 9.0 on, `a` adds what belongs to that generation alone.
architecture_here() {
  local capability
  capability="$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d '. ')"
  if ((capability >= 90)); then echo "${capability}a-real"; else echo "$capability-real"; fi
}

# A test that is skipped here is one that was not run.
run_gpu_tests() {
  ctest --test-dir "$build" -L gpu --output-on-failure 2>&1 | tee "$folder/tests.log"
  if grep -q 'Skipped' "$folder/tests.log"; then
    echo "gpu_checks.sh: tests were skipped, though there is a GPU; see $folder/tests.log" >&2
    return 1
  fi
}

# The slowest kernels are called by few tests, so the whole suite of a kernel fits.
run_sanitizer() {
  local tool test
  for tool in memcheck racecheck; do
    for test in normalize row_groups elementwise diffusion vae_layout yuv420p biased_attention; do
      echo "$tool, ${test}_test"
      timeout 60 compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/tests/kernels/${test}_test" \
        --gtest_filter='*/gpu' --gtest_brief=1
    done
    # The products, with libraries and without, at a few shapes.
    timeout 60 compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/tests/kernels/linear_test" \
      --gtest_filter='*Accumulates*/gpu*:*Epilogues*/gpu*' --gtest_brief=1
    timeout 60 compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/tests/kernels/linear_norm_test" \
      --gtest_filter='*/gpu*' --gtest_brief=1
  done 2>&1 | tee "$folder/sanitizer.log"
}

run_benchmarks() {
  local options
  for options in "" "--fp32"; do
    # shellcheck disable=SC2086 # none or one option
    "$build/tests/bench/block_bench" --cuda $options
  done 2>&1 | tee "$folder/benchmarks.log"
  "$build/tests/bench/clip_bench" --cuda 2>&1 | tee -a "$folder/benchmarks.log"
}

# The same shapes in PyTorch, where an interpreter has it (CAUSEWAY_TORCH_PYTHON, else python3).
run_reference() {
  local option
  for option in "" "--compile"; do
    # shellcheck disable=SC2086 # none or one option
    timeout 120 "${CAUSEWAY_TORCH_PYTHON:-python3}" scripts/gpu_reference.py $option ||
      echo "no figures of PyTorch${option:+ ($option)}"
  done 2>&1 | tee "$folder/reference.log"
}

if ! command -v nvidia-smi >/dev/null || ! nvidia-smi >"$folder/gpu.txt" 2>&1; then
  echo "gpu_checks.sh: no GPU with a driver here (nvidia-smi does not run); use a machine that has one" >&2
  exit 4
fi
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader

step "build for $(architecture_here)"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCAUSEWAY_CORE_ONLY=ON -DCAUSEWAY_CUDA=ON \
  -DCMAKE_CUDA_ARCHITECTURES="$(architecture_here)" >"$folder/configure.log"
cmake --build "$build" --parallel "$(nproc)" >"$folder/build.log"

step "tests with label gpu"
run_gpu_tests
step "sanitizer"
if command -v compute-sanitizer >/dev/null; then run_sanitizer; else echo "compute-sanitizer is not installed"; fi
step "benchmarks"
run_benchmarks
step "the same in PyTorch"
run_reference
step "done; logs in $folder"
