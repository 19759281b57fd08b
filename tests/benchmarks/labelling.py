"""What it costs to label a set with suggestions, a queue, rows of alike and a certificate: a simulated person.

    python tests/benchmarks/labelling.py ../shared/data/trashnet ../shared/data/sign_digits [--seeds 3] [--audits 100]

The person never errs. What counts as one action: a key that labels the one picture in view; a key that labels a row of
12 (as most of them are); a click on each exception in it, and one more to say what it is; a look at a row of 12 of the
audit's sample, and one more for each picture corrected there. When to stop follows from the suggestions (`readiness`),
no truth is used; in the window a person decides that.

Each round labels 8 pictures of the queue and 3 rows. Bars: at most .33 (trashnet) and .14 (sign_digits) actions a
picture, audit included, with at least 97 % of all labels right. At the end of every simulation further audits are
drawn, to see how often a bound is broken: at most 5 of 100 may be.
"""

import argparse
import copy
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.project.importing.importer import import_source
from visionft.project.store import Project
from visionft.suggest.audit import confidence_of, most_wrong_proven, suggest_plan
from visionft.suggest.feature_suggester import FeatureSuggester, LabelsSoFar, labels_so_far
from visionft.suggest.queue import ROW, next_pictures, rows_of_alike

QUEUE, ROWS = 8, 3
BARS = {"trashnet": 0.33, "sign_digits": 0.14}
# Of the wrong ones that may be, how many may be expected. While pictures are chosen for being unsure, fewer are wrong
# than is expected (trashnet and sign_digits: two thirds to all), because the labelled ones are harder than the rest.
_READY = 0.9
_AFTER_FAILURE = 0.75  # so much fewer after an audit that failed


def rightness_of_accepted(wanted: float, *, accepted: int, labelled: int) -> float:
    """Return how many of the accepted must be right for the wanted share of all labels to be.

    Those that a person gave count as right.

    Args:
        wanted: Share of all labels, 0 to 1.
        accepted: Pictures about to be accepted.
        labelled: Pictures that have labels already.
    """
    return max(0.5, 1 - (1 - wanted) * (accepted + labelled) / max(1, accepted))


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether it is time to accept what is left.

    Attributes:
        open: Pictures without a label.
        expected_wrong: Share of their suggestions that is wrong, by calibrated probabilities.
        rightness: Share of them that must be right for the wanted share of all labels.
        is_ready: Whether an audit is likely to be passed.
    """

    open: int
    expected_wrong: float
    rightness: float
    is_ready: bool


def readiness(suggester: FeatureSuggester, wanted: float = 0.97, *, number: int = 1) -> Readiness:
    """Tell whether everything that is still without a label could be accepted, for a wanted share of all labels.

    Args:
        suggester: What is suggested.
        wanted: Share of all labels that is to be right, 0 to 1.
        number: Which audit in a row the next one is (`next_number`): after a failed one, more has to be known.
    """
    places = suggester.open_places
    if suggester.needs or not len(places):
        return Readiness(open=len(places), expected_wrong=1.0, rightness=wanted, is_ready=False)
    sure = suggester.answers.probabilities[places].max(axis=1)
    expected = float(1 - sure.mean())
    labelled = len(suggester.image_ids) - len(places)
    rightness = rightness_of_accepted(wanted, accepted=len(places), labelled=labelled)
    is_ready = expected <= _READY * _AFTER_FAILURE ** (number - 1) * (1 - rightness)
    return Readiness(open=len(places), expected_wrong=expected, rightness=rightness, is_ready=is_ready)


@dataclass
class Person:
    """Who labels: knows every class, and counts what was done."""

    suggester: FeatureSuggester
    truth: dict[int, str]
    actions: int = 0
    keys: int = 0
    rows: int = 0
    exceptions: int = 0

    def label(self, image_ids: list[int]) -> None:
        """Say what pictures are; whoever calls counts the actions."""
        self.suggester.change({image_id: (self.truth[image_id],) for image_id in image_ids})

    def label_queue(self, count: int, seed: int) -> None:
        """Label the next pictures of the queue, a key each."""
        queued = [each.image_id for each in next_pictures(self.suggester, count, seed=seed)]
        self.keys += len(queued)
        self.actions += len(queued)
        self.label(queued)

    def label_rows(self, count: int) -> None:
        """Label rows of alike: a key each, two actions for each exception."""
        for row in rows_of_alike(self.suggester, most=count):
            most = Counter(self.truth[image_id] for image_id in row.image_ids).most_common(1)[0][1]
            wrong = len(row.image_ids) - most
            self.rows += 1
            self.exceptions += wrong
            self.actions += 1 + 2 * wrong
            self.label(list(row.image_ids))

    def is_wrong(self) -> np.ndarray:
        """Return whether the suggestions for the pictures without a label are wrong."""
        places = self.suggester.open_places
        called = self.suggester.answers.probabilities[places].argmax(axis=1)
        ids = self.suggester.image_ids[places]
        names = [self.suggester.class_names[index] for index in called]
        return np.array([name != self.truth[int(key)] for name, key in zip(names, ids, strict=True)])


def work_until_ready(person: Person, wanted: float, audit: int, seed: int) -> None:
    """Label until the program says that the rest can be accepted."""
    first = len(person.suggester.class_names)
    number = 0
    while len(person.suggester.open_places) and not readiness(person.suggester, wanted, number=audit).is_ready:
        number += 1
        if person.suggester.needs or np.median(person.suggester.state.counts) < 2:
            person.label_queue(first, seed * 10_007 + number)
        else:
            person.label_queue(QUEUE, seed * 10_007 + number)
            person.label_rows(ROWS)


def simulate(person: Person, *, wanted: float, seed: int, audits: int) -> dict[str, float]:
    """Label a whole set, and return what it cost and how right it is."""
    generator, number, total = np.random.default_rng(seed), 0, len(person.suggester.image_ids)
    broken = tried = 0
    while True:
        number += 1
        work_until_ready(person, wanted, number, seed + 1000 * number)
        found = readiness(person.suggester, wanted)
        planned, _ = confidence_of(number, 0.95)
        wrong = person.is_wrong()
        plan = suggest_plan(
            len(wrong), rightness=found.rightness, expected_wrong=found.expected_wrong, confidence=planned
        )
        for _ in range(audits if number == 1 else 0):
            seen = int(generator.choice(wrong, plan.sample, replace=False).sum())
            bound = most_wrong_proven(seen, accepted=len(wrong), sample=plan.sample, confidence=planned)
            tried, broken = tried + 1, broken + (wrong.sum() > bound)
        sample = generator.choice(len(wrong), plan.sample, replace=False)
        seen = int(wrong[sample].sum())
        person.actions += -(-plan.sample // ROW) + seen
        bound = most_wrong_proven(seen, accepted=len(wrong), sample=plan.sample, confidence=planned)
        if seen <= plan.allowed:
            break
        person.label([int(each) for each in person.suggester.image_ids[person.suggester.open_places[sample]]])
    return {
        "actions": person.actions / total,
        "right": 1 - (int(wrong.sum()) - seen) / total,
        "proven": 1 - (bound - seen) / total,
        "keys": person.keys,
        "rows": person.rows,
        "exceptions": person.exceptions,
        "accepted": len(wrong) / total,
        "sample": plan.sample,
        "audits": number,
        "expected": found.expected_wrong,
        "wrong": float(wrong.mean()),
        "broken": broken,
        "tried": tried,
    }


def features_of(folder: Path) -> tuple[Features, LabelsSoFar]:
    """Return the features and labels of a set of class folders."""
    with tempfile.TemporaryDirectory() as place, Project.create(Path(place) / "project") as project:
        import_source(project, folder)
        snapshot = project.snapshot()
        labelled = [image for image in snapshot.images if image.labels]
        features = embedded(project.path, type(snapshot)(snapshot.task, snapshot.class_names, tuple(labelled)))
        _ = features.inputs  # while its file is there
        return features, labels_so_far(project)


def main() -> None:
    """Print a table a set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--audits", type=int, default=100, help="drawn in all, spread over the seeds")
    parser.add_argument("--wanted", type=float, default=0.97)
    given = parser.parse_args()
    for folder in given.sets:
        features, labels = features_of(folder)
        truth = {key: names[0] for key, names in labels.given.items()}
        fresh = FeatureSuggester(features, LabelsSoFar({}, frozenset(), labels.class_names))
        found = []
        print(f"\n{folder.name}: {len(truth):,} pictures, {len(labels.class_names)} classes; wanted {given.wanted:.0%}")
        for seed in range(given.seeds):
            start = time.process_time()
            audits = -(-given.audits // given.seeds)
            each = simulate(Person(copy.deepcopy(fresh), truth), wanted=given.wanted, seed=seed, audits=audits)
            found.append(each)
            print(
                f"  seed {seed}: {each['actions']:.3f} actions a picture, {each['right']:.2%} right, proven "
                f"{each['proven']:.2%}; {each['keys']} keys, {each['rows']} rows, {each['exceptions']} exceptions, "
                f"accepted {each['accepted']:.0%} (expected wrong {each['expected']:.1%}, truly {each['wrong']:.1%}), "
                f"audit of {each['sample']}, number {each['audits']}; {time.process_time() - start:.0f} s",
                flush=True,
            )
        cost, right = np.mean([each["actions"] for each in found]), min(each["right"] for each in found)
        broken, tried = sum(each["broken"] for each in found), sum(each["tried"] for each in found)
        bar = BARS.get(folder.name)
        print(
            f"  mean {cost:.3f} actions a picture{f' (bar {bar})' if bar else ''}, least right {right:.2%}; the bound "
            f"held in {tried - broken} of {tried} audits"
        )


if __name__ == "__main__":
    main()
