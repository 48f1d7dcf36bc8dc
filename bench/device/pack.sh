#!/usr/bin/env bash
# Puts what a machine without compilers and network needs to run bench/device/run.sh into build/device-bundle: the
# release binary and the engine's tests, stripped, with the shared libraries they need, and this tree's commit.
# glibc stays behind: the other machine's own must be at least as new as this one's.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
limit_mb=60
bundle=$root/build/device-bundle
"$root/x" build adder engine_test </dev/null
work=$(mktemp -d "$root/build/.device-bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lib"
for program in adder engine_test; do
  found=$(find "$root/build/release" -type f -name "$program" -perm -u+x | head -1)
  [[ -n $found ]] || { echo "pack: build/release has no $program" >&2; exit 1; }
  strip -o "$work/$program" "$found"
  ldd "$found" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p'
done | sort -u | { grep -vE '/(ld-linux[^/]*|libc|libm|libdl|librt|libpthread|libresolv|libutil)\.so' || true; } |
  while read -r library; do cp -L "$library" "$work/lib/"; strip --strip-unneeded "$work/lib/${library##*/}" 2>/dev/null || true; done
git -C "$root" describe --always --dirty >"$work/commit"
size_mb=$(du -sm "$work" | cut -f1)
((size_mb < limit_mb)) || { echo "pack: the bundle has $size_mb MB, more than $limit_mb" >&2; exit 1; }
chmod 755 "$work"
rm -rf "$bundle"
mv -T "$work" "$bundle"
trap - EXIT
echo "build/device-bundle: $size_mb MB, $(find "$bundle" -type f | wc -l) files, commit $(cat "$bundle/commit")"
