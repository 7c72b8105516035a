#!/usr/bin/env bash
# Sets up and runs every test of the preset `release`. Arguments are passed on to ctest, for
# example `scripts/test.sh -R scheduler`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
ctest --preset release --output-on-failure --no-tests=error "$@"
