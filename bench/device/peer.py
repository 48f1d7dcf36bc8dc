"""One peer on the device, once: prefill and decode of a checkpoint as JSON. The peers are those of bench/peers.

usage: peer.py mamba2_jax|transformers MODEL DTYPE PROMPT TOKENS
transformers has no CUDA graph and launches each op by itself; with mamba_ssm's kernels installed it takes them.
"""

import json
import pathlib
import statistics
import sys
import types

PEERS = pathlib.Path(__file__).resolve().parents[1] / "peers"
sys.path.insert(0, str(PEERS))


def load(module, options):
    if module == "mamba2_jax":
        import mamba2_jax_peer  # pylint: disable=import-outside-toplevel
        return mamba2_jax_peer.Mamba2Jax(options)
    import torch  # pylint: disable=import-outside-toplevel
    import transformers_peer  # pylint: disable=import-outside-toplevel
    if torch.cuda.is_available():
        torch.set_default_device("cuda")
    peer = transformers_peer.Transformers(options)
    if torch.cuda.is_available():
        peer._model.to("cuda")  # pylint: disable=protected-access
        wait_for_the_card(peer, torch)
    return peer


def wait_for_the_card(peer, torch):
    """CUDA calls return before they are done: a measurement ends when the card has."""
    feed = peer._feed  # pylint: disable=protected-access

    def waiting(ids, cache):
        out = feed(ids, cache)
        torch.cuda.synchronize()
        return out

    peer._feed = waiting  # pylint: disable=protected-access


def main():
    module, model, dtype, prompt, tokens = sys.argv[1:]
    options = types.SimpleNamespace(model=model, dtype=dtype, threads=8, program=None, chunk=None)
    peer = load(module, options)
    out = {"peer": module, "about": peer.describe(), "model": pathlib.Path(model).name, "dtype": dtype}
    peer.prefill(int(prompt))
    out["prefill_tokens_per_s"] = int(prompt) / statistics.median(peer.prefill(int(prompt)) for _ in range(3))
    peer.decode(4)
    out["decode_tokens_per_s"] = int(tokens) / statistics.median(peer.decode(int(tokens)) for _ in range(3))
    print(json.dumps(out))


if __name__ == "__main__":
    main()
