"""Sample images drawn by this program: machined parts under an inspection camera, good or with one of three defects.

Everything derives from the seed, the class and the number of the image: the same call writes the same bytes. The
defects are grooves and dips in a height map, so their visibility depends on the light, as on metal; oil, fibres, etched
numbers and reflections appear on good and defective parts. Depends on numpy, cv2 and Pillow, and on no module of the
program.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from resources.sample_parts import Part, Rng, drilled, make_part

CLASSES = ("dent", "good", "missing_hole", "scratch")

_OVERSAMPLING = 2
_METALS = np.array(
    [[0.72, 0.73, 0.75], [0.84, 0.84, 0.84], [0.64, 0.65, 0.68], [0.84, 0.72, 0.46], [0.78, 0.56, 0.44]], np.float32
)
_BENCHES = np.array(
    [[0.16, 0.17, 0.18], [0.1, 0.12, 0.17], [0.3, 0.21, 0.13], [0.08, 0.2, 0.18], [0.2, 0.2, 0.2]], np.float32
)


def generate_samples(
    folder: Path,
    *,
    per_class: int = 40,
    seed: int = 0,
    size: int = 224,
    on_image: Callable[[int, int], None] = lambda _done, _total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Path, ...]:
    """Write `per_class` images of each class as `folder/<class>/<number>.jpg` and return their paths in that order.

    Args:
        folder: Output folder; created where it is missing.
        per_class: Images of each of `CLASSES`.
        seed: Equal seeds give equal images; image n does not depend on the number after it.
        size: Side of the square images in pixels.
        on_image: Called after each image with the numbers of finished and of all images.
        should_stop: Checked before each image; the images written so far are returned.
    """
    paths: list[Path] = []
    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            if should_stop():
                return tuple(paths)
            rng = np.random.default_rng([seed, CLASSES.index(name), number])
            path = folder / name / f"{name}_{number:03d}.jpg"
            Image.fromarray(draw_sample(rng, name, size)).save(path, quality=int(rng.integers(84, 95)))
            paths.append(path)
            on_image(len(paths), per_class * len(CLASSES))
    return tuple(paths)


def draw_sample(rng: Rng, class_name: str, size: int = 224) -> np.ndarray:
    """Draw one part as uint8 (size, size, 3) RGB."""
    scene = _Scene(rng, size * _OVERSAMPLING)
    part = make_part(rng, scene.x, scene.y)
    holes = part.holes
    if class_name == "missing_hole":
        holes = np.delete(holes, rng.integers(len(holes)), axis=0)
    distance = drilled(part, scene.x, scene.y, holes) * scene.scale
    height = _surface(rng, scene, part, distance)
    if class_name == "scratch":
        height = height + _scratches(rng, scene, distance)
    if class_name == "dent":
        height = height + _dent(rng, scene, distance)
    metal = _dirty(rng, scene, distance, _lit_metal(rng, scene, height))
    return _photograph(rng, _composed(rng, scene, distance, metal), size)


class _Scene:
    """Positions of the part and the lamp, in pixels of the oversampled canvas."""

    def __init__(self, rng: Rng, side: int) -> None:
        self.side = side
        self.unit = side / 448  # one pixel of the size the constants below were tuned at
        self.scale = side / 2 * rng.uniform(0.84, 0.92)
        self.angle = rng.normal(0, 0.08)  # the fixture holds parts nearly straight
        shift = (rng.uniform(-0.03, 0.03) * side, rng.uniform(-0.03, 0.03) * side)
        self.rows, self.columns = np.mgrid[0:side, 0:side].astype(np.float32)
        right = (self.columns - side / 2 - shift[0]) / self.scale
        down = (self.rows - side / 2 - shift[1]) / self.scale
        down = down * rng.uniform(1.0, 1.18)  # the camera looks a little from the side
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        self.x, self.y = cos * right + sin * down, cos * down - sin * right
        self.lamp_angle = rng.uniform(0, 2 * np.pi)
        self.lamp = _lamp_direction(self, rng.uniform(0.5, 1.3), rng.uniform(0.5, 1.1))

    def along_lamp(self, pixels: float) -> tuple[float, float]:
        """Return a step of `pixels` away from the lamp as (right, down)."""
        return -pixels * math.cos(self.lamp_angle), -pixels * math.sin(self.lamp_angle)


def _lamp_direction(scene: _Scene, away: float, above: float) -> np.ndarray:
    """Return the unit vectors (3, H, W) from each pixel to a lamp `away` from the centre and `above` it, in sides."""
    side = scene.side
    to_lamp = np.stack(
        [
            side * (0.5 + away * math.cos(scene.lamp_angle)) - scene.columns,
            side * (0.5 + away * math.sin(scene.lamp_angle)) - scene.rows,
            np.full_like(scene.rows, side * above),
        ]
    )
    return to_lamp / np.linalg.norm(to_lamp, axis=0)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), max(sigma, 0.1))


def _cloud(rng: Rng, side: int, cells: int) -> np.ndarray:
    """Return smooth noise (side, side) of mean 0 and deviation about 1, with `cells` bumps across."""
    coarse = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def _moved(image: np.ndarray, step: tuple[float, float]) -> np.ndarray:
    matrix = np.array([[1, 0, step[0]], [0, 1, step[1]]], np.float32)
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


# --- The surface as a height map in pixels -------------------------------------------------------------------------


def _surface(rng: Rng, scene: _Scene, part: Part, distance: np.ndarray) -> np.ndarray:
    """Return chamfered edges plus the marks the machining left."""
    chamfer = rng.uniform(3, 7) * scene.unit
    inside = np.clip(-distance / chamfer, 0, 1)
    edge = chamfer * 0.8 * (1 - (1 - inside) ** 2)
    waves = _cloud(rng, scene.side, 5) * rng.uniform(0.2, 0.8) * scene.unit
    return edge + waves + _machining_marks(rng, scene, part) * rng.uniform(0.04, 0.11) * scene.unit


def _machining_marks(rng: Rng, scene: _Scene, part: Part) -> np.ndarray:
    noise = rng.standard_normal((scene.side, scene.side)).astype(np.float32)
    if rng.random() < 0.1:
        return _blur(noise, 1.2 * scene.unit) * 4  # blasted
    if part.lay is None:
        profile = _blur(rng.standard_normal((1, scene.side)).astype(np.float32), 1.0)
        radius = np.clip(np.hypot(scene.x, scene.y) * scene.side / 2, 0, scene.side - 1)
        return 2 * cv2.remap(profile, radius.astype(np.float32), np.zeros_like(radius, np.float32), cv2.INTER_LINEAR)
    streaks = cv2.blur(_blur(noise, 0.7 * scene.unit), (int(90 * scene.unit) | 1, 1))
    centre, degrees = (scene.side / 2, scene.side / 2), -np.degrees(scene.angle + part.lay)
    turn = cv2.getRotationMatrix2D(centre, degrees, 1.0)
    turned = cv2.warpAffine(streaks, turn, (scene.side, scene.side), borderMode=cv2.BORDER_REFLECT)
    return turned / (float(turned.std()) + 1e-6)


def _spot_on_metal(rng: Rng, distance: np.ndarray, margin: float) -> tuple[float, float]:
    """Return (x, y) of a random pixel at least `margin` from every edge, or the deepest one where there is none."""
    inside = np.flatnonzero(distance < -margin)
    index = int(inside[rng.integers(len(inside))]) if len(inside) else int(distance.argmin())
    row, column = divmod(index, distance.shape[1])
    return float(column), float(row)


def _stroke(rng: Rng, scene: _Scene, start: tuple[float, float], length: float, bend: float) -> np.ndarray:
    """Return a thin curve as float32 0..1, fading towards its ends."""
    angle = rng.uniform(0, 2 * np.pi)
    steps = np.linspace(-0.5, 0.5, 40)
    headings = angle + bend * steps
    points = np.stack([np.cos(headings), np.sin(headings)], axis=1).cumsum(axis=0) * (length / len(steps))
    points += np.array(start) - points.mean(axis=0)
    canvas = np.zeros((scene.side, scene.side), np.uint8)
    for index, (here, there) in enumerate(pairwise(points)):
        strength = int(255 * min(1.0, 0.25 + 3 * min(index, 38 - index) / 38))
        ends = [tuple(int(v) for v in np.round(point * 16)) for point in (here, there)]
        cv2.line(canvas, ends[0], ends[1], strength, max(1, round(3 * scene.unit)), cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255


def _scratches(rng: Rng, scene: _Scene, distance: np.ndarray) -> np.ndarray:
    """Return two to four grooves with a low burr along them."""
    start, depth = _spot_on_metal(rng, distance, 6 * scene.unit), rng.uniform(4.0, 9.0) * scene.unit
    groove = np.zeros_like(distance, np.float32)
    for _ in range(int(rng.integers(2, 5))):
        nearby = (start[0] + rng.normal(0, 8) * scene.unit, start[1] + rng.normal(0, 8) * scene.unit)
        length = rng.uniform(0.25, 0.6) * scene.side
        groove = np.maximum(groove, _stroke(rng, scene, nearby, length, rng.normal(0, 0.5)))
    narrow = _blur(groove, rng.uniform(0.7, 1.3) * scene.unit)
    return depth * (0.5 * _blur(groove, 2.5 * scene.unit) - narrow).astype(np.float32)


def _dent(rng: Rng, scene: _Scene, distance: np.ndarray) -> np.ndarray:
    """Return one smooth dip with a slightly raised rim."""
    radius = rng.uniform(32, 60) * scene.unit
    x, y = _spot_on_metal(rng, distance, radius * 0.6)
    angle, squash = rng.uniform(0, np.pi), rng.uniform(0.65, 1.0)
    right, down = (scene.columns - x) / radius, (scene.rows - y) / radius
    along, across = math.cos(angle) * right + math.sin(angle) * down, math.cos(angle) * down - math.sin(angle) * right
    square = along**2 + (across / squash) ** 2
    depth = radius * rng.uniform(0.3, 0.6)
    return depth * (0.35 * np.exp(-square / 1.6) - 1.35 * np.exp(-square / 0.6))


# --- Light, dirt, camera -------------------------------------------------------------------------------------------


def _lit_metal(rng: Rng, scene: _Scene, height: np.ndarray) -> np.ndarray:
    """Shade the height map with one lamp: diffuse plus a highlight about the half vector; (H, W, 3) linear light."""
    colour = _METALS[rng.integers(len(_METALS))] * rng.uniform(0.85, 1.1)
    diffuse, shine, sharpness = rng.uniform(0.45, 0.65), rng.uniform(0.25, 0.7), rng.uniform(8, 40)
    slope_y, slope_x = np.gradient(height.astype(np.float32))
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    lamp_x, lamp_y, lamp_z = scene.lamp
    facing = np.clip((lamp_z - slope_x * lamp_x - slope_y * lamp_y) / length, 0, 1)
    half_length = np.sqrt(lamp_x**2 + lamp_y**2 + (lamp_z + 1) ** 2)
    half = np.clip((lamp_z + 1 - slope_x * lamp_x - slope_y * lamp_y) / (length * half_length), 0, 1)
    ambient = 0.22 + 0.03 * _cloud(rng, scene.side, 3)
    light = ambient + diffuse * facing
    highlight = shine * half**sharpness + _reflection(rng, scene)
    return light[..., None] * colour + highlight[..., None] * (0.5 + 0.5 * colour)


def _reflection(rng: Rng, scene: _Scene) -> np.ndarray:
    """Return the soft mirror image of a lamp tube or a window bar, on some parts: it looks like a wide scratch."""
    if rng.random() < 0.75:
        return np.zeros_like(scene.rows)
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.25, 0.25)
    across = math.cos(angle) * (scene.columns / scene.side - 0.5) + math.sin(angle) * (scene.rows / scene.side - 0.5)
    return rng.uniform(0.06, 0.18) * np.exp(-(((across - offset) / rng.uniform(0.012, 0.05)) ** 2))


def _dirty(rng: Rng, scene: _Scene, distance: np.ndarray, metal: np.ndarray) -> np.ndarray:
    """Add oil, an etched number, a fibre and dust to the metal: none of them is a defect."""
    for _ in range(int(rng.choice((0, 0, 0, 1, 1)))):
        metal = _oil(rng, scene, distance, metal)
    if rng.random() < 0.2:
        metal = metal * (1 - 0.5 * _etching(rng, scene, distance))[..., None]
    if rng.random() < 0.1:
        fibre = _stroke(
            rng, scene, _spot_on_metal(rng, distance, 4), rng.uniform(30, 80) * scene.unit, rng.normal(0, 2.5)
        )
        metal = metal * (1 - rng.uniform(0.25, 0.7) * _blur(fibre, 0.8 * scene.unit))[..., None]
    specks = (rng.random((scene.side, scene.side)) < rng.uniform(0, 4e-4)).astype(np.float32)
    return metal * (1 - np.minimum(0.6, 4 * _blur(specks, 1.0 * scene.unit)))[..., None]


def _oil(rng: Rng, scene: _Scene, distance: np.ndarray, metal: np.ndarray) -> np.ndarray:
    x, y = _spot_on_metal(rng, distance, 4)
    radius = rng.uniform(10, 34) * scene.unit
    reach = np.hypot(scene.columns - x, scene.rows - y) / radius + 0.22 * _cloud(rng, scene.side, 9)
    film = 1 / (1 + np.exp(np.clip((reach - 1) * rng.uniform(5, 18), -30, 30)))
    tint = np.array([0.55, 0.48, 0.38], np.float32) * rng.uniform(0.7, 1.3)
    amount = (film * rng.uniform(0.2, 0.6))[..., None]
    return metal * (1 - amount + amount * tint)


def _etching(rng: Rng, scene: _Scene, distance: np.ndarray) -> np.ndarray:
    """Return a part number as float32 0..1, turned as the part is."""
    text = f"{'ABKMRT'[rng.integers(6)]}{rng.integers(10, 99)}-{rng.integers(100, 999)}"
    canvas = np.zeros((scene.side, scene.side), np.uint8)
    x, y = _spot_on_metal(rng, distance, 14 * scene.unit)
    origin = (int(x - 34 * scene.unit), int(y + 5 * scene.unit))
    cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * scene.unit, 255, 1, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((x, y), -np.degrees(scene.angle), 1.0)
    return cv2.warpAffine(canvas, turn, canvas.shape[::-1]).astype(np.float32) / 255


def _composed(rng: Rng, scene: _Scene, distance: np.ndarray, metal: np.ndarray) -> np.ndarray:
    """Lay the part with its side walls and shadow on a bench."""
    mask = np.clip(0.5 - distance, 0, 1).astype(np.float32)
    thickness = rng.uniform(3, 8) * scene.unit
    below = _moved(mask, (float(rng.normal(0, 0.4)) * thickness, thickness * 0.6))
    shadow = _blur(_moved(mask, scene.along_lamp(rng.uniform(4, 14) * scene.unit)), rng.uniform(3, 9) * scene.unit)
    bench = _bench(rng, scene) * (1 - rng.uniform(0.5, 0.8) * np.maximum(shadow, 0.8 * _blur(below, 3)))[..., None]
    wall = metal.mean() * rng.uniform(0.2, 0.45)
    image = bench + (wall - bench) * below[..., None]
    return image + (metal - image) * mask[..., None]


def _bench(rng: Rng, scene: _Scene) -> np.ndarray:
    kind = int(rng.integers(len(_BENCHES)))
    grain = rng.standard_normal((scene.side, scene.side)).astype(np.float32)
    texture = 0.5 * _cloud(rng, scene.side, 6) + 0.6 * _blur(grain, scene.unit) * 3
    if kind == 2:  # wood: grain runs one way
        texture = 1.3 * cv2.blur(_blur(grain, 1.5 * scene.unit), (int(150 * scene.unit), 1)) * 18 + 0.5 * texture
    if kind == 3:  # cutting mat: a printed grid
        step = 46 * scene.unit
        on_line = np.minimum((scene.columns + 9) % step, (scene.rows + 17) % step) < 1.6 * scene.unit
        texture = 0.5 * texture + np.float32(4) * on_line
    light = (0.55 + 0.6 * scene.lamp[2]) * (1 + 0.05 * texture)
    return light[..., None] * _BENCHES[kind] * rng.uniform(0.8, 1.1)


def _photograph(rng: Rng, drawing: np.ndarray, size: int) -> np.ndarray:
    """Shrink to `size`, then defocus, expose, and add sensor noise; uint8 (size, size, 3)."""
    image = cv2.resize(drawing.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    image = _blur(image, rng.uniform(0.2, 0.65) * size / 224)
    image = image * (rng.uniform(0.9, 1.15) * rng.uniform(0.96, 1.04, 3)).astype(np.float32)
    image = image / (1 + np.maximum(image - 0.75, 0))  # highlights roll off instead of clipping
    image = np.clip(image, 0, 1) ** np.float32(1 / 1.5)
    noise = rng.standard_normal(image.shape).astype(np.float32) * rng.uniform(0.006, 0.018)
    return np.clip((image + noise) * 255 + 0.5, 0, 255).astype(np.uint8)
