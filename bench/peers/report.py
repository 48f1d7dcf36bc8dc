"""What was measured, as a Markdown table."""

import statistics


def ratios(pairs):
    """Adder's speed over the peer's, pair by pair, sorted; empty where either side is missing."""
    return sorted(p["adder_tokens_per_s"] / p["peer_tokens_per_s"] for p in pairs
                  if p.get("adder_tokens_per_s") and p.get("peer_tokens_per_s"))


def median_of(pairs, key):
    values = [p[key] for p in pairs if p.get(key)]
    return statistics.median(values) if values else None


def _speed(value):
    return "-" if value is None else f"{value:.1f}"


def _ratio(pairs):
    values = ratios(pairs)
    return f"**{statistics.median(values):.2f}** ({values[0]:.2f}..{values[-1]:.2f})" if values else "-"


def markdown(report):
    machine, lines = report["machine"], []
    lines += [f"{machine['cpu']}, {machine['threads']} threads each; {report['repetitions']} alternating pairs; "
              "tok/s are medians, the ratio is the median of the pairs' (least..greatest).", "",
              "| model | test | adder | tok/s | peer | its dtype | test | tok/s | adder / peer |",
              "|---|---|---|---:|---|---|---|---:|---:|"]
    for row in report["rows"]:
        pairs = row["pairs"]
        lines.append(f"| {row['model']} | {row['adder_test']} | {row['adder_dtype']} | "
                     f"{_speed(median_of(pairs, 'adder_tokens_per_s'))} | {row['peer']} | {row['peer_dtype']} | "
                     f"{row['peer_test']} | {_speed(median_of(pairs, 'peer_tokens_per_s'))} | {_ratio(pairs)} |")
    lines.append("")
    for name, about in report["about"].items():
        lines.append(f"- {name}: " + "; ".join(f"{k} {v}" for k, v in about.items()))
    lines += [f"- {note}" for note in report["notes"]]
    return "\n".join(lines)


def markdown_check(rows):
    lines = ["", "| model | peer | its dtype | greedy tokens equal to adder's float32 |", "|---|---|---|---|"]
    for row in rows:
        lines.append(f"| {row['model']} | {row['peer']} | {row['peer_dtype']} | {row['equal']} of {row['tokens']} |")
    return "\n".join(lines)
