"""llama.cpp through llama-cpp-python's low-level bindings: llama_decode and nothing around it.

dtype is the GGUF's type and only a label here; the file decides.
"""

import ctypes
import importlib.metadata
import time

import llama_cpp
import numpy as np
import worker

CONTEXT = 8192  # positions; a recurrent model has no cache that grows with it
UBATCH = 512    # tokens in one pass, llama.cpp's default; longer prompts take several


class LlamaCpp:
    def __init__(self, options):
        llama_cpp.llama_backend_init()
        model_params = llama_cpp.llama_model_default_params()
        model_params.n_gpu_layers = 0
        self._model = llama_cpp.llama_model_load_from_file(options.model.encode(), model_params)
        if not self._model:
            raise RuntimeError(f"llama.cpp cannot load {options.model}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = CONTEXT
        params.n_batch = CONTEXT
        params.n_ubatch = UBATCH
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = options.threads
        params.no_perf = True
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        if not self._context:
            raise RuntimeError(f"llama.cpp cannot make a context for {options.model}")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._threads = options.threads

    def describe(self):
        size = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_desc(self._model, size, len(size))
        return {"version": "llama-cpp-python " + importlib.metadata.version("llama-cpp-python"),
                "system_info": llama_cpp.llama_print_system_info().decode().strip(),
                "model": size.value.decode(), "n_threads": self._threads, "n_ubatch": UBATCH}

    def prefill(self, tokens):
        ids = worker.prompt_of(tokens, self._vocabulary)
        self._clear()
        start = time.perf_counter()
        self._feed(ids)
        return time.perf_counter() - start

    def decode(self, tokens):
        self._clear()
        ids = worker.prompt_of(1, self._vocabulary)
        start = time.perf_counter()
        for _ in range(tokens):
            self._feed(ids)
            ids = [self._likeliest()]
        return time.perf_counter() - start

    def greedy(self, ids, tokens):
        self._clear()
        out = []
        for _ in range(tokens):
            self._feed(ids)
            ids = [self._likeliest()]
            out += ids
        return out

    def _clear(self):
        llama_cpp.llama_memory_clear(self._memory, True)

    def _feed(self, ids):
        """Logits of the last position only, which is what llama_batch_get_one asks for."""
        array = (llama_cpp.llama_token * len(ids))(*ids)
        status = llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(array, len(ids)))
        if status != 0:
            raise RuntimeError(f"llama_decode of {len(ids)} tokens: status {status}")
        llama_cpp.llama_synchronize(self._context)

    def _likeliest(self):
        logits = llama_cpp.llama_get_logits_ith(self._context, -1)
        return int(np.argmax(np.ctypeslib.as_array(logits, (self._vocabulary,))))


if __name__ == "__main__":
    worker.serve(LlamaCpp)
