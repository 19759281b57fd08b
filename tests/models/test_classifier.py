"""The contract of every method on every family."""

import copy
import json

import pytest
import torch
from torch.nn.functional import cross_entropy

from models.catalog import BACKBONES
from models.classifier import TrainableClassifier, build_classifier
from models.methods.adapter import AdapterOptions
from models.methods.frozen import LinearOptions
from models.methods.full import FullOptions
from models.methods.lora import LoraOptions
from models.methods.prefix import PrefixOptions
from models.methods.table import METHODS
from models.weights.weights_loading import weights_loader

LITE = "efficientnet_lite2_in1k"
PAIRS = [
    (backbone, method)
    for backbone in ("test_resnet", "test_vit", "hybrid_vit", LITE)
    for method in METHODS
    if not METHODS[method].refusal(BACKBONES[backbone])
]
CASES = [
    *((backbone, method, None) for backbone, method in PAIRS),
    *(("resnet18_in1k", method, None) for method in ("full", "linear", "lora", "adapter")),
    *((backbone, "linear", LinearOptions(layers="last")) for backbone in ("test_resnet", "test_vit")),
    ("test_resnet", "lora", LoraOptions(rank=2, layers="joined")),
    ("hybrid_vit", "lora", LoraOptions(rank=2, layers="joined")),
    ("test_resnet", "adapter", AdapterOptions(bottleneck=4, layers="joined")),
    ("test_vit", "prefix", PrefixOptions(length=3, layers="joined")),
    ("test_vit", "full", FullOptions(layers="joined")),
    ("test_resnet", "full", FullOptions(layers="joined")),
    (LITE, "linear", LinearOptions(layers="last")),
    (LITE, "lora", LoraOptions(rank=2, layers="joined")),
    (LITE, "adapter", AdapterOptions(bottleneck=4, layers="joined")),
    (LITE, "full", FullOptions(layers="joined")),
]


def build(backbone: str, method: str, options=None, **changes) -> TrainableClassifier:
    arguments = {"classes": 3, "weights": None, "shape": (64, 64), **changes}
    classifier = build_classifier(BACKBONES[backbone], METHODS[method], options=options, **arguments)
    return classifier.to_device("cpu")  # as in the training loop: the memory order must work, too


def plain(backbone: str) -> TrainableClassifier:
    """Return the network as timm builds it, with a head on its embedding alone."""
    return build(backbone, "linear", LinearOptions(layers="last"))


def images() -> torch.Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def take_steps(classifier: TrainableClassifier) -> None:
    classifier.train()
    optimizer = torch.optim.AdamW(classifier.parameter_groups(0.05), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        cross_entropy(classifier(images()), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()


@pytest.mark.parametrize(("backbone", "method", "options"), CASES)
def test_only_the_trainable_parts_move(backbone, method, options) -> None:
    classifier = build(backbone, method, options)
    before = copy.deepcopy(classifier.network.state_dict())
    names = set(classifier.trainable_names())
    take_steps(classifier)
    after = classifier.network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved <= names
    if METHODS[method].is_live:
        assert not moved  # its knowledge is stored, not learnt
        return
    still = {name for name in names - moved if not name.endswith("num_batches_tracked")}
    # A zero up-projection or LoRA B hides its partner for one step, a key bias has no effect under softmax.
    assert not {name for name in still if not name.endswith(("lora_A.default.weight",))}, still


@pytest.mark.parametrize(("backbone", "method", "options"), CASES)
def test_state_round_trips_and_merges_to_the_same_outputs(backbone, method, options) -> None:
    classifier = build(backbone, method, options)
    take_steps(classifier)
    other = build(backbone, method, options)
    other.load_trainable_state({name: value.clone() for name, value in classifier.trainable_state().items()})
    with torch.no_grad():
        expected = classifier.eval()(images())
        assert torch.equal(other.eval()(images()), expected)
        merged = classifier.merged()
        torch.testing.assert_close(merged(images()), expected, atol=2e-5, rtol=1e-4)
    assert not any("peft" in type(module).__module__ for module in merged.modules())


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", "resnet18_in1k", "starter_resnet", LITE])
def test_a_joined_head_sees_the_earlier_stages_and_the_embedding(backbone) -> None:
    joined, last = build(backbone, "linear").eval(), plain(backbone).eval()
    parts = joined.features(images()).split(joined.head_parts, dim=1)
    assert len(parts) > 1 and sum(joined.head_parts) == joined.head.in_features
    embedding = last.features(images())
    is_rooted = BACKBONES[backbone].shape.has_rooted_stages
    expected = embedding.clamp_min(1e-6).sqrt() if is_rooted else embedding
    torch.testing.assert_close(parts[-1], expected, atol=1e-5, rtol=1e-4)
    assert joined.may_leave_parts_out and not last.may_leave_parts_out
    assert joined.trainable_names() == last.trainable_names()


@pytest.mark.parametrize(
    ("backbone", "method", "options"),
    [
        *((backbone, method, None) for backbone, method in PAIRS if method in ("lora", "adapter", "prefix")),
        ("test_vit", "prefix", PrefixOptions(length=0)),
    ],
)
def test_starts_as_the_base_network(backbone, method, options) -> None:
    base, adapted = plain(backbone).eval(), build(backbone, method, options).eval()
    with torch.no_grad():
        torch.testing.assert_close(adapted.features(images()), base.features(images()), atol=1e-6, rtol=1e-5)


def test_the_seed_alone_decides_the_weights_and_another_methods_state_is_refused() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, third = (build("test_vit", "lora", seed=seed).network.state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first)
    with pytest.raises(ValueError, match="lora"):
        build("test_vit", "lora").load_trainable_state(build("test_vit", "linear").trainable_state())


@pytest.mark.parametrize(
    ("backbone", "method"), [pair for pair in PAIRS if pair[0] != "test_vit" and pair[1] not in ("full", "zero_shot")]
)
def test_frozen_batch_norm_keeps_its_statistics(backbone, method) -> None:
    classifier = build(backbone, method)
    before = {name: value.clone() for name, value in classifier.network.named_buffers()}
    classifier.train()(images())
    assert len(before) > 10
    assert all(torch.equal(value, before[name]) for name, value in classifier.network.named_buffers())


def test_an_adapter_changes_what_attention_and_mlp_read() -> None:
    classifier = build("test_vit", "adapter").eval()
    block = classifier.network.blocks[0]
    wrapped = block.mlp
    torch.nn.init.ones_(wrapped.adapter.up.bias)
    seen = {}
    block.norm2.register_forward_hook(lambda _module, _inputs, output: seen.update(normalised=output))
    wrapped.layer.register_forward_hook(lambda _module, inputs, _output: seen.update(read=inputs[0]))
    wrapped.adapter.down.register_forward_hook(lambda _module, inputs, _output: seen.update(adapter=inputs[0]))
    with torch.no_grad():
        classifier(images())
    assert torch.equal(seen["adapter"], seen["normalised"])
    assert not torch.equal(seen["read"], seen["normalised"]) and hasattr(block.attn, "adapter")


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit", LITE])
def test_peft_itself_loads_a_lora_folder(backbone, tmp_path) -> None:
    from peft import PeftModel

    options = LoraOptions(rank=2)
    classifier = build(backbone, "lora", options)
    take_steps(classifier)
    METHODS["lora"].save_exchange(classifier.network, tmp_path, backbone=BACKBONES[backbone], options=options)
    base = plain(backbone).network
    loaded = PeftModel.from_pretrained(base, str(tmp_path)).eval()
    with torch.no_grad():
        torch.testing.assert_close(loaded(images()), classifier.eval()(images()), atol=1e-6, rtol=1e-5)
    said = json.loads((tmp_path / "adapter_config.json").read_text())
    assert said["peft_type"] == "LORA"
    assert said["auto_mapping"]["base_model_construction"] == BACKBONES[backbone].construction


@pytest.mark.parametrize("backbone", ["starter_resnet", LITE])
def test_batch_norm_statistics_of_a_pretrained_network_stay_and_those_of_a_random_one_learn(backbone) -> None:
    common = {"classes": 2, "shape": (32, 32)}
    for is_pretrained in (True, False):
        weights = weights_loader() if is_pretrained else None
        model = build_classifier(BACKBONES[backbone], METHODS["full"], weights=weights, **common).train()
        before = {name: value.clone() for name, value in model.network.named_buffers()}
        model(torch.randn(4, 3, 32, 32))
        same = all(torch.equal(before[name], value) for name, value in model.network.named_buffers())
        assert same == is_pretrained
        assert any("running_mean" in name for name in model.trainable_names())  # a checkpoint is whole either way
