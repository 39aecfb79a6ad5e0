"""The gallery: a folder of protected templates of one encoder and one chain of erasers."""

from pathlib import Path
from typing import Any

from sfumato.data.labels import as_text
from sfumato.errors import InputError
from sfumato.files import check_replaceable
from sfumato.gallery import _changes as changes
from sfumato.gallery import _contents as contents
from sfumato.gallery import _index as index
from sfumato.gallery._calibration import measure_templates, threshold_of
from sfumato.gallery._enrolment import Enrolment
from sfumato.gallery._folder import Folder, make_folder, read_info
from sfumato.gallery._matching import Matcher
from sfumato.gallery._templates import as_templates, check_fits, check_protected
from sfumato.outcomes import Progress


class Gallery:
    """Protected templates on disk, each of a person, to compare others with.

    Parameters
    ----------
    path : str or Path
        The folder that :meth:`create` has made.

    Attributes
    ----------
    path : Path
    info : TableInfo
        The space of the templates; those of another one are refused.
    log : AuditLog

    Raises
    ------
    InputError
        If the folder is missing, no gallery, or one of a newer format.

    Notes
    -----
    A gallery holds biometric data: erasing an attribute is no anonymisation. Scores are those of
    :mod:`sfumato.metrics.comparators`; a person's is that of their best template. The rate of a
    threshold is that of a pair: a stranger who is compared with ``n`` templates meets ``n`` times
    the FMR of false matches on average, which :meth:`identify` reports.

    One process writes at a time, several read; each batch of an enrolment is in the gallery
    whole or not at all, whatever kills it. Rows that were read once stay in memory until this
    object sees that the gallery has changed, up to 1 GiB. A gallery in a folder that may not be
    written to can be read: nothing is locked or logged then. Metrics other than the cosine and the
    Euclidean distance (PE-MIU, negative face) are searched exactly, by their own comparator.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.info = read_info(self.path)
        self._folder = Folder(self.path)
        self.log = self._folder.log
        self._matcher = Matcher(self.info, self._folder)

    @property
    def replaced(self) -> bool:
        """Whether a gallery of other templates is in its place by now; then it refuses all."""
        return self._folder.identity.replaced

    @classmethod
    def create(cls, path: Path, like: Any) -> Any:
        """Make an empty gallery for templates like those of a protected face table.

        Parameters
        ----------
        path : str or Path
            Must not exist.
        like : FaceTable, its path, or ProtectedTemplates
            Only its metadata are read; enrol it afterwards.

        Raises
        ------
        InputError
            If ``path`` exists, or for raw templates.
        """
        like = as_templates(like)
        check_protected(like.info, like.name)
        make_folder(Path(path), like.info)
        return cls(path)

    def enrol(self, templates: Any, *, progress: Progress | None = None) -> Enrolment:
        """Add templates, a commit every 8192.

        Parameters
        ----------
        templates : FaceTable, its path, or ProtectedTemplates
            ``image_id`` is a template's name, ``identity`` the person's; both are needed.
        progress : callable, optional
            Called as ``progress(n_done, n_rows, what)``.

        Returns
        -------
        Enrolment
            A row that is NaN or zero, unnamed, or whose template id is taken is a reject with
            its reason; the others are in the gallery. Of two rows with one id the first is.

        Raises
        ------
        InputError
            For templates of another space than the gallery's: nothing is enrolled.
        """
        return changes.enrol(self._folder, self._fitting(templates), self.info.metric, progress)

    def _fitting(self, templates):
        templates = as_templates(templates)
        check_fits(templates.info, self.info, templates.name)
        return templates

    def calibrate(
        self,
        templates: Any,
        *,
        max_impostor: int | None = None,
        overwrite: bool = False,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Measure which scores people and strangers reach, for thresholds by FMR.

        Parameters
        ----------
        templates : FaceTable, its path, or ProtectedTemplates
            Protected templates of known people, several each, of the gallery's space. They are
            not enrolled. Every one must be usable.
        max_impostor : int, optional
            A sample of the impostor pairs where there are more; default 10,000,000.
        overwrite : bool, default=False
            Replace an earlier calibration.
        seed : int, default=0
            Of the sample.

        Returns
        -------
        dict
            How many templates, people and pairs it rests on.
        """
        given = self._fitting(templates)
        if self._folder.calibration.exists() and not overwrite:
            raise InputError(f"{self.path} is calibrated already; pass overwrite (--force).")
        more = {} if max_impostor is None else {"max_impostor": max_impostor}
        found = measure_templates(given, self.info.metric, seed=seed, **more)
        changes.keep_calibration(self._folder, found)
        return found.counts

    def threshold(self, fmr: Any = None, score: Any = None) -> Any:
        """Return the :class:`~sfumato.gallery._calibration.Threshold` at an FMR, or a score's."""
        if fmr is None or score is not None:
            return threshold_of(self._folder.calibration, fmr, score)
        with self._folder.reading():
            return threshold_of(self._folder.verified_calibration(), fmr, score)

    def verify(
        self,
        templates: Any,
        person: str | None = None,
        *,
        fmr: float | None = None,
        threshold: float | None = None,
    ) -> dict[str, Any]:
        """Compare each template with the person it claims to be.

        Parameters
        ----------
        templates : FaceTable, its path, or ProtectedTemplates
        person : str, optional
            Claimed by all; default: each row's ``identity``. Numbers as in :meth:`delete`.
        fmr : float in (0, 1), optional
            False match rate of the threshold, from the gallery's calibration.
        threshold : float, optional
            The score itself, instead of ``fmr``.

        Returns
        -------
        dict
            ``threshold``, ``n_probes``, ``n_accepted``, ``probes`` (``probe``, ``person``,
            ``score``, ``accepted``) and ``rejects`` (``probe``, ``reason``).
        """
        limit, templates = self.threshold(fmr, threshold), self._fitting(templates)
        return self._matcher.verify(templates, person, limit)

    def identify(
        self,
        templates: Any,
        *,
        k: int = 5,
        fmr: float | None = None,
        threshold: float | None = None,
        exact: bool = False,
    ) -> dict[str, Any]:
        """Say who each template is, among the enrolled people or nobody.

        Parameters
        ----------
        templates : FaceTable, its path, or ProtectedTemplates
        k : int >= 1, default=5
            At most so many people a probe.
        fmr : float in (0, 1), optional
            False match rate of the threshold, from the gallery's calibration.
        threshold : float, optional
            The score itself, instead of ``fmr``.
        exact : bool, default=False
            Compare with every template even where there is an index.

        Returns
        -------
        dict
            ``search`` (``"exact"`` or ``"index"``) and, of an index, ``recall_at_1``;
            ``threshold``; ``n_templates``; ``false_matches_of_a_stranger``: templates that one who
            is not enrolled matches on average; ``n_probes``, ``n_named``; ``probes``: ``probe``,
            ``person`` (None below the threshold), ``candidates`` (``rank``, ``person``,
            ``score``), all from the threshold on; ``rejects`` (``probe``, ``reason``).
        """
        limit, templates = self.threshold(fmr, threshold), self._fitting(templates)
        return self._matcher.identify(templates, k, limit, exact)

    def build_index(self, *, n_queries: Any = index.N_QUERIES, seed: int = 0) -> Any:
        """Index the templates, so that :meth:`identify` need not look at all of them.

        Templates enrolled later are compared one by one until the next call; see
        :func:`sfumato.gallery._index.build`.
        """
        return changes.build_index(self._folder, self.info.metric, n_queries, seed)

    def list(self) -> Any:
        """Return each person with ``n_templates`` and when the first and last was enrolled."""
        with self._folder.reading() as store:
            found = contents.people(store)
            self.log.append("list", n_people=len(found))
        return found

    def delete(self, person: str) -> dict[str, Any]:
        """Delete every template of a person, from the files as well.

        Files that held a row of theirs are rewritten, older versions and the index removed:
        search is exact until :meth:`build_index` is called. What a call that was killed left to
        do is done by the next one that writes. What killed exports left beside their outputs goes
        too; whole exports stay. In the audit log a keyed hash of the name stays. Not promised:
        that the medium's free blocks, snapshots, backups, exports, or the memory of another
        process hold nothing more.

        Parameters
        ----------
        person : str
            Text that names a whole number, such as ``"7.0"``, finds ``"7"`` where nobody else
            has that name.

        Returns
        -------
        dict
            ``person``, ``n_templates`` deleted, ``index_removed``, and ``unknown_files``: names
            of files in the folder that are not the gallery's, which may hold the person.

        Raises
        ------
        InputError
            If nobody of that name is enrolled.
        """
        name = as_text([person])[0] or str(person)
        found = changes.delete_person(self._folder, name)
        self._matcher.forget()
        return found

    def check(self) -> dict[str, Any]:
        """Read every file and compare it with its checksum.

        Returns
        -------
        dict
            ``path``; ``n_files`` that are listed; ``damaged``: ``file`` and ``fault`` of each;
            ``unlisted``: those without a checksum, which the next change lists.
        """
        return self._folder.check()

    def export(self, output: Any) -> dict[str, Any]:
        """Write all templates as a face table; return ``output`` and ``n_rows``.

        Parameters
        ----------
        output : str, Path or binary file
            Must not exist; appears only when complete. ``enrolled`` is a label column.
        """
        if isinstance(output, str | Path):
            check_replaceable(output)
        with self._folder.reading() as store:
            # Written before, so that a deletion finds what a killed export leaves.
            self.log.append("export", n_templates=store.n_rows, **self._folder.noted(output))
            n_rows = contents.write_rows(store, output, self.info)
        return {"output": str(output), "n_rows": n_rows}

    def summary(self) -> Any:
        """Return what the gallery holds and how it searches, JSON-ready."""
        return contents.summary(self._folder, self.info, self._matcher.index)
