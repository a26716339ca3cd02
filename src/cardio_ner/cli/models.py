"""`cardio-ner models`: the checkpoints that ship; `models fetch`: one of the Hugging Face hub, kept on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardio_ner.document import LANGUAGES
from cardio_ner.errors import InputError

if TYPE_CHECKING:
    from cardio_ner.checkpoint import Checkpoint

COLUMNS = ("checkpoint", "languages", "types", "strict F1", "model_id", "MB", "licence")

app = typer.Typer(help="The checkpoints that ship, with their scores and digests.")


@app.callback(invoke_without_command=True)
def models(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array in place of a table")] = False,
) -> None:
    """Show the checkpoints that ship: languages, types, scores, digests, sizes, licences."""
    if ctx.invoked_subcommand is not None:
        return
    from cardio_ner.checkpoint import Checkpoint, packaged_model

    shipped = {language: Checkpoint.open(packaged_model(language)) for language in LANGUAGES}
    facts = [_facts(name, checkpoint) for name, checkpoint in shipped.items()]
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    _print_table(facts)
    for measured_on in dict.fromkeys(fact["scored_on"] for fact in facts):
        typer.echo(f"Strict F1 on {measured_on}: a development score, not a test score (docs/accuracy.md).")
    if any(fact["scored_model_id"] != fact["model_id"] for fact in facts):
        typer.echo("It is that of twins, made alike, that never saw these documents: what ships has learnt them too.")


@app.command()
def fetch(
    hub_id: Annotated[str, typer.Argument(metavar="HUB_ID", help="owner/model on the Hugging Face hub")],
) -> None:
    """Fetch a token-classification model from the hub (safetensors, tokenizer and config only), and check it."""
    from cardio_ner.checkpoint import Checkpoint

    if Path(hub_id).exists():
        raise InputError(f"{hub_id}: is on this machine: expected a hub name; tag --checkpoint takes a folder as it is")
    checkpoint = Checkpoint.open(hub_id)
    _print_table([_facts(hub_id, checkpoint)])
    typer.echo(f"In {checkpoint.folder}. To use it: cardio-ner tag --checkpoint {hub_id} FILE")


def _facts(name: str, checkpoint: Checkpoint) -> dict[str, Any]:
    manifest = checkpoint.manifest
    return {
        "name": name,
        "languages": list(manifest.languages),
        "entity_types": list(checkpoint.scheme.entity_types),
        "strict_f1": manifest.dev_scores.get("strict_f1", {}),
        "scored_on": manifest.dev_scores.get("data", ""),
        "scored_model_id": manifest.dev_scores.get("measured_on", checkpoint.model_id),
        "model_id": checkpoint.model_id,
        "weights_bytes": sum(path.stat().st_size for path in checkpoint.folder.glob("*.safetensors")),
        "licence": manifest.licence,
        "folder": str(checkpoint.folder),
    }


def _print_table(facts: list[dict[str, Any]]) -> None:
    from cardio_ner.report.terminal import open_console, table_of

    rows = [
        (
            fact["name"],
            ", ".join(fact["languages"]),
            ", ".join(fact["entity_types"]),
            "\n".join(f"{task} {100 * f1:.2f}" for task, f1 in fact["strict_f1"].items()),
            fact["model_id"],
            f"{fact['weights_bytes'] / 1e6:.1f}",
            fact["licence"],
        )
        for fact in facts
    ]
    open_console().print(table_of(COLUMNS, rows, right=("MB",)))
