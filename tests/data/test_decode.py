"""Decoded pixels are Pillow's, whatever the file holds."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from fixtures_trees import DAMAGE, draw, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ferbench.data import decode
from ferbench.data.align import AS_SHIPPED, box_crop
from ferbench.data.decode import Unreadable
from ferbench.data.frames import frame, store


def encoded(image: Image.Image, kind: str, **options: object) -> bytearray:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return bytearray(file.getvalue())


def test_every_form_of_jpeg_gives_the_pixels_that_pillow_gives() -> None:
    forms = itertools.product((0, 1, 2), (False, True), ((40, 40), (33, 51), (1, 1)), ("RGB", "L"))
    for subsampling, progressive, (width, height), mode in forms:
        image = picture(1, width, height).convert(mode)
        options = {"subsampling": subsampling} if mode == "RGB" else {}
        data = encoded(image, "JPEG", progressive=progressive, quality=80, **options)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert decode._decode_jpeg(data) is not None
        assert np.array_equal(decode.decode(data), expected), (subsampling, progressive, width, mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("1", "PNG"),
        ("CMYK", "JPEG"),
        ("RGB", "WEBP"),
        ("RGB", "BMP"),
    ],
)
def test_other_modes_are_converted_as_pillow_converts_them(mode: str, kind: str) -> None:
    data = encoded(picture(2).convert(mode), kind)
    assert np.array_equal(decode.decode(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_sixteen_bit_grey_keeps_its_high_byte() -> None:
    values = np.linspace(0, 65535, 40 * 40).astype(np.uint16).reshape(40, 40)
    data = encoded(Image.fromarray(values), "PNG")
    assert np.array_equal(decode.decode(data), np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, 2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_orientation_is_applied_in_size_and_in_pixels(orientation: int, tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = draw(tmp_path / "turned.jpg", 3, 40, 24, exif=exif)
    pixels = decode.decode(decode.read(path))
    assert np.array_equal(pixels, np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB")))
    assert decode.size(path) == pixels.shape[:2]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_damaged_file_is_unreadable_and_says_why(damage: str, kind: str, tmp_path) -> None:
    path = draw(tmp_path / f"face.{kind}", 4, 200, 200)
    spoil, words = DAMAGE[damage]
    spoil(path)
    with pytest.raises(Unreadable, match=words):
        decode.size(path)
        decode.decode(decode.read(path))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_flipped_bytes_give_a_picture_or_unreadable_never_another_error(at: int, noise: bytes) -> None:
    data = encoded(picture(5), "JPEG")
    at %= len(data)
    data[at : at + len(noise)] = noise
    try:
        assert decode.decode(data).dtype == np.uint8
    except Unreadable as error:
        assert str(error)


def test_nothing_is_enlarged_and_the_short_side_shrinks_to_256() -> None:
    small, large = frame(120, 160, AS_SHIPPED, None), frame(512, 1024, AS_SHIPPED, None)
    assert (small.height, small.width) == (120, 160)
    assert (large.height, large.width) == (256, 512)
    assert large.points(np.array([[100, 50]], np.float32)).tolist() == [[50, 25]]


def test_shrinking_is_within_one_level_of_pillows_antialiased_bilinear() -> None:
    image = picture(6, 350, 400)
    ours = store(np.array(image), frame(400, 350, AS_SHIPPED, None)).astype(int)
    theirs = np.asarray(image.resize((256, 293), Image.Resampling.BILINEAR)).astype(int)
    assert ours.shape == theirs.shape
    assert abs(ours - theirs).max() <= 1


def test_a_box_is_cut_with_its_margin_and_points_move_along() -> None:
    place = frame(100, 100, box_crop(0.25), (20, 20, 60, 60))
    assert place.region == (10, 10, 70, 70)
    assert place.points(np.array([[20, 30]], np.float32)).tolist() == [[10, 20]]
    assert frame(100, 100, box_crop(0.25), (-10, 60, 30, 120)).region == (0, 45, 40, 100)
    with pytest.raises(Unreadable, match="misses"):
        frame(100, 100, box_crop(0.0), (200, 200, 300, 300))


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_jpeg_that_claims_to_be_huge_is_refused_by_its_header(side: int, tmp_path) -> None:
    data = encoded(picture(7), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = side.to_bytes(2, "big") * 2
    (tmp_path / "huge.jpg").write_bytes(data)
    with pytest.raises(Unreadable, match="decompression bomb"):
        decode.size(tmp_path / "huge.jpg")
    with pytest.raises(Unreadable, match="decompression bomb"):
        decode.decode(data)
