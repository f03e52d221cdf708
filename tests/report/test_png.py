import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.report.png import png, png_uri

Image = pytest.importorskip("PIL.Image", reason="no pillow: pip install 'grn-pruning[fer]'")


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 20), width=st.integers(1, 20), colour=st.booleans(), seed=st.integers(0, 2**32 - 1)
)
def test_an_imaging_library_reads_the_pixels_back(height, width, colour, seed):
    shape = (height, width, 3) if colour else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as picture:
        assert picture.mode == ("RGB" if colour else "L")
        assert np.array_equal(np.asarray(picture), pixels)


def test_equal_pixels_give_equal_bytes_and_a_view_is_read_rightly():
    pixels = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    view = np.moveaxis(pixels, 0, -1)  # not contiguous
    assert png(view) == png(view.copy())
    kind, content = png_uri(view).split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == png(view)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2), np.uint8), np.zeros(3, np.uint8)],
)
def test_other_arrays_are_refused(pixels):
    with pytest.raises(ValueError, match="pixels must be uint8 of shape"):
        png(pixels)
