#!/usr/bin/env bash
# Checks the form of the C++ sources: clang-format over every tracked one, clang-tidy over the
# translation units of the library, plugins and program (tests and benchmarks are left out).
#
#   scripts/lint.sh               all, clang-tidy in the batches that the preset release compiles
#   scripts/lint.sh FILE...       only these, each by itself: it must include what it uses
#
# A wrong format fails, and so does whatever clang-tidy finds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export HEADRACE_CACHE=${HEADRACE_CACHE:-$HOME/.cache/headrace}
scripts/setup.sh --lint --no-build
tools=$HEADRACE_CACHE/venv/bin
failed=no

if [[ $# -gt 0 ]]; then
  preset=dev
  sources=("$@")
else
  preset=release
  mapfile -t sources < <(git ls-files -- '*.h' '*.cpp' '*.cu' '*.cuh' '*.c')
fi
echo "lint: clang-format over ${#sources[@]} files"
if [[ ${#sources[@]} -gt 0 ]]; then
  "$tools/clang-format" --dry-run -Werror "${sources[@]}" || failed=yes
fi

# What the preset compiles, batches among it, below the folders that clang-tidy reads; as paths from
# the root.
cmake --preset "$preset" --log-level=WARNING >/dev/null
mapfile -t units < <(python3 - "$preset" "$@" <<'PYTHON'
import json, os, sys

folders = ("graph/", "loader/", "kernels/", "partitioner/", "scheduler/", "executor/", "plugins/", "cli/")
build = f"build/{sys.argv[1]}/"
# Where there is no CUDA, its host code is in the twin's.
batches = (build + "CMakeFiles/", build + "plugins/", build + "tests/kernels/CMakeFiles/headrace_cuda_twin")
wanted = {os.path.relpath(file) for file in sys.argv[2:]}
with open(build + "compile_commands.json") as commands:
    paths = {
        os.path.relpath(os.path.join(entry["directory"], entry["file"]))
        for entry in json.load(commands)
    }
for path in sorted(paths):
    # Clang does not read CUDA's sources, and is more than minutes over cuDNN's frontend.
    if path.endswith(".cu") or path == "kernels/cuda/cudnn_graphs.cpp":
        continue
    batch = path.startswith(batches)
    if path in wanted or not wanted and (batch or path.startswith(folders)):
        print(path)
PYTHON
)
echo "lint: clang-tidy over ${#units[@]} translation units"
if [[ $# -eq 0 && ${#units[@]} -eq 0 ]]; then failed=yes; fi
if [[ ${#units[@]} -gt 0 ]]; then
  # clang-tidy comes without OpenMP's header; g++'s will do.
  openmp=$(mktemp -d)
  trap 'rm -rf "$openmp"' EXIT
  ln -s "$(g++ -print-file-name=include)/omp.h" "$openmp"
  tidy=("$tools/clang-tidy" --quiet -p "build/$preset"
    # g++'s own warning options are no concern of clang's, nor what an older library uses of the standard's.
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-deprecated-declarations
    --extra-arg=-isystem"$openmp")
  # Sources are what a batch includes.
  if [[ $# -eq 0 ]]; then tidy+=(--checks=-bugprone-suspicious-include); fi
  # Each unit's output stays together.
  printf '%s\0' "${units[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c '
    output=$("$@" 2>&1) && exit
    printf "%s\n" "$output"
    exit 1' tidy "${tidy[@]}" || failed=yes
fi

if [[ $failed == yes ]]; then
  echo "lint: failed"
  exit 1
fi
echo "lint: passed"
