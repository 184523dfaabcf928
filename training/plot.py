"""The reliability plot of the card: what probability clips were given, and what share of them were machines."""

SIDE, LEFT, TOP, RIGHT, BOTTOM = 420, 60, 20, 20, 50
STYLES = (("#0072b2", ""), ("#d55e00", "6 3"), ("#009e73", "2 3"), ("#cc79a7", "8 3 2 3"))
"""Colours told apart by people who do not see all (Okabe and Ito), and dashes for paper."""
TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)


def place(said: float, was: float) -> tuple[float, float]:
    """Where a point lies, right and down from the corner."""
    return round(LEFT + said * SIDE, 1), round(TOP + (1 - was) * SIDE, 1)


def text(x: float, y: float, words: str, anchor: str = "middle", more: str = "") -> str:
    """Words at a place."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{more}>{words}</text>'


def line(points: list[tuple[float, float]], style: str) -> str:
    """A line through points."""
    return f'<polyline points="{" ".join(f"{x},{y}" for x, y in points)}" fill="none" {style}/>'


def curve(name: str, bins: list[dict], index: int) -> list[str]:
    """One condition: a line, a dot for each bin whose area is its clips, and its name."""
    colour, dashes = STYLES[index % len(STYLES)]
    style = f'stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dashes}"'
    points = [place(b["said"], b["was"]) for b in bins]
    dots = [f'<circle cx="{x}" cy="{y}" r="{0.6 * b["clips"] ** 0.5:.1f}" fill="{colour}" fill-opacity="0.5"/>'
            for (x, y), b in zip(points, bins, strict=True)]
    height = TOP + 18 * (index + 1)
    return [line(points, style), *dots, line([(LEFT + 12, height - 4), (LEFT + 44, height - 4)], style),
            text(LEFT + 52, height, name, "start")]


def reliability_plot(bins_of: dict[str, list[dict]]) -> str:
    """An SVG document: conditions with the bins of `rates.reliability`, and the diagonal of LLRs that mean what they say."""
    width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
    middle = TOP + SIDE / 2
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        "<title>Reliability of the default detector</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for tick in TICKS:
        (x, y), label = place(tick, tick), f"{tick:g}"
        lines += [line([(x, TOP), (x, TOP + SIDE)], 'stroke="#e5e5e5"'), line([(LEFT, y), (LEFT + SIDE, y)], 'stroke="#e5e5e5"'),
                  text(x, TOP + SIDE + 18, label), text(LEFT - 8, y + 4, label, "end")]
    lines.append(line([place(0, 0), place(1, 1)], 'stroke="#999" stroke-dasharray="3 3"'))
    for index, (name, bins) in enumerate(bins_of.items()):
        lines += curve(name, bins, index)
    lines += [
        text(LEFT + SIDE / 2, height - 10, "mean p(spoof) at even odds"),
        text(18, middle, "share of machines, classes weighing alike", more=f' transform="rotate(-90 18 {middle})"'),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
