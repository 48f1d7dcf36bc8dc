# shellcheck shell=bash
# ./x targets: compilers for devices that are not there, and the test that uses them. Opt-in: nothing else needs what
# it fetches. The wheels of tools/setup/targets.lock lie together in build/targets, as pip would install them.

need_targets() {
  local lock=$root/tools/setup/targets.lock target=$root/build/targets name hash requirement work wheel wheels
  cmp -s "$lock" "$target/.lock" && return
  wheels=$(locked_wheels targets.lock)
  [[ -n $wheels ]] || die "no compiler for another device is pinned for $(uname -m)" "tools/setup/targets.lock lists what there is"
  mkdir -p "$root/build"
  work=$(mktemp -d "$root/build/.targets.XXXXXX")
  while read -r name hash requirement; do
    need_wheel "$name" "$hash" "$requirement"
    wheel=$(cached_wheel "$hash")
    begin "unpacking $name" "is the disk full? The compilers take about 1.2 GB"
    python -m zipfile -e "$wheel" "$work" || { rm -rf "$work"; die "$name could not be unpacked" "$hint"; }
  done <<<"$wheels"
  chmod +x "$work"/nvidia/cu13/bin/* "$work"/nvidia/cu13/nvvm/bin/*  # a zip extracted by Python has no modes
  chmod 755 "$work"
  cp "$lock" "$work/.lock"
  rm -rf "$target"
  mv -T "$work" "$target"
}

# Arguments go to ctest: -R 2.7b, for example. Without them every scale, dtype and target is compiled.
cmd_targets() {
  need_targets
  need_configured release
  compile release adder targets_test
  publish_binary release
  export ADDER_TARGETS=$root/build/targets CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$(nproc)}
  hand_over ctest --test-dir "$root/build/release" --output-on-failure --no-tests=error -L targets "$@"
}
