#!/usr/bin/env python3
"""Draws the README's picture from what `adder bench --suite paper` measured.

    tools/readme_figures.py docs/suite-epyc-2core.json docs/figures/suite.png

Two figures side by side: the time of one token by position, and how many times faster a whole generation is than
recomputing the prefix for every token. Needs gnuplot (Debian: gnuplot-nox) and nothing else.
"""
import json
import os
import subprocess
import sys

COMMON = """
set encoding utf8
set terminal pngcairo size 960,330 font 'DejaVu Sans,10' background rgb '#ffffff' noenhanced
set output {output}
set border 3 lc rgb '#1d2330'
set tics nomirror textcolor rgb '#1d2330'
set grid lc rgb '#dfe3ea' dt 1 lw 0.6
set key at graph 0.98,0.45 right samplen 2 tc rgb '#1d2330'
set logscale xy
set format x '%.0f'
set format y '%g'
set multiplot layout 1,2
"""

LEFT = """
set title {title} font ',10.5'
set xlabel 'position: tokens before it'
set ylabel 'ms a token'
set yrange [10:10000]
set xrange [100:130000]
plot $cached using 1:2 with linespoints lw 2 pt 7 ps 0.8 lc rgb '#0b62c4' title 'with the cached state', \\
     $recomputed using 1:2 with linespoints lw 2 pt 5 ps 0.7 lc rgb '#c4490b' title 'recomputing the prefix'
"""

RIGHT = """
set title {title} font ',10.5'
set xlabel 'tokens generated'
set ylabel 'times faster'
unset logscale y
set yrange [0:*]
set xrange [95:4800]
set xtics (128, 512, 1024, 2048, 4096)
plot $speedup using 1:2 with linespoints lw 2 pt 7 ps 0.8 lc rgb '#0b62c4' notitle, \\
     $speedup using 1:2:(sprintf('%.0f', $2)) with labels offset -1.5,0.7 tc rgb '#1d2330' notitle
unset multiplot
"""


def quoted(text):
    """A gnuplot string in single quotes, in which nothing is expanded."""
    return "'" + "".join(" " if c in "'\"`\\" or ord(c) < 32 else c for c in text) + "'"


def block(name, points):
    return f"${name} << EOD\n" + "".join(f"{x} {y}\n" for x, y in points) + "EOD\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        document = json.load(file)
    model, host = document["models"][0], document["host"]
    rows = model["experiments"]
    who = f"{model['model'].removesuffix('-random')}, {model['dtype']}, {host['cpu']}, {host['threads']} threads"
    partial = target + ".partial"
    script = COMMON.format(output=quoted(partial))
    script += block("cached", [(r["position"], r["ms_per_token"]) for r in rows["positions"]])
    script += block("recomputed", [(r["tokens"], 1e3 * r["seconds"]) for r in rows["prefill"] if r["tokens"] >= 100])
    script += block("speedup", [(r["tokens"], r["total_speedup"]) for r in rows["recompute"]])
    script += LEFT.format(title=quoted("One token: " + who))
    script += RIGHT.format(title=quoted("Generating N tokens: times faster than recomputing the prefix"))
    try:
        subprocess.run(["gnuplot", "-d", "-"], input=script.encode(), check=True)
        os.replace(partial, target)
    except FileNotFoundError:
        sys.exit("readme_figures.py: there is no gnuplot here (Debian: apt-get install gnuplot-nox)")
    finally:
        if os.path.exists(partial):
            os.remove(partial)


if __name__ == "__main__":
    main()
