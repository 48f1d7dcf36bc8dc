#!/usr/bin/env python3
"""Measures Adder beside llama.cpp, transformers and mamba2-jax, in turns, and prints the ratios.

Run it through `./x peers`, which installs the peers and builds Adder. README.md says what is fair and what is not.
stdout carries the tables; progress goes to stderr.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

import models
import report
import worker

# adder's dtype, the peer, what the peer calls it, whether it is measured without being asked for
PAIRINGS = [("f32", "llama.cpp", "F32", True), ("bf16", "llama.cpp", "BF16", True), ("int8", "llama.cpp", "Q8_0", True),
            ("int8", "llama.cpp", "Q4_0", False), ("f32", "transformers", "float32", True),
            ("bf16", "transformers", "bfloat16", True), ("f32", "mamba2-jax", "float32", True)]
MODULES = {"llama.cpp": "llama_cpp_peer", "transformers": "transformers_peer", "mamba2-jax": "mamba2_jax_peer"}
BUSY = 0.02   # share of one CPU above which a peer that should be asleep is reported
NOISY = 0.05  # share of all CPUs above which other programs are reported
LOOK_S = 0.3  # how long is looked for them before each pair
CHECK_PROMPT = 8
CHECK_TOKENS = 16


def note(text):
    print(text, file=sys.stderr, flush=True)


def options_of(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")
    parser.add_argument("--adder", type=pathlib.Path, required=True, help="the binary")
    parser.add_argument("--models", type=pathlib.Path, required=True, help="where models are made and kept")
    parser.add_argument("--scales", type=words, default=["130m", "370m"], help="130m,370m,780m,1.3b,2.7b")
    parser.add_argument("--peers", type=words, default=list(MODULES), help=",".join(MODULES))
    parser.add_argument("--dtypes", type=words, default=["f32", "bf16", "int8"], help="adder's: f32,bf16,int8")
    parser.add_argument("--q4", action="store_true", help="also llama.cpp Q4_0, beside adder's int8")
    parser.add_argument("-p", "--n-prompt", type=int, default=512, help="tokens of a prompt; 0 leaves prompts out")
    parser.add_argument("-n", "--n-gen", type=int, default=128, help="tokens generated; 0 leaves that out")
    parser.add_argument("--jax-n-gen", type=int, default=16, help="the same for mamba2-jax, which is slow at it")
    parser.add_argument("--jax-chunk", type=int, help="mamba2-jax's chunk length (default: the checkpoint's)")
    parser.add_argument("--recompute", type=int, metavar="N",
                        help="also mamba2-jax without its cache: one token by running N tokens again")
    parser.add_argument("-r", "--repetitions", type=int, default=5, help="pairs of a row")
    parser.add_argument("-t", "--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--check", action="store_true", help="compare greedy tokens first, in float32 and bfloat16")
    parser.add_argument("--json", type=pathlib.Path, help="write everything there")
    options = parser.parse_args(argv)
    for peer in options.peers:
        if peer not in MODULES:
            parser.error(f"--peers: unknown peer {peer}: {', '.join(MODULES)}")
    return options


def pairings(options):
    for dtype, peer, kind, always in PAIRINGS:
        if peer in options.peers and dtype in options.dtypes and (always or options.q4):
            yield dtype, peer, kind


def tests_of(options, peer):
    """(what the peer does, its tokens, the tokens that counts as, what adder does, its tokens)"""
    n_gen = options.jax_n_gen if peer == "mamba2-jax" else options.n_gen
    if options.n_prompt:
        yield "prefill", options.n_prompt, options.n_prompt, "prefill", options.n_prompt
    if options.n_gen and n_gen:
        yield "decode", n_gen, n_gen, "decode", options.n_gen
    if options.recompute and peer == "mamba2-jax":
        yield "prefill", options.recompute, 1, "decode", options.n_gen or 128


def foreign_load():
    """Share of this machine's CPUs in use now; call it while every worker is asleep."""
    def idle():
        with open("/proc/stat", encoding="utf-8") as file:
            ticks = [int(word) for word in file.readline().split()[1:]]
        return ticks[3] + ticks[4]  # idle, waiting for a disk
    before, began = idle(), time.perf_counter()
    time.sleep(LOOK_S)
    there_were = (time.perf_counter() - began) * os.cpu_count() * os.sysconf("SC_CLK_TCK")
    return max(0.0, 1 - (idle() - before) / there_were)


class Bench:
    def __init__(self, options, log):
        self.options, self.log, self.about, self.notes = options, log, {}, []
        self.failed = False

    def say(self, text):
        if text not in self.notes:
            note(text)
            self.notes.append(text)

    def start(self, name, module, model, dtype, **more):
        """A worker, or None with a note of why there is none."""
        try:
            made = worker.Worker(module, model, dtype, self.options.threads, self.log, **more)
        except worker.Refused as reason:
            self.say(f"left out: {reason}")
            return None
        except RuntimeError as reason:
            self.failed = True
            self.say(f"FAILED: {name} {dtype}: {reason}")
            return None
        self.about.setdefault(name, made.about)
        return made

    def start_adder(self, scale, dtype):
        model = models.checkpoint(self.options.models, scale)
        return self.start("adder", "adder_peer", model, dtype, program=self.options.adder.resolve())

    def start_peer(self, scale, peer, kind):
        folder, chunk = self.options.models, None
        if peer == "llama.cpp":
            model = models.gguf(folder, scale, kind)
        else:
            model = models.checkpoint(folder, scale)
            chunk = self.options.jax_chunk if peer == "mamba2-jax" else None
        return self.start(peer, MODULES[peer], model, kind, chunk=chunk)

    def rows(self, scale, dtype, peer, kind):
        """Every test of one pairing. Both workers live throughout; one at a time is asked for anything."""
        ours, theirs = self.start_adder(scale, dtype), self.start_peer(scale, peer, kind)
        try:
            for test in tests_of(self.options, peer) if theirs else ():
                yield self.row(scale, dtype, peer, kind, ours, theirs, test)
        finally:
            for one in (ours, theirs):
                if one:
                    one.close()

    def row(self, scale, dtype, peer, kind, ours, theirs, test):
        what, tokens, counts_as, adder_what, adder_tokens = test
        short = {"prefill": "pp", "decode": "tg"}
        peer_test = f"{short[what]}{tokens}" if counts_as == tokens else f"recompute {tokens}"
        row = {"model": f"mamba2-{scale}", "adder_test": f"{short[adder_what]}{adder_tokens}", "adder_dtype": dtype,
               "peer": peer, "peer_dtype": kind, "peer_test": peer_test, "pairs": []}
        for _ in range(self.options.repetitions):
            pair = {"others_busy_before": foreign_load()}
            if pair["others_busy_before"] > NOISY:
                self.say("NOISY: other programs were using the CPUs (others_busy_before in the JSON)")
            if ours:
                self.measure_adder(pair, ours, theirs, adder_what, adder_tokens)
            theirs.ask(what, tokens=tokens)  # warms up, as adder bench does before each of its runs
            pair["peer_tokens_per_s"] = counts_as / theirs.ask(what, tokens=tokens)["seconds"]
            row["pairs"].append(pair)
            ours_said = f"{pair['adder_tokens_per_s']:.1f}" if ours else "-"
            note(f"mamba2-{scale} {peer_test}: adder {dtype} {ours_said}, {peer} {kind} "
                 f"{pair['peer_tokens_per_s']:.1f} tok/s")
        return row

    def measure_adder(self, pair, ours, theirs, what, tokens):
        began, busy = time.perf_counter(), theirs.cpu_seconds()
        answer = ours.ask(what, tokens=tokens)
        share = (theirs.cpu_seconds() - busy) / (time.perf_counter() - began)
        pair["adder_tokens_per_s"] = tokens / answer["seconds"]
        pair.update(peer_busy_meanwhile=share, **{k: v for k, v in answer.items() if k != "seconds"})
        if share > BUSY:
            self.say(f"UNFAIR: {theirs.module} used {share:.0%} of a CPU while adder was measured")

    def check(self, scale):
        """Greedy tokens of every peer that rounds at most to bfloat16, against adder's float32."""
        ids = worker.prompt_of(CHECK_PROMPT, 50000)
        ask = dict(ids=ids, tokens=CHECK_TOKENS)
        ours = self.start_adder(scale, "f32")
        if not ours:
            return
        expected = ours.ask("greedy", **ask)["ids"]
        ours.close()
        for _, peer, kind in pairings(self.options):
            theirs = self.start_peer(scale, peer, kind) if not kind.startswith("Q") else None
            if not theirs:
                continue
            got = theirs.ask("greedy", **ask)["ids"]
            theirs.close()
            equal = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b), len(expected))
            note(f"mamba2-{scale} greedy, {peer} {kind}: {equal} of {len(expected)} equal from the first on")
            yield {"model": f"mamba2-{scale}", "peer": peer, "peer_dtype": kind, "equal": equal,
                   "tokens": len(expected), "adder_ids": expected, "peer_ids": got}


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown CPU")


def run(options, log):
    bench = Bench(options, log)
    out = {"machine": {"cpu": cpu_name(), "threads": options.threads}, "repetitions": options.repetitions,
           "about": bench.about, "notes": bench.notes, "rows": [], "checks": []}
    try:
        for key, made in (("checks", all_checks(bench)), ("rows", all_rows(bench))):
            for one in made:
                out[key].append(one)
                if options.json:
                    options.json.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    except KeyboardInterrupt:
        bench.failed = True
        bench.say("interrupted: the rows that were done are here")
    print(report.markdown(out))
    if out["checks"]:
        print(report.markdown_check(out["checks"]))
    return 1 if bench.failed else 0


def all_checks(bench):
    for scale in bench.options.scales if bench.options.check else ():
        yield from bench.check(scale)


def all_rows(bench):
    for scale in bench.options.scales:
        for pairing in pairings(bench.options):
            yield from bench.rows(scale, *pairing)


def main():
    options = options_of(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: with what there is
    with tempfile.NamedTemporaryFile("w+b", prefix="adder-peers-", suffix=".log", delete=False) as log:
        note(f"what the peers print goes to {log.name}")
        sys.exit(run(options, log))


if __name__ == "__main__":
    main()
