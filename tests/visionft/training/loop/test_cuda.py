"""CUDA only: every method trains in bf16, resumes, and gives the CPU's predictions when read back."""

import dataclasses

import pytest

from visionft.core.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import resume, train
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import load_run_model

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]
SETTINGS = TrainConfig(backbone="test_vit", weights="random", image_size=32, batch_size=8, epochs=3, device="cuda")


@pytest.mark.parametrize("method", ["full", "lora", "adapter", "prefix"])
def test_every_method_trains_on_the_gpu_and_continues(method, snapshot, tmp_path) -> None:
    config = dataclasses.replace(SETTINGS, method=method)

    def after_the_first_epoch() -> bool:
        return (tmp_path / "run" / "best").exists()

    first = train(config, snapshot, tmp_path / "run", job=JobContext(cancelled=after_the_first_epoch))
    assert first.stopped and first.precision == "bf16" and first.peak_memory_mb >= 0
    assert not resume(tmp_path / "run").stopped
    assert read_run(tmp_path / "run").last_epoch == config.total_epochs


def test_a_run_of_the_gpu_is_read_back_on_the_cpu(snapshot, tmp_path) -> None:
    train(dataclasses.replace(SETTINGS, method="lora"), snapshot, tmp_path / "run")
    classifier = load_run_model(read_run(tmp_path / "run")).classifier.eval()
    images = torch.rand(4, 3, 32, 32)
    with torch.inference_mode():
        on_cpu = classifier.to("cpu")(images)
        on_gpu = classifier.to("cuda")(images.cuda()).cpu()
    torch.testing.assert_close(on_gpu, on_cpu, atol=2e-2, rtol=2e-2)
