"""Images of more than 8 bits, stacks and channels: from the import to predictions by the exported file."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from visionft.data.decode import decode
from visionft.data.image_reading import ImageReading
from visionft.export.contents import MODEL_FILE, read_record
from visionft.export.exporter import export_run
from visionft.export.predictor import Predictor
from visionft.project.edits.setting_changes import ChooseWindow
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.evaluation.trained_run import train_and_evaluate

SIDE = 64
RANDOM = np.random.default_rng(0)


def scene(label: int) -> np.ndarray:
    """Return values of 400 to 1,300; the class is the direction of faint stripes, a quarter of a level of 8 bits."""
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    stripes = 60 * np.sign(np.sin((across if label else down) * np.pi / 4 + RANDOM.random()))
    values = RANDOM.uniform(600, 1100) + stripes + RANDOM.normal(0, 15, (SIDE, SIDE)) + 2 * RANDOM.uniform(-1, 1) * down
    return values.clip(400, 1300).astype(np.uint16)


def write_grey(path: Path, label: int) -> Path:
    path = path.with_suffix(".png")
    Image.fromarray(scene(label)).save(path)
    return path


def write_ome(path: Path, label: int) -> Path:
    """Write a stack of three planes and two channels: the stripes are in the third plane of the second channel."""
    path = path.with_suffix(".ome.tif")
    values = RANDOM.normal(450, 10, (3, 2, SIDE, SIDE)).astype(np.uint16)
    values[2, 1] = scene(label)
    metadata = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(path, values, ome=True, photometric="minisblack", metadata=metadata, compression="zlib")
    return path


def write_dicom(path: Path, label: int) -> Path:
    pydicom = pytest.importorskip("pydicom")
    path = path.with_suffix(".dcm")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = (
        pydicom.uid.ExplicitVRLittleEndian,
        pydicom.uid.CTImageStorage,
    )
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data = pydicom.Dataset()
    data.file_meta, data.SOPClassUID = meta, meta.MediaStorageSOPClassUID
    data.Rows = data.Columns = SIDE
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    data.WindowCenter, data.WindowWidth = [-174, 40], [900, 400]
    data.PixelData = scene(label).tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


EXPECTED = {
    write_grey: ("first", "", (400, 1300)),
    write_ome: ("max", ",GFP,DAPI", (400, 1300)),
    write_dicom: ("first", "", (-624, 276)),
}


@pytest.mark.parametrize("write", [write_grey, write_ome, pytest.param(write_dicom, marks=pytest.mark.slow)])
def test_faint_classes_are_told_apart_by_the_exported_file(write: Callable[[Path, int], Path], tmp_path: Path):
    paths = []
    for number in range(40):
        folder = tmp_path / "images" / ("down", "across")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        paths.append(write(folder / f"{number}", number % 2))
    plane, channels, (low, high) = EXPECTED[write]
    with ProjectStore.create(tmp_path / "project") as project:
        report = import_source(project, tmp_path / "images")
        assert report.added == 40 and not report.warnings
        reading = project.image_reading
        assert (reading.plane, reading.channels) == (plane, channels)
        first = reading.windows[1 if channels else 0]
        assert low - 60 <= first[0] < low + 250 and high - 250 < first[1] <= high + 60
        if write is write_grey:
            assert len(np.unique(decode(paths[0]))) <= 5 < 40 < len(np.unique(decode(paths[0], reading=reading)))
        assign_splits(project, val=0.2, test=0.2)
        images = project.snapshot()
    config = preset_config("quick", Circumstances.of(images, device="cpu"), backbone="starter_resnet")
    config = dataclasses.replace(config, device="cpu", workers=0, framing="centre", image_size=96)
    run = train_and_evaluate(config, images, tmp_path / "project" / "runs" / "001-a")
    assert run.evaluations["test"].top1 >= 0.9
    assert run.config.image_reading == reading
    # The export keeps the reading of the run, whatever the project's is by then.
    with ProjectStore.open(tmp_path / "project") as project:
        project.apply(ChooseWindow(None))
    export_run(run.path, images, tmp_path / "export")
    predictor = Predictor(tmp_path / "export" / MODEL_FILE)
    assert predictor.image_reading == reading
    test = images.labelled("test")
    found = [each.class_name for each in predictor.predict([image.path for image in test])]
    assert np.mean([name == images.labels_of(image)[0] for name, image in zip(found, test, strict=True)]) >= 0.9
    record = read_record(tmp_path / "export")
    assert ImageReading(**record["preprocessing"]["image_reading"]) == reading
    if write is not write_dicom:  # without VisionFT
        assert record["samples"]["python"]["agrees"]
