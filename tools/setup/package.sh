# shellcheck shell=bash
# ./x package: a Debian package and a tarball in build/packages. The package depends on libraries that Debian since 12
# and Ubuntu since 24.04 have, and carries the others (cmake/Install.cmake); the tarball carries every library but
# glibc's, so that it runs on other distributions with glibc of at least Debian 12's.

package_packages=(dpkg-dev:dpkg-shlibdeps patchelf:patchelf file:file)

cmd_package() {
  local out=$root/build/packages tree=$root/build/release
  release_binary
  need_packages "${package_packages[@]}"
  compile release adder adder_manual
  mkdir -p "$out"
  begin "making the Debian package" "all of cpack's words are in build/logs/cpack.log"
  rm -f "$out"/adder_*.deb
  (cd "$tree" && cpack -G DEB -B "$out/work") >"$(log_file cpack)" 2>&1 || show_log cpack
  mv "$out"/work/*.deb "$out"
  make_tarball "$out" "$tree"
  rm -rf "$out/work"
  ls -1 "$out"/adder_*.deb "$out"/adder-*.tar.gz
}

# make_tarball OUT TREE
make_tarball() {
  local out=$1 tree=$2 name stage version library
  version=$("$tree/bin/adder" --version | awk '{print $2}')
  name=adder-$version-linux-$(uname -m)
  stage=$out/work/$name
  begin "making the tarball" "is the disk full? It takes about 500 MB for a moment"
  rm -rf "$stage" "$out"/adder-*.tar.gz
  cmake --install "$tree" --prefix "$stage" --strip >"$(log_file install)" 2>&1 || show_log install
  mkdir -p "$stage/lib/adder/runtime/copyright"
  while read -r library; do
    cp -L "$library" "$stage/lib/adder/runtime/"
    copy_copyright "$library" "$stage/lib/adder/runtime/copyright"
  done < <(carried_libraries "$tree/bin/adder")
  # RPATH, not RUNPATH: it must also hold for what these libraries need in turn, and for plugins.
  # shellcheck disable=SC2016  # the loader expands it
  patchelf --force-rpath --set-rpath '$ORIGIN/../lib/adder/runtime' "$stage/bin/adder"
  say "the tarball needs glibc $(needed_glibc "$stage") or newer, and no other library"
  tar -C "$out/work" --owner=0 --group=0 --numeric-owner -czf "$out/.$name.tar.gz" "$name"
  mv "$out/.$name.tar.gz" "$out/$name.tar.gz"
}

# copy_copyright LIBRARY FOLDER: what its Debian package says about its license.
copy_copyright() {
  local package
  package=$(dpkg-query -S "$(readlink -f "$1")" 2>/dev/null || dpkg-query -S "*/${1##*/}")
  package=${package%%:*}
  cp -L "/usr/share/doc/$package/copyright" "$2/$package"
}

# needed_glibc FOLDER: the newest version of glibc whose symbols anything in it asks for.
needed_glibc() {
  find "$1" -type f \( -name '*.so*' -o -path '*/bin/*' \) -exec objdump -T {} + 2>/dev/null |
    grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -1 | cut -d_ -f2
}

# carried_libraries PROGRAM: the files of all shared libraries it needs, but for glibc's own, which come with the
# kernel's loader and may not be mixed.
carried_libraries() {
  ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' |
    grep -vE '/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|resolv|util|nsl|anl|mvec|nss_[a-z]+))\.so\.[0-9]+$'
}
