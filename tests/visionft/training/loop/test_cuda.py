"""What only a CUDA GPU shows: every method trains in bf16, continues, and gives the CPU's answers when read back."""

import dataclasses
from pathlib import Path

import pytest

from models.methods.table import METHODS
from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import resume, train
from visionft.training.runs.loaded_run import load_trained
from visionft.training.runs.run_folder import read_run

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]
SETTINGS = TrainConfig(backbone="test_vit", weights="random", image_size=32, batch_size=8, epochs=3, device="cuda")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_on_the_gpu_and_continues(method: str, snapshot: Snapshot, tmp_path: Path) -> None:
    config = dataclasses.replace(SETTINGS, method=method)

    def after_the_first_epoch() -> bool:
        return (tmp_path / "run" / "best").exists()

    first = train(config, snapshot, tmp_path / "run", should_stop=after_the_first_epoch)
    assert first.stopped and first.precision == "bf16" and first.peak_memory_mb >= 0
    assert not resume(tmp_path / "run").stopped
    assert [epoch.epoch for epoch in read_run(tmp_path / "run").epochs] == [1, 2, 3]


def test_a_run_of_the_gpu_is_read_back_on_the_cpu(snapshot: Snapshot, tmp_path: Path) -> None:
    train(dataclasses.replace(SETTINGS, method="lora"), snapshot, tmp_path / "run")
    classifier = load_trained(read_run(tmp_path / "run")).classifier.eval()
    pictures = torch.rand(4, 3, 32, 32)
    with torch.inference_mode():
        on_cpu = classifier.to("cpu")(pictures)
        on_gpu = classifier.to("cuda")(pictures.cuda()).cpu()
    torch.testing.assert_close(on_gpu, on_cpu, atol=2e-2, rtol=2e-2)
