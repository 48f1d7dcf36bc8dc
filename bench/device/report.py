"""A short table of a device check's results.jsonl; shares are of what limits.py measured in the same run."""

import json
import pathlib
import sys


def read(folder):
    """The lines, in the order in which their steps ended."""
    lines = (pathlib.Path(folder) / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]


def best(values):
    return max(values.values()) if values else None


def bench_rows(line, limits):
    bandwidth = best((limits or {}).get("bytes_per_s"))
    for row in line["result"]["rows"]:
        share = row["bandwidth_share"] * line["result"]["machine"]["read_gb_s"] * 1e9
        of_card = f"{100 * share / bandwidth:.0f}%" if bandwidth else "-"
        yield (line["name"], row["model"], row["dtype"], row["batch"], row["test"], f"{row['tokens_per_s']:.0f}",
               of_card if row["test"].startswith("tg") else "")


def timings(result):
    return ", ".join(f"{key} {value:.0f}" for key, value in result.get("timings", {}).items()
                     if isinstance(value, (int, float)))


def main():
    lines = read(sys.argv[1])
    done = {line["name"]: line for line in lines}
    limits = done.get("limits", {}).get("result")
    limits = limits if isinstance(limits, dict) else None
    out = []
    for name in ("start", "card", "goldens"):
        if name in done:
            text = json.dumps(done[name].get("result"))
            out.append(f"{name}: exit {done[name].get('status')}: {text[-300:]}")
    if limits:
        out.append(f"limits: {best(limits['bytes_per_s']) / 1e9:.0f} GB/s; TFLOP/s " +
                   ", ".join(f"{key} {value / 1e12:.0f}" for key, value in limits["flops"].items()))
    out.append(f"{'step':34} {'model':6} {'dtype':5} {'batch':>5} {'test':8} {'tok/s':>9} {'of bytes/s':>10}")
    for line in lines:
        result = line.get("result")
        if isinstance(result, dict) and "rows" in result:
            out += [f"{a:34} {b:6} {c:5} {d:>5} {e:8} {f:>9} {g:>10}" for a, b, c, d, e, f, g in
                    bench_rows(line, limits)]
        elif isinstance(result, dict) and "prefill_tokens_per_s" in result:
            out.append(f"{line['name']:50} prefill {result['prefill_tokens_per_s']:.0f}, decode "
                       f"{result['decode_tokens_per_s']:.0f} tok/s")
        elif isinstance(result, dict) and "timings" in result:
            out.append(f"{line['name']:50} {line['seconds']} s; {timings(result)}")
    for line in lines:
        if line.get("skipped") or line.get("status"):
            out.append(f"{line['name']}: {line.get('skipped') or 'exit ' + str(line['status'])}")
    here, there = done.get("generate, compiled here"), done.get("generate, compiled ahead")
    if here and there and isinstance(here.get("result"), dict) and isinstance(there.get("result"), dict):
        same = here["result"].get("ids") == there["result"].get("ids")
        out.append(f"tokens of programs compiled ahead: {'the same' if same else 'DIFFERENT'}")
    text = "\n".join(out) + "\n"
    (pathlib.Path(sys.argv[1]) / "table.txt").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
