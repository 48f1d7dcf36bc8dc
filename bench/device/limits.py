"""What the card can do, measured with jax where it is installed: the denominators of the device check's shares.

Prints one JSON object: bytes a second of a copy, a sum and a scale over 4 GiB (several kernels, the best of each), and
floating-point operations a second of square matrix products by dtype.
"""

import json
import sys
import time

import jax
import jax.numpy as jnp


def best(program, *arguments, rounds=8):
    """Seconds of the fastest run, after two that do not count."""
    times = []
    for i in range(rounds + 2):
        start = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        if i >= 2:
            times.append(time.perf_counter() - start)
    return min(times)


def main():
    large = sys.argv[1:] != ["small"]
    total = 4 << 30 if large else 64 << 20
    out = {"device": str(jax.devices()[0].device_kind), "jax": jax.__version__, "bytes_per_s": {}, "flops": {}}
    for dtype in ("float32", "bfloat16"):
        x = jnp.ones((total // jnp.dtype(dtype).itemsize,), dtype)
        copy, add_up = jax.jit(lambda a: a * 2), jax.jit(lambda a: jnp.sum(a.reshape(-1, 4096), 1))
        out["bytes_per_s"][f"scale {dtype}"] = 2 * total / best(copy, x)
        out["bytes_per_s"][f"sum {dtype}"] = total / best(add_up, x)
        del x
    for size in (4096, 8192) if large else (512,):
        for dtype, precision in (("bfloat16", "default"), ("float32", "highest"), ("float32", "default")):
            a = jnp.ones((size, size), dtype)
            product = jax.jit(lambda p, q, how=precision: jnp.matmul(p, q, precision=how))
            out["flops"][f"{dtype} {precision} {size}"] = 2 * size**3 / best(product, a, a)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
