import re

from study_records import make_record

from studies.report.aggregation import paired_differences
from studies.report.verdict import answer, feedback_sentence, find_leaders


def runs(policy, accuracies, target=0.9, **changes):
    return [make_record(policy, target, seed, value, **changes) for seed, value in enumerate(accuracies)]


MAGNITUDE = [0.500, 0.520, 0.510, 0.530, 0.505]
ABOVE = [0.521, 0.540, 0.529, 0.551, 0.524]  # 1.9 to 2.1 points above in every seed
AROUND = [0.520, 0.510, 0.515, 0.528, 0.515]  # above on average, below in two seeds


def test_lead_that_excludes_zero_is_claimed_with_its_interval():
    records = runs("magnitude", MAGNITUDE) + runs("smoothed", MAGNITUDE) + runs("expression", ABOVE)
    found = answer(records)
    interval = next(c for c in paired_differences(records) if c.policy == "expression").interval
    assert found.headline == (
        "Highest mean test accuracy at equal size: Expression (ODE) at 90 % sparsity; "
        "the paired 95 % interval against Magnitude excludes zero."
    )
    assert (
        f"+{100 * interval.low:.2f} to +{100 * interval.high:.2f} from 5 seeds, which excludes zero"
        in found.leaders[0]
    )
    assert "Expression (ODE) against Smoothed importance: better at 90 % sparsity" in found.feedback
    assert "Expression (ODE) against Magnitude: better at 90 % sparsity" in found.feedback


def test_lead_within_the_spread_is_not_claimed():
    records = runs("magnitude", MAGNITUDE) + runs("smoothed", MAGNITUDE[::-1]) + runs("expression", AROUND)
    found = answer(records)
    assert find_leaders(records)[0].policies == ("expression",)
    assert found.headline.endswith("but no difference from Magnitude can be claimed from 5 seeds.")
    assert "which includes zero: no difference can be claimed from 5 seeds" in found.leaders[0]
    assert found.feedback.count("no difference can be claimed from 5 seeds") == 2
    assert not re.search(r"better|worse|excludes zero, ", found.headline + found.feedback)


def test_worse_is_said_as_plainly_as_better():
    records = runs("magnitude", ABOVE) + runs("smoothed", ABOVE) + runs("expression", MAGNITUDE)
    found = answer(records)
    assert "Expression (ODE) against Smoothed importance: worse at 90 % sparsity" in found.feedback
    assert "Magnitude" in found.leaders[0].split(" lead")[0]


def test_better_at_one_sparsity_only():
    records = []
    for policy, low, high in (("magnitude", MAGNITUDE, MAGNITUDE), ("smoothed", MAGNITUDE, MAGNITUDE),
                              ("expression", AROUND, ABOVE)):  # fmt: skip
        records += runs(policy, low, target=0.5) + runs(policy, high, target=0.9)
    found = answer(records)
    assert found.headline.startswith(
        "Highest mean test accuracy at equal size: Expression (ODE) at 50 % and 90 % sparsity;"
    )
    assert found.headline.endswith(
        "only at 90 % does the paired 95 % interval against Magnitude exclude zero."
    )
    assert (
        "better at 90 % sparsity (paired 95 % interval excludes zero); at 50 % no difference"
        in found.feedback
    )


def test_one_seed_claims_nothing_however_large_the_difference():
    found = answer(runs("magnitude", [0.2]) + runs("smoothed", [0.2]) + runs("expression", [0.9]))
    assert found.headline.endswith("but no difference from Magnitude can be claimed from 1 seed.")
    assert "no difference can be claimed from 1 seed, which gives no interval" in found.feedback


def test_alike_differences_claim_nothing():
    # Two seeds that gain the same image each: the interval has no width, which is no evidence.
    found = answer(
        runs("magnitude", [0.5, 0.6]) + runs("smoothed", [0.5, 0.6]) + runs("expression", [0.51, 0.61])
    )
    assert "no difference from Magnitude can be claimed" in found.headline
    assert "spread cannot be estimated: no claim" in found.leaders[0]


def test_missing_policy_is_named_not_guessed():
    records = runs("magnitude", MAGNITUDE) + runs("expression", ABOVE)
    assert feedback_sentence(records) == (
        "Expression (ODE) against Smoothed importance was not tested: Smoothed importance was not run."
    )
    assert "Expression (ODE) against Magnitude: better" in answer(records).feedback
    assert answer(runs("magnitude", MAGNITUDE)).headline.startswith("Nothing to compare")


def test_magnitude_in_the_lead_is_compared_with_the_runner_up():
    records = runs("random", [0.1, 0.2]) + runs("smoothed", [0.4, 0.5]) + runs("magnitude", [0.5, 0.7])
    (leader,) = find_leaders(records)
    assert (leader.policies, leader.rival) == (("magnitude",), "smoothed")


def test_small_dense_can_lead_and_dense_does_not_compete():
    records = runs("magnitude", [0.4, 0.5]) + runs("small-dense", [0.6, 0.7], sparsity=0.0)
    records += runs("dense", [0.9, 0.9], target=0.0)
    assert find_leaders(records)[0].policies == ("small-dense",)


def test_equal_means_share_the_lead():
    records = runs("smoothed", [0.5, 0.6]) + runs("expression", [0.6, 0.5]) + runs("magnitude", [0.3, 0.35])
    assert (
        answer(records)
        .leaders[0]
        .startswith("At 90 % sparsity Smoothed importance and Expression (ODE) lead together")
    )


def test_leader_is_found_on_shared_seeds_only():
    # Seed 2 is easy and only magnitude has run it: on the seeds both have, expression is ahead.
    records = runs("magnitude", [0.40, 0.41, 0.90]) + runs("expression", [0.45, 0.47])
    (leader,) = find_leaders(records)
    assert (leader.policies, leader.seeds) == (("expression",), (0, 1))


def test_policy_that_missed_its_density_is_left_out_and_named():
    records = runs("magnitude", MAGNITUDE) + runs("heuristic-literal", [0.9] * 5, sparsity=0.3)
    records += runs("smoothed", MAGNITUDE[::-1])
    found = answer(records)
    assert "Heuristic as printed" not in found.headline
    assert found.left_out == (
        "Not compared, having missed the density asked for: Heuristic as printed at 90 % "
        "(5 seeds; 30.00 % sparse on average).",
    )
