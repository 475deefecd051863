"""Paints pictures, for there to be something to make thumbnails of.

Usage: pictures.py FOLDER [COUNT]
"""

import colorsys
import sys
from pathlib import Path

from PIL import Image, ImageDraw


def paint(folder: Path, count: int) -> None:
    """Paints `count` pictures of 1,024 by 768 that do not look alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        red, green, blue = colorsys.hsv_to_rgb(number / count, 0.7, 0.9)
        color = (round(255 * red), round(255 * green), round(255 * blue))
        image = Image.new("RGB", (1_024, 768), color)
        draw = ImageDraw.Draw(image)
        for radius in range(20, 360, 40):
            box = (512 - radius, 384 - radius, 512 + radius, 384 + radius)
            draw.ellipse(box, outline="white", width=1 + number % 9)
        draw.text((20, 20), f"picture {number}", fill="white")
        # Under another name until it is whole.
        unfinished = folder / f"picture-{number:04}.part"
        image.save(unfinished, "PNG")
        unfinished.rename(folder / f"picture-{number:04}.png")


if __name__ == "__main__":
    paint(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40)
