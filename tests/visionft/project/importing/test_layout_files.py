"""The layouts of public data sets are read as documented, and their images look as they say."""

import io
import textwrap
from pathlib import Path

import layout_files
import numpy as np
from drawn_images import image_content
from layout_files import read_layout
from PIL import Image


def documented_example() -> str:
    text = str(layout_files.__doc__)
    return textwrap.dedent(text[text.index("    title:") : text.index("Head:")])


def test_the_documented_example_gives_its_files_and_truth(tmp_path: Path) -> None:
    data_set = read_layout(documented_example()).write(tmp_path)
    assert (data_set.task, data_set.aliases) == ("multi", {"c1": "cat"})
    truths = {truth.name: truth for truth in data_set.truths.values()}
    assert len(truths) == 24 + 4 + 2 + 2 + 24 + 3
    assert truths["photos/dog/07.jpg"].labels == ({"dog"},)
    assert (truths["photos/both_2.jpg"].labels, truths["photos/both_2.jpg"].splits) == (({"cat", "dog"},), ("test",))
    assert (truths["new/b.png"].labels, truths["new/b.png"].splits) == ((set(),), ("test", None))
    assert truths["color/leaf.jpg"].labels == ({"oak"}, {"Fagaceae"})
    assert (tmp_path / "labels.csv").read_text() == "image,label\ncat_01.jpg,cat\n"
    assert (tmp_path / "annotations/dog.xml").read_text() == "<annotation><name>dog</name></annotation>\n"
    assert (tmp_path / "split.json").read_text() == '{"train": ["cat_01.jpg"], "test": []}'
    assert (tmp_path / "weights.h5").read_bytes() == b"\x89HDF\r\n"


def thumbnail(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content)).convert("L").resize((16, 16), Image.Resampling.BOX)
    return np.asarray(image, float).ravel()


def test_versions_correlate_and_other_images_do_not() -> None:
    names = [f"{number}.jpg" for number in range(60)]
    images = np.array([thumbnail(image_content(name)) for name in names])
    others = np.abs(np.corrcoef(images)[np.triu_indices(60, 1)])
    assert np.mean(others < 0.5) > 0.99
    for look in ("grey", "small", "bright", "closer", "channel"):
        versions = [thumbnail(image_content(f"{look}/{name}.png", look, source=name)) for name in names]
        assert min(np.corrcoef(one, other)[0, 1] for one, other in zip(images, versions, strict=True)) > 0.6
