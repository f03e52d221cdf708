"""scikit-learn's scanned digits: 1,797 real 8×8 images, nothing to download."""

import numpy as np
import torch

from studies.data.dataset import ImageDataset, ImageSplit
from studies.data.splits import hold_out

TEST_FRACTION = 0.2


def load_digits(*, validation_fraction: float = 0.1) -> ImageDataset:
    """Read the digits with a fixed, stratified test part of 20 % and a validation part of the rest.

    Grey levels 0-16 are scaled to 0-255.

    Parameters
    ----------
    validation_fraction : float, default 0.1
        Part of what is not test, in (0, 1).

    Returns
    -------
    ImageDataset
        Ids are ``"digits/<index in scikit-learn's order>"``.

    References
    ----------
    Alpaydin and Kaynak (1998), *Optical recognition of handwritten digits*, UCI Machine Learning Repository.

    Examples
    --------
    >>> load_digits().summary()
    'digits: 1,295 train / 143 validation / 359 test (held out), 8×8, 10 classes'
    """
    from sklearn.datasets import load_digits as read_digits  # 1 s to import: only when asked for

    bunch = read_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    everything = ImageSplit(
        images=torch.from_numpy(images).unsqueeze(1),
        labels=torch.from_numpy(bunch.target.astype(np.int64)),
        ids=[f"digits/{index:04d}" for index in range(len(images))],
    )
    classes = tuple(str(digit) for digit in range(10))
    rest, test = hold_out(everything, TEST_FRACTION, classes=classes, purpose="test")
    train, validation = hold_out(rest, validation_fraction, classes=classes, purpose="validation")
    return ImageDataset(
        name="digits",
        classes=classes,
        train=train,
        validation=validation,
        test=test,
        test_name="held out",
        description="scikit-learn's digits: 1,797 scanned 8×8 digits, a fixed stratified 20 % as test part",
    )
