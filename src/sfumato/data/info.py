"""What a face table says about itself: its encoder and every transformation applied."""

import json
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sfumato.errors import InputError
from sfumato.validation import check_choice

KEY = b"sfumato"
METRICS = ("cosine", "euclidean", "agreement")
BLOCKS = "blocks:"  # Before the size of a block.
NORMALISATIONS = ("none", "l2")


def check_metric(metric: Any) -> Any:
    """Return the name of a metric, or raise InputError listing the known ones."""
    if isinstance(metric, str) and re.fullmatch(BLOCKS + "[1-9][0-9]{0,8}", metric):
        return metric
    return check_choice(metric, (*METRICS, f"{BLOCKS}N with the blocks' size N"), "metric")


def by_direction(metric: str) -> bool:
    """Return whether a metric compares directions, so that a row of zeros cannot be compared."""
    return metric not in ("euclidean", "agreement")


@dataclass(frozen=True)
class TableInfo:
    """The metadata that a face table carries in its Arrow schema.

    Parameters
    ----------
    source : str, optional
        Name of the data set, e.g. ``"lfw"``.
    encoder, encoder_version : str, optional
        Name and version of what made the embeddings; tables without embeddings have none.
    dimension : int, optional
        Number of features of an embedding.
    metric : str, default="cosine"
        How two embeddings are compared: of :data:`METRICS` or ``"blocks:N"``, see
        :mod:`sfumato.metrics.comparators`.
    normalisation : {"none", "l2"}, default="none"
        Whether the embeddings have unit length.
    transformations : tuple of dict
        One entry per eraser applied, oldest first: its method, version, fingerprint,
        attributes and what it was fitted on; ``unlike`` where the people do not look
        like those that it was fitted on.
    """

    source: str | None = None
    encoder: str | None = None
    encoder_version: str | None = None
    dimension: int | None = None
    metric: str = "cosine"
    normalisation: str = "none"
    transformations: tuple[dict, ...] = field(default=())

    def __post_init__(self):
        check_metric(self.metric)
        check_choice(self.normalisation, NORMALISATIONS, "normalisation")

    @property
    def space(self) -> Any:
        """The embedding space as one string: encoder, version, dimension, erasers applied."""
        parts = [str(self.encoder), str(self.encoder_version), f"{self.dimension}-d"]
        parts += [f"{step['method']}:{step['fingerprint']}" for step in self.transformations]
        return " / ".join(parts)

    @property
    def unlike(self) -> list[str]:
        """A sentence for each eraser whose fitted people these templates do not look like."""
        return [
            f"these templates do not look like those that {step['method']} was fitted on "
            f"(distance {found['distance']:.2g} of {found['n_people']:,} people, of such people "
            f"at most {found['limit']:.2g}): expect more to be readable; fit on such people too, "
            "or adapt by --unlabelled."
            for step in self.transformations
            if (found := step.get("unlike"))
        ]

    def transformed(
        self, step: Any, *, dimension: Any, normalisation: Any, metric: Any = None
    ) -> Any:
        """Return the info of a table after one more transformation ``step`` (a dict)."""
        return replace(
            self,
            dimension=dimension,
            metric=self.metric if metric is None else metric,
            normalisation=normalisation,
            transformations=(*self.transformations, step),
        )

    def to_metadata(self) -> dict[Any, Any]:
        """Return the schema metadata, ``{b"sfumato": json}``."""
        return {KEY: json.dumps({"format": 1, **asdict(self)}).encode()}

    @classmethod
    def from_dict(cls, values: Any) -> Any:
        """Rebuild from :func:`dataclasses.asdict` or a JSON object; unknown keys are refused."""
        try:
            values = {key: value for key, value in values.items() if key != "format"}
            values["transformations"] = tuple(values.get("transformations", ()))
            info = cls(**values)
            _ = info.space  # needs the method and the fingerprint of every transformation
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(f"table metadata not understood: {error}.") from error
        if info.dimension is not None and not (type(info.dimension) is int and info.dimension > 0):
            raise InputError(
                f"table metadata not understood: dimension is {info.dimension!r}, which is no "
                "number of features."
            )
        return info

    @classmethod
    def from_metadata(cls, metadata: Any) -> Any:
        """Read the info from schema metadata; a foreign table gives an empty one."""
        raw = (metadata or {}).get(KEY)
        if raw is None:
            return cls()
        try:
            values = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise InputError(f"table metadata not understood: {error}.") from error
        if isinstance(values, dict) and values.get("format") != 1:
            raise InputError(
                f"table metadata has format {values.get('format')!r}, this version reads 1; "
                "update sfumato."
            )
        return cls.from_dict(values)


def check_same_space(
    info: TableInfo, expected: TableInfo, *, table: object, model: object
) -> None:
    """Refuse a table whose embeddings come from another encoder than a model's.

    Raises
    ------
    InputError
        Naming the table, both spaces and the remedy.
    """
    if info.space == expected.space:
        return
    remedy = "embed the photos with that encoder, or fit a model of these: sfumato fit"
    if info.encoder is None:
        remedy = (
            f"if they are of it, say so: sfumato data origin {table} -o OUTPUT "
            f"--encoder {expected.encoder}"
        )
    raise InputError(
        f"{table}: embeddings of [{info.space}] cannot go through {model}, which was fitted "
        f"on [{expected.space}]; {remedy}."
    )


def unknown_origin(info: TableInfo, table: object) -> list[str]:
    """Return a sentence, without a full stop, if a table does not say what made its embeddings."""
    if info.encoder is not None:
        return []
    return [
        f"{table}: embeddings of an unknown encoder, compared by {info.metric}; name encoder and "
        "metric by sfumato data origin"
    ]


def say_space(space: str) -> str:
    """Return a space's string in words, for people."""
    return space.replace("None / None", "an unknown encoder")
