"""Write a saved model as an ONNX file, and check that it does the same."""

from pathlib import Path
from typing import Any

from sfumato.errors import InputError
from sfumato.export.erasers import export_eraser
from sfumato.export.graph import OPSET
from sfumato.export.parity import check_cases
from sfumato.files import atomic_path, check_free
from sfumato.models.files import load
from sfumato.models.onnx_model import FORMAT, OnnxModel
from sfumato.models.onnx_seal import seal
from sfumato.models.saved_model import SavedModel
from sfumato.perturbers.base import Perturber
from sfumato.readers.templates import TemplateReader


def export_model(
    model: str | Perturber, output: str | Path, *, overwrite: bool = False
) -> dict[str, Any]:
    """Write an eraser, a reader or a perturber as an ONNX file; needs the extra ``export``.

    Parameters
    ----------
    model : str, Path, SavedModel, eraser, TemplateReader, PixelReader or Perturber
        A path is that of a file that sfumato saved. Networks on pictures need the extra
        ``deep`` too.
    output : str or Path
        Appears only when ONNX Runtime gave what the method gives, to 1e-5 of the output's size,
        on random rows and on zero, tiny, huge and duplicate ones.
    overwrite : bool, default=False
        Replace an existing output.

    Returns
    -------
    dict
        ``output``, ``kind``, ``method``, ``inputs`` and ``outputs`` (name to shape, "N" being
        the number of rows), ``opset``, ``n_bytes`` and ``difference``, the greatest one found.

    Raises
    ------
    InputError
        For a method without an ONNX form: erasers that draw from a row's bits (``cosine-noise``,
        ``ldp-noise``, ``negative-face``, ``pe-miu``), perturbers that need landmarks
        (``face-mixing``, ``controllable``), and ``san-ensemble`` unless it averages. For a file
        that is not sfumato's, or an output that exists.
    SfumatoError
        If the file does not do the same; it is not written.

    Notes
    -----
    Erasers take ``embedding`` (N, d) and give ``protected`` (N, d_out), float32. Readers take
    ``embedding``, or ``pictures``: uint8 (N, side, side, 3), RGB, cut out as by
    :func:`sfumato.faces.crops.crop_face` with ``crops``. They give, for each attribute, its
    classes' probabilities, or those of the ages and, as ``NAME_value``, the age in years that
    ``read`` gives. Perturbers take ``pictures``: float32 (N, 3, size, size) in [0, 1], and
    ``then``: int64 (N, n_attributes), the numbers of the classes to show (``now`` besides,
    the present ones, of the semi-adversarial networks), and give ``protected`` pictures.
    """
    inputs = [model] if isinstance(model, str | Path) else []
    output = check_free(output, overwrite=overwrite, inputs=inputs)
    export = _export(model)
    serialised = seal(
        export.graph.model({"format": FORMAT, **export.description}).SerializeToString()
    )
    with atomic_path(output) as temporary:
        temporary.write_bytes(serialised)
        written = OnnxModel(temporary)
        greatest = check_cases(written, export.cases, output)
    return {
        "output": str(output),
        "kind": written.kind,
        "method": written.method,
        "inputs": written.inputs,
        "outputs": written.outputs,
        "opset": OPSET,
        "n_bytes": len(serialised),
        "difference": greatest,
    }


def _export(model):
    if isinstance(model, str | Path):
        path, model = Path(model), load(model)
        if path.suffix.lower() == ".onnx":
            raise InputError(f"{path}: is exported already; copy it.")
    if isinstance(model, TemplateReader):
        from sfumato.export.readers import export_template_reader

        return export_template_reader(model)
    if isinstance(model, Perturber):
        from sfumato.export.perturbers import export_perturber

        return export_perturber(model)
    if getattr(model, "kind", None) == "pixels":
        from sfumato.export.readers import export_pixel_reader

        return export_pixel_reader(model)
    return export_eraser(model if isinstance(model, SavedModel) else SavedModel(model))
