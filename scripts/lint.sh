#!/usr/bin/env bash
# Checks the form of the C++ sources: clang-format over every tracked one, clang-tidy over the
# translation units of the library, plugins and program (tests and benchmarks are left out).
#
#   scripts/lint.sh [FILE...]     only these files
#
# A wrong format fails, and so does whatever clang-tidy finds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export HEADRACE_CACHE=${HEADRACE_CACHE:-$HOME/.cache/headrace}
scripts/setup.sh --lint --no-build
# A configuration that compiles file by file, so that each must include what it uses.
cmake --preset dev --log-level=WARNING >/dev/null

failed=no
tools=$HEADRACE_CACHE/venv/bin

mapfile -t sources < <(git ls-files -- '*.h' '*.cpp' '*.cu' '*.cuh' '*.c')
if [[ $# -gt 0 ]]; then sources=("$@"); fi
echo "lint: clang-format over ${#sources[@]} files"
if [[ ${#sources[@]} -gt 0 ]]; then
  "$tools/clang-format" --dry-run -Werror "${sources[@]}" || failed=yes
fi

# Translation units that the build compiles, below the folders that clang-tidy reads, as paths from
# the root.
mapfile -t units < <(python3 - "$@" <<'PYTHON'
import json, os, sys

folders = {"graph", "loader", "kernels", "partitioner", "scheduler", "executor", "plugins", "cli"}
wanted = {os.path.relpath(file) for file in sys.argv[1:]}
with open("build/dev/compile_commands.json") as commands:
    paths = {
        os.path.relpath(os.path.join(entry["directory"], entry["file"]))
        for entry in json.load(commands)
    }
for path in sorted(paths):
    # Clang does not read CUDA's sources, and is more than minutes over cuDNN's frontend.
    if path.endswith(".cu") or path == "kernels/cuda/cudnn_graphs.cpp":
        continue
    if path.split(os.sep)[0] in folders and (not wanted or path in wanted):
        print(path)
PYTHON
)
echo "lint: clang-tidy over ${#units[@]} translation units"
if [[ ${#units[@]} -gt 0 ]]; then
  # clang-tidy comes without OpenMP's header; g++'s is no other compiler's concern but for this one file.
  openmp=$(mktemp -d)
  trap 'rm -rf "$openmp"' EXIT
  ln -s "$(g++ -print-file-name=include)/omp.h" "$openmp"
  # g++'s own warning options are no concern of clang's. Each unit's output stays together.
  printf '%s\0' "${units[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c '
    output=$("$0" --quiet -p build/dev --extra-arg=-Wno-unknown-warning-option --extra-arg=-isystem"$1" "$2" 2>&1) && exit
    printf "%s\n" "$output"
    exit 1' "$tools/clang-tidy" "$openmp" || failed=yes
fi

if [[ $failed == yes ]]; then
  echo "lint: failed"
  exit 1
fi
echo "lint: passed"
