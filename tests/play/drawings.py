"""Twenty drawings, two of every digit: strokes in a unit square, and where on the field they are drawn how large."""

import math

import numpy as np

SIDE, BRUSH = 140, 9  # px, as the page's canvas


def arc(x, y, rx, ry, start, end, n=24):
    """Points of an ellipse's arc, degrees clockwise from the right."""
    angles = [math.radians(start + (end - start) * k / n) for k in range(n + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


# digit: its strokes, in two hands
STROKES = {
    0: ([arc(0.5, 0.5, 0.32, 0.48, -90, 270)], [arc(0.5, 0.5, 0.42, 0.46, -60, 300)]),
    1: ([[(0.5, 0.02), (0.5, 0.98)]], [[(0.4, 0.16), (0.54, 0.03), (0.5, 0.98)]]),
    2: ([[*arc(0.5, 0.3, 0.32, 0.28, -170, 40), (0.16, 0.96), (0.86, 0.96)]],
        [[*arc(0.5, 0.28, 0.34, 0.26, -180, 30), (0.45, 0.7), (0.14, 0.95), (0.5, 0.9), (0.88, 0.95)]]),
    3: ([[*arc(0.45, 0.27, 0.34, 0.25, -160, 90), *arc(0.45, 0.74, 0.38, 0.24, -90, 160)]],
        [[(0.18, 0.06), (0.8, 0.06), (0.45, 0.42), *arc(0.44, 0.7, 0.36, 0.27, -80, 150)]]),
    4: ([[(0.35, 0.02), (0.16, 0.58), (0.86, 0.58)], [(0.66, 0.25), (0.6, 0.98)]],
        [[(0.4, 0.02), (0.12, 0.6), (0.9, 0.6)], [(0.68, 0.32), (0.66, 0.98)]]),
    5: ([[(0.8, 0.05), (0.28, 0.05), (0.24, 0.45), *arc(0.46, 0.68, 0.34, 0.28, -110, 150)]],
        [[(0.84, 0.04), (0.3, 0.06), (0.28, 0.42), *arc(0.44, 0.66, 0.38, 0.3, -100, 140)]]),
    6: ([[(0.66, 0.03), (0.38, 0.3), (0.24, 0.62), *arc(0.5, 0.72, 0.27, 0.25, -180, 180)]],
        [[(0.6, 0.02), (0.3, 0.4), (0.22, 0.7), *arc(0.48, 0.74, 0.26, 0.23, -190, 170)]]),
    7: ([[(0.14, 0.06), (0.86, 0.06), (0.42, 0.98)]], [[(0.16, 0.08), (0.84, 0.04), (0.5, 0.5), (0.38, 0.98)]]),
    8: ([[*arc(0.5, 0.26, 0.25, 0.23, 90, 450), *arc(0.5, 0.73, 0.3, 0.24, -90, 270)]],
        [[*arc(0.52, 0.27, 0.26, 0.24, 90, 450), *arc(0.5, 0.75, 0.27, 0.23, -90, 270)]]),
    9: ([arc(0.48, 0.28, 0.26, 0.25, 0, 360), [(0.74, 0.28), (0.7, 0.65), (0.58, 0.98)]],
        [arc(0.5, 0.27, 0.27, 0.24, 0, 360), [(0.77, 0.2), (0.75, 0.6), (0.72, 0.98)]]),
}  # fmt: skip
# left, top, width, height as shares of the field: corners, sizes, wide and narrow
PLACES = [
    (0.05, 0.05, 0.35, 0.5), (0.55, 0.45, 0.4, 0.5), (0.1, 0.1, 0.75, 0.8), (0.6, 0.05, 0.3, 0.45),
    (0.05, 0.5, 0.35, 0.45), (0.3, 0.3, 0.35, 0.4), (0.15, 0.08, 0.6, 0.85), (0.25, 0.4, 0.4, 0.55),
    (0.4, 0.05, 0.5, 0.6), (0.2, 0.2, 0.5, 0.6),
]  # fmt: skip


def drawings() -> list[tuple[int, list[list[tuple[float, float]]]]]:
    """(digit, strokes in shares of the field)."""
    found = []
    for digit, hands in STROKES.items():
        for hand, strokes in enumerate(hands):
            left, top, width, height = PLACES[(3 * digit + 5 * hand) % len(PLACES)]
            found.append((digit, [[(left + x * width, top + y * height) for x, y in stroke] for stroke in strokes]))
    return found


def painted(strokes) -> np.ndarray:
    """uint8 (SIDE, SIDE), 255 ink: what the page's canvas would hold."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(image)
    for stroke in strokes:
        points = [(x * SIDE, y * SIDE) for x, y in stroke]
        pen.line(points, fill=255, width=BRUSH, joint="curve")
        for x, y in points:
            pen.ellipse((x - BRUSH / 2, y - BRUSH / 2, x + BRUSH / 2, y + BRUSH / 2), fill=255)
    return np.asarray(image)
