"""Digits, MLP 64-300-100-10, ERK, SGD with momentum, 40 epochs: near figures measured with another program.

The reference figures are means over five seeds. They come without learning rate, batch size and split; 0.07
and 32 are used here, and scikit-learn's digits split by this project (359 test images, so one image is 0.28
points and the sampling error of an accuracy of 97 % is 0.9 points).
"""

import pytest

from studies.compare import Compare, run

# policy, sparsity: (accuracy, standard deviation over seeds where the reference states one), percent
REFERENCE = {
    ("dense", 0.0): (98.15, 0.19),
    ("small-dense", 0.9): (97.93, None),
    ("small-dense", 0.95): (97.52, None),
    ("small-dense", 0.98): (95.48, None),
    ("static", 0.9): (97.11, None),
    ("static", 0.95): (94.70, None),
    ("static", 0.98): (44.6, 12.7),
    ("set", 0.9): (97.37, None),
    ("set", 0.95): (96.44, None),
    ("set", 0.98): (85.9, 9.5),
    ("rigl", 0.9): (97.00, None),
    ("rigl", 0.95): (96.96, None),
    ("rigl", 0.98): (96.04, 0.87),
}
SEEDS = 3
UNSTATED = 1.1  # the largest deviation over seeds measured here where the reference states none, points

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def accuracy(tmp_path_factory):
    """Mean test accuracy of every policy and sparsity, percent."""
    records = run(
        Compare(
            data="digits",
            hidden="300,100",
            optimizer="sgd",
            learning_rate=0.07,
            batch_size=32,
            epochs=40,
            allocation="erk",
            policies="dense,small-dense,static,set,rigl",
            sparsities="0.9,0.95,0.98",
            seeds=SEEDS,
            threads=1,
            out=tmp_path_factory.mktemp("anchor") / "out",
        )
    )
    by_cell = {}
    for record in records:
        by_cell.setdefault((record.policy, record.target_sparsity), []).append(100 * record.test_accuracy)
    return {cell: sum(values) / len(values) for cell, values in by_cell.items()}


@pytest.mark.parametrize(("policy", "sparsity"), REFERENCE)
def test_accuracy_is_near_the_reference(accuracy, policy, sparsity):
    """Three standard errors of the difference of two means, and the sampling error of the test images."""
    expected, deviation = REFERENCE[policy, sparsity]
    spread = UNSTATED if deviation is None else deviation
    error = spread * (1 / 5 + 1 / SEEDS) ** 0.5
    share = expected / 100
    sampling = 100 * (share * (1 - share) / 359) ** 0.5
    assert accuracy[policy, sparsity] == pytest.approx(expected, abs=3 * (error**2 + sampling**2) ** 0.5)


def test_methods_part_where_connections_are_few(accuracy):
    """At 98 % the order is that of the literature, with gaps far beyond the spread over seeds."""
    assert accuracy["static", 0.98] + 10 < accuracy["set", 0.98]
    assert accuracy["set", 0.98] + 5 < accuracy["rigl", 0.98]
    assert accuracy["rigl", 0.98] < accuracy["dense", 0.0]
