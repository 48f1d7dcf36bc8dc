"""Adder: each repetition is one `adder bench -r 1`, which loads (not timed), warms up and measures once."""

import json
import subprocess

import worker

USAGE = 2  # adder's exit status for flags it does not know


class Adder:
    def __init__(self, options):
        self._program, self._model, self._dtype = options.program, options.model, options.dtype
        self.extra = {}
        self.decode(1)  # refuses a dtype at once, and fills the cache of compiled programs

    def describe(self):
        version = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=False)
        return {"version": version.stdout.strip(), "runs": "one `adder bench -r 1` a repetition"}

    def prefill(self, tokens):
        return self._bench(f"pp{tokens}", "-p", str(tokens), "-n", "1")

    def decode(self, tokens):
        return self._bench(f"tg{tokens}", "-p", "1", "-n", str(tokens))

    def greedy(self, ids, tokens):
        listed = ",".join(map(str, ids))
        out = self._run("generate", "--ids", listed, "-n", str(tokens), "--temp", "0", "--json")
        return json.loads(out)["ids"]

    def _bench(self, test, *words):
        report = json.loads(self._run("bench", *words, "-b", "1", "-r", "1", "-o", "json"))
        row = next(row for row in report["rows"] if row["test"] == test)
        self.extra = {"machine": report["machine"], "gemm_share": row["gemm_share"],
                      "bandwidth_share": row["bandwidth_share"]}
        return int(test[2:]) / row["tokens_per_s"]

    def _run(self, command, *words):
        line = [self._program, command, "-m", self._model, "--dtype", self._dtype, "-q", *words]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode == USAGE and "--dtype" in done.stderr:
            raise worker.Refused(f"adder does not know --dtype {self._dtype}")
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(line)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout


if __name__ == "__main__":
    worker.serve(Adder)
