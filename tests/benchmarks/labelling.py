"""Cost of labelling a set with suggestions, a queue, rows and a certificate: a simulated person.

    python tests/benchmarks/labelling.py ../shared/data/trashnet ../shared/data/sign_digits [--seeds 3] [--audits 100]

The person never errs. One action is: a key to label the image in view; a key to label a row of 12 (as most of them
are); a click on each exception in it, and one more to label it; viewing a row of 12 of the audit sample, and one more
for each correction there. The suggestions decide when to stop (`readiness`), without the truth; in the window a person
decides.

Each round labels 8 images of the queue and 3 rows. Requirements: at most .33 (trashnet) and .14 (sign_digits) actions
per image, audit included, with at least 97 % of all labels right. At the end of every simulation further audits are
drawn to count how often a bound is broken: at most 5 of 100 may be.
"""

import argparse
import copy
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.project.importing.importer import import_source
from visionft.project.store import Project
from visionft.suggest.audit import confidence_of, most_wrong_proven, suggest_plan
from visionft.suggest.feature_suggester import FeatureSuggester, LabelsSoFar, labels_so_far
from visionft.suggest.queue import ROW, next_images, suggestion_clusters

QUEUE, ROWS = 8, 3
BARS = {"trashnet": 0.33, "sign_digits": 0.14}
# Expected share of the allowed wrong labels. While images are chosen for being uncertain, fewer are wrong
# than expected (trashnet and sign_digits: two thirds to all), because the labelled ones are harder than the rest.
_READY = 0.9
_AFTER_FAILURE = 0.75  # stricter by this factor after a failed audit


def rightness_of_accepted(wanted: float, *, accepted: int, labelled: int) -> float:
    """Return the required accuracy of the accepted suggestions for the wanted accuracy of all labels.

    Labels assigned by a person count as right.

    Args:
        wanted: Share of all labels, 0 to 1.
        accepted: Images about to be accepted.
        labelled: Images with labels.
    """
    return max(0.5, 1 - (1 - wanted) * (accepted + labelled) / max(1, accepted))


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether it is time to accept the remaining suggestions.

    Attributes:
        open: Images without a label.
        expected_wrong: Expected share of wrong suggestions among them, by calibrated probabilities.
        rightness: Required share of right ones among them for the wanted share of all labels.
        is_ready: Whether an audit is likely to be passed.
    """

    open: int
    expected_wrong: float
    rightness: float
    is_ready: bool


def readiness(suggester: FeatureSuggester, wanted: float = 0.97, *, number: int = 1) -> Readiness:
    """Return whether all remaining suggestions could be accepted, for a wanted share of all labels.

    Args:
        suggester: Source of the suggestions.
        wanted: Required share of right labels among all, 0 to 1.
        number: Position of the next audit in a row (`next_number`): after a failed one the requirement is stricter.
    """
    places = suggester.open_places
    if suggester.needs or not len(places):
        return Readiness(open=len(places), expected_wrong=1.0, rightness=wanted, is_ready=False)
    sure = suggester.predictions.probabilities[places].max(axis=1)
    expected = float(1 - sure.mean())
    labelled = len(suggester.image_ids) - len(places)
    rightness = rightness_of_accepted(wanted, accepted=len(places), labelled=labelled)
    is_ready = expected <= _READY * _AFTER_FAILURE ** (number - 1) * (1 - rightness)
    return Readiness(open=len(places), expected_wrong=expected, rightness=rightness, is_ready=is_ready)


@dataclass
class Person:
    """The labelling person: knows every class, and counts the actions."""

    suggester: FeatureSuggester
    truth: dict[int, str]
    given: dict[int, tuple[str, ...]] = field(default_factory=dict)
    actions: int = 0
    keys: int = 0
    rows: int = 0
    exceptions: int = 0

    def label(self, image_ids: list[int]) -> None:
        """Label images; the caller counts the actions."""
        self.given |= {image_id: (self.truth[image_id],) for image_id in image_ids}
        self.suggester.learn(LabelsSoFar(self.given, frozenset(), self.suggester.class_names))

    def label_queue(self, count: int, seed: int) -> None:
        """Label the next images of the queue, a key each."""
        queued = [each.image_id for each in next_images(self.suggester, count, seed=seed)]
        self.keys += len(queued)
        self.actions += len(queued)
        self.label(queued)

    def label_rows(self, count: int) -> None:
        """Label rows of similar images: a key each, two actions for each exception."""
        for row in suggestion_clusters(self.suggester, most=count):
            most = Counter(self.truth[image_id] for image_id in row.image_ids).most_common(1)[0][1]
            wrong = len(row.image_ids) - most
            self.rows += 1
            self.exceptions += wrong
            self.actions += 1 + 2 * wrong
            self.label(list(row.image_ids))

    def is_wrong(self) -> np.ndarray:
        """Return whether the suggestions for the images without a label are wrong."""
        places = self.suggester.open_places
        called = self.suggester.predictions.probabilities[places].argmax(axis=1)
        ids = self.suggester.image_ids[places]
        names = [self.suggester.class_names[index] for index in called]
        return np.array([name != self.truth[int(key)] for name, key in zip(names, ids, strict=True)])


def work_until_ready(person: Person, wanted: float, audit: int, seed: int) -> None:
    """Label until the program considers the rest ready to accept."""
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
    """Label a whole set, and return its cost and accuracy."""
    generator, number, total = np.random.default_rng(seed), 0, len(person.suggester.image_ids)
    broken = tried = 0
    while True:
        number += 1
        work_until_ready(person, wanted, number, seed + 1000 * number)
        found = readiness(person.suggester, wanted)
        planned, _ = confidence_of(number, 0.95, spent=0.0)
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
        print(f"\n{folder.name}: {len(truth):,} images, {len(labels.class_names)} classes; wanted {given.wanted:.0%}")
        for seed in range(given.seeds):
            start = time.process_time()
            audits = -(-given.audits // given.seeds)
            each = simulate(Person(copy.deepcopy(fresh), truth), wanted=given.wanted, seed=seed, audits=audits)
            found.append(each)
            print(
                f"  seed {seed}: {each['actions']:.3f} actions an image, {each['right']:.2%} right, proven "
                f"{each['proven']:.2%}; {each['keys']} keys, {each['rows']} rows, {each['exceptions']} exceptions, "
                f"accepted {each['accepted']:.0%} (expected wrong {each['expected']:.1%}, truly {each['wrong']:.1%}), "
                f"audit of {each['sample']}, number {each['audits']}; {time.process_time() - start:.0f} s",
                flush=True,
            )
        cost, right = np.mean([each["actions"] for each in found]), min(each["right"] for each in found)
        broken, tried = sum(each["broken"] for each in found), sum(each["tried"] for each in found)
        bar = BARS.get(folder.name)
        print(
            f"  mean {cost:.3f} actions an image{f' (bar {bar})' if bar else ''}, least right {right:.2%}; the bound "
            f"held in {tried - broken} of {tried} audits"
        )


if __name__ == "__main__":
    main()
