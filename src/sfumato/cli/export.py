"""``sfumato export``: a saved model as an ONNX file."""

from pathlib import Path

import typer

from sfumato.cli import app
from sfumato.cli.opening import open_model
from sfumato.cli.output import print_json, say


@app.command()
def export(
    model: Path = typer.Argument(help="A saved eraser, reader or perturber."),
    output: Path = typer.Option(..., "--output", "-o", help="ONNX file to write."),
    force: bool = typer.Option(False, "--force", help="Replace an existing file."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Write a model as an ONNX file, checked against the method itself.

    Refused: erasers that draw from a row's bits (cosine-noise, ldp-noise, negative-face, pe-miu),
    perturbers that need landmarks (face-mixing, controllable), san-ensemble unless it averages.
    """
    from sfumato.export.exporting import export_model

    done = export_model(open_model(model), output, overwrite=force)
    if as_json:
        print_json(done)
        return
    lines = [f"{output}: {done['method']}, opset {done['opset']}, {done['n_bytes'] / 1e6:.2f} MB"]
    for what in ("inputs", "outputs"):
        shapes = [f"{name} ({', '.join(map(str, n))})" for name, n in done[what].items()]
        lines.append(f"{what}: {'; '.join(shapes)}")
    lines.append(f"greatest difference from the method: {done['difference']:.1e} of the output")
    say(*lines)
