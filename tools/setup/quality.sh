# shellcheck shell=bash
# ./x format, lint and fuzz.

# cpp_files [PATHSPEC...]: tracked and new C++ files, one a line, relative to the root.
cpp_files() {
  git -C "$root" ls-files --cached --others --exclude-standard --deduplicate -- "$@" |
    grep -E '\.(h|cc|cpp)$' | while IFS= read -r file; do [[ ! -f $root/$file ]] || echo "$file"; done || true
}

# unformatted FILE...: prints those that clang-format would change.
unformatted() {
  # shellcheck disable=SC2016  # the inner shell expands it
  printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -n 16 bash -c \
    'for file; do clang-format-16 --style=file --dry-run -Werror "$file" 2>/dev/null || echo "$file"; done' _
}

cmd_format() {
  local -a files bad
  need_packages git:git "${format_packages[@]}"
  cd "$root"
  mapfile -t files < <(cpp_files)
  ((${#files[@]})) || return 0
  mapfile -t bad < <(unformatted "${files[@]}" | sort)
  ((${#bad[@]})) || return 0
  if [[ ${1:-} == --check ]]; then
    die "not in the project's format: ${bad[*]}" "./x format puts it right"
  fi
  clang-format-16 --style=file -i "${bad[@]}"
  say "formatted ${bad[*]}"
}

# changed_files: C++ sources under src/ that differ from where this branch left its origin, or are new. A clone
# without an origin has nothing to compare with, so all count.
changed_files() {
  local base ref
  for ref in '@{upstream}' origin/HEAD origin/main; do
    base=$(git -C "$root" merge-base HEAD "$ref" 2>/dev/null) && break
  done
  if [[ -z $base ]]; then
    cpp_files src
  else
    { git -C "$root" diff --name-only --diff-filter=d "$base" -- src
      git -C "$root" ls-files --others --exclude-standard -- src; } | sort -u
  fi | grep -E '\.cc$' | grep -v '_test\.cc$' || true
}

cmd_lint() {
  local -a files
  cmd_format --check
  need_packages "${lint_packages[@]}"
  need_configured release
  if [[ ${1:-} == --all ]]; then
    mapfile -t files < <(cpp_files src | grep -E '\.cc$' | grep -v '_test\.cc$')
  else
    mapfile -t files < <(changed_files)
  fi
  mapfile -t files < <(in_compile_commands "${files[@]}")
  ((${#files[@]})) || { say "lint: no file of src/ has changed"; return 0; }
  begin "clang-tidy over ${#files[@]} files" "the findings are above; .clang-tidy says what is checked"
  printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -n 1 clang-tidy-16 -p build/release --quiet \
    2> >(grep -vE 'warnings? (generated|treated)|^Suppressed|^Use -' >&2)
}

# in_compile_commands FILE...: those that the release tree compiles; clang-tidy can only guess at others.
in_compile_commands() {
  local file
  for file in "$@"; do
    ! grep -qF "\"$root/$file\"" "$root/build/release/compile_commands.json" || echo "$file"
  done
}

cmd_fuzz() {
  local seconds=60 jobs=1 seed=0 target
  local -a names=() targets=()
  while (($#)); do
    case $1 in
      --seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
      --seconds=*) seconds=${1#*=}; shift ;;
      --jobs) jobs=${2:?--jobs needs a number}; shift 2 ;;
      --jobs=*) jobs=${1#*=}; shift ;;
      --seed) seed=${2:?--seed needs a number}; shift 2 ;;
      --seed=*) seed=${1#*=}; shift ;;
      *) names+=("$1"); shift ;;
    esac
  done
  [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "--seconds needs a number, not '$seconds'"
  [[ $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs needs a number, not '$jobs'"
  [[ $seed =~ ^[0-9]+$ ]] || die "--seed needs a number, not '$seed'"
  check_fuzz_names "${names[@]}"
  need_configured fuzz
  compile fuzz fuzz/all
  for target in "$root"/build/fuzz/bin/*fuzz*; do
    [[ -x $target && -f $target ]] || continue
    ((${#names[@]} == 0)) || [[ " ${names[*]} " == *" ${target##*/} "* ]] || continue
    targets+=("$target")
  done
  ((${#targets[@]})) ||
    die "no fuzz target ran" "they are declared in fuzz/CMakeLists.txt; names are those of the programs"
  if ((jobs == 1)); then
    for target in "${targets[@]}"; do fuzz_one "$target" "$seconds" "$seed"; done
  else
    fuzz_several "$jobs" "$seconds" "$seed" "${targets[@]}"
  fi
}

# check_fuzz_names NAME...: fails if one is no target, before anything is built.
check_fuzz_names() {
  local name known
  known=$(sed -n 's/^adder_fuzz(\([a-z_]*\).*/\1/p' "$root/fuzz/CMakeLists.txt" | tr '\n' ' ')
  for name; do
    [[ " $known" == *" $name "* ]] || die "there is no fuzz target '$name'" "targets: ${known% }"
  done
}

# fuzz_one PROGRAM SECONDS SEED: grows build/fuzz/corpus/<name>, starting from the tracked fuzz/corpus/<name>.
# Time and memory for one input are bounded, so that work out of proportion to the input is a finding.
fuzz_one() {
  local name=${1##*/} corpus=$root/build/fuzz/corpus/${1##*/}
  local -a seeds=()
  [[ ! -d $root/fuzz/corpus/$name ]] || seeds=("$root/fuzz/corpus/$name")
  mkdir -p "$corpus" "$root/build/fuzz/crashes"
  begin "fuzzing $name for $2 s" "the input that broke it is in build/fuzz/crashes; run the program on it to see again"
  "$1" "$corpus" "${seeds[@]}" -max_total_time="$2" -seed="$3" -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
    -malloc_limit_mb=512 -print_final_stats=1 -artifact_prefix="$root/build/fuzz/crashes/$name-" </dev/null
}

# fuzz_several JOBS SECONDS SEED PROGRAM...: so many at a time, each with a log of its own, shown if it fails.
fuzz_several() {
  local jobs=$1 seconds=$2 seed=$3 target failed=""
  shift 3
  begin "fuzzing $# programs for $seconds s each, $jobs at a time" "the inputs that broke them are in build/fuzz/crashes"
  for target; do
    while (($(jobs -rp | wc -l) >= jobs)); do wait -n || true; done
    # A marker says how it ended: `wait -n` does not tell which one that was.
    { rm -f "$(log_file "${target##*/}").failed"
      fuzz_one "$target" "$seconds" "$seed" || touch "$(log_file "${target##*/}").failed"; } \
      >"$(log_file "${target##*/}")" 2>&1 &
  done
  wait
  for target; do
    [[ ! -e $(log_file "${target##*/}").failed ]] || { failed+=" ${target##*/}"; show_log "${target##*/}" || true; }
  done
  [[ -z $failed ]] || die "these fuzz targets failed:$failed" "build/fuzz/crashes has the inputs; their ends are above"
}
