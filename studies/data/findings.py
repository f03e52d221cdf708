"""What a leakage audit found: as numbers, as JSON values and in words."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

CopyKind = Literal["exact", "near", "mirrored"]
KINDS: tuple[CopyKind, ...] = ("exact", "near", "mirrored")

SUSPICIOUS_SHARE = 0.25  # of the test part with a changed copy: more than FER-2013's 11 %, by far
NOTABLE_SHARE = 0.01  # of the test part with a copy of any kind: the rule for changed copies errs on fewer
_NAMES_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """A sample and the one that it repeats.

    Attributes
    ----------
    part, sample : str
        Part ("validation" or "test") and id of the later sample.
    of_part, of_sample : str
        Part and id of the sample that it repeats: the first pixel-identical one, train before validation;
        else the most similar.
    kind : {"exact", "near", "mirrored"}
        Pixel by pixel, slightly changed, or slightly changed and mirrored; see `studies.data.duplicates`.
    correlation : float
        Of the thumbnails, at most 1.
    same_label : bool
        Whether both carry the same label.
    """

    part: str
    sample: str
    of_part: str
    of_sample: str
    kind: CopyKind
    correlation: float
    same_label: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Audit:
    """What was found in one data set. Counts are samples unless said otherwise.

    Attributes
    ----------
    dataset, split_by, test_name : str
        As in the data set.
    samples : dict of str to int
        Size of each part.
    copies : tuple of Copy
        One for each validation sample with a copy in train, and each test sample with one in train or
        validation.
    near_reason : str
        Why changed copies were not looked for; "" if they were.
    repeated : dict of str to int
        Samples of a part that repeat an earlier one of the same part pixel by pixel.
    conflicting : tuple of tuple of str
        Ids of each group of pixel-identical samples that carry different labels, over all parts.
    blank : dict of str to tuple of str
        Ids of the samples of each part that have one level throughout.
    identities : tuple of str
        Names of the groups that tell who or what was recorded.
    shared : dict of str to tuple of str
        ``"<group>: <part> and <part>"`` → the values of the group that stand in both parts.
    skipped : tuple of str
        Files that could not be read.
    clean_test : ndarray
        bool, one a test sample: it has no copy of any kind in train or validation.
    distinct_test : ndarray
        bool, one a test sample: it has no pixel-identical copy in train or validation.
    """

    dataset: str
    split_by: str
    test_name: str
    samples: dict[str, int]
    copies: tuple[Copy, ...]
    near_reason: str
    repeated: dict[str, int]
    conflicting: tuple[tuple[str, ...], ...]
    blank: dict[str, tuple[str, ...]]
    identities: tuple[str, ...]
    shared: dict[str, tuple[str, ...]]
    skipped: tuple[str, ...]
    clean_test: np.ndarray
    distinct_test: np.ndarray

    def count(self, part: str, kind: CopyKind, *, of: str | None = None) -> int:
        """Samples of a part whose copy is of a kind; with `of`, whose copy recorded is in that part."""
        return sum(c.part == part and c.kind == kind and of in (None, c.of_part) for c in self.copies)

    @property
    def copied_share(self) -> float:
        """Share of the test part that has a copy of any kind in train or validation."""
        return 1 - float(self.clean_test.mean())

    @property
    def memorised_accuracy(self) -> float:
        """Test accuracy that looking up the labels of these copies gives, all other samples wrong."""
        hits = sum(copy.part == "test" and copy.same_label for copy in self.copies)
        return hits / self.samples["test"]

    @property
    def split_after_augmenting(self) -> bool:
        """Whether so many test samples are changed copies that the data were augmented before the split."""
        changed = self.count("test", "near") + self.count("test", "mirrored")
        return changed >= SUSPICIOUS_SHARE * self.samples["test"]

    def warnings(self) -> list[str]:
        """List what makes the test score untrustworthy, one sentence each; empty if nothing was found."""
        found = []
        if self.split_by == "random":
            found.append(
                "the split is random: pictures of one person or recording may stand on both sides; split by "
                "subject, speaker or source where they are known"
            )
        found += [f"{where} share {len(values)}: {_some(values)}" for where, values in self.shared.items()]
        if self.split_after_augmenting:
            found.append(
                "the data look augmented before they were split: "
                f"{self.count('test', 'near') + self.count('test', 'mirrored'):,} test samples are changed "
                "copies of training ones; split the originals, then augment the training part"
            )
        if not self.distinct_test.all() or self.copied_share >= NOTABLE_SHARE:
            found.append(
                f"{np.count_nonzero(~self.clean_test):,} of {self.samples['test']:,} test samples "
                f"({self.copied_share:.1%}) have a copy in train or validation; looking up their labels "
                f"alone scores {self.memorised_accuracy:.1%}. Report accuracy without them too"
            )
        return found

    def lines(self) -> list[str]:
        """Describe everything that was found, for a person: facts first, then the warnings."""
        said = [f"audit of {self.dataset}, split: {self.split_by}, test: {self.test_name}"]
        for part in ("validation", "test"):
            counts = ", ".join(
                f"{self.count(part, kind):,} {kind}"
                for kind in KINDS
                if kind == "exact" or not self.near_reason
            )
            others = "train" if part == "validation" else "train or validation"
            said.append(f"{part}: {self.samples[part]:,} samples; with a copy in {others}: {counts}")
        if self.near_reason:
            said.append(f"changed copies were not looked for: {self.near_reason}")
        repeated = ", ".join(f"{count:,} in {part}" for part, count in self.repeated.items())
        said.append(f"repeated within a part: {repeated}")
        if self.conflicting:
            said.append(f"pixel-identical samples with different labels: {len(self.conflicting):,} groups")
        for part, ids in self.blank.items():
            if ids:
                said.append(f"blank samples in {part}: {len(ids):,} ({_some(ids)})")
        if self.identities:
            kept = [
                name for name in self.identities if not any(w.startswith(f"{name}:") for w in self.shared)
            ]
            if kept:
                said.append(f"no {' and no '.join(kept)} stands in two parts")
        else:
            said.append("who was recorded is not known, so overlap of people cannot be checked")
        if self.skipped:
            said.append(f"skipped files: {len(self.skipped):,} ({_some(self.skipped)})")
        return said + [f"warning: {text}" for text in self.warnings()]

    def to_record(self, *, copies: bool = False) -> dict[str, Any]:
        """Give the findings as JSON values; `copies` adds the list of all pairs."""
        record: dict[str, Any] = {
            "dataset": self.dataset,
            "split_by": self.split_by,
            "test_name": self.test_name,
            "samples": dict(self.samples),
            "copies": {
                part: {kind: self.count(part, kind) for kind in KINDS} for part in ("validation", "test")
            },
            "near_reason": self.near_reason,
            "copied_share": self.copied_share,
            "memorised_accuracy": self.memorised_accuracy,
            "split_after_augmenting": self.split_after_augmenting,
            "repeated": dict(self.repeated),
            "conflicting_groups": len(self.conflicting),
            "blank": {part: list(ids) for part, ids in self.blank.items()},
            "identities": list(self.identities),
            "shared": {where: list(values) for where, values in self.shared.items()},
            "skipped": list(self.skipped),
            "warnings": self.warnings(),
            "lines": self.lines(),
        }
        if copies:
            record["pairs"] = [
                {name: getattr(copy, name) for name in Copy.__dataclass_fields__} for copy in self.copies
            ]
            record["conflicting"] = [list(ids) for ids in self.conflicting]
        return record


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest:,} more" if rest > 0 else "")
