"""Style profiles: who is pictured, how they pose, and what the camera does. Each imitates a real kind of collection."""

from __future__ import annotations

from dataclasses import dataclass

GENDERS: tuple[str, ...] = ("male", "female")
AGES: tuple[str, ...] = ("0-3", "4-19", "20-39", "40-69", "70+")
RACES: tuple[str, ...] = ("caucasian", "african-american", "asian")
POSES: tuple[str, ...] = ("yaw-45", "yaw-30", "yaw-15", "yaw0", "yaw+15", "yaw+30", "yaw+45")
LIGHTS: dict[str, tuple[float, float, float, float, float]] = {
    "front": (0.0, -0.25, 0.97, 0.62, 0.42),
    "front-dim": (0.0, -0.25, 0.97, 0.38, 0.28),
    "left": (-0.80, -0.25, 0.55, 0.45, 0.70),
    "right": (0.80, -0.25, 0.55, 0.45, 0.70),
    "above": (0.0, -0.88, 0.48, 0.45, 0.70),
    "below": (0.0, 0.88, 0.48, 0.42, 0.66),
    "left-hard": (-0.96, -0.15, 0.25, 0.27, 0.95),
    "right-hard": (0.96, -0.15, 0.25, 0.27, 0.95),
}
"""Direction to the light (x right, y down, z to the camera; of the picture), ambient part, directed part."""


@dataclass(frozen=True)
class Profile:
    """A domain. Pairs are (low, high); weights follow the order of the vocabularies above.

    subjects: how many people train, val and test draw from; ``shared`` takes the first group for every split. yaw, pitch,
    roll: widest angle in degrees; the middle is likelier, unless ``even``. size: half a face's width as a part of half the
    picture. intensity: of expressions. blend: share of faces that mix in a second expression, ``mixed``: how much of it. lean:
    how much weaker one side of the face is, None for a little and at random. accent: (unit, factor) pairs, the display rules of
    those pictured. glasses, shades, mask, hand: share of people or pictures that have them. backdrop: 0 is a plain wall; gaudy:
    how colourful it is. resolution: pixels the camera sees, None for all. blur, grain: (low, high). gain: per channel. noise:
    share of wrong labels in train and val; tail: weight of each basic expression in train and val. frames: length of a clip, 0
    for single pictures. shake: of the camera between a clip's frames.
    """

    name: str
    summary: str
    subjects: tuple[int, int, int] = (400, 80, 160)
    shared: bool = False
    sizes: tuple[int, int, int] = (1200, 240, 480)
    genders: tuple[float, ...] = (1.0, 1.0)
    ages: tuple[float, ...] = (0.5, 1.0, 2.0, 1.5, 0.7)
    races: tuple[float, ...] = (2.0, 1.0, 1.0)
    yaw: float = 40.0
    even: bool = False
    pitch: float = 18.0
    roll: float = 14.0
    size: tuple[float, float] = (0.76, 0.90)
    shift: float = 0.06
    lights: tuple[float, ...] = (3.0, 1.0, 1.8, 1.8, 1.5, 0.6, 0.4, 0.4)
    intensity: tuple[float, float] = (0.6, 1.1)
    blend: float = 0.15
    mixed: tuple[float, float] = (0.1, 0.3)
    lean: float | None = None
    accent: tuple[tuple[int, float], ...] = ()
    glasses: float = 0.12
    shades: float = 0.02
    mask: float = 0.02
    hand: float = 0.05
    backdrop: float = 1.0
    gaudy: float = 0.35
    saturation: tuple[float, float] = (0.75, 1.15)
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    exposure: tuple[float, float] = (0.85, 1.12)
    contrast: tuple[float, float] = (0.9, 1.1)
    cast: float = 0.06
    blur: tuple[float, float] = (0.0, 0.25)
    grain: tuple[float, float] = (0.0, 0.02)
    vignette: float = 0.0
    resolution: int | None = None
    overlay: float = 0.0
    noise: float = 0.0
    tail: tuple[float, ...] | None = None
    frames: int = 0
    shake: float = 0.0


_EVEN = (1.0, 0, 0, 0, 0, 0, 0, 0)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "synth-lab",
            "a laboratory: frontal, grey, even light, plain wall, posed from weak to full",
            subjects=(60, 15, 30), ages=(0, 0.3, 3, 1, 0), yaw=4, pitch=4, roll=3, size=(0.82, 0.86), shift=0.02, lights=_EVEN,
            intensity=(0.35, 1.0), blend=0.12, glasses=0, shades=0, mask=0, hand=0, backdrop=0.0, saturation=(0, 0),
            exposure=(0.95, 1.02), contrast=(1.0, 1.0), cast=0, blur=(0, 0.1), grain=(0.0, 0.01),
        ),
        Profile("synth-wild", "pictures of everyday life: every factor varies"),
        Profile(
            "synth-film",
            "stills of films: dark, graded, turned away, blurred",
            subjects=(120, 24, 48), ages=(0.1, 0.7, 3, 2, 0.5), yaw=44, pitch=16, roll=12, size=(0.68, 0.86), shift=0.07,
            lights=(0.4, 1, 1.5, 1.5, 1.2, 0.8, 1.0, 1.0), intensity=(0.7, 1.1), glasses=0.06, hand=0.04,
            saturation=(0.45, 0.8), gain=(1.0, 0.93, 0.82), exposure=(0.58, 0.88), contrast=(1.0, 1.2), cast=0.08,
            blur=(0.2, 0.55), grain=(0.015, 0.03), vignette=0.55,
        ),
        Profile(
            "synth-web",
            "a web crawl: exaggerated displays, filters, overlays, loose crops, one label in ten wrong and rare classes rare in "
            "train and val",
            subjects=(900, 180, 400), sizes=(2400, 240, 480), gaudy=0.9, size=(0.68, 0.92), shift=0.08, yaw=28, roll=16,
            glasses=0.12, shades=0.05, mask=0.02, hand=0.05,
            intensity=(0.9, 1.25), saturation=(0.9, 1.7), exposure=(0.8, 1.2), contrast=(1.0, 1.35), cast=0.16,
            grain=(0.0, 0.03), overlay=0.3, noise=0.1, tail=(0.9, 0.7, 0.6, 1.9, 1.1, 1.0, 1.6),
        ),
        Profile(
            "synth-grey48",
            "48-pixel grey thumbnails of everyday pictures, cut close and centred",
            subjects=(500, 100, 200), yaw=30, size=(0.84, 0.96), shift=0.05, intensity=(0.75, 1.15), saturation=(0, 0),
            exposure=(0.75, 1.2), contrast=(0.8, 1.2), cast=0, blur=(0, 0.5), grain=(0.02, 0.05), resolution=48,
        ),
        Profile(
            "synth-mono",
            "one demographic, few people, subdued displays in warm room light",
            subjects=(8, 3, 6), genders=(0, 1), ages=(0, 0, 1, 0, 0), races=(0, 0, 1), yaw=8, pitch=6, roll=5, size=(0.70, 0.74),
            shift=0.03, lights=(1, 0, 2, 1, 1, 0, 0, 0), intensity=(0.45, 0.85), blend=0.1,
            accent=((5, 0.7), (9, 0.8), (26, 0.6), (25, 0.6), (20, 0.8)), glasses=0, shades=0, mask=0, hand=0, backdrop=0.15,
            saturation=(0.8, 0.9), gain=(1.06, 0.97, 0.8), exposure=(0.9, 1.0), cast=0.02, blur=(0.1, 0.3),
        ),
        Profile(
            "synth-aux",
            "everyday pictures of sixty people who appear in train and val alike, for learning the disturbance factors",
            subjects=(60, 60, 60), shared=True, sizes=(1200, 240, 0),
            yaw=50, even=True, lights=(1,) * 8,
        ),
        Profile(
            "synth-video",
            "clips of everyday life, 24 frames from neutral to an expression and back, labelled frame by frame",
            subjects=(100, 20, 40), sizes=(2688, 672, 1344), frames=24,
        ),
    )
}  # fmt: skip
