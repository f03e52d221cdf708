"""The options that say which data a study takes, and how they are read."""

from dataclasses import dataclass
from typing import Literal

from studies.data import ImageDataset, load_dataset

FACES_SIZE = 24  # pixels; faces are drawn at any size, and a study of them takes minutes at this one


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Data of a study."""

    data: str = "faces"  # "faces", "digits", or the path of a file or folder; see --data-format
    data_format: str = "auto"  # format of a path, such as fer2013, ferplus, ravdess; auto: by what lies there
    split: str = "auto"  # what keeps the parts apart: auto (official, or by subject), subject, source, random
    test_split: Literal["public", "private"] = "public"  # which official test set of FER-2013 to score
    validation_fraction: float = 0.1  # of the training data, held out for all choices, in (0, 1)
    fraction: float = 1.0  # stratified share of the training images to use, in (0, 1]
    image_size: int | None = None  # side of the images, pixels; None: the data's own, 24 for faces
    channels: Literal[1, 3] | None = None  # 1: grey, 3: colour, or grey three times; None: the data's own
    soft_labels: bool = False  # train on the raters' votes, where the data have them
    face_regions: bool = False  # crop each image to the face that OpenCV finds in it
    skip_unreadable: bool = False  # pass over files that cannot be read, and list them
    cache: bool = True  # keep what was read, so that the next start is quick

    def check_data(self) -> None:
        """Refuse what no data set could be read with.

        Raises
        ------
        ValueError
            Names the option, what it must be, and what it is.
        """
        if self.test_split not in ("public", "private"):
            raise ValueError(f"test_split must be one of public, private, got {self.test_split!r}")
        if self.image_size is not None and self.image_size < 4:
            raise ValueError(f"image_size must be at least 4, got {self.image_size}")
        if self.channels not in (None, 1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction must be in (0, 1), a share of the training data, "
                f"got {self.validation_fraction}"
            )
        if not 0 < self.fraction <= 1:
            raise ValueError(
                f"fraction must be in (0, 1], a share of the training images, got {self.fraction}"
            )

    def load_data(self) -> ImageDataset:
        """Read the data.

        Raises
        ------
        ValueError
            If they cannot be read.
        """
        return load_dataset(
            self.data,
            fraction=self.fraction,
            image_size=FACES_SIZE if self.image_size is None and self.data == "faces" else self.image_size,
            validation_fraction=self.validation_fraction,
            test_split=self.test_split,
            data_format=self.data_format,
            channels=self.channels,
            soft_labels=self.soft_labels,
            split=self.split,
            skip_unreadable=self.skip_unreadable,
            cache=self.cache,
            face_regions=self.face_regions,
        )
