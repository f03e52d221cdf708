import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

from studies.report.class_scores import class_scores, commonest_share, macro_scores, wilson_interval

COUNTS = [[8, 2, 0, 0], [1, 9, 5, 0], [0, 0, 0, 0], [3, 4, 0, 0]]  # no image of class 2, class 3 never named


def pairs(confusion):
    """The labels and predictions that a confusion matrix counts."""
    table = np.array(confusion)
    true, predicted = np.indices(table.shape)
    return true.ravel().repeat(table.ravel()), predicted.ravel().repeat(table.ravel())


def test_scores_by_hand():
    first, second, third, last = class_scores(COUNTS)
    assert (first.count, first.predicted, first.hits) == (10, 12, 8)
    assert first.precision == pytest.approx(8 / 12)
    assert first.recall == pytest.approx(8 / 10)
    assert first.f1 == pytest.approx(16 / 22)
    assert second.rival == 2
    assert (third.recall, third.precision, third.f1, third.rival) == (None, 0.0, 0.0, None)
    assert (last.recall, last.precision, last.rival) == (0.0, None, 1)


@pytest.mark.parametrize("seed", range(5))
def test_scores_agree_with_scikit_learn(seed):
    counts = np.random.default_rng(seed).integers(1, 30, (7, 7))
    precision, recall, f1, support = precision_recall_fscore_support(*pairs(counts))
    scores = class_scores(counts)
    assert [score.precision for score in scores] == pytest.approx(precision)
    assert [score.recall for score in scores] == pytest.approx(recall)
    assert [score.f1 for score in scores] == pytest.approx(f1)
    assert [score.count for score in scores] == support.tolist()
    assert macro_scores(counts) == pytest.approx((precision.mean(), recall.mean()))


def test_macro_scores_count_a_class_never_named_as_zero_precision():
    # precision 8/12, 9/15, 0/5, 0 (never named); recall 8/10, 9/15, 0/7; class 2 has no recall
    assert macro_scores(COUNTS) == pytest.approx(((8 / 12 + 9 / 15) / 4, (0.8 + 0.6) / 3))


def test_the_commonest_class():
    assert commonest_share(COUNTS) == pytest.approx(15 / 32)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 10), (10, 10), (2300, 3589)])
def test_wilson_agrees_with_scipy(hits, count):
    expected = stats.binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits / count, count) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_what_is_no_confusion_matrix_is_refused():
    with pytest.raises(ValueError, match=r"square matrix of counts, got shape \(2, 3\)"):
        class_scores([[1, 2, 3], [4, 5, 6]])
    with pytest.raises(ValueError, match="count must be at least 1 image, got 0"):
        wilson_interval(0.5, 0)
