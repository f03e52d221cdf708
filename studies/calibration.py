"""Whether a classifier's confidence is the share of its answers that are right."""

import numpy as np

CALIBRATION_BINS = 15


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, *, bins: int = CALIBRATION_BINS
) -> float:
    """Measure how far confidence is from the share of right answers, in [0, 1]; 0 is calibrated.

    ECE = Σ_b n_b/N · |accuracy_b − confidence_b| over the non-empty of `bins` bins of equal width, the
    b-th ((b−1)/bins, b/bins]; 0 belongs to the first.

    Parameters
    ----------
    confidence : ndarray
        Probability that the classifier gives to the class that it predicts, in [0, 1], shape (N,).
    correct : ndarray
        Whether that class is the label, bool, shape (N,).
    bins : int
        Number of bins.

    Raises
    ------
    ValueError
        If the shapes differ, nothing is given, or a confidence is not in [0, 1].

    References
    ----------
    Guo et al. (2017), *On calibration of modern neural networks*, arXiv:1706.04599, eq. 3.

    Examples
    --------
    >>> expected_calibration_error(np.full(4, 0.75), np.array([True, True, True, False]))
    0.0
    >>> expected_calibration_error(np.ones(4), np.zeros(4, dtype=bool))
    1.0
    """
    if confidence.ndim != 1 or confidence.shape != correct.shape or not confidence.size:
        raise ValueError(
            f"confidence and correct must be two equal, non-empty lists, got shapes {confidence.shape} "
            f"and {correct.shape}"
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(
            f"confidence must be in [0, 1], got {confidence.min():g} to {confidence.max():g}; "
            "apply softmax to logits first"
        )
    confidence = confidence.astype(np.float64)
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(bin_of, correct.astype(np.float64) - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))
