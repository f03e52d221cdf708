"""Face regions: the geometry with a detector of known boxes, the cascade on drawn faces and on real crops."""

import dataclasses
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studies.data.dataset import ImageDataset, ImageSplit
from studies.data.face_regions import FoundFaces, crop_faces, crop_regions, find_faces, haar_cascade, region
from studies.data.faces import generate_faces

cv2 = pytest.importorskip("cv2")


def scenes(count=14, *, side=200, face=128, seed=0):
    """Drawn faces at random places of flat grey pictures, and their (top, left)."""
    drawn = generate_faces(
        range(count // 7), images_per_emotion=1, image_size=face, occlusion_rate=0.0, nuisance=0.2, seed=1
    )
    places = np.random.default_rng(seed).integers(0, side - face + 1, (count, 2))
    pictures = torch.full((count, 1, side, side), 128, dtype=torch.uint8)
    for index, (top, left) in enumerate(places):
        pictures[index, :, top : top + face, left : left + face] = drawn.images[index]
    return pictures, places


def dataset(images, name="portraits"):
    def part(which):
        ids = [f"{which}/{index}" for index in range(len(images))]
        labels = torch.arange(len(images)) % 2
        return ImageSplit(images.clone(), labels, ids, groups={"subject": np.arange(len(images))})

    return ImageDataset(
        name=name,
        classes=("a", "b"),
        train=part("train"),
        validation=part("validation"),
        test=part("test"),
        test_name="held out",
        description="two classes",
    )


def fixed(*boxes):
    """A detector that finds the same boxes in every image, given in its own, searched pixels."""
    found = np.array(boxes, dtype=np.int64).reshape(-1, 4)
    return lambda: lambda grey: found


def test_cascade_finds_drawn_faces_where_they_are():
    pictures, places = scenes(28)
    found = find_faces(pictures, threads=1)
    one = found.counts == 1
    assert one.sum() >= 25  # 78 of 84 when measured; the others are found not at all, or twice
    left, top, width, height = found.boxes[one].T
    # a drawn face fills its 128 pixels, with its centre within a few pixels of theirs
    assert np.abs(left + width / 2 - (places[one, 1] + 64)).max() < 12
    assert np.abs(top + height / 2 - (places[one, 0] + 64)).max() < 12
    assert (width > 85).all()
    assert (width < 150).all()


def test_flat_pictures_hold_no_face():
    flat = (
        torch.arange(0, 250, 50, dtype=torch.uint8)[:, None, None, None].expand(5, 1, 100, 100).contiguous()
    )
    found = find_faces(flat)
    assert found.counts.tolist() == [0] * 5
    assert not found.boxes.any()


def test_threads_and_colour_change_nothing():
    pictures, _ = scenes(14, side=160)
    alone = find_faces(pictures, threads=1)
    for other in (find_faces(pictures, threads=3), find_faces(pictures.expand(-1, 3, -1, -1))):
        assert (other.counts == alone.counts).all()
        assert (other.boxes == alone.boxes).all()


def test_opencv_keeps_its_threads():
    before = cv2.getNumThreads()
    find_faces(torch.zeros(2, 1, 64, 64, dtype=torch.uint8))
    assert cv2.getNumThreads() == before


def test_small_and_large_pictures_give_boxes_in_their_own_pixels():
    """A picture searched at twice or half its size reports the same face in its own coordinates."""
    pictures, _ = scenes(7, side=160)
    small = torch.nn.functional.avg_pool2d(pictures.float(), 2).round().to(torch.uint8)  # searched enlarged
    large = pictures.repeat_interleave(8, 2).repeat_interleave(8, 3)  # 1,280 pixels, searched at 640
    found = {scale: find_faces(images) for scale, images in ((0.5, small), (1, pictures), (8, large))}
    both = (found[1].counts == 1) & (found[0.5].counts == 1) & (found[8].counts == 1)
    assert both.sum() >= 4
    for scale in (0.5, 8):
        # the cascade's boxes come in steps of a tenth
        assert np.abs(found[scale].boxes[both] / scale - found[1].boxes[both]).max() < 20


def test_largest_box_is_kept_and_the_search_border_removed():
    # images of 200 pixels are searched at their size, with 20 pixels of repeated border before each side
    detector = fixed([20, 20, 30, 30], [70, 60, 50, 40], [90, 90, 20, 20])
    found = find_faces(torch.zeros(2, 1, 200, 200, dtype=torch.uint8), detector=detector)
    assert found.counts.tolist() == [3, 3]
    assert found.boxes.tolist() == [[50, 40, 50, 40]] * 2


def test_crop_of_whole_pixels_is_the_window_enlarged():
    """A crop of half the side from blocks of 2 x 2 equal pixels, against the numpy slice."""
    images = torch.randint(
        0, 256, (3, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    boxes = np.array([[10.0, 5.0, 20.0, 20.0], [0.0, 0.0, 0.0, 0.0], [10.0, 5.0, 20.0, 20.0]])
    found = FoundFaces(counts=np.array([1, 0, 2]), boxes=boxes)
    kept = crop_regions(images, found, margin=0.0)
    window = images[0, :, 5:25, 10:30].float()[None]
    expected = torch.nn.functional.interpolate(window, size=(40, 40), mode="bilinear", align_corners=False)
    assert (kept[0].float() - expected[0]).abs().max() <= 1  # OpenCV's weights have 11 bits
    assert torch.equal(kept[1:], images[1:])  # none and several pass through
    largest = crop_regions(images, found, margin=0.0, several="largest")
    assert not torch.equal(largest[2], images[2])
    assert torch.equal(largest[1], images[1])


def test_crop_of_a_flat_face_is_flat_and_keeps_proportions():
    image = torch.full((1, 1, 60, 120), 10, dtype=torch.uint8)
    image[0, 0, 20:40, 30:70] = 200  # twice as wide as high, as the image
    found = FoundFaces(counts=np.array([1]), boxes=np.array([[30.0, 20.0, 40.0, 20.0]]))
    assert crop_regions(image, found, margin=0.0).unique().tolist() == [200]


@given(
    height=st.integers(8, 300),
    width=st.integers(8, 300),
    box=st.tuples(st.floats(-0.2, 1.1), st.floats(-0.2, 1.1), st.floats(0.01, 1.3), st.floats(0.01, 1.3)),
    margin=st.floats(0, 2),
)
def test_region_lies_in_the_image_in_its_proportions_and_holds_the_box(height, width, box, margin):
    pixels = np.array(box) * np.array([width, height, width, height])
    top, left, rows, columns = region(pixels, height=height, width=width, margin=margin)
    assert 0 <= top <= top + rows <= height
    assert 0 <= left <= left + columns <= width
    assert min(rows, columns) >= 1
    # proportions of the image, to the rounding of both sides to whole pixels
    share = rows / height
    assert abs(columns - share * width) <= 0.5 + 0.5 * width / height + 1e-9 or min(rows, columns) == 1
    inside = [max(0, pixels[0]), max(0, pixels[1]), pixels[0] + pixels[2], pixels[1] + pixels[3]]
    inside[2], inside[3] = min(width, inside[2]), min(height, inside[3])
    if inside[0] < inside[2] and inside[1] < inside[3]:  # what of the box is in the image is in the crop
        assert left <= inside[0] + 1
        assert top <= inside[1] + 1
        assert left + columns >= inside[2] - 1
        assert top + rows >= inside[3] - 1


def test_data_set_is_cut_counted_and_otherwise_itself():
    pictures, _ = scenes(14)
    pictures = torch.cat([pictures, torch.full((2, 1, 200, 200), 77, dtype=torch.uint8)])
    before = dataset(pictures)
    after = crop_faces(before, threads=1)
    for name, split in after.parts().items():
        source = before.parts()[name]
        counts = split.groups["faces_found"]
        assert split.ids == source.ids
        assert torch.equal(split.labels, source.labels)
        assert torch.equal(source.images, pictures)  # the data set handed in is untouched
        assert counts[-2:].tolist() == [0, 0]
        changed = (split.images != source.images).flatten(1).any(1).numpy()
        assert (changed == (counts == 1)).all()
        assert "subject" in split.groups
    found = int(3 * (after.train.groups["faces_found"] == 1).sum())
    assert after.description.startswith(f"two classes; cut to the face: one face in {found} of 48 images")


def test_cropped_sets_pass_unless_asked():
    faces = dataset(scenes(14)[0], name="fer2013")
    assert crop_faces(faces) is faces
    assert "faces_found" in crop_faces(faces, even_if_cropped=True, detector=fixed()).train.groups


def test_wrong_input_is_refused():
    images = torch.zeros(2, 1, 64, 64, dtype=torch.uint8)
    spectrograms = dataset(torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match="for images, and portraits holds spectrograms"):
        crop_faces(spectrograms)
    with pytest.raises(ValueError, match="margin must be 0 to 2"):
        crop_faces(dataset(images), margin=-0.1)
    with pytest.raises(ValueError, match="several must be one of keep, largest, got 'all'"):
        crop_faces(dataset(images), several="all")
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        find_faces(images, threads=0)
    with pytest.raises(ValueError, match=r"uint8 of shape \(N, 1, H, W\)"):
        find_faces(images.float())
    with pytest.raises(ValueError, match="describe the 2 images, got 1"):
        crop_regions(images, FoundFaces(counts=np.ones(1), boxes=np.zeros((1, 4))))


def test_opencv_without_cascades_is_named(monkeypatch):
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(ImportError, match=r"opencv-python-headless>=4\.12,<5"):
        find_faces(torch.zeros(2, 1, 64, 64, dtype=torch.uint8))


def test_missing_cascade_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(cv2.data, "haarcascades", f"{tmp_path}/")
    with pytest.raises(ImportError, match=r"opencv-python-headless>=4\.12,<5"):
        haar_cascade()


def test_missing_opencv_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r'pip install "grn-pruning\[fer\]"'):
        find_faces(torch.zeros(2, 1, 64, 64, dtype=torch.uint8))


def test_real_crops_are_found_in_part_only(real_fer2013):
    """Why FER-2013 passes through: the cascade misses faces that fill the image (of 300 it found 198)."""
    pixels = real_fer2013[0]
    sample = np.random.default_rng(0).choice(len(pixels), 60, replace=False)
    found = find_faces(torch.from_numpy(np.ascontiguousarray(pixels[sample]))[:, None])
    assert 0.5 < (found.counts == 1).mean() < 0.85


def test_found_faces_is_a_record():
    found = FoundFaces(counts=np.array([1, 0, 3]), boxes=np.zeros((3, 4)))
    assert found.summary() == "one face in 1 of 3 images, none in 1, several in 1"
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.counts = None
