"""The result as a drawing: how many times as fast as the peer, with each metric's figures beside it. SVG by hand."""
from xml.sax.saxutils import escape

import report

LABELS = 250  # pixels for the metrics' names, on the left
BARS = 430
FIGURES = 210  # and for the figures, on the right
ROW = 46
TOP = 64
FOOT = 84
PEER_COLOUR = "#9aa5b1"
CAIRN_COLOUR = "#2f6f9f"
STEPS = (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100)


def nice_step(highest):
    """The grid's step: of those that give at most eight lines the smallest."""
    return next((step for step in STEPS if highest / step <= 8), STEPS[-1])


def words(x, y, text, size=12, anchor="start", colour="#333", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{escape(text)}</text>')


def bar(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def line(x1, y1, x2, y2, colour, width=1):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def grid(scale, highest, bottom):
    """Lines at whole steps, the peer's own speed (1) the strongest."""
    parts = []
    step = nice_step(highest)
    for i in range(int(highest / step) + 1):
        x = LABELS + scale * i * step
        parts.append(line(x, TOP, x, bottom, "#ddd"))
        parts.append(words(x, bottom + 16, f"{i * step:g}", 11, "middle", "#666"))
    parts.append(line(LABELS + scale, TOP - 4, LABELS + scale, bottom, "#666", 1.5))
    return parts


def row_of(one, scale, y):
    """The peer's bar, Cairn's with the pairs' spread, and both figures."""
    centre = y + 30
    low, high = LABELS + scale * one.ratio.low, LABELS + scale * one.ratio.high
    unit = "" if one.unit == "s" else f" {one.unit}"
    right = LABELS + BARS + 12
    return [words(LABELS - 10, y + 22, one.label, 13, "end"),
            bar(LABELS, y + 6, scale, 12, PEER_COLOUR), bar(LABELS, y + 22, scale * one.ratio.median, 16, CAIRN_COLOUR),
            line(low, centre, high, centre, "#111", 1.5), line(low, centre - 4, low, centre + 4, "#111", 1.5),
            line(high, centre - 4, high, centre + 4, "#111", 1.5),
            words(right, y + 16, report.shown(one.peer.median, one.unit) + unit, 12, colour="#666"),
            words(right, y + 35, report.shown(one.cairn.median, one.unit) + unit, 12, colour=CAIRN_COLOUR),
            words(LABELS + BARS + FIGURES - 8, y + 35, f"{one.ratio.median:.2f} x", 13, "end", weight="bold")]


def svg(setting, summaries):
    highest = max([1.0] + [one.ratio.high for one in summaries]) * 1.05
    scale = BARS / highest
    bottom = TOP + ROW * len(summaries)
    width, height = LABELS + BARS + FIGURES, bottom + FOOT
    peer, cairn = setting["peer"], setting["cairn"]
    title = f"Cairn beside llama.cpp: {setting['model']}, threads: {setting['threads']}"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" font-family="sans-serif" role="img">',
             f"<title>{escape(title)}</title>", bar(0, 0, width, height, "#fff"),
             words(16, 26, title, 16, weight="bold"),
             words(16, 46, f"times as fast as llama.cpp; whiskers: all of {setting['rounds']} pairs; longer is faster",
                   12, colour="#666")]
    parts += grid(scale, highest, bottom)
    for i, one in enumerate(summaries):
        parts += row_of(one, scale, TOP + ROW * i)
    feet = (f"{setting['machine']['cpu']}, {setting['machine']['cores']} cores; keys and values in {setting['kv']}",
            f"{peer['name']}, {peer['isa'] or 'instruction set not told'}", f"{cairn['name']}, {cairn['isa']}")
    colours = ("#666", PEER_COLOUR, CAIRN_COLOUR)
    for i, (foot, colour) in enumerate(zip(feet, colours)):
        parts.append(bar(16, bottom + 27 + 18 * i, 10, 10, colour if i else "#fff"))
        parts.append(words(32, bottom + 36 + 18 * i, foot, 12, colour="#444"))
    return "\n".join(parts + ["</svg>"]) + "\n"
