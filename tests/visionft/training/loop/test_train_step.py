"""Dividing a batch to fit into memory, and the state needed to resume an optimiser."""

import pytest
import torch

from visionft.data.dataset import Batch
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.objective import Objective, new_totals
from visionft.training.loop.run_context import RunContext
from visionft.training.loop.train_step import TrainStep, parts_of
from visionft.training.runs.checkpoint import flatten_optimizer, restore_optimizer


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(8, 8, [8]), (9, 8, [9]), (10, 8, [8, 2]), (7, 3, [3, 4]), (3, 1, [1, 1, 1]), (1, 4, [1])],
)
def test_no_part_but_the_smallest_possible_holds_a_single_image(count, size, sizes) -> None:
    parts = parts_of(count, size)
    assert [part.stop - part.start for part in parts] == sizes
    assert [place for part in parts for place in range(count)[part]] == list(range(count))


def test_moments_come_back_in_the_memory_order_of_their_parameters() -> None:
    """A fused step refuses, and any other slows down, where the order of a moment and its parameter differ."""
    layer = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    written = {
        name: value.clone(memory_format=torch.contiguous_format) for name, value in flatten_optimizer(optimizer).items()
    }
    other = torch.optim.AdamW(layer.parameters())
    restore_optimizer(other, written)
    for parameter in layer.parameters():
        before, after = optimizer.state[parameter], other.state[parameter]
        assert after["step"] == before["step"] == 1
        for name in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(after[name], before[name]) and after[name].stride() == parameter.stride()


def test_the_average_stays_where_the_loss_scaler_skips_a_step() -> None:
    """fp16: a scaled gradient overflows, the weights stay, and the averages must not close in on them."""
    config = TrainConfig(
        backbone="test_vit", method="lora", weights="random", image_size=32, batch_size=8, device="cpu", ema_decay=0.9,
        precision="fp32",
    )  # fmt: skip
    context = RunContext.of_run(config, classes=3)
    context.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=3e38)  # type: ignore[attr-defined]
    train_step = TrainStep(
        context.classifier, context.classifier, config, Objective("single", 3), accelerator=context.accelerator,
        on_shrink=lambda size: None,
    )  # fmt: skip
    batch = Batch(torch.randn(8, 3, 32, 32), torch.arange(8) % 3, torch.arange(8), ())
    train_step.set_rate(0.01)
    skipped = []
    for number in range(12):
        before = (train_step.classifier.head.weight.clone(), train_step.average.updates)
        train_step.learn(batch, new_totals(torch.device("cpu")), epoch=1, number=number)
        has_stayed = torch.equal(train_step.classifier.head.weight, before[0])
        assert train_step.average.updates == before[1] + (not has_stayed)
        skipped.append(has_stayed)
    assert skipped[0] and not skipped[-1]
