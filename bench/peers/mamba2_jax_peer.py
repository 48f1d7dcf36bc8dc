"""mamba2-jax under jax.jit: one compiled call per prompt, one per token.

More favourable to it than the package's own `forward`: the head is computed for the last position only, the argmax is
inside the compiled step, the cache is donated, and no token is read back before the last.
"""

import functools
import importlib.metadata
import json
import pathlib
import time

import jax
import jax.numpy as jnp
import mamba2_jax
import worker
from flax import nnx
from safetensors.numpy import load_file


def config_of(checkpoint, chunk):
    raw = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    if raw["n_groups"] != 1:
        raise worker.Refused("mamba2-jax knows one group of B and C only")
    same = ("vocab_size", "hidden_size", "state_size", "head_dim", "expand", "conv_kernel", "num_hidden_layers",
            "layer_norm_epsilon", "use_bias", "use_conv_bias", "hidden_act", "residual_in_fp32",
            "tie_word_embeddings")
    return mamba2_jax.Mamba2Config(chunk_size=chunk or raw["chunk_size"],
                                   time_step_limit=tuple(raw["time_step_limit"]), **{k: raw[k] for k in same})


def load(checkpoint, config):
    tensors = load_file(checkpoint / "model.safetensors")
    # The package knows state-spaces' name of it, and reads Hugging Face's layout otherwise.
    tensors["backbone.embedding.weight"] = tensors.pop("backbone.embeddings.weight")
    model, _, _ = mamba2_jax.load_pytorch_weights(mamba2_jax.create_random_model(config), tensors, strict=True)
    return model


def programs(graph, tied):
    def last_logits(model, ids, cache):
        out = model.backbone(input_ids=ids, cache=cache)
        last = out["last_hidden_state"][:, -1:]
        return last @ model.backbone.embedder.embedding[...].T if tied else model.lm_head(last), out["cache"]

    @jax.jit
    def prefill(state, ids):
        return last_logits(nnx.merge(graph, state), ids, None)

    @functools.partial(jax.jit, donate_argnums=2)
    def step(state, token, cache):
        logits, cache = last_logits(nnx.merge(graph, state), token, cache)
        return jnp.argmax(logits, -1).astype(jnp.int32), cache

    return prefill, step


class Mamba2Jax:
    def __init__(self, options):
        if options.dtype != "float32":
            raise worker.Refused(f"mamba2-jax is measured in float32, not {options.dtype}")
        checkpoint = pathlib.Path(options.model)
        self._config = config_of(checkpoint, options.chunk)
        graph, self._state = nnx.split(load(checkpoint, self._config))
        self._prefill, self._step = programs(graph, self._config.tie_word_embeddings)

    def describe(self):
        return {"version": ", ".join(f"{name} {importlib.metadata.version(name)}"
                                     for name in ("mamba2-jax", "jax", "jaxlib", "flax")),
                "chunk_size": self._config.chunk_size, "devices": [str(d) for d in jax.devices()]}

    def prefill(self, tokens):
        ids = jnp.asarray([worker.prompt_of(tokens, self._config.vocab_size)], jnp.int32)
        jax.block_until_ready(ids)
        start = time.perf_counter()
        jax.block_until_ready(self._prefill(self._state, ids))
        return time.perf_counter() - start

    def decode(self, tokens):
        token, cache = self._start(worker.prompt_of(1, self._config.vocab_size))
        start = time.perf_counter()
        for _ in range(tokens):
            token, cache = self._step(self._state, token, cache)
        jax.block_until_ready(token)
        return time.perf_counter() - start

    def greedy(self, ids, tokens):
        logits, cache = self._prefill(self._state, jnp.asarray([ids], jnp.int32))
        token, out = jnp.argmax(logits, -1).astype(jnp.int32), []
        for _ in range(tokens):
            out.append(int(token[0, 0]))
            token, cache = self._step(self._state, token, cache)
        return out

    def _start(self, ids):
        cache = mamba2_jax.create_empty_cache(self._config, 1)
        token = jnp.asarray([ids], jnp.int32)
        jax.block_until_ready((token, jax.tree.leaves(cache)))
        return token, cache


if __name__ == "__main__":
    worker.serve(Mamba2Jax)
