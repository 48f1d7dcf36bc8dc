# shellcheck shell=bash
# Configuring and building a preset of CMakePresets.json. The trees are build/<preset>, the programs
# build/<preset>/bin; build/adder is the release program with build/plugins beside it.

export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
# Hits across checkouts: ccache sees paths relative to this one.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}

log_file() {
  mkdir -p "$root/build/logs"
  echo "$root/build/logs/$1.log"
}

# show_log NAME: prints the end of a log and fails.
show_log() {
  tail -n 40 "$(log_file "$1")" >&2
  return 1
}

need_configured() {
  local preset=$1 tree=$root/build/$1 wanted
  need_packages "${build_packages[@]}"
  [[ $preset != fuzz ]] || need_packages "${fuzz_packages[@]}"
  need_rust
  need_plugins build
  link_plugins "$tree"
  wanted="$(cksum <"$root/CMakePresets.json") $(header_dir) $(default_plugin_dir) $cargo"
  [[ -f $tree/build.ninja && $(cat "$tree/.configured" 2>/dev/null) == "$wanted" ]] && return
  configure "$preset"
  echo "$wanted" >"$tree/.configured"
}

configure() {
  local launcher=""
  ! command -v ccache >/dev/null || launcher=ccache
  begin "configuring build/$1" "all of it is in build/logs/configure-$1.log; a broken tree is mended by ./x clean"
  cmake -S "$root" --preset "$1" -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" -DADDER_PJRT_INCLUDE="$(header_dir)" \
    -DADDER_PLUGIN_DIR="$(default_plugin_dir)" -DADDER_CARGO="$cargo" >"$(log_file "configure-$1")" 2>&1 || show_log "configure-$1"
}

# Programs look for "plugins" beside themselves, so every tree's bin gets a link to the one copy.
link_plugins() {
  [[ -L $1/bin/plugins ]] && return
  mkdir -p "$1/bin"
  ln -sfn ../../plugins "$1/bin/plugins"
}

# compile PRESET TARGET...: ninja shows what it does, and says nothing when everything is up to date.
compile() {
  local tree=$root/build/$1
  shift
  step="building $* in ${tree#"$root/"}"
  hint="the compiler's message is above; ./x help lists the presets"
  if [[ -t 2 ]]; then
    cmake --build "$tree" --target "$@" >&2
  else
    cmake --build "$tree" --target "$@" 2>&1 | sed -u '/no work to do/d; /Re-checking globbed/d' >&2
  fi
}

# publish_binary PRESET: build/adder is the release program. A hard link, so that a program that asks where it
# lies finds build/plugins; renamed into place, so that a running one is not disturbed.
publish_binary() {
  local program=$root/build/$1/bin/adder
  [[ $1 == release && -f $program ]] || return 0
  [[ $root/build/adder -ef $program ]] && return
  ln -f "$program" "$root/build/.adder.new"
  mv -fT "$root/build/.adder.new" "$root/build/adder"
}
