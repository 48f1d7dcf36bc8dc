# shellcheck shell=bash
# The PJRT plugins, the C header and the tests' Python: pinned wheels from the package index that pip is set up
# for, checked by hash, cached in $cache, and unpacked (a wheel is a zip) into build/plugins/<name>/.

# Debian's Python where there is one: its venv module comes with a package that need_packages installs.
python() { if [[ -x /usr/bin/python3 ]]; then /usr/bin/python3 "$@"; else python3 "$@"; fi; }

# need_venv: build/venv, with pip.
need_venv() {
  [[ -x $venv/bin/pip ]] && "$venv/bin/python" -c '' 2>/dev/null && return
  begin "making a Python environment in build/venv" "is python3's venv module installed? (Debian: python3-venv)"
  rm -rf "$venv"
  python -m venv "$venv" >&2
}

quiet_pip() {
  "$venv/bin/pip" --disable-pip-version-check --quiet "$@" >&2
}

# need_test_python: build/venv holds what tools/setup/python.lock says.
need_test_python() {
  local lock=$root/tools/setup/python.lock stamp=$venv/.lock
  need_venv
  cmp -s "$lock" "$stamp" && return
  begin "installing the tests' Python packages" "pip's settings come from its environment (PIP_INDEX_URL, PIP_CERT ...)"
  quiet_pip install --require-hashes --no-deps --only-binary=:all: -r "$lock"
  cp "$lock" "$stamp"
}

# locked_wheels LOCK [build]: prints "name hash requirement" for this machine's lines; with "build" only for those
# that the build needs.
locked_wheels() {
  local line machine
  machine=$(uname -m)
  while IFS= read -r line; do
    [[ $line == *"platform_machine == \"$machine\""* ]] || continue
    [[ ${2:-} != build || $line == *"# build" ]] || continue
    [[ $line =~ ^([a-z0-9-]+)==.*--hash=sha256:([0-9a-f]{64}) ]] || die "$1: cannot read: $line"
    echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]} ${line%%#*}"
  done <"$root/tools/setup/$1"
}

# need_plugins build|tests
need_plugins() {
  local name hash requirement wheels
  wheels=$(locked_wheels plugins.lock "$1")
  [[ -n $wheels ]] || die "no PJRT plugin is pinned for $(uname -m)" "tools/setup/plugins.lock lists what there is"
  while read -r name hash requirement; do
    [[ $(cat "$root/build/plugins/$name/.sha256" 2>/dev/null) == "$hash" ]] || fetch_plugin "$name" "$hash" "$requirement"
  done <<<"$wheels"
}

# cached_wheel HASH: the path of the cached wheel with that hash, or nothing. Wheels are stored by their hash.
cached_wheel() {
  local file
  for file in "$cache/$1"/*.whl; do
    [[ -f $file ]] && sha256sum --status -c <<<"$1  $file" && echo "$file" && return
  done
  return 0
}

# need_wheel NAME HASH REQUIREMENT: cached_wheel HASH finds it afterwards.
need_wheel() {
  [[ -z $(cached_wheel "$2") ]] || return 0
  download_wheel "$1" "$2" "$3"
  [[ -n $(cached_wheel "$2") ]] || die "$1: the downloaded wheel does not have the pinned hash $2" "try again; then check the lock file"
}

fetch_plugin() {
  need_wheel "$@"
  unpack_wheel "$(cached_wheel "$2")" "$1" "$2"
}

download_wheel() {
  local name=$1 hash=$2 requirement=$3 work
  local -a pip_tags=()
  [[ $name != libtpu ]] || pip_tags=(--python-version 3.11)  # as the lock has it, whatever runs here
  need_venv
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/.download.XXXXXX")
  begin "downloading $name (40 to 140 MB, once)" \
    "pip's settings come from its environment (PIP_INDEX_URL, PIP_FIND_LINKS, PIP_CERT ...)"
  echo "$requirement" >"$work/requirement.txt"
  quiet_pip download --require-hashes --no-deps --only-binary=:all: "${pip_tags[@]}" -r "$work/requirement.txt" -d "$work" </dev/null ||
    { rm -rf "$work"; die "pip could not download $name" "$hint"; }
  rm -rf "${cache:?}/$hash" "$work/requirement.txt"
  mv -T "$work" "$cache/$hash"
}

# Unpacks beside the target and renames, so that a half-unpacked plugin is never seen.
unpack_wheel() {
  local wheel=$1 name=$2 hash=$3 target=$root/build/plugins/$2 work
  mkdir -p "$root/build/plugins"
  work=$(mktemp -d "$root/build/plugins/.unpack.XXXXXX")
  begin "unpacking $name" "is the disk full? The plugins take about 600 MB"
  python -m zipfile -e "$wheel" "$work"
  chmod 755 "$work"
  echo "$hash" >"$work/.sha256"
  rm -rf "$target"
  mv -T "$work" "$target"
}

# plugin_paths: the shared libraries of all pinned plugins, separated by colons, the default first.
plugin_paths() {
  local name paths=""
  while read -r name _; do
    paths+=:$(find "$root/build/plugins/$name" -name '*.so' -size +10M | sort | head -1)
  done < <(locked_wheels plugins.lock)
  echo "${paths#:}"
}

# default_plugin_dir: the unpacked wheel of the plugin that is installed with the program.
default_plugin_dir() {
  local name
  read -r name _ < <(locked_wheels plugins.lock build)
  echo "$root/build/plugins/$name"
}

# header_dir: where pjrt_c_api.h is.
header_dir() {
  local header
  header=$(find "$root/build/plugins/xla-cpu-pjrt" -name pjrt_c_api.h 2>/dev/null | head -1)
  [[ -n $header ]] || die "pjrt_c_api.h is not in build/plugins/xla-cpu-pjrt" "remove build/plugins and try again"
  dirname "$header"
}
