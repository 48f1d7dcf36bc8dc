#!/usr/bin/env bash
# tools/try_package.sh [SUITE [FOLDER]]: installs what ./x package made (build/packages) in bare roots of Debian SUITE
# (bookworm, trixie, ...; default: bookworm), each made by debootstrap with nothing but its essential packages, and runs
# the demo there. As root; needs debootstrap and a Debian mirror. FOLDER (default: build/bare-SUITE) is where the roots
# are made; they are removed afterwards, and only what debootstrap made is kept, as a tarball.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
suite=${1:-bookworm}
work=${2:-$root/build/bare-$suite}
deb=$(ls "$root"/build/packages/adder_*.deb)
tarball=$(ls "$root"/build/packages/adder-*.tar.gz)
prompt="It is a truth universally acknowledged,"

bare_root() { # NAME
  rm -rf "${work:?}/$1"
  mkdir -p "$work"
  if [[ ! -f $work/minbase.tar ]]; then
    debootstrap --variant=minbase "$suite" "$work/minbase" http://deb.debian.org/debian >"$work/debootstrap.log" 2>&1 ||
      { tail -5 "$work/debootstrap.log" >&2; exit 1; }
    tar -C "$work/minbase" -cf "$work/minbase.tar" .
    rm -rf "$work/minbase"
  fi
  mkdir -p "$work/$1"
  tar -C "$work/$1" -xf "$work/minbase.tar"
  cp /etc/resolv.conf "$work/$1/etc/resolv.conf"
}

inside() { # NAME COMMAND...
  local name=$1
  shift
  # /proc, since a program asks there where it lies; unmounted with the namespace.
  unshare --mount bash -c 'mount -t proc proc "$0/proc"; exec chroot "$0" env -i HOME=/root TERM=dumb LC_ALL=C.UTF-8 \
    PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$@"' "$work/$name" "$@"
}

shown() { # NAME COMMAND: prints the line as typed, then what it says
  printf '\n# %s\n' "$2"
  inside "$1" bash -c "$2" 2>&1
}

echo "== $(basename "$deb") on a bare $suite"
bare_root deb
cp "$deb" "$work/deb/root/adder.deb"
inside deb bash -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends /root/adder.deb' \
  >"$work/install.log" 2>&1 || { tail -5 "$work/install.log" >&2; exit 1; }
shown deb 'dpkg -s adder | grep -E "^(Version|Depends|Installed-Size)"'
shown deb 'adder --version'
shown deb 'adder devices'
shown deb "adder generate -m /usr/share/adder/models/austen-3.6m -p '$prompt' -n 60 --seed 1"

echo
echo "== $(basename "$tarball") on a bare $suite, unpacked in /opt, no package installed"
bare_root tarball
tar -C "$work/tarball/opt" -xzf "$tarball"
program=/opt/$(basename "$tarball" .tar.gz)/bin/adder
shown tarball "$program --version"
shown tarball "ldd $program | grep -v /opt"
shown tarball "$program generate -m ${program%/bin/adder}/share/adder/models/austen-3.6m -p '$prompt' -n 60 --seed 1"
rm -rf "${work:?}/deb" "${work:?}/tarball"
