"""The models that are measured: random weights, made once with the project's own tools."""

import pathlib
import subprocess
import sys

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
SEED = "7"  # of ./x bench's model too, so both use the same folder


def checkpoint(folder, scale):
    """Hugging Face layout, float32."""
    out = folder / f"mamba2-{scale}-random"
    if not (out / "config.json").exists():  # written last
        _make(out, "make_checkpoint.py", out, "--scale", scale, "--seed", SEED)
    return out


def gguf(folder, scale, kind):
    out = folder / f"mamba2-{scale}-random-{kind}.gguf"
    if not out.exists():
        part = out.with_suffix(".part")
        _make(out, "make_gguf.py", checkpoint(folder, scale), part, "--type", kind, "--no-vocab")
        part.replace(out)
    return out


def _make(out, tool, *words):
    print(f"making {out.name} ...", file=sys.stderr)
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, str(TOOLS / tool), *map(str, words)], check=True, stdout=sys.stderr)
