"""Predictions by prompts on a planted set: right words predict the right class, wrong ones another."""

from pathlib import Path

from visionft.features.feature_store import current_kind
from visionft.project.edits.class_changes import SetPrompts
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore
from visionft.training.evaluation import prompt_evaluation
from visionft.training.evaluation.prompt_evaluation import predict_by_prompts


def test_names_near_the_images_predict_them(planted: Path, tmp_path: Path, tiny_clip: str, monkeypatch) -> None:
    monkeypatch.setattr(prompt_evaluation, "DEFAULT_TEXT_BACKBONE", tiny_clip)
    with ProjectStore.create(tmp_path / "project") as project:
        import_source(project, planted)
        images = project.snapshot()
        assert predict_by_prompts(project.path, images, images.images).tolist() == [True] * 24
        assert current_kind(project.path, project.image_reading) is None  # the project's own features stay
        project.apply(SetPrompts({"red": ("blue",)}))  # two classes of the same words
        images = project.snapshot()
        right = predict_by_prompts(project.path, images, images.images)
        wrong = {images.labels_of(image) for image, each in zip(images.images, right, strict=True) if not each}
        assert wrong == {("red",)} or wrong == {("blue",)}
