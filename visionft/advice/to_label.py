"""Which pictures to label for more of a class: those without a label that are most likely of it."""

from visionft.data.types import Snapshot
from visionft.features.feature_store import Features
from visionft.suggest.feature_suggester import FeatureSuggester, LabelsSoFar


def likely_pictures(
    features: Features, images: Snapshot, accepted: frozenset[int], *, class_name: str, count: int
) -> tuple[int, ...]:
    """Return the ids of up to `count` pictures without a label, the likeliest of the class first.

    Args:
        features: Of the project's pictures.
        images: Pictures and labels.
        accepted: Pictures whose label was only accepted from suggestions.
        class_name: Of which class; empty for the least sure of any.
        count: How many.
    """
    names = images.class_names
    given = {
        image.image_id: tuple(names[index] for index in image.labels)
        for image in images.images
        if image.labels and image.image_id not in accepted
    }
    if len(given) + len(accepted) >= len(features):
        return ()
    labels = LabelsSoFar(given, accepted, names)
    suggester = FeatureSuggester(features, labels, is_multilabel=images.task == "multi")
    if suggester.needs:
        return ()
    rows = suggester.answers.probabilities
    scores = rows[:, names.index(class_name)] if class_name else -rows.max(axis=1)
    places = sorted(suggester.open_places, key=lambda place: -scores[place])[:count]
    return tuple(int(suggester.image_ids[place]) for place in places)
