#!/usr/bin/env bash
# Makes the demonstration's videos from nothing: packages, Release build, main job, a picture of all videos.
#
#   scripts/demo.sh [OPTION…]      options go to `causeway generate`, e.g. --limit 2 or --out DIR
#   CAUSEWAY_DEMO_RANKS=2          MPI ranks
#
# What is there already is not made again. The model is the small one in configs/demo_model.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

ranks="${CAUSEWAY_DEMO_RANKS:-2}"
program=build/release/app/causeway

step() { printf '\n== %s\n' "$*"; }

# The folder that --out names, or else the configuration's.
output_folder() {
  local folder=out/demo
  while (($# > 0)); do
    case "$1" in
      --out) folder="${2:-}" && shift ;;
      --out=*) folder="${1#--out=}" ;;
    esac
    shift || true
  done
  realpath --canonicalize-missing "$folder"
}

# OpenMPI on one machine of any size: more ranks than cores, in a container, as root.
run_under_mpi() {
  if [[ "$(id -u)" == 0 ]]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  export OMPI_MCA_mpi_yield_when_idle=1               # a waiting rank leaves its core to the others
  export OMPI_MCA_btl_vader_single_copy_mechanism=none # containers forbid reading another process's memory
  export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
  export CAUSEWAY_PROGRESS="${CAUSEWAY_PROGRESS:-auto}"
  # Ranks see a pipe where the terminal is, so the live line has to be asked for.
  if [[ -t 2 && "$CAUSEWAY_PROGRESS" == auto ]]; then CAUSEWAY_PROGRESS=live; fi
  mpirun -n "$ranks" --oversubscribe --bind-to none -x CAUSEWAY_PROGRESS "$@" </dev/null
}

# A run with --dry-run or --help leaves no report, and nothing to draw.
draw_contact_sheet() {
  local folder="$1"
  if [[ -f "$folder/report.json" ]]; then
    /usr/bin/python3 scripts/contact_sheet.py "$folder" "$folder/contact_sheet.png"
  else
    echo "$folder holds no run (yet)."
  fi
}

list_results() {
  local folder="$1"
  [[ -f "$folder/report.json" ]] || return 0
  find "$folder/samples" -type f -name '[!.]*.mp4' | sort
  find "$folder/samples" -type f -name '[!.]*.h5' | sort
  echo "$folder/report.json"
}

step "packages"
install_missing_packages
fetch_cudnn_frontend
echo "all there"

step "Release build in build/release"
cmake --preset release
cmake --build --preset release --parallel "$(nproc)" --target causeway

step "mpirun -n $ranks causeway generate configs/runs/demo.yaml $*"
run_under_mpi "$program" generate configs/runs/demo.yaml "$@"

folder="$(output_folder "$@")"
step "contact sheet: a row of frames for each video"
draw_contact_sheet "$folder"

step "videos (.mp4), latents (.h5), report"
list_results "$folder"
