#!/usr/bin/env bash
# All that wants a GPU, on a machine that has one and perhaps nothing else: builds kernels and networks
# (CAUSEWAY_CORE_ONLY), runs the tests with label `gpu`, the benchmarks, the same in PyTorch and the sanitizer. Exchanges
# between GPUs are not among them: they take MPI, and a full build (`ctest -L gpu`).
#
#   scripts/gpu_checks.sh [FOLDER]    FOLDER (out/gpu) gets the logs; what matters is printed
#
# It ends after at most CAUSEWAY_GPU_SECONDS (470): what comes late is cut short or left out, and said so. A step that
# fails does not keep the next ones from running; then the exit status is 1.
#
# Needs CMake, Ninja, a C++20 compiler and the CUDA toolkit. Where fmt, nlohmann-json and GoogleTest are not
# installed, bring the folder core_headers along (scripts/pack_core.sh). It has the headers for cuDNN, too; else
# scripts/setup_cudnn_frontend.sh fetches them, and without them cuDNN is left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="${1:-out/gpu}"
build=build/core
mkdir -p "$folder"

failed=()
seconds_in_all="${CAUSEWAY_GPU_SECONDS:-470}"

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

# within LIMIT COMMAND...: runs it for LIMIT seconds at most, and no longer than there is time in all.
within() {
  local limit="$1" left=$((seconds_in_all - SECONDS))
  shift
  if ((left < 5)); then
    echo "left out for want of time: $*" >&2
    return 124
  fi
  timeout --kill-after=5 "$((left < limit ? left : limit))" "$@"
}

# attempt NAME COMMAND...: the next step runs in any case.
attempt() {
  local name="$1"
  shift
  "$@" || failed+=("$name")
}

# "90a-real" on a GPU of compute capability 9.0; from 9.0 on, `a` adds what belongs to that generation alone.
architecture_here() {
  local capability
  capability="$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d '. ')"
  if ((capability >= 90)); then echo "${capability}a-real"; else echo "$capability-real"; fi
}

# A test that is skipped here is one that was not run.
run_gpu_tests() {
  within 200 ctest --test-dir "$build" -L gpu --output-on-failure 2>&1 | tee "$folder/tests.log"
  if grep -q 'Skipped' "$folder/tests.log"; then
    echo "gpu_checks.sh: tests were skipped, though there is a GPU; see $folder/tests.log" >&2
    return 1
  fi
}

run_benchmarks() {
  local status=0
  within 120 "$build/tests/bench/clip_bench" --cuda || status=1
  within 60 "$build/tests/bench/block_bench" --cuda || status=1
  within 60 "$build/tests/bench/block_bench" --cuda --fp32 || status=1
  return "$status"
}

# The same shapes in PyTorch, where an interpreter has it (CAUSEWAY_TORCH_PYTHON, else python3).
run_reference() {
  local option
  for option in "" "--compile"; do
    # shellcheck disable=SC2086 # none or one option
    within 90 "${CAUSEWAY_TORCH_PYTHON:-python3}" scripts/gpu_reference.py $option ||
      echo "no figures of PyTorch${option:+ ($option)}"
  done
}

# sanitize TOOL TEST FILTER
sanitize() {
  echo "$1, $2_test"
  within 60 compute-sanitizer --tool "$1" --error-exitcode 9 "$build/tests/kernels/$2_test" \
    --gtest_filter="$3" --gtest_brief=1
}

# The slowest kernels are called by few tests, so the whole suite of a kernel fits; of the products a few shapes, with
# libraries and without.
run_sanitizer() {
  local tool test status=0
  for tool in memcheck racecheck; do
    for test in normalize row_groups elementwise diffusion vae_layout yuv420p biased_attention; do
      sanitize "$tool" "$test" '*/gpu' || status=1
    done
    sanitize "$tool" linear_norm '*/gpu*' || status=1
    sanitize "$tool" linear '*Accumulates*/gpu*:*Epilogues*/gpu*' || status=1
  done
  return "$status"
}

if ! command -v nvidia-smi >/dev/null || ! nvidia-smi >"$folder/gpu.txt" 2>&1; then
  echo "gpu_checks.sh: no GPU with a driver here (nvidia-smi does not run); use a machine that has one" >&2
  exit 4
fi
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader

step "build for $(architecture_here)"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCAUSEWAY_CORE_ONLY=ON -DCAUSEWAY_CUDA=ON \
  -DCMAKE_CUDA_ARCHITECTURES="$(architecture_here)" >"$folder/configure.log"
within 300 cmake --build "$build" --parallel "$(nproc)" >"$folder/build.log"

step "tests with label gpu"
attempt tests run_gpu_tests
step "benchmarks"
run_benchmarks 2>&1 | tee "$folder/benchmarks.log" || failed+=(benchmarks)
step "the same in PyTorch"
run_reference 2>&1 | tee "$folder/reference.log"
step "sanitizer"
if command -v compute-sanitizer >/dev/null; then
  run_sanitizer 2>&1 | tee "$folder/sanitizer.log" || failed+=(sanitizer)
else
  echo "compute-sanitizer is not installed"
fi
if ((${#failed[@]} > 0)); then
  step "FAILED: ${failed[*]}; logs in $folder"
  exit 1
fi
step "done; logs in $folder"
