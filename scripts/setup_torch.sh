#!/usr/bin/env bash
# Makes the virtual environment for training the demo model and for the tests with label `torch`; several GB.
#
#   python="$(scripts/setup_torch.sh)"   prints the path of its interpreter, all else on the error stream
#   CAUSEWAY_VENV=out/venv               where it lies
#
# Nothing is done where it is there already with the packages of scripts/train_demo/requirements.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

requirements=scripts/train_demo/requirements.txt
venv="$(realpath --canonicalize-missing "${CAUSEWAY_VENV:-out/venv}")"
installed="$venv/requirements.txt" # a copy, made when everything was installed

if [[ ! -x "$venv/bin/python" ]] || ! cmp --silent "$requirements" "$installed"; then
  causeway_packages=(python3 python3-venv python3-dev g++) # the last two for torch.compile
  install_missing_packages >&2
  /usr/bin/python3 -m venv "$venv" >&2
  "$venv/bin/python" -m pip install --disable-pip-version-check --requirement "$requirements" >&2
  cp "$requirements" "$installed"
fi
echo "$venv/bin/python"
