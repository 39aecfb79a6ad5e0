"""Maps of expressions: what Fig. 3 and 5 of the emotional-blinded representations share."""

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from sfumato.readers.heads import DomainAdaptationClassifier
from sfumato.reproduce._expressions import FIVE, Expressions
from sfumato.reproduce._maps import N_NEIGHBOURS, draw_maps, purity, tsne
from sfumato.reproduce._result import Findings, rows_of

X_MAP = "x"
SECTION = "purity on the map"


def f3(context: Any, X: ArrayLike, y: ArrayLike, seed: int) -> Any:
    """Return f_3: a dense layer of 1,024 ReLU units trained to read the emotion."""
    return DomainAdaptationClassifier(n_epochs=context.pick(40, 150), seed=seed).fit(X, y)


def emotion_maps(context: Any, versions: Callable[..., Any], *notes: Any) -> Findings:
    """Map expressions of people no eraser and no reader saw.

    Parameters
    ----------
    context : Context
    versions : callable
        ``versions(data, rows, shown, seed) -> dict of str to array``: representations of the
        faces ``shown``, of whatever was trained on ``rows``.
    *notes : str

    Returns
    -------
    Findings
    """
    data = Expressions(context)
    pictures: dict = {}

    def measure(seed):
        rows, shown = data.halves(seed)
        context.say("readers")
        found = versions(data, rows, shown, seed)
        context.say("t-SNE")
        maps = {name: tsne(X, seed=seed) for name, X in found.items()}
        if seed == context.seeds[0]:
            pictures["maps"] = draw_maps(maps, shown["expression"])
        figures: dict = {}
        for name, points in maps.items():
            value, chance = purity(points, shown["expression"])
            figures[SECTION, name, "purity"] = value
            figures[SECTION, name, "chance"] = chance
        return figures

    figures = context.over_seeds(measure)
    about = [
        f"Share of the {N_NEIGHBOURS} nearest neighbours on the map that show the point's "
        "emotion, averaged over the emotions; the paper prints the map alone.",
        FIVE,
        "The people shown are not those on whom f_3 and the eraser were trained; the paper does "
        "not say so of its own. The map shows the first seed. Photos of one person in one "
        "expression are near each other on any map.",
    ]
    return Findings(rows_of(figures), [*about, *notes], pictures)
