"""One peer as one process: JSON lines in, JSON lines out.

A peer module calls `serve(PeerClass)`. The class has

  PeerClass(options)        loads; options has model (path), dtype, threads, program, chunk
  describe() -> dict        versions and settings, for the report
  prefill(tokens) -> float  seconds for one prompt from an empty state to the logits of its last position
  decode(tokens) -> float   seconds for so many greedy tokens, one by one, after a prompt of one token
  greedy(ids, tokens) -> list of the so many ids that follow a prompt

`Worker` is the other end. A peer measures its own time, so that the pipe is not in it.
"""

import argparse
import json
import os
import select
import subprocess
import sys
import traceback

TIMEOUT_S = 1800  # of one answer; a repetition of the slowest peer takes about two minutes


class Refused(Exception):
    """The peer cannot do this at all (a dtype it does not know); other pairings go on."""


def prompt_of(tokens, vocabulary):
    """The ids that `adder bench` takes too."""
    return [t * 7919 % vocabulary for t in range(tokens)]


def vocabulary_of(checkpoint):
    with open(os.path.join(checkpoint, "config.json"), encoding="utf-8") as file:
        return json.load(file)["vocab_size"]


def _answer(peer, request):
    what = request["do"]
    if what == "prefill":
        return {"seconds": peer.prefill(request["tokens"]), **getattr(peer, "extra", {})}
    if what == "decode":
        return {"seconds": peer.decode(request["tokens"]), **getattr(peer, "extra", {})}
    if what == "greedy":
        return {"ids": peer.greedy(request["ids"], request["tokens"])}
    raise ValueError(f"unknown request {what!r}")


def serve(make_peer):
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--program", help="adder's own: the binary")
    parser.add_argument("--chunk", type=int, help="mamba2-jax's own: chunk length instead of the checkpoint's")
    options = parser.parse_args()
    # Libraries print to stdout as they like; the answers get a descriptor of their own.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(answer):
        out.write(json.dumps(answer) + "\n")
        out.flush()

    try:
        peer = make_peer(options)
        say({"ready": peer.describe()})
        for line in sys.stdin:
            say(_answer(peer, json.loads(line)))
    except Refused as reason:
        say({"refused": str(reason)})
    except Exception as reason:  # the other end decides what a dead peer means
        traceback.print_exc()
        say({"error": f"{type(reason).__name__}: {reason}"})
        sys.exit(1)


class Worker:
    """A peer's process, bound to the first `threads` CPUs that this one may use, as is every other."""

    def __init__(self, module, model, dtype, threads, log, **more):
        folder = os.path.dirname(os.path.abspath(__file__))
        words = [sys.executable, os.path.join(folder, module + ".py"), "--model", str(model), "--dtype", dtype,
                 "--threads", str(threads)]
        for key, value in more.items():
            if value is not None:
                words += ["--" + key, str(value)]
        cpus = sorted(os.sched_getaffinity(0))[:threads]
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="false",
                           HF_HUB_OFFLINE="1", JAX_PLATFORMS="cpu")
        self.module, self._rest = module, b""
        # pylint: disable-next=consider-using-with
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                         env=environment,
                                         preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        try:
            self.about = self._receive()["ready"]
        except BaseException:
            self.close()
            raise

    def ask(self, what, **more):
        self._process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        self._process.stdin.flush()
        return self._receive()

    def cpu_seconds(self):
        """Of all its threads so far, user and system; children not counted."""
        with open(f"/proc/{self._process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _receive(self):
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            if not select.select([descriptor], [], [], TIMEOUT_S)[0]:
                self._process.kill()
                raise RuntimeError(f"{self.module}: no answer within {TIMEOUT_S} s")
            got = os.read(descriptor, 65536)
            if not got:
                raise RuntimeError(f"{self.module}: ended without an answer (exit {self._process.wait()})")
            self._rest += got
        line, self._rest = self._rest.split(b"\n", 1)
        answer = json.loads(line)
        if "refused" in answer:
            raise Refused(answer["refused"])
        if "error" in answer:
            raise RuntimeError(f"{self.module}: {answer['error']}")
        return answer
