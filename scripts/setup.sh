#!/usr/bin/env bash
# Prepares a Debian or Ubuntu machine for Headrace and builds it.
#
#   scripts/setup.sh [--lint] [--mpi] [--no-packages] [--no-build]
#
#   --lint         also install clang-format and clang-tidy (scripts/lint-requirements.txt)
#   --mpi          also install Open MPI, for the plugin mpi
#   --no-packages  leave the system's packages alone (they are installed by other means)
#   --no-build     stop after the packages and the cache
#
# Three steps, each of which does nothing when its result is there already:
#   1. system packages that are missing, through apt (as root, or with sudo);
#   2. ONNX and oneDNN, downloaded by the hashes in scripts/requirements.txt, into the cache
#      ${HEADRACE_CACHE:-~/.cache/headrace}, and the Python packages of the tests
#      (scripts/test-requirements.txt) into its environment; where nvcc and cuDNN are, cuDNN's C++
#      frontend as well (scripts/cuda-requirements.txt);
#   3. the preset `release`, into build/release.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${HEADRACE_CACHE:-$HOME/.cache/headrace}
requirements=$root/scripts/requirements.txt
test_requirements=$root/scripts/test-requirements.txt
lint_requirements=$root/scripts/lint-requirements.txt
cuda_requirements=$root/scripts/cuda-requirements.txt
python_packages=("$test_requirements")  # files of what the cache's environment holds
onnx=$cache/onnx-1.23.2
onednn=$cache/onednn-3.2.0
frontend=$cache/cudnn-frontend-1.32.0
jobs=$(nproc)

packages=(
  build-essential cmake ninja-build pkg-config ccache ca-certificates
  python3 python3-venv python3-pip
  libprotobuf-dev protobuf-compiler libboost-dev libzip-dev zlib1g-dev libssl-dev
  libcli11-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libtomlplusplus-dev
  libgtest-dev libgmock-dev libbenchmark-dev libonnx-testdata
  dataset-fashion-mnist bible-kjv graphviz
)
mpi_packages=(libopenmpi-dev openmpi-bin)

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: error: %s\n' "$*" >&2
  exit 1
}

with_packages=yes
with_build=yes
for argument in "$@"; do
  case $argument in
    --lint) python_packages+=("$lint_requirements") ;;
    --mpi) packages+=("${mpi_packages[@]}") ;;
    --no-packages) with_packages=no ;;
    --no-build) with_build=no ;;
    -h | --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *) fail "unknown option '$argument' (see scripts/setup.sh --help)" ;;
  esac
done

# --- 1. system packages --------------------------------------------------------------------------

# Older releases have a compiler without C++20 or a CMake that can't read our presets.
check_distribution() {
  [[ $(uname -m) == x86_64 ]] || fail "the CPU kernels need an x86-64 machine, this is $(uname -m)"
  local id=unknown version="" name="this system"
  if [[ -r /etc/os-release ]]; then
    id=$(. /etc/os-release && echo "${ID:-unknown}")
    version=$(. /etc/os-release && echo "${VERSION_ID:-}")
    name=$(. /etc/os-release && echo "${PRETTY_NAME:-$ID}")
  fi
  # Debian testing and unstable carry no VERSION_ID and are newer than any release.
  case $id in
    debian) [[ -z $version || ${version%%.*} -ge 12 ]] && return ;;
    ubuntu) [[ ${version%%.*} -ge 24 ]] && return ;;
  esac
  fail "$name is not supported: this script installs packages on Debian 12, Ubuntu 24.04 and newer." \
    "Elsewhere install what stands for: ${packages[*]}; then run scripts/setup.sh --no-packages"
}

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

install_packages() {
  check_distribution
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  if [[ ${#missing[@]} -eq 0 ]]; then
    say "system packages: all ${#packages[@]} are installed"
    return
  fi
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || fail "not root and no sudo; install as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "system packages: installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
  } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    fail "apt-get failed (its whole output: $log)"
  fi
  rm -f "$log"
}

check_tools() {
  local tool
  for tool in c++ cmake ninja protoc python3 flock; do
    command -v "$tool" >/dev/null || fail "$tool is not installed (run without --no-packages)"
  done
}

# --- 2. the cache --------------------------------------------------------------------------------

# What an entry was made from. An entry whose stamp differs from this is made again: a new pin, an
# upgraded Protocol Buffers or compiler, or other build options below must not meet an old library.
onnx_stamp() {
  echo "onnx $(grep -o 'onnx==.*' "$requirements")"
  echo "static, -O1, C++20, position independent; recipe 1"
  echo "protobuf $(protoc --version), compiler $(c++ -dumpfullversion -dumpversion)"
}

onednn_stamp() {
  grep -o 'onednn.*==.*' "$requirements"
  echo "recipe 1"
}

frontend_stamp() {
  grep -o 'nvidia-cudnn-frontend==.*' "$cuda_requirements"
  echo "recipe 1"
}

has_cudnn() {
  local nvcc
  nvcc=$(command -v nvcc) || return 1
  c++ -E -x c++ -I "$(dirname "$(readlink -f "$nvcc")")/../include" -include cudnn.h /dev/null \
    >/dev/null 2>&1
}

is_current() { # ENTRY STAMP
  [[ -f $1/stamp && $(<"$1/stamp") == "$2" ]]
}

# Runs a command quietly; its output is shown only when it fails.
quietly() { # LOG COMMAND...
  local log=$1
  shift
  "$@" >>"$log" 2>&1 && return
  tail -n 40 "$log" >&2
  fail "failed: $*"
}

# Debian and Ubuntu forbid pip outside an environment of its own.
make_environment() {
  "$cache/venv/bin/python" -m pip --version >/dev/null 2>&1 && return
  rm -rf "$cache/venv"
  quietly "$work/venv.log" python3 -m venv "$cache/venv"
}

# Those of $python_packages whose contents the environment does not hold yet.
missing_python_packages() {
  local file
  for file in "${python_packages[@]}"; do
    cmp -s "$file" "$cache/venv/${file##*/}" || echo "$file"
  done
}

install_python_packages() { # FILE
  say "installing the Python packages of ${1##*/} (35 to 60 MB)"
  quietly "$work/python-packages.log" "$cache/venv/bin/python" -m pip install \
    --disable-pip-version-check --no-deps --require-hashes --requirement "$1"
  cp "$1" "$cache/venv/"
}

download() { # FOLDER
  local python=$cache/venv/bin/python
  say "downloading ONNX and oneDNN (45 MB)"
  quietly "$work/download.log" "$python" -m pip download --disable-pip-version-check \
    --no-deps --require-hashes --requirement "$requirements" --dest "$1"
}

# Fills FOLDER with headers, the static library and a CMake package.
build_onnx() { # DOWNLOADS FOLDER
  local source=$work/onnx build=$work/onnx-build log=$work/onnx.log
  mkdir -p "$source"
  tar -xzf "$1"/onnx-*.tar.gz -C "$source" --strip-components=1
  # ONNX states CMake 3.26 but uses nothing newer than Debian 12's 3.25.
  sed -i 's/^cmake_minimum_required(VERSION 3\.26)/cmake_minimum_required(VERSION 3.25)/' \
    "$source/CMakeLists.txt"
  say "building ONNX (about a minute and a half on two cores)"
  quietly "$log" cmake -S "$source" -B "$build" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG" \
    -DCMAKE_CXX_STANDARD=20 -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF \
    -DCMAKE_INSTALL_PREFIX="$2" -DCMAKE_INSTALL_LIBDIR=lib \
    -DONNX_BUILD_PYTHON=OFF -DONNX_USE_PROTOBUF_SHARED_LIBS=ON -DONNX_USE_UNITY_BUILD=ON
  quietly "$log" cmake --build "$build" -j "$jobs"
  quietly "$log" cmake --install "$build"
}

# Fills FOLDER with include, lib and the CMake package of the two wheels.
unpack_onednn() { # DOWNLOADS FOLDER
  local wheel unpacked=$work/onednn
  say "unpacking oneDNN"
  for wheel in "$1"/onednn*.whl; do
    "$cache/venv/bin/python" -m zipfile -e "$wheel" "$unpacked"
  done
  mkdir -p "$2"
  cp -r "$unpacked"/*.data/data/* "$2"
  # A wheel can't hold links, so it carries the library three times.
  ln -sf libdnnl.so.3.2 "$2/lib/libdnnl.so.3"
  ln -sf libdnnl.so.3 "$2/lib/libdnnl.so"
  chmod 755 "$2/lib/libdnnl.so.3.2"
}

# Fills FOLDER with the headers of cuDNN's frontend.
fetch_frontend() { # FOLDER
  say "downloading cuDNN's C++ frontend (12 MB)"
  quietly "$work/frontend.log" "$cache/venv/bin/python" -m pip download --disable-pip-version-check \
    --no-deps --require-hashes --only-binary :all: --implementation cp --python-version 3.11 \
    --abi cp311 --platform manylinux_2_28_x86_64 --requirement "$cuda_requirements" \
    --dest "$work/frontend-download"
  "$cache/venv/bin/python" -m zipfile -e "$work"/frontend-download/*.whl "$work/frontend"
  mkdir -p "$1"
  cp -r "$work/frontend/include" "$1"
}

# An entry appears under its own name only when it is whole, so a killed set-up leaves none.
publish() { # FOLDER STAMP ENTRY
  printf '%s\n' "$2" >"$1/stamp"
  rm -rf "$3"
  mv "$1" "$3"
  say "made $3"
}

fill_cache() {
  local onnx_is onednn_is frontend_is file missing=() lacks_frontend=no
  onnx_is=$(onnx_stamp)
  onednn_is=$(onednn_stamp)
  frontend_is=$(frontend_stamp)
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  if ! flock -n 9; then # held by another set-up, or by the compilers of a killed one
    say "waiting for another set-up of $cache"
    flock 9
  fi
  if has_cudnn && ! is_current "$frontend" "$frontend_is"; then lacks_frontend=yes; fi
  if is_current "$onnx" "$onnx_is" && is_current "$onednn" "$onednn_is" &&
    [[ $lacks_frontend == no && -z $(missing_python_packages) ]]; then
    say "cache: ONNX, oneDNN and the Python packages are in $cache"
  else
    rm -rf "$cache"/work-*
    work=$(mktemp -d "$cache/work-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    make_environment
    if ! is_current "$onnx" "$onnx_is" || ! is_current "$onednn" "$onednn_is"; then
      download "$work/downloads"
    fi
    if ! is_current "$onednn" "$onednn_is"; then
      unpack_onednn "$work/downloads" "$work/onednn-entry"
      publish "$work/onednn-entry" "$onednn_is" "$onednn"
    fi
    if ! is_current "$onnx" "$onnx_is"; then
      build_onnx "$work/downloads" "$work/onnx-entry"
      publish "$work/onnx-entry" "$onnx_is" "$onnx"
    fi
    mapfile -t missing < <(missing_python_packages)
    for file in "${missing[@]}"; do install_python_packages "$file"; done
    if [[ $lacks_frontend == yes ]]; then
      fetch_frontend "$work/frontend-entry"
      publish "$work/frontend-entry" "$frontend_is" "$frontend"
    fi
    rm -rf "$work"
    trap - EXIT
  fi
  exec 9>&-
}

# --- 3. the program ------------------------------------------------------------------------------

build() {
  say "building the preset 'release' in build/release with $jobs jobs"
  cd "$root"
  # The build looks for the two entries in the same cache.
  export HEADRACE_CACHE=$cache
  cmake --preset release --log-level=WARNING
  cmake --build --preset release -j "$jobs"
}

if [[ $with_packages == yes ]]; then install_packages; fi
check_tools
fill_cache
if [[ $with_build == yes ]]; then build; fi
say "done"
