"""The dry run measures real steps, leaves nothing behind, can be cancelled, and is known for the same settings."""

import dataclasses

import pytest

from visionft.core.errors import ConfigError
from visionft.core.events import Progress
from visionft.core.jobs import JobCancelled, JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import SetFacts, StepCost, estimate_run, extrapolate, measure_steps

TINY = TrainConfig(backbone="test_resnet", method="lora", image_size=32, batch_size=8, device="cpu")
COST = StepCost(setup_s=1.0, step_s=0.5, inference_s=0.01, decode_s=0.0, memory_mb=700, device="CPU", micro_batch=8)


@pytest.mark.parametrize("method", ["lora", "full", "linear"])
def test_a_dry_run_measures_without_weights(method, snapshot) -> None:
    events = []
    found = estimate_run(dataclasses.replace(TINY, method=method), snapshot, job=JobContext(events.append))
    assert 0 < found.seconds < 600 and found.memory_mb > 50
    assert found.fits_at_once and found.micro_batch == 8
    assert any(isinstance(event, Progress) and event.total for event in events)


def test_the_arithmetic_counts_steps_validation_and_the_head_start(snapshot) -> None:
    config = dataclasses.replace(TINY, epochs=10)  # 30 training images: 4 steps; 9 to validate on
    assert extrapolate(COST, config, SetFacts.of(snapshot)).seconds == pytest.approx(
        1 + 40 * 0.5 + (9 * (1 + 10 + 6) + 18 + 30 * (2 + 6)) * 0.01  # with the start twice, and six weights between
    )
    many = dataclasses.replace(SetFacts.of(snapshot), train=8000)
    assert extrapolate(COST, config, many).seconds == pytest.approx(1 + 10_000 * 0.5 + (153 + 18 + 8000 * 7) * 0.01)
    linear = dataclasses.replace(config, method="linear")
    assert extrapolate(COST, linear, SetFacts.of(snapshot)).seconds == pytest.approx(1 + 2 * 39 * 0.01)  # and mirrored
    assert extrapolate(COST, config, many).time_text != extrapolate(COST, linear, many).time_text
    shrunk = dataclasses.replace(COST, micro_batch=4)
    assert not extrapolate(shrunk, config, SetFacts.of(snapshot)).fits_at_once


def test_out_of_memory_is_part_of_the_answer(snapshot, monkeypatch) -> None:
    from visionft.training.loop.train_step import Objective

    whole = Objective.loss

    def small_device(self, logits, targets):
        if len(logits) > 2:
            raise MemoryError
        return whole(self, logits, targets)

    monkeypatch.setattr(Objective, "loss", small_device)
    found = estimate_run(TINY, snapshot)
    assert found.micro_batch == 2 and not found.fits_at_once


def test_it_stops_and_refuses_what_cannot_be_trained(snapshot) -> None:
    with pytest.raises(JobCancelled):
        measure_steps(TINY, snapshot, job=JobContext(cancelled=lambda: True))
    with pytest.raises(ConfigError):
        estimate_run(dataclasses.replace(TINY, method="prefix"), snapshot)
