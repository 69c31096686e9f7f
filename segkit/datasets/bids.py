"""BIDS: sub-01/ses-02/anat/sub-01_ses-02_T1w.nii.gz, with references among the derivatives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from segkit.datasets.case import Case, Layout
from segkit.datasets.columns import read_rows
from segkit.foundation.errors import DataError
from segkit.volumes.reading import format_by_suffix, stem

SUBJECT, SESSION, SPACE = "sub", "ses", "space"
PARTICIPANTS, PARTICIPANT, NOT_KNOWN = "participants.tsv", "participant_id", "n/a"
Session = tuple[str, str]
Entities = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BidsFile:
    """One file, its name taken apart.

    Attributes:
        path: where it lies.
        entities: key to value, as in `sub-01_run-1`.
        suffix: the last word of its name, such as `T1w`.
    """

    path: Path
    entities: Mapping[str, str]
    suffix: str

    @property
    def session(self) -> Session:
        """Subject and session, the latter "" where there are none."""
        return self.entities[SUBJECT], self.entities.get(SESSION, "")

    @property
    def others(self) -> Entities:
        """The entities beyond subject and session, in order."""
        return tuple((key, value) for key, value in self.entities.items() if key not in (SUBJECT, SESSION))


@dataclass(frozen=True)
class Bids(Layout):
    """A BIDS data set; channels are called as the suffixes of their images: `T1w`, `T2w`, `FLAIR`.

    A session is a case; several runs or acquisitions in it are a case each. A channel that has one file in a session
    serves all of its cases. Columns are `patient`, `session` and those of participants.tsv.

    Attributes:
        root: folder of `sub-*`.
        datatype: the folder of the images below subject or session.
        entities: only images with these, e.g. `{acq: mprage}`.
        derivatives: folder in which, at any depth, references lie; None: no case has one.
        references: patterns for their names without suffix, the first that finds one counts. Those in another space
            (`space-...`) are left out unless the pattern says `space`.

    Source: BIDS 1.10, "Magnetic Resonance Imaging" and "Imaging data types" of derivatives.
    """

    root: str
    datatype: str = "anat"
    entities: dict[str, str | int] = field(default_factory=dict)
    derivatives: str | None = None
    references: list[str] = field(default_factory=lambda: ["*_dseg", "*_mask"])

    def cases(self, channels: Iterable[str]) -> list[Case]:
        """Return every case, sorted by name.

        Raises:
            DataError: when no image is found, two files are the same channel of one case, or several references fit.
        """
        names = list(channels)
        sessions: dict[Session, dict[str, list[BidsFile]]] = {}
        for file in self._images(names):
            sessions.setdefault(file.session, {}).setdefault(file.suffix, []).append(file)
        if not sessions:
            wanted = "".join(f"*_{key}-{value}" for key, value in self.entities.items())
            raise DataError(f"{self.root} holds no sub-*/[ses-*/]{self.datatype}/{wanted}*_{names[0]} image")
        people, labelled = participants(Path(self.root)), self._labelled()
        cases = []
        for session, found in sorted(sessions.items()):
            for name, images in cases_of_session(session, found, names).items():
                reference = self._reference(images[names[0]], labelled.get(session, ()))
                columns = columns_of(session, people)
                cases.append(Case(name, {channel: file.path for channel, file in images.items()}, reference, columns))
        return sorted(cases, key=lambda case: case.name)

    def _images(self, names: Sequence[str]) -> Iterator[BidsFile]:
        for pattern in (f"sub-*/{self.datatype}/*", f"sub-*/ses-*/{self.datatype}/*"):
            for path in sorted(Path(self.root).glob(pattern)):
                file = parsed(path)
                if (
                    file
                    and file.suffix in names
                    and all(file.entities.get(key) == str(value) for key, value in self.entities.items())
                ):
                    yield file

    def _labelled(self) -> dict[Session, list[BidsFile]]:
        if self.derivatives is None:
            return {}
        folder = Path(self.derivatives)
        if not folder.is_dir():
            raise DataError(
                f"there is no folder {folder}: pass data.layout.derivatives=null if no case has a reference"
            )
        found: dict[Session, list[BidsFile]] = {}
        for path in sorted(folder.rglob("sub-*")):
            file = parsed(path)
            if file is not None:
                found.setdefault(file.session, []).append(file)
        return found

    def _reference(self, image: BidsFile, files: Sequence[BidsFile]) -> Path | None:
        """Return the reference of an image: of its subject and session, contradicting none of its entities."""
        for pattern in self.references:
            fitting = [
                file
                for file in files
                if fnmatchcase(stem(file.path), pattern)
                and (SPACE not in file.entities or f"{SPACE}-" in pattern)
                and all(image.entities.get(key, value) == value for key, value in file.entities.items())
            ]
            if len(fitting) > 1:
                raise DataError(
                    f"{fitting[0].path} and {fitting[1].path} could both be the reference of {image.path.name}: pass "
                    "the pattern for one of them as data.layout.references, or its folder as data.layout.derivatives"
                )
            if fitting:
                return fitting[0].path
        return None


def parsed(path: Path) -> BidsFile | None:
    """Take the name of a file apart; None where it is no volume with a BIDS name."""
    if format_by_suffix(path) is None or path.is_dir():
        return None
    *pairs, suffix = stem(path).split("_")
    entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
    if SUBJECT not in entities or len(entities) < len(pairs) or "-" in suffix:
        return None
    return BidsFile(path, entities, suffix)


def cases_of_session(
    session: Session, found: Mapping[str, Sequence[BidsFile]], channels: Sequence[str]
) -> dict[str, dict[str, BidsFile]]:
    """Return the cases of one session: case name to channel to file; a missing file where it should lie.

    Args:
        session: subject and session.
        found: channel to its files.
        channels: in order.

    Raises:
        DataError: when two files are the same channel of one case.
    """
    for files in found.values():
        for one, other in pairwise(files):
            if one.others == other.others:
                raise DataError(f"{one.path} and {other.path} are the same image; remove one")
    several = dict.fromkeys(file.others for files in found.values() if len(files) > 1 for file in files)
    combinations = list(several) or [next(iter(found.values()))[0].others]
    base = "_".join(f"{key}-{value}" for key, value in zip((SUBJECT, SESSION), session, strict=True) if value)
    common = set(combinations[0]).intersection(*combinations)
    cases = {}
    for others in combinations:
        name = "_".join([base, *(f"{key}-{value}" for key, value in others if (key, value) not in common)])
        images = {channel: _of(found.get(channel, ()), others, combinations) for channel in channels}
        known = next(file for file in images.values() if file is not None)
        cases[name] = {channel: file or _expected(known, channel) for channel, file in images.items()}
    return cases


def _of(files: Sequence[BidsFile], others: Entities, combinations: Sequence[Entities]) -> BidsFile | None:
    exact = next((file for file in files if file.others == others), None)
    serves_all = len(files) == 1 and (len(combinations) == 1 or files[0].others not in combinations)
    return exact or (files[0] if serves_all else None)


def _expected(known: BidsFile, channel: str) -> BidsFile:
    name = stem(known.path)
    renamed = f"{name.removesuffix(known.suffix)}{channel}{known.path.name[len(name) :]}"
    return BidsFile(known.path.with_name(renamed), known.entities, channel)


def participants(root: Path) -> dict[str, dict[str, str]]:
    """Return the columns of participants.tsv by participant, `n/a` as ""; nothing where there is none.

    Raises:
        DataError: when the table cannot be read or names no participants.
    """
    path = root / PARTICIPANTS
    if not path.is_file():
        return {}
    rows = read_rows(path, needs=[PARTICIPANT])
    return {
        row[PARTICIPANT]: {
            column: "" if cell == NOT_KNOWN else cell for column, cell in row.items() if column != PARTICIPANT
        }
        for row in rows
    }


def columns_of(session: Session, people: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the columns of a case: `patient`, `session` where there is one, and what is known of the participant."""
    subject = f"{SUBJECT}-{session[0]}"
    own = {"patient": subject, **({"session": f"{SESSION}-{session[1]}"} if session[1] else {})}
    return {**people.get(subject, people.get(session[0], {})), **own}
