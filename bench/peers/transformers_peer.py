"""Mamba2ForCausalLM of transformers on PyTorch, CPU, with its cache; called directly, not through generate()."""

import time

import torch
import transformers
import worker


class Transformers:
    def __init__(self, options):
        torch.set_num_threads(options.threads)
        torch.set_grad_enabled(False)
        transformers.logging.set_verbosity_error()
        dtype = getattr(torch, options.dtype)
        self._model = transformers.Mamba2ForCausalLM.from_pretrained(
            options.model, dtype=dtype, local_files_only=True).eval()
        self._vocabulary = worker.vocabulary_of(options.model)

    def describe(self):
        return {"version": f"transformers {transformers.__version__}, torch {torch.__version__}",
                "threads": torch.get_num_threads(), "cpu": torch.backends.cpu.get_cpu_capability(),
                "mkldnn": torch.backends.mkldnn.is_available(), "mkl": torch.backends.mkl.is_available()}

    def prefill(self, tokens):
        ids = torch.tensor([worker.prompt_of(tokens, self._vocabulary)])
        with torch.inference_mode():
            start = time.perf_counter()
            self._feed(ids, None)
            return time.perf_counter() - start

    def decode(self, tokens):
        ids = torch.tensor([worker.prompt_of(1, self._vocabulary)])
        with torch.inference_mode():
            start = time.perf_counter()
            self._generate(ids, tokens)
            return time.perf_counter() - start

    def greedy(self, ids, tokens):
        with torch.inference_mode():
            return [int(i) for i in self._generate(torch.tensor([ids]), tokens)]

    def _feed(self, ids, cache):
        out = self._model(input_ids=ids, cache=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1], out.cache

    def _generate(self, ids, tokens):
        out, cache = [], None
        for _ in range(tokens):
            logits, cache = self._feed(ids, cache)
            ids = torch.argmax(logits, -1, keepdim=True)
            out.append(ids)
        return out


if __name__ == "__main__":
    worker.serve(Transformers)
