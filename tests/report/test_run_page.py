import base64
import io
import re
import shutil
import subprocess

import numpy as np
import pytest
from study_records import CLASSES, make_record, make_study, write_study

from studies.attention import AttentionExamples, overlay
from studies.report.build import build_page, write_report
from studies.report.class_figures import class_figure
from studies.report.learning_curves import learning_figure
from studies.report.run_page import run_introduction
from studies.report.run_tables import class_table, group_tables, scores_table

HOSTILE = '<script>alert("x")</script>'


def confusion(hits, images=50):
    """Each class recognised ``hits`` times of ``images``; the rest goes to the next class."""
    table = np.diag([hits] * 7) + np.roll(np.diag([images - hits] * 7), 1, axis=1)
    return table.tolist()


def make_curve(epochs=6):
    return [
        {
            "epoch": epoch,
            "train_loss": 2.0 / epoch,
            "validation_loss": 1.0 + abs(epoch - 4) / 10,
            "validation_accuracy": 0.5 - abs(epoch - 4) / 20,
            "validation_macro_f1": 0.45 - abs(epoch - 4) / 20,
            "learning_rate": 1e-3 * (1 - epoch / epochs),
            "sparsity": min(0.5, epoch / 6),
            "seconds": 1.0,
        }
        for epoch in range(1, epochs + 1)
    ]


def make_run(**changes):
    """A record of a training run with all that the report can show."""
    [base] = make_study(("expression",), (0.5,), seeds=1, updates=8)
    full = {
        "study": "train",
        "test_name": "PublicTest",
        "test_accuracy": 0.6,
        "macro_f1": 0.59,
        "confusion": confusion(30),
        "per_class_recall": [0.6] * 7,
        "curve": make_curve(),
        "macro_precision": 0.61,
        "macro_recall": 0.6,
        "expected_calibration_error": 0.083,
        "test_accuracy_without_copies": 0.575,
        "copied_test_images": 23,
        "audit": {"lines": ["23 of 350 test images have a copy in train", "warning: 10 images are blank"]},
        "baselines": [
            {
                "name": "majority",
                "description": "always angry",
                "accuracy": 1 / 7,
                "macro_f1": 0.036,
                "accuracy_without_copies": 0.141,
            },
            {"name": "nearest neighbour", "accuracy": 0.31, "macro_f1": 0.3, "accuracy_without_copies": None},
        ],
        "recipe": "amacnn",
        "group_accuracy": {"gender": {"female": 0.64, "male": 0.56}},
        "stopped_epoch": 6,
        "best_epoch": 4,
    }
    return base | full | changes


def make_examples(classes=tuple(CLASSES)):
    generator = np.random.default_rng(0)
    return AttentionExamples(
        images=generator.integers(0, 256, (3, 1, 12, 12)).astype(np.uint8),
        maps=generator.random((3, 4, 4)).astype(np.float32),
        labels=np.array([0, 1, 2]),
        predictions=np.array([0, 1, 5]),
        confidences=np.array([0.9, 0.5, 0.333], dtype=np.float32),
        classes=classes,
    )


@pytest.fixture(scope="module")
def text():
    return build_page([make_run()], {"study": "train"}, attention=make_examples())


def words(text):
    return re.sub(r"\s+", " ", re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", text, flags=re.S))


def cells(html):
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html)
    return [[words(cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


def test_page_of_a_run_has_every_section_and_no_question_of_policies(text):
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert headings == [
        "Results", "How it went", "Classes", "Attention", "Groups", "What happened in the network", "Cost",
        "Data", "How it was run", "Caveats",
    ]  # fmt: skip
    shown = words(text)
    assert "better than rules without such dynamics" not in shown
    assert "recognises 60.00 % of the 350 test samples (PublicTest) with 50.0 % of its gated" in shown
    assert "<li>23 of 350 test images have a copy in train</li>" in text
    assert '<p class="note"><strong>Warning.</strong> 10 images are blank</p>' in text
    assert "Majority: always angry." in shown
    assert "recipe amacnn, Expression (ODE), 50 % sparse, seed 0, 6 epochs" in shown
    assert "the weights after epoch 4, chosen on validation data" in shown
    assert not re.search(r"https?:|//cdn|@import|url\(", text)


def test_a_record_of_an_older_study_gives_a_page_without_what_it_lacks():
    old = make_study(("expression",), (0.5,), seeds=1, updates=4)[0] | {"study": "train"}
    shown = words(build_page([old]))
    assert "No other baseline was recorded" in shown
    assert "No audit of the data was recorded" in shown
    assert "Accuracy is that of the final weights" in shown
    for absent in ("Calibration error", "Without copies", "Where the network looks", "What the audit"):
        assert absent not in shown


def test_a_record_without_confusion_and_curve_still_gives_a_page():
    bare = make_record("dense", 0.0, 0, 0.5, study="train", confusion=None, per_class_recall=None)
    shown = words(build_page([bare]))
    assert "recognises 50.00 % of test; macro F1 0.480" in shown
    assert "Classes" not in shown


def test_introduction_measures_the_run_by_the_best_baseline():
    shown = words(run_introduction(make_run()))
    assert "The best simple classifier, nearest neighbour, recognises 31.00 %" in shown
    assert "a difference of +29.00 points" in shown
    assert "lies above it" in shown
    assert "Without the 23 test samples that have a copy in training or validation it is 57.50 %." in shown
    # 210 of 350, scipy.stats.binomtest(...).proportion_ci(method="wilson"): 54.79 to 65.00
    assert "54.79 to 65.00" in shown
    near = make_run(baselines=[{"name": "linear", "accuracy": 0.58, "macro_f1": 0.5}])
    assert "includes it: no gain is shown" in words(run_introduction(near))
    above = make_run(baselines=[{"name": "linear", "accuracy": 0.7, "macro_f1": 0.5}])
    assert "a difference of −10.00 points" in words(run_introduction(above))
    assert "lies below it" in words(run_introduction(above))


def test_without_baselines_the_commonest_class_is_the_measure():
    counts = np.diag([30, 10, 10, 10, 10, 10, 10]).tolist()  # 90 images, 30 of the first class
    shown = words(run_introduction(make_run(baselines=[], confusion=counts)))
    assert "Always naming the commonest class would reach 33.33 %" in shown
    assert "a difference of +26.67 points" in shown


def test_scores_stand_beside_the_baselines():
    head, run, majority, nearest = cells(scores_table([make_run()]))
    assert head[1:] == [
        "Accuracy", "95 % interval", "Without copies", "Macro precision", "Macro recall", "Macro F1",
        "Calibration error",
    ]  # fmt: skip
    assert run[1:] == ["60.00 %", "54.79 to 65.00", "57.50 %", "0.610", "0.600", "0.590", "0.083"]
    assert majority == ["majority", "14.29 %", "–", "14.10 %", "–", "–", "0.036", "–"]
    assert nearest[3] == "–"


def test_macro_scores_come_from_the_confusion_matrix_where_not_recorded():
    run = make_run(macro_precision=None, macro_recall=None, confusion=confusion(40))
    assert cells(scores_table([run]))[1][4:6] == ["0.800", "0.800"]


def test_scores_of_a_study_are_means_over_seeds():
    runs = [make_run(seed=seed, test_accuracy=value) for seed, value in enumerate([0.5, 0.7])]
    row = cells(scores_table(runs))[1]
    assert row[1:3] == ["60.00 %", "57.50 %"]  # seeds share their test images: no interval over images


def test_class_table_names_the_rival():
    rows = cells(class_table(make_run()))
    assert rows[1] == ["angry", "50", "60.0 %", "60.0 %", "0.600", "disgust (40 %)"]


def test_groups_show_the_gap_and_many_values_their_ends():
    subjects = {f"s{place}": 0.3 + 0.02 * place for place in range(12)}
    run = make_run(
        group_accuracy={"gender": {"female": 0.64, "male": 0.56, "none": None}, "subject": subjects}
    )
    gender, subject = (cells(one) for one in group_tables([run]))
    assert gender[0] == ["Classifier", "female", "male", "Gap, points"]
    assert gender[1][1:] == ["64.0 %", "56.0 %", "8.0"]
    assert subject[1][1:] == ["s0 (30.0 %)", "s11 (52.0 %)", "22.0"]
    other = make_run(seed=1, group_accuracy={"gender": {"female": 0.60, "male": 0.56}})
    assert cells(group_tables([run, other])[0])[1][1:] == ["62.0 %", "56.0 %", "6.0"]
    assert group_tables([make_run(group_accuracy=None)]) == []
    assert group_tables([make_run(group_accuracy={"set": {"a": None}})]) == []


def test_curves_hold_the_points_and_mark_the_epochs():
    figure = learning_figure(make_run())
    lines = {trace.name: trace for trace in figure.data}
    assert list(lines) == [
        "training loss", "validation loss", "validation accuracy", "validation macro F1", "sparsity",
        "learning rate",
    ]  # fmt: skip
    assert lines["training loss"].y[:2] == (2.0, 1.0)
    assert lines["validation accuracy"].y[3] == 50.0
    assert lines["validation loss"].x == (1, 2, 3, 4, 5, 6)
    assert [shape.x0 for shape in figure.layout.shapes] == [4, 6]
    notes = [note.text for note in figure.layout.annotations]
    assert "weights kept: epoch 4" in notes
    assert "stopped: epoch 6" in notes


def test_curves_of_an_older_record_show_what_it_holds():
    curve = [
        {"epoch": epoch, "train_loss": 1.0, "validation_accuracy": 0.5, "sparsity": 0.0} for epoch in (1, 2)
    ]
    figure = learning_figure(make_record("dense", 0.0, 0, 0.5, curve=curve))
    assert [trace.name for trace in figure.data] == ["training loss", "validation accuracy"]
    assert not figure.layout.shapes
    assert learning_figure(make_record("dense", 0.0, 0, 0.5)) is None


def test_the_last_epoch_of_a_run_that_was_not_stopped_is_not_marked():
    assert not learning_figure(make_run(best_epoch=6, stopped_epoch=None)).layout.shapes
    both = learning_figure(make_run(best_epoch=6, stopped_epoch=6))
    assert [shape.x0 for shape in both.layout.shapes] == [6]
    assert "weights kept and stopped: epoch 6" in [note.text for note in both.layout.annotations]


def test_classes_are_ranked_by_recall_and_marks_without_meaning_left_out():
    counts = np.diag([10, 40, 30, 20, 5, 35, 25])
    counts[0, 1] += 40  # angry 10 of 50
    counts[4] = 0  # no image of sad
    counts[:, 6] = 0  # neutral is never named
    counts[6, 0] = 50
    figure = class_figure(make_run(confusion=counts.tolist()))
    assert figure.layout.yaxis.ticktext[-2:] == ("neutral", "sad")
    recall, precision = figure.data[1:]
    assert len(recall.x) == 6
    assert recall.x == tuple(sorted(recall.x, reverse=True))
    assert "neutral" not in " ".join(precision.text)
    assert any("fear: recall 100.0 %, 30 of 30 samples recognised" in text for text in recall.text)


def test_attention_is_embedded_as_it_is_drawn(text):
    pillow = pytest.importorskip("PIL.Image", reason="no pillow: pip install 'grn-pruning[fer]'")
    examples = make_examples()
    block = text.split('class="faces"')[1].split("</ul>")[0]
    pictures = [
        np.asarray(pillow.open(io.BytesIO(base64.b64decode(packed))))
        for packed in re.findall(r'src="data:image/png;base64,([^"]+)"', block)
    ]
    assert len(pictures) == 6
    for place in range(3):
        assert np.array_equal(pictures[2 * place], examples.images[place, 0])
        assert np.array_equal(pictures[2 * place + 1], overlay(examples.images[place], examples.maps[place]))
    said = words(block)
    assert "angry → ✓&nbsp;angry, 90&nbsp;%" in said
    assert "fear → ✗&nbsp;surprise, 33&nbsp;%" in said
    assert block.count("class=mistaken") == 1
    assert "2 recognised, 1 mistaken" in words(text)
    assert all(len(alt) > 10 for alt in re.findall(r'alt="([^"]*)"', block))


def test_attention_beside_the_records_is_read_and_a_damaged_file_named(tmp_path):
    record = make_study(("expression",), (0.5,), seeds=1, updates=4)[0] | {"study": "train"}
    write_study(tmp_path, [record])
    examples = make_examples()
    examples.save(tmp_path / "attention.npz")
    assert "Where the network looks" in write_report(tmp_path).read_text()
    (tmp_path / "attention.npz").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"attention.npz must be a file of attention examples"):
        write_report(tmp_path)


def test_a_comparison_shows_scores_groups_audit_and_attention_too():
    runs = make_study(("dense", "expression"), (0.5,), seeds=2, updates=4)
    extra = {name: make_run()[name] for name in ("audit", "baselines", "group_accuracy", "curve")}
    shown = words(build_page([run | extra for run in runs], attention=make_examples()))
    assert "nearest neighbour" in shown
    assert "Validation loss over training" in shown
    assert "10 images are blank" in shown
    assert "Test accuracy by gender, 2 values" in shown
    assert "Where the network looks" in shown
    assert "Simple classifiers" not in words(build_page(runs))


def test_text_of_a_run_is_inert():
    run = make_run(
        classes=[HOSTILE, *CLASSES[1:]],
        test_name=HOSTILE,
        recipe=HOSTILE,
        audit={"lines": [HOSTILE]},
        baselines=[{"name": HOSTILE, "accuracy": 0.5, "macro_f1": 0.5}],
        group_accuracy={HOSTILE: {HOSTILE: 0.5}},
    )
    text = build_page([run], attention=make_examples((HOSTILE, *CLASSES[1:])))
    assert "alert(" in text
    assert text.count("<script") == 3
    assert HOSTILE not in text


def test_equal_records_give_equal_pages(text):
    assert build_page([make_run()], {"study": "train"}, attention=make_examples()) == text


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
def test_browser_draws_the_page_without_an_error(text, tmp_path):
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=20000",
        "--dump-dom", (tmp_path / "report.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert 'data-figures="drawn"' in done.stdout
    assert 'aria-busy="true"' not in done.stdout
