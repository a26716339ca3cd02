"""How alike two checkpoints tag, on texts that the second has not learnt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForTokenClassification

import agree
from cardio_ner.checkpoint import MANIFEST, Checkpoint
from cardio_ner.document import DISEASE, MEDICATION
from cardio_ner.errors import ConfigError
from cardio_ner.tagger import Tagger
from cardio_training.agreement import agreement, fresh_documents
from cardio_training.soft_labels import DRAWN
from cardio_training.texts import draw

pytestmark = pytest.mark.usefixtures("one_thread")
FILE = "text/notes.es.jsonl.gz"


@pytest.fixture
def other(two_group_checkpoint: Path, tmp_path: Path) -> Path:
    """The same checkpoint with two of the disease columns changed about; it has learnt half of the file."""
    folder = Path(shutil.copytree(two_group_checkpoint, tmp_path / "other"))
    model = AutoModelForTokenClassification.from_pretrained(folder)
    model.classifier.weight.data[[0, 1]] = model.classifier.weight.data[[1, 0]]
    model.classifier.bias.data[[0, 1]] = model.classifier.bias.data[[1, 0]]
    model.save_pretrained(folder)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    told = {"training_data": {"unlabelled": {FILE: 0.5}}}
    (folder / MANIFEST).write_text(json.dumps(manifest | told), encoding="utf-8")
    return folder


def test_what_the_last_stage_learnt_is_left_out(two_group_checkpoint: Path, other: Path, text_data: Path) -> None:
    everything = list(fresh_documents(Checkpoint.open(two_group_checkpoint), FILE, "es", text_data))
    fresh = list(fresh_documents(Checkpoint.open(other), FILE, "es", text_data))
    assert 0 < len(fresh) < len(everything)
    assert fresh == [document for document in everything if draw(document.text, DRAWN) >= 0.5]
    assert not list(fresh_documents(Checkpoint.open(other), FILE, "it", text_data))
    for same in (f"./{FILE}", str(text_data / FILE)):
        assert list(fresh_documents(Checkpoint.open(other), same, "es", text_data)) == fresh
    told = json.loads((other / MANIFEST).read_text(encoding="utf-8"))
    told["training_data"] = {"merged": [{"unlabelled": {}}, told["training_data"]]}
    (other / MANIFEST).write_text(json.dumps(told), encoding="utf-8")
    assert list(fresh_documents(Checkpoint.open(other), FILE, "es", text_data)) == fresh


def test_agreement_counts_the_mentions_of_each_and_of_both(
    two_group_checkpoint: Path, other: Path, text_data: Path
) -> None:
    first, second = Checkpoint.open(two_group_checkpoint), Checkpoint.open(other)
    rows = agreement(first, second, FILE, language="es", data=text_data, n_documents=5)
    documents = list(fresh_documents(second, FILE, "es", text_data))[:5]
    for row, name in zip(rows, (DISEASE, MEDICATION), strict=True):
        sides = [
            {
                (d.doc_id, s.start, s.end)
                for d in Tagger.load(it).tag(documents)
                for s in d.spans
                if s.entity_type == name
            }
            for it in (first, second)
        ]
        score = row.score
        assert (row.entity_type, row.documents) == (name, 5)
        assert (score.n_gold, score.n_predicted) == (len(sides[0]), len(sides[1]))
        assert score.true_positives == len(sides[0] & sides[1])
    assert (rows[0].score.f1 < 1, rows[1].score.f1, rows[1].score.n_gold > 0) == (True, 1, True)


def test_without_texts_or_a_common_type_there_is_no_agreement(
    two_group_checkpoint: Path, other: Path, hub_checkpoint: Path, text_data: Path
) -> None:
    first, second = Checkpoint.open(two_group_checkpoint), Checkpoint.open(other)
    with pytest.raises(ConfigError, match=r"notes\.es\.jsonl\.gz: no text in 'it' that .*other has not learnt"):
        agreement(first, second, FILE, language="it", data=text_data, n_documents=5)
    with pytest.raises(ConfigError, match="no entity type in common"):
        agreement(first, Checkpoint.open(hub_checkpoint), FILE, language="es", data=text_data, n_documents=5)


def test_the_command_prints_a_row_for_each_type(
    two_group_checkpoint: Path, other: Path, text_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = str(two_group_checkpoint)
    agree.main(one, one, language="es", texts=FILE, documents=3, data=text_data)
    printed = [line.split() for line in capsys.readouterr().out.splitlines() if "100.00" in line]
    assert [[row[1], row[3], row[-2]] for row in printed] == [[DISEASE, "3", "100.00"], [MEDICATION, "3", "100.00"]]
    with pytest.raises(SystemExit, match="2"):
        agree.main(one, str(other), language="en", texts=FILE, documents=3, data=text_data)
    assert "name another file" in capsys.readouterr().err
