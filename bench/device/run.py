"""The device check: what to measure, in order of worth, until the time is up.

Every step is a process of its own with a time limit. Its line goes to $OUT/results.jsonl as soon as it ends (name, exit
status, seconds, and what it printed, as JSON where it is JSON), its stderr to $OUT/log/NAME.txt. A step that fails or
runs out of time costs only itself. The table at the end is made from the lines alone (report.py).
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCALES = ("130m", "370m", "780m", "1.3b", "2.7b")
# Each is measured against the plugin's default, turn by turn, on 130m in bfloat16.
FLAGS = {
    "graph all": "--xla_gpu_enable_command_buffer=FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,CONDITIONAL,"
                 "DYNAMIC_SLICE_FUSION,WHILE --xla_gpu_graph_min_graph_size=1",
    "graph concurrent": "--xla_gpu_command_buffer_scheduling_mode=CONCURRENT_REGIONS",
    "unroll": "--xla_gpu_command_buffer_unroll_loops=true",
    "double buffering": "--xla_gpu_enable_while_loop_double_buffering=true",
    "top 4 fusions": "--xla_gpu_fusion_autotune_top_k_configs=4",
    "outputs together": "--xla_gpu_experimental_enable_same_shape_multi_output_fusion=true",
    "tilings": "--xla_gpu_exhaustive_tiling_search=true",
    "skip temp": "--xla_gpu_command_buffer_update_mode=SKIP_TEMP",
}
# Inside a CUDA graph the profiler sees no kernel.
NO_GRAPH = "--xla_gpu_enable_command_buffer="


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=460, help="seconds for everything (%(default)s)")
    parser.add_argument("--plugin", help="the PJRT plugin's file (default: jax's CUDA plugin in site-packages)")
    parser.add_argument("--tiny", action="store_true", help="tiny models and lengths: does the script itself work?")
    parser.add_argument("--only", default="", help="a regular expression: only steps whose name it finds")
    parser.add_argument("--skip", default="^$", help="a regular expression: without steps whose name it finds")
    parser.add_argument("--list", action="store_true", help="print the steps and end")
    return parser.parse_args()


def find_plugin():
    for folder in {sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"], *sys.path}:
        for found in sorted(pathlib.Path(folder or ".").glob("jax_plugins/xla_cuda*/xla_cuda_plugin.so"), reverse=True):
            return str(found)
    return "cuda"


class Check:
    """Runs steps within the budget and writes their lines."""

    def __init__(self, options):
        self.options, self.start = options, time.monotonic()
        self.out = pathlib.Path(os.environ["OUT"])
        (self.out / "log").mkdir(parents=True, exist_ok=True)
        self.results = (self.out / "results.jsonl").open("a", encoding="utf-8")
        self.bundle = ROOT / "build/device-bundle"
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="adder-device-"))
        self.models = self.work / "models"
        self.background = []

    def left(self):
        return self.options.budget - (time.monotonic() - self.start)

    def environment(self, **more):
        """Of Adder's programs: their libraries come first, compiled programs go to a folder of this run."""
        out = dict(os.environ, LD_LIBRARY_PATH=f"{self.bundle / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}",
                   ADDER_CACHE=str(self.work / "cache"), ADDER_SOURCE_DIR=str(ROOT),
                   ADDER_TEST_PLUGINS=self.options.plugin, ADDER_PLUGIN=self.options.plugin,
                   TEST_TMPDIR=str(self.work))
        out.update({key: str(value) for key, value in more.items()})
        return out

    def wanted(self, name):
        return re.search(self.options.only, name) and not re.search(self.options.skip, name)

    def step(self, name, words, limit, env=None, least=5):
        """Runs `words`; returns what it printed (parsed where it is JSON), or None."""
        if not self.wanted(name):
            return None
        if self.options.list:
            print(f"{limit:5.0f} s  {name}: {' '.join(map(str, words))}")
            return None
        if self.left() < least:
            self.write(name=name, skipped="no time left")
            return None
        began = time.monotonic()
        with (self.out / "log" / (re.sub(r"[^\w.-]+", "_", name) + ".txt")).open("wb") as log:
            status, text = run_limited(words, min(limit, self.left()), env, log)
        value = parse(text)
        self.write(name=name, status=status, seconds=round(time.monotonic() - began, 2), at=round(began - self.start),
                   result=value)
        return value if status == 0 else None

    def adder(self, name, words, limit, least=5, **env):
        return self.step(name, [str(self.bundle / "adder"), *map(str, words)], limit, self.environment(**env), least)

    def write(self, **line):
        self.results.write(json.dumps(line) + "\n")
        self.results.flush()
        state = line.get("skipped") or f"exit {line.get('status')} after {line.get('seconds')} s"
        print(f"[{time.monotonic() - self.start:4.0f} s] {line['name']}: {state}", file=sys.stderr, flush=True)

    def make_models(self, scales):
        """Random checkpoints, one layer repeated, in the background: the largest last."""
        self.models.mkdir()
        for scale in scales:
            words = [sys.executable, str(ROOT / "tools/make_checkpoint.py"), str(self.models / scale), "--scale", scale,
                     "--dtype", "bf16", "--repeat"]
            with (self.out / "log" / f"make-{scale}.txt").open("wb") as log:
                # pylint: disable-next=consider-using-with
                self.background.append(subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True))

    def wait_for_models(self):
        for process in self.background:
            try:
                process.wait(max(1, min(60, self.left())))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def close(self):
        for process in self.background:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        self.results.close()
        shutil.rmtree(self.work, ignore_errors=True)


def run_limited(words, limit, env, log):
    """(exit status, stdout); 124 where the time ran out, with what was printed until then."""
    try:
        process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=log, env=env, cwd=ROOT,
                                   start_new_session=True)
    except OSError as reason:
        log.write(str(reason).encode())
        return 127, ""
    try:
        text, _ = process.communicate(timeout=limit)
        return process.returncode, text.decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        return 124, text.decode(errors="replace")


def parse(text):
    """JSON where it is JSON, else the end of the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text[-4000:] or None


def peer(check, module, model, dtype, prompt, tokens):
    check.step(f"peer {module} {pathlib.Path(model).name} {dtype}",
               [sys.executable, HERE / "peer.py", module, model, dtype, prompt, tokens], 45, least=15)


def bench(check, scale, dtype, prompts, tokens, batches=(1,), name=None, limit=75, least=12, tune=False, **env):
    return check.adder(name or f"bench {scale} {dtype}" + ("" if batches == (1,) else " batch"),
                       ["bench", "-m", check.models / scale, "--dtype", dtype, "-p", ",".join(map(str, prompts)),
                        "-n", ",".join(map(str, tokens)), "-b", ",".join(map(str, batches)), "-r", 3, "-o", "json",
                        *([] if tune else ["--no-tune"])], limit, least, **env)


def ids(count):
    return ",".join(str(7919 * i % 500) for i in range(count))


def generate(check, name, model, dtype, limit, *more, **env):
    return check.adder(name, ["generate", "-m", model, "--dtype", dtype, "--ids", ids(40), "-n", 64, "--temp", 0,
                              "--json", *more], limit, 8, **env)


def ahead(check, scale, dtype):
    """Programs compiled as if for another machine, here: taken up from the cache, with the same tokens?"""
    target = os.environ.get("ADDER_DEVICE_TARGET")
    if not target:
        found = check.adder("devices", ["devices", "--json"], 40)
        text = json.dumps(found or "").lower()
        target = next((name for name in ("h200", "h100", "a100", "l40s") if name in text), "")
    if target or check.options.list:
        cache = check.work / "ahead"
        check.adder(f"compile ahead for {target}", ["compile", "-m", check.models / scale, "--dtype", dtype, "--target",
                                                    target, "--plugin", check.options.plugin, "-o", cache, "--json"], 90)
        generate(check, "generate, compiled ahead", check.models / scale, dtype, 60, "--no-tune", ADDER_CACHE=cache)
        generate(check, "generate, compiled here", check.models / scale, dtype, 60, "--no-tune",
                 ADDER_CACHE=check.work / "not-ahead")


def flags_in_pairs(check, scale, prompts, tokens):
    """Each flag beside the default in turn, so that a card that warms up is fair to both."""
    for label, flags in FLAGS.items():
        before = bench(check, scale, "bf16", prompts, tokens, name=f"flags {label}: default", limit=30, least=25)
        if before is not None or check.options.list:
            bench(check, scale, "bf16", prompts, tokens, name=f"flags {label}: set", limit=60,
                  XLA_FLAGS=(os.environ.get("XLA_FLAGS", "") + " " + flags).strip())


def main():
    options = parse_arguments()
    options.plugin = options.plugin or find_plugin()
    check = Check(options)
    tiny = options.tiny
    scales = ("tiny",) if tiny else SCALES
    small, large = scales[0], scales[-1]
    prompts, tokens, batches = ((16, 128), (64,), (1, 2)) if tiny else ((512, 2048), (128,), (1, 8, 64))
    try:
        if not options.list:
            check.write(name="start", status=0, seconds=0, result={
                "commit": (check.bundle / "commit").read_text().strip() if check.bundle.exists() else None,
                "plugin": options.plugin, "cpus": os.cpu_count(), "python": sys.version.split()[0]})
            check.make_models(scales)
        check.step("card", ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit",
                            "--format=csv,noheader"], 10)
        check.step("goldens", [check.bundle / "engine_test", "--gtest_filter=*Parity*:-*_as_*"], 100,
                   check.environment())
        check.wait_for_models()
        check.step("limits", [sys.executable, HERE / "limits.py", "small" if tiny else "large"], 40)
        bench(check, small, "bf16", prompts, tokens)
        bench(check, large, "bf16", prompts, tokens)
        check.adder(f"profile {small} bf16", ["profile", "-m", check.models / small, "--dtype", "bf16", "-p", prompts[0],
                                              "-n", 64, "--json", "--no-tune"], 40, XLA_FLAGS=NO_GRAPH)
        bench(check, large, "bf16", prompts[:1], tokens, batches[1:])
        bench(check, large, "int8", prompts, tokens)
        bench(check, small, "f32", prompts, tokens)
        bench(check, small, "int8", prompts, tokens)
        generate(check, f"cold {large} bf16", check.models / large, "bf16", 60, ADDER_CACHE=check.work / "cold")
        generate(check, f"warm {large} bf16", check.models / large, "bf16", 30, ADDER_CACHE=check.work / "cold")
        ahead(check, small, "bf16")
        for scale in scales[1:-1]:
            bench(check, scale, "bf16", prompts, tokens)
        bench(check, large, "f32", prompts, tokens)
        bench(check, small, "bf16", prompts[:1], tokens, batches[1:])
        bench(check, small, "bf16", prompts[:1], tokens, name=f"bench {small} bf16 tuned", tune=True)
        peer(check, "mamba2_jax", check.models / small, "float32", prompts[0], tokens[0])
        peer(check, "transformers", check.models / small, "bfloat16", prompts[0], tokens[0])
        flags_in_pairs(check, small, prompts[:1], tokens)
        for scale in scales[1:-1]:
            for dtype in ("f32", "int8"):
                bench(check, scale, dtype, prompts[:1], tokens)
    finally:
        check.close()
    if not options.list:
        subprocess.run([sys.executable, HERE / "report.py", check.out], check=False)


if __name__ == "__main__":
    main()
