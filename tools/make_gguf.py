#!/usr/bin/env python3
"""Writes a Mamba-2 checkpoint (Hugging Face layout, safetensors) as GGUF, by llama.cpp's conventions.

Made the test files of the checkpoint room; needs `pip install gguf numpy safetensors` (never at run time, nor in
CI). Where an exact byte matters this differs from llama.cpp's converter in one way: A = -exp(A_log) is computed in
float64 and rounded once, so that the file does not depend on a library's float32 exp (--exp float32 takes numpy's).

  tools/make_gguf.py CHECKPOINT OUT.gguf [--type F32|F16|BF16|Q8_0|Q4_0] [--exp float64|float32] [--no-vocab]
  tools/make_gguf.py --blocks OUT.json     random blocks of each quantised type beside gguf.quants' values

The committed files:
  tests/goldens/gguf/blocks.json           --blocks
  tests/goldens/gguf/hf-tiny-q4_0.gguf     tests/goldens/hf-tiny --type Q4_0
"""

import argparse
import json
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants

LAYER = {"norm.weight": "attn_norm.weight", "mixer.in_proj.weight": "ssm_in.weight",
         "mixer.in_proj.bias": "ssm_in.bias", "mixer.conv1d.weight": "ssm_conv1d.weight",
         "mixer.conv1d.bias": "ssm_conv1d.bias", "mixer.dt_bias": "ssm_dt.bias", "mixer.A_log": "ssm_a",
         "mixer.D": "ssm_d", "mixer.norm.weight": "ssm_norm.weight", "mixer.out_proj.weight": "ssm_out.weight",
         "mixer.out_proj.bias": "ssm_out.bias"}
OUTSIDE = {"backbone.embeddings.weight": "token_embd.weight", "backbone.norm_f.weight": "output_norm.weight",
           "lm_head.weight": "output.weight"}
MATRICES = ("ssm_in.weight", "ssm_out.weight", "token_embd.weight", "output.weight")


def read_safetensors(path):
    """Name -> float32 array; bfloat16 is widened by hand because numpy has none."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        data = raw[8 + size + begin:8 + size + end]
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(data, {"F32": "<f4", "F16": "<f2"}[entry["dtype"]]).astype(np.float32)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def gguf_name(name):
    if name in OUTSIDE:
        return OUTSIDE[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{LAYER[rest]}"


def convert(name, values, groups, exp):
    if name.endswith("conv1d.weight"):
        return values.squeeze()
    if name.endswith("ssm_a"):
        a = np.exp(values.astype(np.float64)).astype(np.float32) if exp == "float64" else np.exp(values)
        return -a.reshape(-1, 1)
    if name.endswith("ssm_d"):
        return values.reshape(-1, 1)
    if name.endswith("ssm_norm.weight"):
        return values.reshape(groups, -1)
    return values


def write_model(source, out, type_name, exp, no_vocab=False):
    config = json.loads((source / "config.json").read_text())
    tensors = {}
    for path in sorted(source.glob("model*.safetensors")):
        tensors.update(read_safetensors(path))
    inner, groups = config["expand"] * config["hidden_size"], config["n_groups"]
    writer = gguf.GGUFWriter(out, "mamba2")
    writer.add_context_length(2**20)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_ssm_conv_kernel(config["conv_kernel"])
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(config["state_size"])
    writer.add_ssm_time_step_rank(config["num_heads"])
    writer.add_ssm_group_count(groups)
    writer.add_layer_norm_rms_eps(config["layer_norm_epsilon"])
    for key, add in (("bos_token_id", writer.add_bos_token_id), ("eos_token_id", writer.add_eos_token_id),
                     ("pad_token_id", writer.add_pad_token_id)):
        if isinstance(config.get(key), int):
            add(config[key])
    if (source / "tokenizer.json").exists():
        add_tokenizer(writer, json.loads((source / "tokenizer.json").read_text()), config["vocab_size"])
    elif no_vocab:  # llama.cpp demands that a file without a tokenizer says so
        writer.add_tokenizer_model("no_vocab")
        writer.add_vocab_size(config["vocab_size"])
    for name, values in tensors.items():
        name = gguf_name(name)
        values = np.ascontiguousarray(convert(name, values, groups, exp).astype(np.float32))
        kind = Type[type_name] if name.endswith(MATRICES) else Type.F32
        if kind == Type.F32:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_tokenizer(writer, tokenizer, vocab_size):
    """A byte-level BPE tokenizer.json as llama.cpp's converter stores it; ids without a token are unused."""
    by_id = {i: (t, gguf.TokenType.NORMAL) for t, i in tokenizer["model"]["vocab"].items()}
    for token in tokenizer["added_tokens"]:
        kind = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
        by_id[token["id"]] = (token["content"], kind)
    rows = [by_id.get(i, (f"[PAD{i}]", gguf.TokenType.UNUSED)) for i in range(vocab_size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([t for t, _ in rows])
    writer.add_token_types([k for _, k in rows])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]])


def write_blocks(out):
    """Random bytes are valid blocks of every type; only the f16 scales are kept finite."""
    random = np.random.default_rng(7)
    scale_at = {Type.Q8_0: [0], Type.Q4_0: [0], Type.Q4_K: [0, 2], Type.Q6_K: [208]}
    cases = {}
    for kind, places in scale_at.items():
        _, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (3, size), dtype=np.uint8)
        for at in places:
            scales = random.normal(0, 0.05, 3).astype(np.float16)
            blocks[:, at:at + 2] = scales.view(np.uint8).reshape(3, 2)
        values = quants.dequantize(blocks, kind).reshape(-1)
        cases[kind.name] = {"blocks": blocks.tobytes().hex(),
                            "values": values.astype("<f4").tobytes().hex()}
    pathlib.Path(out).write_text(json.dumps(cases, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=pathlib.Path)
    parser.add_argument("out", nargs="?")
    parser.add_argument("--type", default="F32", choices=["F32", "F16", "BF16", "Q8_0", "Q4_0"])
    parser.add_argument("--exp", default="float64", choices=["float64", "float32"])
    parser.add_argument("--no-vocab", action="store_true",
                        help="mark a checkpoint without a tokenizer as such, for llama.cpp to load it")
    parser.add_argument("--blocks", metavar="OUT.json")
    options = parser.parse_args()
    if options.blocks:
        write_blocks(options.blocks)
    elif options.source and options.out:
        write_model(options.source, options.out, options.type, options.exp, options.no_vocab)
    else:
        parser.error("name a checkpoint and an output, or --blocks")


if __name__ == "__main__":
    main()
