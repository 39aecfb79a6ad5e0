"""Perturbers as ONNX graphs: pictures and the classes to show in, pictures out; torch."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sfumato import __version__
from sfumato.errors import InputError
from sfumato.export.graph import Graph
from sfumato.export.networks import N_EXAMPLES, add_network
from sfumato.export.parity import Export, edge_pictures
from sfumato.models.registry import PERTURBERS, method_name
from sfumato.models.saved_model import fingerprint_of
from sfumato.nets.pixels import luminance
from sfumato.nets.privacynet import label_planes
from sfumato.perturbers.san_output import coloured

LANDMARKS = ("controllable", "face-mixing")


def export_perturber(perturber: Any) -> Export:
    """Return the Export of a fitted perturber, with its model card.

    Raises
    ------
    InputError
        For a method that needs landmarks, or draws.
    """
    check_is_fitted(perturber)
    method = method_name(perturber, PERTURBERS)
    module, inputs = _module(method, perturber)
    graph, size = Graph(), perturber.size_
    graph.input("pictures", np.float32, [3, size, size])
    examples = {"pictures": torch.zeros(N_EXAMPLES, 3, size, size)}
    for name in inputs:
        graph.input(name, np.int64, [len(perturber.attributes_)])
        examples[name] = torch.zeros(N_EXAMPLES, len(perturber.attributes_), dtype=torch.int64)
    protected, seen = add_network(graph, module, examples)
    graph.output("protected", protected, np.float32, [3, size, size])
    graph.output("seen", seen, np.int64, [len(perturber.attributes_)])
    shown = perturber.shown_
    present = [len(classes) for classes in perturber.attributes_.values()]
    description = {
        "kind": "perturber",
        "method": method,
        "version": __version__,
        "fingerprint": fingerprint_of(perturber, method),
        "seed": perturber.seed,
        "labeller": perturber.labeller,
        "seen": {name: list(classes) for name, classes in perturber.attributes_.items()},
        "attributes": shown,
        "classes": {
            name: present if name == "now" else [len(classes) for classes in shown.values()]
            for name in inputs
        },
        "size": size,
        "about": perturber.about,
    }
    return Export(graph, description, _cases(perturber, shown, inputs))


def _cases(perturber, shown, inputs):
    """Return pictures with what ``transform`` makes of them, for every class to be shown."""
    images = edge_pictures((3, perturber.size_, perturber.size_))
    now = {
        name: np.resize(classes, len(images)) for name, classes in perturber.attributes_.items()
    }
    codes = [np.resize(np.arange(len(c)), len(images)) for c in perturber.attributes_.values()]
    found = perturber._codes(torch.from_numpy(images))
    seen = np.stack([found[name] for name in perturber.attributes_], axis=1)
    cases = []
    for number in range(max(map(len, shown.values()))):
        then = {name: number % len(classes) for name, classes in shown.items()}
        hide = {name: shown[name][code] for name, code in then.items()}
        expected = perturber.transform(images, hide=hide, labels=now)
        given = {
            "pictures": images,
            "then": np.tile(list(then.values()), (len(images), 1)),
            "now": np.stack(codes, axis=1),
        }
        given = {name: given[name] for name in ("pictures", *inputs)}
        cases.append((given, {"protected": expected, "seen": seen}))
    alone = {name: values[:1] for name, values in given.items()}
    return [*cases, (alone, {"protected": expected[:1], "seen": seen[:1]})]


def _module(method, perturber):
    """Return the module and the names of its class codes."""
    if method in LANDMARKS:
        raise InputError(
            f"{method} has no ONNX form: it finds landmarks on each picture and warps it with "
            "NumPy; apply it with sfumato protect."
        )
    if method == "soft":
        raise InputError(
            "soft has no ONNX form: it searches the change of each picture by gradients; apply "
            "it with sfumato protect."
        )
    if method in ("privacynet", "baseline-gan"):
        return _LabelledNet(perturber), ("then",)
    if method == "san":
        net, classifier = perturber._networks()
        return _Sans([net], [classifier], perturber), ("then", "now")
    if method == "flowsan":
        nets, classifiers = zip(*perturber._networks(), strict=True)
        return _Sans(nets[: perturber._n_applied()], classifiers, perturber), ("then", "now")
    if method != "san-ensemble":
        raise InputError(f"{method} has no ONNX form yet; apply it with sfumato protect.")
    if perturber.selection != "average":
        raise InputError(
            f"san-ensemble with selection={perturber.selection!r} has no ONNX form: it draws "
            "a SAN from the bits of each picture; set selection='average', or apply it with "
            "sfumato protect."
        )
    nets, classifiers, reader = perturber._networks()
    return _Sans(nets, classifiers, perturber, reader=reader, average=True), ("then", "now")


class _LabelledNet(nn.Module):
    """PrivacyNet's generator, with class codes in the place of label planes."""

    def __init__(self, perturber: Any) -> None:
        super().__init__()
        self.generator, self.labeller, self.layout = perturber._networks()
        layout = self.layout
        for number, (name, (_, n_classes)) in enumerate(layout.items()):
            codes = {name: torch.arange(n_classes)}
            self.register_buffer(f"planes_{number}", label_planes(codes, {name: layout[name]}))
        self.n_attributes, self.strength = len(layout), perturber.strength

    def forward(self, pictures: Any, then: Any) -> tuple[Any, ...]:
        planes = [
            getattr(self, f"planes_{k}").index_select(0, then[:, k])
            for k in range(self.n_attributes)
        ]
        made = (self.generator(2 * pictures - 1, torch.cat(planes, dim=1)) + 1) / 2
        made = pictures + self.strength * (made - pictures)
        return made.clamp(0, 1), self._seen(pictures)

    def _seen(self, pictures):
        """Return the classes, the twin of :func:`sfumato.nets.privacynet.read_labels`."""
        _, logits = self.labeller(2 * pictures - 1)
        codes = []
        for start, n_classes in self.layout.values():
            own = logits[:, start : start + (n_classes if n_classes > 2 else 1)]
            own = own if n_classes > 2 else torch.cat([0 * own, own], dim=1)
            codes.append(own.argmax(dim=1).unsqueeze(1))
        return torch.cat(codes, dim=1)


class _Sans(nn.Module):
    """SANs in sequence, or side by side and averaged.

    The twin of :func:`sfumato.perturbers.san_output.shown`; ``reader`` tells the group whose
    prototypes a picture takes.
    """

    prototypes: torch.Tensor

    def __init__(
        self,
        nets: Any,
        classifiers: Any,
        perturber: Any,
        *,
        reader: Any = None,
        average: bool = False,
    ) -> None:
        super().__init__()
        self.nets, self.reader, self.average = nn.ModuleList(nets), reader, average
        self.classifiers = nn.ModuleList(classifiers)
        # Three of a group, one below the other.
        prototypes = np.concatenate(perturber.prototypes_).astype(np.float32)
        self.register_buffer("prototypes", torch.from_numpy(prototypes))

    def forward(self, pictures: Any, then: Any, now: Any) -> tuple[Any, ...]:
        same, shown = now[:, 0], then[:, 0]
        if self.reader is not None:
            first = 3 * self.reader(luminance(pictures)).argmax(dim=1)
            same, shown = first + same, first + shown
        same, shown = (self.prototypes.index_select(0, places) for places in (same, shown))
        outputs = [pictures]
        for net in self.nets:
            x = pictures if self.average else outputs[-1]
            (grey,) = net(luminance(x), same, shown)
            outputs.append(coloured(x, grey))
        made = sum(outputs[1:]) / len(self.nets) if self.average else outputs[-1]
        return made, self._seen(pictures)

    def _seen(self, pictures):
        """Return the likelier of the two classes, by the classifiers' mean probability."""
        grey = luminance(pictures)
        logits = [classifier(grey) for classifier in self.classifiers]
        second = sum((n[:, 1:2] - n[:, 0:1]).sigmoid() for n in logits) / len(logits)
        return torch.cat([0 * second + 0.5, second], dim=1).argmax(dim=1).unsqueeze(1)
