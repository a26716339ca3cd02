"""Curves are the numbers of a history, and only these."""

from __future__ import annotations

from cardio_training.curves import Curve, Panel, pretraining_panels, training_panels

LEARNT = [{"loss": 1.5, "learning_rate": 2e-4, "grad_norm": 9.0, "epoch": 0.5, "step": 50}]
SCORED = [
    {"eval_it_MEDICATION": 0.5, "eval_es_DISEASE": 0.25, "eval_strict_f1": 0.375, "epoch": 1.0, "step": 100},
    {"eval_it_MEDICATION": 0.75, "eval_es_DISEASE": 0.5, "eval_strict_f1": 0.625, "epoch": 2.0, "step": 200},
]
END = [{"train_loss": 1.1, "train_runtime": 3.0, "epoch": 2.0, "step": 200}]


def test_a_fine_tuning_has_loss_strict_f1_by_task_and_learning_rate_by_epoch() -> None:
    assert training_panels([*LEARNT, *SCORED, *END]) == [
        Panel("epoch", "loss (nats)", (Curve("learnt", ((0.5, 1.5),)),)),
        Panel(
            "epoch",
            "strict F1 (%)",
            (
                Curve("es/DISEASE", ((1.0, 25.0), (2.0, 50.0))),
                Curve("it/MEDICATION", ((1.0, 50.0), (2.0, 75.0))),
                Curve("mean", ((1.0, 37.5), (2.0, 62.5))),
            ),
        ),
        Panel("epoch", "learning rate", (Curve("learning rate", ((0.5, 2e-4),)),)),
    ]


def test_a_single_task_has_no_mean_beside_it() -> None:
    history = [{"eval_es_DISEASE": 0.5, "eval_strict_f1": 0.5, "epoch": 1.0, "step": 9}]
    (panel,) = training_panels(history)
    assert [curve.name for curve in panel.curves] == ["es/DISEASE"]


def test_a_pre_training_has_loss_words_told_right_and_learning_rate_by_step() -> None:
    history = [
        {"eval_es_loss": 8.0, "eval_es_accuracy": 0.0, "epoch": 0, "step": 0},
        {"loss": 5.0, "learning_rate": 1e-3, "epoch": 0.1, "step": 20},
        {"eval_es_loss": 4.0, "eval_es_accuracy": 0.25, "epoch": 0.2, "step": 40},
    ]
    assert pretraining_panels(history) == [
        Panel(
            "step",
            "loss (nats)",
            (Curve("learnt", ((20.0, 5.0),)), Curve("es, held out", ((0.0, 8.0), (40.0, 4.0)))),
        ),
        Panel("step", "hidden tokens told right (%)", (Curve("es", ((0.0, 0.0), (40.0, 25.0))),)),
        Panel("step", "learning rate", (Curve("learning rate", ((20.0, 1e-3),)),)),
    ]


def test_what_was_never_logged_has_no_panel() -> None:
    assert [panel.y_label for panel in training_panels(SCORED)] == ["strict F1 (%)"]
    assert [panel.y_label for panel in training_panels(LEARNT)] == ["loss (nats)", "learning rate"]
    assert training_panels(END) == pretraining_panels([]) == []
