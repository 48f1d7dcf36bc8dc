# shellcheck shell=bash
# What the machine must have: Debian packages and Rust. Nothing is touched when nothing is missing.

# "package" or "package:command"; with a command, one from anywhere on PATH will do instead of the package.
build_packages=(
  g++:g++ cmake:cmake ninja-build:ninja ccache:ccache git:git pkg-config:pkg-config ca-certificates
  python3 python3-venv nlohmann-json3-dev libcli11-dev libfmt-dev libspdlog-dev libexpected-dev
  libzip-dev libxxhash-dev libcurl4-openssl-dev libssl-dev libgtest-dev libgmock-dev librapidcheck-dev
)
test_packages=(gnuplot-nox:gnuplot)  # draws the figures of adder bench --suite paper
format_packages=(clang-format-16:clang-format-16)
lint_packages=(clang-tidy-16:clang-tidy-16)
fuzz_packages=(clang-16:clang-16 libclang-rt-16-dev)
# As the tokenizer's crate declares it.
rust_needed=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/src/tokenizer/rust/Cargo.toml" 2>/dev/null || true)
rust_needed=${rust_needed:-1.75}

has_dpkg() { command -v dpkg-query >/dev/null; }

# missing_packages PACKAGE[:COMMAND]...: prints those that are not there.
missing_packages() {
  local entry installed=" "
  local -a ask=()
  for entry in "$@"; do
    [[ $entry == *:* ]] && command -v "${entry#*:}" >/dev/null && continue
    ask+=("${entry%%:*}")
  done
  ((${#ask[@]})) || return 0
  has_dpkg && installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "${ask[@]}" 2>/dev/null || true) "
  for entry in "${ask[@]}"; do
    [[ $installed == *" installed:$entry "* ]] || echo "$entry"
  done
}

# need_packages PACKAGE[:COMMAND]...
need_packages() {
  local -a missing
  if ! has_dpkg; then
    need_commands "$@"
    return
  fi
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

# Elsewhere than on Debian only commands can be asked for; CMake says which libraries are missing.
need_commands() {
  local entry
  local -a missing=()
  for entry in "$@"; do
    [[ $entry == *:* ]] || continue
    command -v "${entry#*:}" >/dev/null || missing+=("${entry#*:}")
  done
  command -v python3 >/dev/null || missing+=(python3)
  ((${#missing[@]} == 0)) || die "these commands are missing: ${missing[*]}" \
    "this is not Debian, so install them yourself, and what these Debian packages hold: ${build_packages[*]%%:*}"
}

may_sudo() {
  command -v sudo >/dev/null || return 1
  [[ -t 0 ]] || sudo -n true 2>/dev/null
}

install_packages() {
  local by_hand="apt-get update && apt-get install --no-install-recommends $*"
  if ((EUID != 0)); then
    may_sudo || die "these Debian packages are missing, and installing them needs root: $*" \
      "as root: $by_hand"
  fi
  command -v apt-get >/dev/null || die "these packages are missing: $*" "there is no apt-get here: install them by hand"
  announce_packages "$@"
  update_package_lists
  begin "installing Debian packages: $*" "by hand, as root: $by_hand"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
    </dev/null >"$(log_file apt-install)" 2>&1 || show_log apt-install
}

# Says what apt-get is about to do to the machine, and on a terminal leaves time to stop it.
announce_packages() {
  say "missing Debian packages, which apt-get will install now$( ((EUID == 0)) || echo ', through sudo'): $*"
  say "nothing else on this machine is changed: what is built goes to build/, downloaded wheels to ${cache%/wheels}"
  [[ -t 2 ]] || return 0
  say "in 5 seconds; Ctrl-C stops it"
  sleep 5
}

lists_updated=""
update_package_lists() {
  [[ -z $lists_updated ]] || return 0
  lists_updated=yes
  begin "reading Debian's package lists" "is a Debian mirror reachable from here?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null >"$(log_file apt-update)" 2>&1 ||
    say "apt-get update had errors (build/logs/apt-update.log); going on with the lists there are"
}

# rust_is_new_enough CARGO
rust_is_new_enough() {
  local version
  version=$("$1" --version 2>/dev/null | awk '{print $2}')
  [[ -n $version ]] && [[ $(printf '%s\n' "$rust_needed" "$version" | sort -V | head -1) == "$rust_needed" ]]
}

# find_cargo: sets $cargo to the first that is new enough: on PATH, rustup's, Debian's.
find_cargo() {
  local candidate
  for candidate in "$(command -v cargo || true)" "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" /usr/bin/cargo; do
    if [[ -x $candidate ]] && rust_is_new_enough "$candidate"; then
      cargo=$candidate
      return 0
    fi
  done
  return 1
}

# need_rust: leaves a cargo of at least $rust_needed first on PATH, with its rustc beside it.
need_rust() {
  local -a wanted=(cargo-web rustc-web)
  if ! find_cargo; then
    has_dpkg || die "cargo $rust_needed or newer is missing" "install Rust with rustup or from your distribution"
    if command -v apt-get >/dev/null && ! apt-cache show cargo-web >/dev/null 2>&1; then
      update_package_lists
      apt-cache show cargo-web >/dev/null 2>&1 || wanted=(cargo rustc)  # Debian's derivatives
    fi
    install_packages "${wanted[@]}"
    find_cargo || die "cargo is older than $rust_needed even after installing ${wanted[*]}" "install Rust with rustup"
  fi
  [[ $(command -v cargo) == "$cargo" ]] || PATH=$(dirname "$cargo"):$PATH
}
