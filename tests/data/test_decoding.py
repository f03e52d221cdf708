"""Image files of every mode give the right levels; files of no use are named, never a crash."""

import os
import struct
import time
import zlib
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.data import file_batches
from studies.data.decoding import MAX_PIXELS, UnreadableImageError, decode_image
from studies.data.file_batches import decode_files
from studies.data.resize import resize_images

Image = pytest.importorskip("PIL.Image")


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, image, **options):
    image.save(path, **options)
    return path


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, body, *, depth=8, colour=0, more=b""):
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "gif"])
def test_grey_levels_come_back_exactly(tmp_path, suffix):
    pixels = noise(9, 7)
    file = save(tmp_path / f"a.{suffix}", Image.fromarray(pixels))
    assert np.array_equal(decode_image(file, channels=1), pixels[None])
    assert np.array_equal(decode_image(file, channels=3), np.stack([pixels] * 3))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_colours_come_back_exactly_with_channels_first(tmp_path, suffix):
    pixels = noise(9, 7, 3)
    file = save(tmp_path / f"a.{suffix}", Image.fromarray(pixels), lossless=True)
    assert np.array_equal(decode_image(file, channels=3), pixels.transpose(2, 0, 1))
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode_image(file, channels=1)[0] - luma).max() <= 1  # rounding


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    deep = np.linspace(0, 65_535, 64).astype(np.uint16).reshape(8, 8)
    file = save(tmp_path / f"a.{suffix}", Image.fromarray(deep))
    assert np.array_equal(decode_image(file, channels=1)[0], np.rint(deep / 257))


def test_big_endian_tiff_and_sixteen_bit_colour_are_scaled_too(tmp_path):
    deep = np.linspace(0, 65_535, 64).astype(">u2").reshape(8, 8)
    image = Image.frombytes("I;16B", (8, 8), deep.tobytes())
    file = save(tmp_path / "a.tiff", image)
    assert np.array_equal(decode_image(file, channels=1)[0], np.rint(deep.astype(float) / 257))
    colour = np.random.default_rng(0).integers(0, 65_536, (4, 5, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colour)
    (tmp_path / "c.png").write_bytes(png(5, 4, zlib.compress(rows), depth=16, colour=2))
    levels = decode_image(tmp_path / "c.png", channels=3).transpose(1, 2, 0)
    assert np.abs(levels - colour / 257).max() <= 1  # pillow takes the upper byte


def test_transparency_is_laid_over_black_whatever_the_colour_beneath(tmp_path):
    pixels = noise(6, 6, 4)
    pixels[..., 3] = np.array([0, 128, 255] * 12).reshape(6, 6)
    over_black = pixels[..., :3] * (pixels[..., 3:] / 255)
    for name in ("a.png", "a.tiff"):
        levels = decode_image(save(tmp_path / name, Image.fromarray(pixels)), channels=3)
        assert np.abs(levels.transpose(1, 2, 0) - over_black).max() <= 1
    grey = Image.fromarray(pixels[..., [0, 3]])
    assert grey.mode == "LA"
    levels = decode_image(save(tmp_path / "la.png", grey), channels=1)[0]
    assert np.abs(levels - over_black[..., 0]).max() <= 1


def test_a_palette_with_transparency_gives_its_colours_over_black(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    for transparency in (1, b"\xff\x00"):
        file = save(tmp_path / "p.png", image, transparency=transparency)
        assert decode_image(file, channels=3)[:, 0].T.tolist() == [[10, 20, 30], [0, 0, 0]]
    plain = save(tmp_path / "plain.gif", image)
    assert decode_image(plain, channels=3)[:, 0].T.tolist() == [[10, 20, 30], [200, 100, 50]]


def test_cmyk_becomes_rgb(tmp_path):
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # cyan off, the others on: red
    levels = decode_image(save(tmp_path / "a.jpg", image, quality=95), channels=3)
    assert np.abs(levels.mean((1, 2)) - [255, 0, 0]).max() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(tmp_path, orientation):
    upright = noise(6, 10)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.png", "a.tiff", "a.webp"):
        image = Image.fromarray(np.ascontiguousarray(stored))
        file = save(tmp_path / name, image, exif=exif, lossless=True)
        assert np.array_equal(decode_image(file, channels=1)[0], upright), name


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, suffix):
    frames = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in (10, 200, 90)]
    options = {} if suffix == "tiff" else {"duration": 50, "lossless": True}
    if suffix == "gif":
        del options["lossless"]
    file = save(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], **options)
    assert (decode_image(file, channels=1) == 10).all()


def test_one_bit_images_are_black_and_white(tmp_path):
    bits = noise(5, 5) > 127
    file = save(tmp_path / "a.png", Image.fromarray(bits))
    assert np.array_equal(decode_image(file, channels=1)[0], bits * 255)


def test_the_suffix_does_not_matter_the_content_does(tmp_path):
    pixels = noise(8, 8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    assert np.array_equal(decode_image(tmp_path / "a.jpg", channels=1)[0], pixels)


def test_sizes_are_brought_to_one_as_whole_data_sets_are(tmp_path):
    import torch

    small, wide = noise(20, 31, seed=1), noise(6, 40, seed=2)
    for name, pixels in (("small", small), ("wide", wide)):
        file = save(tmp_path / f"{name}.png", Image.fromarray(pixels))
        reference = resize_images(torch.from_numpy(pixels)[None, None], 12)[0].numpy()
        assert np.array_equal(decode_image(file, channels=1, image_size=12), reference)
    large = noise(480, 480, seed=3)
    file = save(tmp_path / "large.png", Image.fromarray(large))
    means = large.reshape(12, 40, 12, 40).mean((1, 3))
    assert np.abs(decode_image(file, channels=1, image_size=12)[0] - means).max() <= 1


def test_a_box_is_cut_out_and_one_outside_is_refused(tmp_path):
    pixels = noise(20, 30)
    file = save(tmp_path / "a.png", Image.fromarray(pixels))
    assert np.array_equal(decode_image(file, channels=1, box=(3, 4, 10, 8))[0], pixels[4:12, 3:13])
    assert np.array_equal(decode_image(file, channels=1, box=(-5, 15, 10, 99))[0], pixels[15:, :5])
    with pytest.raises(ValueError, match=r"a\.png: the face box .* lies outside its 30×20 pixels"):
        decode_image(file, channels=1, box=(30, 0, 5, 5))


def bad_files(folder):
    """Name of what is wrong -> (file, expected message)."""
    whole = BytesIO()
    Image.fromarray(noise(40, 40)).save(whole, "PNG")
    jpeg = BytesIO()
    Image.fromarray(noise(40, 40)).save(jpeg, "JPEG")
    floats = BytesIO()
    Image.fromarray(np.random.default_rng(0).random((8, 8), dtype=np.float32)).save(floats, "TIFF")
    deep = BytesIO()
    Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(deep, "TIFF")
    flat = zlib.compress(b"\0" * 1000)
    contents = {
        "empty.png": (b"", r"empty \(0 bytes\)"),
        "text.png": (b"this is no picture", "not an image"),
        "cut.png": (whole.getvalue()[:900], "truncated or damaged"),
        "cut.jpg": (jpeg.getvalue()[:900], "truncated or damaged"),
        "header.jpg": (jpeg.getvalue()[:20], "not an image, or its header is damaged"),
        "bomb.png": (png(50_000, 50_000, flat), "header claims more than"),
        "wide.png": (png(100_000, 600, flat), f"100,000×600 pixels, and at most {MAX_PIXELS:,}"),
        "eps.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        "float.tif": (floats.getvalue(), "floating-point levels"),
        "deep.tif": (deep.getvalue(), "32-bit levels from 70000"),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    return {name: (folder / name, message) for name, (_, message) in contents.items()}


def test_files_of_no_use_are_named_with_what_is_wrong(tmp_path):
    for name, (file, message) in bad_files(tmp_path).items():
        with pytest.raises(UnreadableImageError, match=message) as caught:
            decode_image(file, channels=1)
        assert str(file) in str(caught.value), name
        assert "skip_unreadable" in str(caught.value), name


def test_missing_folders_and_forbidden_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.png: cannot be read \(No such file"):
        decode_image(tmp_path / "gone.png", channels=1)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=r"folder\.png: not a regular file"):
        decode_image(tmp_path / "folder.png", channels=1)
    os.mkfifo(tmp_path / "pipe.png")  # would wait for ever if it were opened
    with pytest.raises(ValueError, match=r"pipe\.png: not a regular file"):
        decode_image(tmp_path / "pipe.png", channels=1)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    file = save(tmp_path / "secret.png", Image.fromarray(noise(8, 8)))

    def forbidden(path, flags):
        raise PermissionError(13, "Permission denied", str(path))

    # The tests may run as a user to whom nothing is forbidden.
    monkeypatch.setattr("studies.data.decoding.os.open", forbidden)
    with pytest.raises(ValueError, match=r"secret\.png: cannot be read \(Permission denied\); check"):
        decode_image(file, channels=1)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_compressed_metadata_bombs_cost_neither_time_nor_memory(tmp_path, kind):
    import tracemalloc

    bomb = zlib.compress(bytes(100 * 2**20), 9)  # 100 MiB in 100 kB
    data = b"a\0\0" + bomb if kind != b"iTXt" else b"a\0\1\0\0\0" + bomb
    body = zlib.compress(b"\0" * 90)
    file = tmp_path / "a.png"
    file.write_bytes(png(9, 9, body, more=png_chunk(kind, data) * 3))
    tracemalloc.start()
    begin = time.perf_counter()
    with suppress(UnreadableImageError):
        decode_image(file, channels=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.perf_counter() - begin < 5
    assert peak < 50 * 2**20


def seeds():
    """One small valid file a format."""
    files = []
    image = Image.fromarray(noise(12, 12, 3))
    for kind, options in (
        ("PNG", {}),
        ("JPEG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("GIF", {}),
        ("BMP", {}),
        ("WEBP", {}),
    ):
        buffer = BytesIO()
        image.convert("P" if kind == "GIF" else "RGB").save(buffer, kind, **options)
        files.append(buffer.getvalue())
    return files


@settings(max_examples=250, deadline=None)
@given(
    which=st.integers(0, 6),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    cut=st.floats(0, 1) | st.just(1.0),
    grow=st.binary(max_size=20),
    channels=st.sampled_from([1, 3]),
    size=st.sampled_from([None, 8]),
)
def test_damaged_bytes_decode_or_are_named(tmp_path_factory, which, edits, cut, grow, channels, size):
    data = bytearray(SEEDS[which])
    for where, value in edits:
        data[int(where * (len(data) - 1))] = value
    file = tmp_path_factory.getbasetemp() / "damaged.bin"
    file.write_bytes(bytes(data[: int(cut * len(data))]) + grow)
    message = None
    try:
        levels = decode_image(file, channels=channels, image_size=size)
    except UnreadableImageError as error:
        message = str(error)
    if message is not None:
        assert message.startswith(f"{file}: ")
        assert "\n" not in message
    else:
        assert levels.dtype == np.uint8
        assert levels.shape[0] == channels
        assert size is None or levels.shape[1:] == (size, size)


SEEDS = seeds()


@pytest.fixture
def folder(tmp_path):
    for number in range(100):
        save(tmp_path / f"{number:03d}.png", Image.fromarray(noise(6, 6, seed=number)))
    return tmp_path


def listing(folder):
    return sorted(folder.iterdir())


def test_many_files_keep_their_order(folder):
    decoded = decode_files(listing(folder), channels=None)
    assert decoded.images.shape == (100, 1, 6, 6)
    for number in range(100):
        assert np.array_equal(decoded.images[number, 0], noise(6, 6, seed=number))
    assert decoded.kept.tolist() == list(range(100))
    assert decoded.skipped == ()
    assert len(set(decoded.content.tolist())) == 100


def test_one_coloured_file_makes_the_set_coloured(folder):
    save(folder / "050.png", Image.fromarray(noise(6, 6, 3, seed=7)))
    decoded = decode_files(listing(folder), channels=None)
    first = folder / "050.png"
    assert decoded.note.startswith(
        f"1 of 100 images are in colour, the first of them {first}: all are read in"
    )
    assert decoded.images.shape == (100, 3, 6, 6)
    assert np.array_equal(decoded.images[50], noise(6, 6, 3, seed=7).transpose(2, 0, 1))
    assert (decoded.images[49] == noise(6, 6, seed=49)).all()
    for channels in (1, 3):  # as asked for: nothing to say
        asked = decode_files(listing(folder), channels=channels)
        assert asked.images.shape == (100, channels, 6, 6)
        assert asked.note == ""


def test_headers_are_looked_at_until_one_says_colour(folder, monkeypatch):
    """One thread reads one file before it decodes all; of a grey set it reads all twice."""
    save(folder / "000.png", Image.fromarray(noise(6, 6, 3, seed=7)))
    read, taken = file_batches.read_bytes, []
    monkeypatch.setattr(file_batches, "read_bytes", lambda file: taken.append(file) or read(file))
    monkeypatch.setattr(file_batches.os, "cpu_count", lambda: 1)
    decode_files(listing(folder), channels=None)
    assert len(taken) == 1 + 1 + 100  # the header, the size of all, the pixels
    taken.clear()
    (folder / "000.png").unlink()
    decode_files(listing(folder), channels=None)
    assert len(taken) == 99 + 1 + 99


def test_the_first_bad_file_in_order_is_the_error(folder):
    for number in (93, 40, 71):
        (folder / f"{number:03d}.png").write_bytes(b"nothing")
    for _ in range(5):
        with pytest.raises(ValueError, match=r"040\.png: not an image"):
            decode_files(listing(folder), channels=None)


def test_bad_files_are_skipped_and_listed_on_request(folder):
    for number in (0, 40, 71):
        (folder / f"{number:03d}.png").write_bytes(b"nothing" if number else b"")
    files = listing(folder)
    decoded = decode_files(files, channels=None, skip_unreadable=True)
    assert decoded.images.shape == (97, 1, 6, 6)
    assert [files[i].name for i in decoded.kept[[0, 39]]] == ["001.png", "041.png"]
    assert np.array_equal(decoded.images[39, 0], noise(6, 6, seed=41))
    assert decoded.skipped[0] == f"{files[0]}: empty (0 bytes)"
    assert [line.split(": ")[0] for line in decoded.skipped] == [str(files[i]) for i in (0, 40, 71)]


def test_nothing_readable_is_an_error_even_when_skipping(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"none of the 2 image files can be read; the first: .*a\.png: empty"
    ):
        decode_files(listing(tmp_path), channels=None, skip_unreadable=True)


def test_mixed_sizes_need_a_size(folder):
    save(folder / "060.png", Image.fromarray(noise(6, 9)))
    for skip in (False, True):
        with pytest.raises(
            ValueError, match=r"060\.png: all images must have one size, got \(6, 9\) here and"
        ):
            decode_files(listing(folder), channels=1, skip_unreadable=skip)
    assert decode_files(listing(folder), channels=1, image_size=8).images.shape == (100, 1, 8, 8)


def test_copies_have_one_digest_at_any_size(folder):
    (folder / "100.png").write_bytes((folder / "017.png").read_bytes())
    small, large = (decode_files(listing(folder), channels=c, image_size=s) for c, s in ((1, 4), (3, 9)))
    assert np.array_equal(small.content, large.content)
    assert small.content[100] == small.content[17]
    assert len(set(small.content.tolist())) == 100
