# shellcheck shell=bash
# ./x peers: Adder beside other programs (bench/peers). Not part of any test; nothing else needs what it installs.

peers_venv=$root/build/peers-venv

# need_peers: build/peers-venv holds what bench/peers/requirements.lock says. The build requirements of the one
# source package (llama-cpp-python) are pip's own choice: they leave no trace in what is measured.
need_peers() {
  local lock=$root/bench/peers/requirements.lock stamp=$peers_venv/.lock
  [[ -x $peers_venv/bin/python ]] && cmp -s "$lock" "$stamp" && return
  need_packages "${build_packages[@]}"
  begin "installing the peers (about 2.5 GB to download, and llama.cpp to compile: half an hour on two cores)" \
    "the lock is for CPython 3.11 on x86_64; build/logs/peers.log has the rest"
  [[ -x $peers_venv/bin/python ]] || python -m venv "$peers_venv" >&2
  CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF" "$peers_venv/bin/pip" --disable-pip-version-check install \
    --require-hashes --no-deps -r "$lock" >"$(log_file peers)" 2>&1 </dev/null || show_log peers
  cp "$lock" "$stamp"
}

cmd_peers() {
  release_binary
  need_peers
  hand_over "$peers_venv/bin/python" "$root/bench/peers/run.py" --adder "$root/build/adder" \
    --models "$root/build/models" "$@"
}
