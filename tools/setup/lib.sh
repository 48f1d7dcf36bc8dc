# shellcheck shell=bash
# Messages, failure and small helpers. Sourced by ./x, which sets $root.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/adder/wheels
venv=$root/build/venv
hint=""
step="starting"

say() { printf '[x] %s\n' "$*" >&2; }

# begin TEXT [HINT]: announces a step that takes a while. The hint is printed if something in it fails.
begin() {
  step=$1
  hint=${2:-}
  say "$step ..."
}

# die TEXT [HINT]
die() {
  printf 'x: error: %s\n' "$1" >&2
  [[ -z ${2:-} ]] || printf 'x: hint: %s\n' "$2" >&2
  trap - EXIT
  exit 1
}

elapsed() {
  if ((SECONDS < 60)); then echo "${SECONDS} s"; else echo "$((SECONDS / 60)) min $((SECONDS % 60)) s"; fi
}

# From here on the exit status is somebody else's business.
finished() { trap - EXIT; }

# hand_over PROGRAM ARGS...: becomes that program, so its output comes last and its exit status is ours.
hand_over() {
  [[ $1 != */* || -x $1 ]] || die "$1 is not there" "this checkout does not have that part yet"
  finished
  exec "$@"
}

on_exit() {
  local status=$?
  ((status == 0)) && return
  printf 'x: error: failed while %s (exit %d, after %s)\n' "$step" "$status" "$(elapsed)" >&2
  [[ -z $hint ]] || printf 'x: hint: %s\n' "$hint" >&2
}
trap on_exit EXIT

# given "FLAG|FLAG..." ARG...: does one of the ARGs set one of the FLAGs ("-n 5", "-n5", "--predict=5")?
given() {
  local flag arg
  local -a flags
  IFS='|' read -ra flags <<<"$1"
  shift
  for arg in "$@"; do
    for flag in "${flags[@]}"; do
      [[ $arg == "$flag" || $arg == "$flag="* ]] && return 0
      [[ $flag != --* && $arg == "$flag"?* ]] && return 0
    done
  done
  return 1
}

# as_root COMMAND ARGS...: runs it as root, through sudo if need be; without a terminal sudo may not ask.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}
