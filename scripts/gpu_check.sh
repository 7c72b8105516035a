#!/usr/bin/env bash
# What only a GPU can prove, in one table: the operator table on the device, gradients and training
# beside the CPU's, cuts of one device against none, memory errors, an epoch of the shipped model, the
# step beside PyTorch's. Needs no network; a build, or what a build needs, has to be there.
#
#   scripts/gpu_check.sh [--device cuda:0] [--build FOLDER] OUT
#
#   OUT             folder that gpu_check.md and every step's output are written into
#   --build FOLDER  a build that is there already; else the preset `cuda` is built
#   --device NAME   what is checked; `cpu:1` runs the same steps where no GPU is, to try this script
#
# Ends with 0 when every step that could run passed. A step whose tools are missing is named as not run.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

device=cuda:0
build=
out=
while [[ $# -gt 0 ]]; do
  case $1 in
    --device) device=${2:?--device needs a name}; shift 2 ;;
    --build) build=${2:?--build needs a folder}; shift 2 ;;
    --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit ;;
    -*) echo "gpu_check: unknown option '$1'" >&2; exit 2 ;;
    *) out=$1; shift ;;
  esac
done
[[ -n $out ]] || { echo "gpu_check: no folder for the results is given" >&2; exit 2; }
mkdir -p "$out"
table=$out/gpu_check.md
failed=0

row() { # STEP VERDICT DETAIL SECONDS
  printf '| %s | %s | %s | %s |\n' "$@" | tee -a "$table"
}

step() { # NAME LOG PATTERN COMMAND...: PATTERN picks the lines of the log that the table shows
  local name=$1 log=$out/$2 pattern=$3 begin=$SECONDS verdict=passed
  shift 3
  "$@" >"$log" 2>&1 || { verdict=FAILED; failed=1; }
  row "$name" "$verdict" "$(grep -E "$pattern" "$log" | tail -n 6 | paste -sd ';' | tr '|' '/')" \
    "$((SECONDS - begin))"
}

{
  echo "# gpu_check, $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
  echo
} >"$table"
card=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -n 1)
echo "${card:-no NVIDIA GPU: the steps ran on $device}" | tee -a "$table"
printf '\n| step | verdict | result | seconds |\n|---|---|---|---|\n' | tee -a "$table"

if [[ -z $build ]]; then
  build=build/cuda
  # shellcheck disable=SC2016 # the inner shell expands it
  step "build" build.txt 'warning|error' bash -c \
    'cmake --preset cuda && cmake --build --preset cuda -j "$(nproc)" --target headrace gpu_tests'
  [[ $failed -eq 0 ]] || exit 1
fi
build=$(realpath "$build")
export HEADRACE_GPU_DEVICE=$device
headrace=$build/headrace

# The plugin's own line, or why it cannot be used.
# shellcheck disable=SC2317 # step calls it
usable() {
  "$headrace" plugins --json | python3 -c '
import json, sys
kind = sys.argv[1].split(":")[0]
found = [p for p in json.load(sys.stdin) if p["name"] == kind]
for plugin in found:
    print(kind, plugin.get("refused") or plugin["summary"])
sys.exit(not found or "refused" in found[0])' "$device"
}
[[ $device == cpu* ]] || step "the plugin" plugins.txt . usable
step "operator table" operators.txt 'PASSED|FAILED  \] [0-9]' \
  "$build/tests/gpu/gpu_tests" --gtest_filter='*GpuOperators*'
step "gradients beside the CPU's" gradients.txt '^gradients|FAILED  \]' \
  "$build/tests/gpu/gpu_tests" --gtest_filter='*GradientsAreTheCpus'
step "20 steps beside the CPU's" training.txt '^20 steps|FAILED  \]' \
  "$build/tests/gpu/gpu_tests" --gtest_filter='*.FollowsTheCpusLosses'
step "6 steps in bf16 beside the CPU's" bf16.txt '^6 steps|FAILED  \]' \
  "$build/tests/gpu/gpu_tests" --gtest_filter='*.InBf16FollowsTheCpusLosses'
step "four stages, the bits of one" stages.txt 'PASSED|FAILED  \]' \
  "$build/tests/gpu/gpu_tests" --gtest_filter='*FourStagesGiveTheBitsOfOne'
if [[ $device == cpu* ]]; then
  row "products tuned, the same bits" "not run" "CPUs tune nothing" 0
else
  step "products tuned, the same bits" tuned.txt 'products tuned|FAILED  \]' \
    "$build/tests/gpu/gpu_tests" --gtest_filter='*TunedProducts*'
fi
step "copies beside actions" overlap.txt 'copies of' \
  "$build/tests/gpu/gpu_tests" --gtest_filter='*CopiesRunBesideActions'

if [[ $device == cpu* ]] || ! command -v compute-sanitizer >/dev/null; then
  row "compute-sanitizer" "not run" "$([[ $device == cpu* ]] && echo "no GPU" || echo "not installed")" 0
else
  step "compute-sanitizer" sanitizer.txt 'ERROR SUMMARY|FAILED  \]' timeout 150 \
    compute-sanitizer --error-exitcode 1 "$build/tests/gpu/gpu_tests" \
    --gtest_filter='*GpuOperators*/Add:*GpuOperators*/Conv:*GpuOperators*/Softmax*:*GpuOperators*/Attention:*GpuOperators*/Layer*:*GpuOperators*/Reduce*:*GpuOperators*/Gather*'
fi

if [[ -d /usr/share/datasets/fashion-mnist ]]; then
  step "an epoch of fashion-cnn" fashion-cnn.txt 'right|accuracy|steps,|^step' \
    "$headrace" train models/fashion-cnn/run.toml --devices "$device" --stages-per-device 4 \
    --output "$out/fashion-cnn.onnx"
else
  row "an epoch of fashion-cnn" "not run" "its images are not on this machine" 0
fi

if python3 -c 'import torch, onnx, onnxscript' 2>/dev/null; then
  HEADRACE=$headrace step "a step beside PyTorch's" step_time.txt '^\| (resnet|gpt)' timeout 200 \
    python3 bench/pytorch/step_time.py --device "$device" --models "$([[ $device == cpu* ]] && echo resnet18_32 || echo resnet50,gpt2)" \
    --steps 8 --rounds 1
else
  row "a step beside PyTorch's" "not run" "no PyTorch with ONNX here" 0
fi

echo "gpu_check: $table"
exit "$failed"
