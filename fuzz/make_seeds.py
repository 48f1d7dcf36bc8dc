#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, fuzz/corpus/<program>/*: small valid files, and some hostile ones.

Needs only Python's standard library. Everything is built here, except configs copied from tests/goldens.
Usage: fuzz/make_seeds.py (from anywhere); running it again writes the same bytes.
"""

import collections
import io
import json
import pathlib
import pickle
import struct
import sys
import types
import zipfile

HERE = pathlib.Path(__file__).resolve().parent


def put(program, name, data):
    folder = HERE / "corpus" / program
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def compact(value):
    return json.dumps(value, separators=(",", ":"))


# safetensors


def safetensors(header, data=b"", size=None):
    text = header if isinstance(header, str) else compact(header)
    return struct.pack("<Q", len(text) if size is None else size) + text.encode() + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    name = "safetensors_fuzz"
    whole = {
        "__metadata__": {"format": "pt"},
        "a": tensor("F32", [2, 3], 0, 24),
        "b.weight": tensor("BF16", [4], 24, 32),
        "c": tensor("F16", [], 32, 34),
        "d": tensor("I64", [0, 5], 34, 34),
        "e": tensor("F64", [1, 1], 34, 42),
        "f": tensor("BOOL", [3], 42, 45),
        "g": tensor("U8", [1], 45, 46),
    }
    put(name, "several", safetensors(whole, bytes(range(46))))
    put(name, "empty", safetensors({}))
    put(name, "length-2-63", safetensors({}, size=2**63))
    put(name, "product-overflows", safetensors({"a": tensor("U8", [2**62, 2, 0], 0, 0)}))
    put(name, "duplicate", safetensors('{"a":%s,"a":%s}' % ((compact(tensor("U8", [1], 0, 1)),) * 2), b"x"))
    put(name, "deep", safetensors('{"a":' + "[" * 50))


# pickle and torch.save


def torch_modules():
    """Stand-ins under torch's names, which pickle writes down and nobody runs."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for storage in ("FloatStorage", "BFloat16Storage", "HalfStorage", "LongStorage"):
        setattr(torch, storage, type(storage, (), {"__module__": "torch"}))
    for rebuild in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        function = types.FunctionType((lambda *arguments: None).__code__, {}, rebuild)
        function.__module__, function.__qualname__ = "torch._utils", rebuild
        setattr(utils, rebuild, function)
    sys.modules.update({"torch": torch, "torch._utils": utils})
    return torch, utils


class Storage:
    def __init__(self, kind, key, size):
        self.id = ("storage", kind, key, "cpu", size)


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.id if isinstance(value, Storage) else None


def pickled(value, protocol=2):
    out = io.BytesIO()
    Pickler(out, protocol).dump(value)
    return out.getvalue()


def archive(entries, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for entry, data in entries.items():
            file.writestr(zipfile.ZipInfo(entry), data, method)
    return out.getvalue()


def torch_seeds():
    torch, utils = torch_modules()

    def rebuilt(storage, offset, sizes, strides):
        return Call(utils._rebuild_tensor_v2, storage, offset, sizes, strides, False, collections.OrderedDict())

    floats, halves = Storage(torch.FloatStorage, "0", 6), Storage(torch.BFloat16Storage, "1", 4)
    state = collections.OrderedDict()
    state["weight"] = rebuilt(floats, 0, (2, 3), (3, 1))
    state["tied"] = rebuilt(floats, 1, (2,), (2,))
    state["transposed"] = rebuilt(floats, 0, (3, 2), (1, 3))
    state["parameter"] = Call(utils._rebuild_parameter, rebuilt(halves, 0, (4,), (1,)), True, None)
    state["scalar"] = rebuilt(halves, 3, (), ())
    state["nothing"] = rebuilt(halves, 0, (0, 2), (2, 1))
    for protocol in (2, 4):
        put("pickle_fuzz", f"state-{protocol}", pickled(state, protocol))
    negated = Call(utils._rebuild_tensor_v2, floats, 0, (6,), (1,), False, collections.OrderedDict(), {"neg": True})
    put("pickle_fuzz", "negated", pickled({"x": negated}))
    values = [None, True, 1, -70000, 2**40, 1.5, "text", b"bytes", (1, 2), {"key": [1, 2, 3]}]
    values.append(values)
    put("pickle_fuzz", "values", pickled(values, 4))
    put("pickle_fuzz", "system", b"cos\nsystem\n(X\x04\x00\x00\x00truetR.")
    repeats = {"x": rebuilt(floats, 0, (2**20, 2**20), (0, 0))}
    put("pickle_fuzz", "repeats", pickled(repeats))
    data = {"m/byteorder": b"little", "m/data/0": bytes(24), "m/data/1": bytes(8), "m/version": b"3\n"}
    put("torch_fuzz", "state", archive({"m/data.pkl": pickled(state), **data}))
    put("torch_fuzz", "small", archive({"m/data.pkl": pickled({"w": state["weight"]}), "m/data/0": bytes(24)}))
    put("torch_fuzz", "repeats", archive({"m/data.pkl": pickled(repeats), "m/data/0": bytes(24)}))
    put("torch_fuzz", "bomb", archive({"m/data.pkl": bytes(2**20)}, zipfile.ZIP_DEFLATED))
    put("torch_fuzz", "legacy", pickle.dumps(0x1950A86A20F9469CFC6C, 2))


# GGUF


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def u32(value):
    return struct.pack("<II", 4, value)


def texts(values):
    return struct.pack("<IIQ", 9, 8, len(values)) + b"".join(text(v) for v in values)


def gguf(keys, tensors, version=3, counts=None):
    counts = counts or (len(tensors), len(keys))
    out = b"GGUF" + struct.pack("<IQQ", version, *counts)
    out += b"".join(text(key) + value for key, value in keys.items())
    data = b""
    for name, (dims, kind, raw) in tensors.items():
        out += text(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims) + struct.pack("<IQ", kind, len(data))
        data += raw + bytes(-len(raw) % 32)
    return out + bytes(-len(out) % 32) + data


def gguf_seeds():
    keys = {
        "general.architecture": struct.pack("<I", 8) + text("mamba2"),
        "mamba2.embedding_length": u32(32),
        "mamba2.block_count": u32(1),
        "mamba2.ssm.conv_kernel": u32(4),
        "mamba2.ssm.inner_size": u32(64),
        "mamba2.ssm.state_size": u32(8),
        "mamba2.ssm.time_step_rank": u32(4),
        "mamba2.ssm.group_count": u32(1),
        "mamba2.attention.layer_norm_rms_epsilon": struct.pack("<If", 6, 1e-5),
    }
    tokens = ["a", "b", "\u0120", "ab", "\u0120a", "<|endoftext|>"]
    vocabulary = {
        "tokenizer.ggml.model": struct.pack("<I", 8) + text("gpt2"),
        "tokenizer.ggml.tokens": texts(tokens),
        "tokenizer.ggml.token_type": struct.pack("<IIQ6i", 9, 5, 6, 1, 1, 1, 1, 1, 3),
        "tokenizer.ggml.merges": texts(["a b", "\u0120 a"]),
        "tokenizer.ggml.eos_token_id": u32(5),
    }
    tensors = {
        "token_embd.weight": ((32, 6), 8, bytes(range(1, 35)) * 6),
        "blk.0.ssm_a": ((1, 4), 0, struct.pack("<4f", -1, -2, -0.5, -16)),
        "blk.0.ssm_conv1d.weight": ((4, 2), 1, bytes(16)),
        "blk.0.ssm_out.weight": ((32, 1), 2, bytes(18)),
        "blk.0.ssm_in.weight": ((256, 1), 12, bytes(range(144))),
        "output.weight": ((256, 1), 14, bytes(range(210))),
        "output_norm.weight": ((4,), 30, bytes(8)),
    }
    first = dict(list(tensors.items())[:2])
    put("gguf_fuzz", "model", gguf({**keys, **vocabulary}, tensors))
    put("gguf_fuzz", "keys", gguf({**keys, "general.alignment": u32(64)}, {}))
    put("gguf_fuzz", "vocabulary", gguf(vocabulary, {}, version=2))
    put("gguf_fuzz", "tensors", gguf({}, first))
    put("gguf_fuzz", "counts-2-63", gguf({}, {}, counts=(2**63, 2**63)))
    nested = struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 9, 1) * 40
    put("gguf_fuzz", "nested", gguf({"x": nested}, {}))


# config.json and tokenizer.json


def config_seeds():
    goldens = HERE.parent / "tests" / "goldens"
    for golden in ("hf-tiny", "limits-bias-tiny", "mamba-ssm-tiny", "mamba1-hf-tiny", "mamba1-ssm-tiny",
                   "falcon-mamba-tiny"):
        put("config_fuzz", golden, (goldens / golden / "config.json").read_bytes())
    params = {"dim": 64, "n_layers": 2, "vocab_size": 128, "n_groups": 8, "tie_embeddings": False}
    put("config_fuzz", "mistral", compact(params))
    generation = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 40, "eos_token_id": [0, 2]}
    put("config_fuzz", "generation", compact(generation))
    int8 = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}
    inputs = {**int8, "strategy": "token", "dynamic": True}
    group = {"targets": ["Linear"], "weights": int8, "input_activations": inputs, "output_activations": None}
    quantised = {"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": {"group_0": group},
                 "ignore": ["lm_head"], "sparsity_config": {"format": "dense"}, "transform_config": {}}
    sizes = {"model_type": "mamba2", "hidden_size": 8, "num_hidden_layers": 1, "num_heads": 4, "head_dim": 4,
             "state_size": 4, "n_groups": 1, "vocab_size": 9}
    put("config_fuzz", "int8", compact({**sizes, "quantization_config": quantised}))
    put("config_fuzz", "gptq", compact({**sizes, "quantization_config": {"quant_method": "gptq", "bits": 4}}))
    put("config_fuzz", "words", '[Infinity,-Infinity,NaN,-0.0,1e-7,"NaN \\" \\u00e9",18446744073709551615]')
    put("config_fuzz", "minus-nan", "-NaN")
    put("config_fuzz", "deep", "[" * 1000)


def added(number, content):
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": content, "special": True, **flags}


def tokenizer_seeds():
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    words = {name: number for number, name in enumerate(["a", "b", "\u0120", "ab", "\u0120a"])}
    put("tokenizer_fuzz", "byte-level", compact({
        "version": "1.0", "added_tokens": [added(5, "</s>")], "normalizer": {"type": "NFC"},
        "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "vocab": words, "merges": ["a b", "\u0120 a"]}}))
    replace = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
    bytes_ = {f"<0x{i:02X}>": i + 3 for i in range(256)}
    put("tokenizer_fuzz", "byte-fallback", compact({
        "version": "1.0", "added_tokens": [added(0, "<unk>"), added(1, "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
        "decoder": {"type": "Sequence", "decoders": [
            replace, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "post_processor": {"type": "TemplateProcessing",
                           "single": [{"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
                           "special_tokens": {}},
        "model": {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>",
                  "vocab": {"<unk>": 0, "</s>": 1, "\u2581": 2, **bytes_}, "merges": []}}))
    put("tokenizer_fuzz", "word-level", compact({
        "version": "1.0", "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "two": 1}, "unk_token": "[UNK]"}}))
    put("tokenizer_fuzz", "unigram", compact({
        "version": "1.0", "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
        "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"},
        "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["\u2581", -1], ["o", -2], ["ok", -3]]}}))
    put("tokenizer_fuzz", "word-piece", compact({
        "version": "1.0", "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                                         "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "two": 1, "##s": 2, "cafe": 3}}}))
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    double = {"type": "Replace", "pattern": {"String": "o"}, "content": "oo"}
    table = {"type": "Precompiled", "precompiled_charsmap": "/////wAAAAA="}
    for name, normalizer in (("doubles", {"type": "Sequence", "normalizers": [double] * 40}), ("long-table", table)):
        put("tokenizer_fuzz", name, compact({"version": "1.0", "normalizer": normalizer, "model": model}))
    put("tokenizer_fuzz", "deep", '{"normalizer":' + "[" * 1000)
    split = {"type": "Split", "pattern": {"Regex": "\\s+|\\p{N}{1,3}|(?=o)."}, "behavior": "Isolated", "invert": False}
    put("tokenizer_fuzz", "split", compact({
        "version": "1.0", "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, {"type": "Digits", "individual_digits": True}]},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}))


# suite files


def suite_seeds():
    measured = {"repetitions": 1, "seconds": 0.5, "tokens_per_s": 20, "tokens_per_s_sd": 0, "gemm_share": 0.5,
                "bandwidth_share": 1.5}
    memory = dict.fromkeys(("recomputed_bytes", "one_program_bytes", "process_cached_bytes", "process_recomputed_bytes"))
    experiments = {
        "recompute": [{"tokens": 16, "step_s": 0.1, "cached_step_s": 0.01, "step_speedup": 10, "total_s": 1,
                       "cached_total_s": 0.2, "total_speedup": 5, "cached_total_measured": True}],
        "prefill": [{"tokens": 1, **measured}, {"tokens": 16, **measured}],
        "positions": [{"position": 100, "ms_per_token": 20, "state_bytes": 100, "program_bytes": None,
                       "process_bytes": 9e8, **measured}],
        "generation": [{"tokens": 16, **measured}],
        "memory": [{"tokens": 16, "cached_bytes": 500, **memory}],
        "loops": [{"loop": loop, "block": block, "over_host_loop": 1.5, "same_tokens": True, **measured}
                  for loop, block in (("host", 1), ("pipelined", 1), ("device", 4))],
        "batch": [{"batch": 2, "state_bytes": 200, "program_bytes": None, **measured}]}
    model = {"model": "m", "parameters": 10, "dtype": "f32", "machine": {"read_gb_s": 30.5, "gemm_gflop_s": 200},
             "device": {"plugin": "p.so", "platform": "cpu", "api_version": "0.1"}, "weight_bytes": 40, "state_bytes": 100,
             "sample_tokens": 64, "budget_s": 60, "seconds": 12, "experiments": experiments,
             "dropped": [{"experiment": "positions", "at": 100000, "estimated_s": 147}]}
    suite = {"schema": "adder-suite/1", "created": "2026-01-02T03:04:05Z", "models": [model],
             "host": {"cpu": "A CPU", "threads": 2, "memory_bytes": 1e10}}
    put("suite_fuzz", "whole", compact(suite))
    put("suite_fuzz", "huge", compact({**suite, "models": [{**model, "sample_tokens": 1e308, "model": "`'<script>"}]}))
    empty = {name: [] for name in experiments}
    put("suite_fuzz", "empty", compact({**suite, "models": [{**model, "experiments": empty}] * 2}))
# protocol buffers: what a plugin's profiler and compiler hand out


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """An integer as a varint; text, bytes or a list of fields as a length-delimited field."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else b"".join(value) if isinstance(value, list) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def profile_seeds():
    def named(number, key, *fields):
        return field(number, [field(1, key), field(2, [field(1, key), *fields])])

    event = field(4, [field(1, 10), field(2, 500), field(3, 2000), field(4, [field(1, 2), field(5, "mixer/conv")])])
    plane = [field(2, "/device:GPU:0"),
             field(3, [field(1, 7), field(2, "Stream #7"), field(3, 3), event]),
             named(4, 10, field(2, "gemm"), field(5, [field(1, 1), field(7, 3)])),
             named(5, 1, field(2, "hlo_op")), named(5, 2, field(2, "tf_op")), named(5, 3, field(2, "dot.3"))]
    put("profile_fuzz", "xspace", b"x" + field(1, plane))
    shape = [field(2, 11), field(3, varint(2) + varint(8))]

    def instruction(number, opcode, *fields):
        return field(2, [field(1, opcode), field(2, opcode), field(3, shape), field(35, number), *fields])

    body = [instruction(5, "parameter"), instruction(6, "fusion", field(36, 5), field(38, 40)), field(5, 20)]
    entry = [instruction(1, "parameter"), instruction(3, "dot", field(36, varint(1) + varint(1)), field(7, [field(2, "head")])),
             instruction(4, "while", field(36, 3), field(38, varint(20) + varint(20)),
                         field(43, '{"known_trip_count":{"n":"3"}}')), field(5, 10)]
    fused = [instruction(8, "add", field(7, [field(2, "norm")])), field(5, 40)]
    module = field(3, entry) + field(3, body) + field(3, fused) + field(6, 10)
    put("profile_fuzz", "hlo", b"h" + module)
    put("profile_fuzz", "hlo-with-config", b"c" + field(1, module))
    put("profile_fuzz", "cut-short", b"x" + field(1, plane)[:-3])


# State snapshots


def snapshot_seeds():
    """Of the model in snapshot_fuzz.cc; the program puts the checksum in, which needs XXH3."""
    name = "snapshot_fuzz"
    layers, ssm, conv, tokens = 2, [1, 2, 2], [6, 2], [1, 6, 0]

    def snapshot(version="2", state=None, ids=tokens, **changes):
        metadata = {
            "architecture": "mamba2",
            "checksum": "0" * 32,
            "dtype": "f32",
            "fingerprint": "0123456789abcdef",
            "format": "adder-state",
            "position": str(len(ids)),
            "version": version,
            **changes,
        }
        header, data = {"__metadata__": metadata}, b""
        tensors = [(f"ssm_state.{i}", "F32", ssm, state or [0.5] * 4) for i in range(layers)]
        tensors += [(f"conv_state.{i}", "F32", conv, [-1.0] * 12) for i in range(layers)]
        tensors.append(("tokens", "I32", [len(ids)], ids))
        for key, dtype, shape, values in tensors:
            raw = struct.pack(f"<{len(values)}{'f' if dtype == 'F32' else 'i'}", *values)
            header[key] = tensor(dtype, shape, len(data), len(data) + len(raw))
            data += raw
        return safetensors(header, data)

    put(name, "whole", snapshot())
    put(name, "empty", snapshot(ids=[]))
    put(name, "bf16", snapshot(dtype="bf16"))
    put(name, "newer", snapshot(version="3"))
    put(name, "another-model", snapshot(fingerprint="0" * 16))
    put(name, "infinite", snapshot(state=[float("inf")] * 4))
    put(name, "unknown-token", snapshot(ids=[7]))
    put(name, "far-position", snapshot(position=str(2**62)))


# generation_config.json


def generation_config_seeds():
    name = "generation_config_fuzz"
    put(name, "whole", compact({
        "do_sample": True, "temperature": 0.7, "top_k": 50, "top_p": 0.9, "min_p": 0.05,
        "repetition_penalty": 1.1, "max_new_tokens": 100, "eos_token_id": [0, 2], "bos_token_id": 1,
    }))
    put(name, "greedy", compact({"do_sample": False, "eos_token_id": 0}))
    put(name, "nulls", compact({"temperature": None, "top_k": None, "eos_token_id": None}))
    put(name, "out-of-range", compact({"temperature": -1, "top_p": 2, "eos_token_id": -5}))
    put(name, "huge", '{"temperature":1e308,"top_k":1e30,"repetition_penalty":1e-45}')
    put(name, "not-finite", '{"temperature":NaN,"top_p":Infinity}')


# Entries of the executable cache


def executable_cache_seeds():
    """Of the key in executable_cache_fuzz.cc; the program puts the checksum in."""
    name = "executable_cache_fuzz"

    def entry(payload, version=1, context=b"context", program=b"program", sizes=None):
        sizes = sizes or (len(context), len(program), len(payload))
        head = b"ADDERPJX" + struct.pack("<IIQQQ", version, 0, *sizes)
        return head + context + program + payload + bytes(8)

    put(name, "whole", entry(b"an executable"))
    put(name, "empty", entry(b""))
    put(name, "newer", entry(b"an executable", version=2))
    put(name, "another-key", entry(b"an executable", program=b"prograM"))
    put(name, "sizes-overflow", entry(b"", sizes=(2**64 - 1, 2**64 - 1, 2)))


if __name__ == "__main__":
    safetensors_seeds()
    torch_seeds()
    gguf_seeds()
    config_seeds()
    tokenizer_seeds()
    suite_seeds()
    profile_seeds()
    snapshot_seeds()
    generation_config_seeds()
    executable_cache_seeds()
