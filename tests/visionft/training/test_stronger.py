"""A stronger network: offered where it is not here, fetched only when asked, and taken where it is better."""

from pathlib import Path

import pytest

import visionft
from visionft.core.errors import VisionFTError
from visionft.core.events import Notice, ResultStored
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import TrainConfig
from visionft.training.framing_choice import read_measured
from visionft.training.stronger import comparison_text, fetch_and_compare, stronger_network

CPU = TrainConfig(device="cpu", backbone="starter_vit")


@pytest.fixture
def project_dir(tmp_path: Path, photographs: Path) -> Path:
    with visionft.create(tmp_path / "project") as project:
        project.add(photographs, callback=lambda _event: None)
        project.split(callback=lambda _event: None)
    return tmp_path / "project"


def images_of(project_dir: Path):
    with ProjectStore.open(project_dir, read_only=True) as project:
        return project.snapshot()


def test_one_is_offered_until_it_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert stronger_network("cpu", ()).name == "dinov2_small" and stronger_network("cuda", ()).name == "dinov2_base"
    assert stronger_network("cpu", ("dinov2_small",)) is None
    assert stronger_network("cuda", ("dinov2_small",)) is None  # it takes part already


@pytest.mark.slow
def test_it_is_fetched_compared_and_kept(project_dir: Path, stronger_hub) -> None:
    images = images_of(project_dir)
    assert stronger_network("cpu").name == "strong"
    choice = fetch_and_compare(project_dir, images, CPU, "strong")
    assert stronger_network("cpu") is None and read_measured(project_dir) == choice
    trial = next(each for each in choice.trials if each.backbone == "strong")
    assert choice.backbone == "strong" and trial.gain > 0.1 and trial.gain_error > 0 and trial.slower > 0
    words = comparison_text(choice, "strong")
    assert words is not None and f"{trial.accuracy:.1%}" in words and f"{trial.accuracy - trial.gain:.1%}" in words
    assert comparison_text(choice, "starter_vit") is None  # the first one, with nothing to compare it with
    asked = len(stronger_hub.requests)
    again = fetch_and_compare(project_dir, images, CPU, "strong")  # all of it is here
    assert again.backbone == "strong" and len(stronger_hub.requests) == asked


@pytest.mark.slow
def test_a_run_fetches_after_its_first_answer_where_it_may(project_dir: Path, stronger_hub) -> None:
    with visionft.open(project_dir) as project:
        run = project.train("quick", device="cpu", callback=lambda _event: None)
        assert run.summary.config.backbone == "starter_vit" and not stronger_hub.requests  # never unasked
        order = list[str]()

        def note(event: object) -> None:
            if isinstance(event, ResultStored):
                order.append(f"result after {len(stronger_hub.requests)} requests")
            if isinstance(event, Notice):
                order.append(event.message)

        better = project.train("quick", fetch=True, device="cpu", callback=note)
        assert order.index("result after 0 requests") < next(n for n, each in enumerate(order) if "Fetched" in each)
        assert better.summary.config.backbone == "strong" and stronger_hub.requests
        assert better.unseen.top1 > run.unseen.top1
        third = project.train("quick", device="cpu", callback=lambda _event: None)
        assert third.summary.config.backbone == "strong"  # as measured


@pytest.mark.slow
def test_without_the_network_a_run_goes_on_and_says_so(project_dir: Path, stronger_hub, monkeypatch) -> None:
    monkeypatch.setenv("VISIONFT_OFFLINE", "1")
    said = list[Notice]()
    with visionft.open(project_dir) as project:
        run = project.train(
            "quick", fetch=True, device="cpu", callback=lambda e: isinstance(e, Notice) and said.append(e)
        )
        assert run.summary.config.backbone == "starter_vit" and not run.is_stopped and not stronger_hub.requests
        assert any(each.level == "warning" and "offline" in each.message for each in said)
        with pytest.raises(VisionFTError):
            project.train("quick", fetch=True, backbone="starter_vit", callback=lambda _event: None)
