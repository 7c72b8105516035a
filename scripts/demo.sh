#!/usr/bin/env bash
# Sets up and trains a small ResNet on Fashion-MNIST (60,000 images) for one epoch through four
# pipeline stages on two devices, breadth-first, then writes the trained model as ONNX.
# Arguments are passed on to `headrace train`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh

output=build/demo/fashion-cnn-trained.onnx
mkdir -p "${output%/*}"
rm -f "$output"
build/release/headrace train models/fashion-cnn/run.toml --output "$output" "$@"

[[ -s $output ]] || { echo "demo: error: $output was not written" >&2; exit 1; }
echo "demo: the trained model is $PWD/$output"
