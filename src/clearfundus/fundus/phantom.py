"""A fundus photograph drawn by arithmetic, with the truth about every vessel in it.

One fact to know: the drawing is made in field diameters and only then in pixels, so the same seed at another size
is the same eye, from its vessels to its textures; only the camera's noise differs. The vessels' centrelines and radii
are the truth itself, for masks and photograph are both computed from them.
"""

from dataclasses import dataclass

import numpy as np

from clearfundus.errors import SettingsError
from clearfundus.fundus.field import Field
from clearfundus.fundus.phantom_eye import Eye, Points, Side, draw_eye
from clearfundus.fundus.phantom_graph import VesselGraph, make_graph
from clearfundus.fundus.phantom_paint import expose, make_canvas, paint
from clearfundus.fundus.phantom_raster import rasterise
from clearfundus.fundus.phantom_tree import grow_trees
from clearfundus.photo import Mask, Photo

FIELD_SHARE = 0.96
"""The field's diameter over the picture's side."""
SMALLEST_SIZE = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Phantom:
    """A drawn photograph and its truth. Points are (row, column) in pixels; a pixel's centre has whole numbers.

    Exact are: the field (pixel centres within half a diameter of the picture's centre); the centrelines and radii in
    `graph`; the masks, true on exactly those pixels of the field whose centre lies within the radius of a
    centreline, where a vessel thinner than 0.71 pixels counts as that thick, so that no vessel is broken (from a
    picture of 512 pixels on, none is so thin); the crossings (intersections of the polylines). The
    photograph shows the same vessels blurred a little, as a lens would; the thinnest may be hard to see.

    Attributes:
        photo: The photograph, 8 bit by name but not rounded.
        field: Its true field, a full disc; `find_field` finds one slightly smaller.
        vessels: (H, W), true on vessels: `arteries | veins`.
        arteries: (H, W), true on arteries, under and over veins alike.
        veins: (H, W), true on veins, also where an artery covers them.
        graph: Centrelines, radii, tree and crossings.
        side: Which eye; a right eye has its disc on the right of the picture.
        disc: Centre of the optic disc, (2,).
        disc_half_axes: Half the disc's height and width in pixels; its edge is uneven by a few percent.
        fovea: Centre of the fovea, (2,).
        seed: What it was drawn from.
    """

    photo: Photo
    field: Field
    vessels: Mask
    arteries: Mask
    veins: Mask
    graph: VesselGraph
    side: Side
    disc: Points
    disc_half_axes: tuple[float, float]
    fovea: Points
    seed: int

    @property
    def centrelines(self) -> tuple[Points, ...]:
        """The edges' polylines, each (N, 2) in pixels."""
        return tuple(edge.polyline for edge in self.graph.edges)

    @property
    def radii(self) -> tuple[float, ...]:
        """The edges' radii in pixels, in the order of `centrelines`."""
        return tuple(edge.radius for edge in self.graph.edges)


def draw_phantom(size: int = 512, seed: int = 0) -> Phantom:
    """Draw an eye and photograph it.

    Args:
        size: Height and width of the photograph in pixels, at least 64.
        seed: Which eye, 0 or more: side, anatomy, vessels, colours, light and noise are all drawn from it.

    Returns:
        The photograph with its truth, the same for the same size and seed.

    Raises:
        SettingsError: If the size is below 64 or the seed is negative.
    """
    if size < SMALLEST_SIZE:
        raise SettingsError(f"size: found {size}, expected at least {SMALLEST_SIZE} pixels; vessels need room")
    if seed < 0:
        raise SettingsError(f"seed: found {seed}, expected 0 or more")
    for_eye, for_trees, for_paint, for_noise = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(4))
    eye = draw_eye(for_eye)
    scale = FIELD_SHARE * size
    graph = make_graph(grow_trees(eye, for_trees), lambda points: _in_pixels(points, eye, size), scale)
    arteries, veins = (rasterise(graph, kind, size, scale) for kind in ("artery", "vein"))
    canvas = make_canvas(size, scale, mirrored=eye.side == "right")
    inside: Mask = np.hypot(canvas.row, canvas.column) <= 0.5
    pixels = expose(paint(canvas, eye, arteries, veins, for_paint), canvas, inside, for_noise)
    return Phantom(
        photo=Photo(pixels=pixels, name=f"phantom_{seed}_{size}"),
        field=Field(mask=inside),
        vessels=(arteries.mask | veins.mask) & inside,
        arteries=arteries.mask & inside,
        veins=veins.mask & inside,
        graph=graph,
        side=eye.side,
        disc=_in_pixels(eye.disc, eye, size),
        disc_half_axes=(eye.disc_half_axes[0] * scale, eye.disc_half_axes[1] * scale),
        fovea=_in_pixels(eye.fovea, eye, size),
        seed=seed,
    )


def _in_pixels(points: Points, eye: Eye, size: int) -> Points:
    """Return points of the drawing in pixels of the picture."""
    return eye.mirrored(points) * (FIELD_SHARE * size) + (size - 1) / 2
