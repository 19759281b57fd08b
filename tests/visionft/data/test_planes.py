"""Stacks, channels and deep colours: their layout, the reading that is measured, and what is refused."""

import contextlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

import resources
from visionft.core.errors import ImageError
from visionft.data.decode import decode, read_header
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.export.predictor import Predictor
from visionft.project.image_window import measure_window

HEIGHT, WIDTH = 24, 32


def planes(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(0).integers(400, 1301, (*shape, HEIGHT, WIDTH)).astype(dtype)


def write(path: Path, values: np.ndarray, axes: str = "", **options) -> Path:
    """Write a TIFF with named axes; OME where the name says so."""
    metadata = {"axes": axes} if axes else None
    if channels := options.pop("channels", None):
        metadata = {**(metadata or {}), "Channel": {"Name": channels}}
    tifffile.imwrite(path, values, metadata=metadata, **{"photometric": "minisblack"} | options)
    return path


def grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (np.clip((values.astype(np.float32) - low) * (255 / (high - low)), 0, 255) + 0.5).astype(np.uint8)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_channels_become_colours_by_their_names_and_a_stack_its_maximum(tmp_path: Path, compression) -> None:
    values, names = planes(3, 4), ["mCherry", "Transmitted", "DAPI", "GFP"]
    path = write(tmp_path / "a.ome.tif", values, "ZCYX", channels=names, compression=compression)
    choice = measure_window([path])
    assert (choice.planes, choice.channels, choice.images) == (3, tuple(names), 1)
    assert (choice.reading.plane, choice.reading.channels) == ("max", "mCherry,GFP,DAPI")
    windows = choice.reading.windows
    expected = [grey(values.max(0)[c], *window) for c, window in zip((0, 3, 2), windows, strict=True)]
    assert np.array_equal(decode(path, reading=choice.reading), np.stack(expected, 2))
    header = read_header(path, choice.reading)
    assert (header.width, header.height, header.format, header.losses) == (WIDTH, HEIGHT, "TIFF", ())
    one = ImageReading(window="400,1300", plane="2", channels="GFP")
    assert np.array_equal(decode(path, reading=one)[:, :, 0], grey(values[1, 3], 400, 1300))


@pytest.mark.parametrize(
    ("name", "values", "options"),
    [
        ("imagej.tif", planes(3, 2), {"axes": "ZCYX", "imagej": True}),
        ("tiled.ome.tif", planes(3, 2), {"axes": "ZCYX", "tile": (16, 16)}),
        ("big.ome.tif", planes(3, 2), {"axes": "ZCYX", "bigtiff": True, "byteorder": ">"}),
        ("float.ome.tif", planes(3, 2, dtype="float32"), {"axes": "ZCYX", "compression": "zlib"}),
        ("double.ome.tif", planes(3, 2, dtype="float64"), {"axes": "ZCYX"}),
        ("signed.ome.tif", planes(3, 2, dtype="int16"), {"axes": "ZCYX"}),
    ],
)
def test_every_layout_of_a_stack_reads_the_same_values(tmp_path: Path, name: str, values, options) -> None:
    path = write(tmp_path / name, values, **options)
    reading = ImageReading(window="400,1300", plane="middle", channels="2")
    assert np.array_equal(decode(path, reading=reading)[:, :, 1], grey(values[1, 1], 400, 1300))
    assert measure_window([path]).channels == ("1", "2")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "lzw.tif"])
def test_colours_of_16_bits_keep_their_values_under_a_window(tmp_path: Path, name: str) -> None:
    values, path = np.moveaxis(planes(3), 0, 2), tmp_path / name
    if name == "a.tif":
        write(path, values, photometric="rgb")
    else:
        cv2.imwrite(str(path), values[:, :, ::-1])
    choice = measure_window([path])
    (low, high), *others = choice.reading.windows
    assert not others and 400 <= low < 410 < 1290 < high <= 1300
    assert np.array_equal(decode(path, reading=choice.reading), grey(values, low, high))
    assert len(np.unique(decode(path))) <= 5  # as stored


def test_the_window_is_the_sensor_s_range_where_the_values_fill_it(tmp_path: Path) -> None:
    for top, expected in ((4000, (0, 4095)), (60_000, (0, 65535)), (900, (0, 1023))):
        path = write(
            tmp_path / f"{top}.tif", np.linspace(0, top, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype("uint16")
        )
        assert measure_window([path]).reading.windows == (expected,)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint8))
    assert measure_window([tmp_path / "a.png", tmp_path / "no.png"]) is None


def test_one_window_is_for_all_images_and_no_dim_one_becomes_bright(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.tif", planes() if n else np.full((HEIGHT, WIDTH), 430, "uint16")) for n in range(4)]
    reading = measure_window(paths).reading
    assert decode(paths[0], reading=reading).max() < 20 and decode(paths[1], reading=reading).max() > 250
    assert np.array_equal(decode(paths[1]), decode(paths[1], reading=AS_STORED))


@pytest.mark.parametrize(
    ("name", "values", "options", "reading"),
    [
        ("a.tif", planes(3), {"axes": "ZYX", "compression": "zlib"}, ImageReading(window="400,1300", plane="max")),
        ("a.tif", np.moveaxis(planes(3), 0, 2), {"photometric": "rgb"}, ImageReading(window="400,1300")),
        (
            "a.ome.tif",
            planes(3, 2),
            {"axes": "ZCYX", "channels": ["DAPI", "GFP"]},
            ImageReading(window="400,900;500,1300;600,1400", plane="middle", channels=",GFP,DAPI"),
        ),
    ],
)
def test_predict_py_reads_values_as_the_program_does(tmp_path: Path, write_model, name, values, options, reading):
    model = write_model(tmp_path / "model.onnx", image_reading=reading.to_dict())
    path, script = write(tmp_path / name, values, **options), Path(resources.__file__).parent / "predict.py"
    predictor = Predictor(model, device="cpu")
    (found,) = predictor.predict([path])
    assert predictor.image_reading == reading and not found.warnings
    (tmp_path / script.name).write_bytes(script.read_bytes())
    command = [sys.executable, "-I", tmp_path / script.name, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    shown = {line.split()[1]: float(line.split()[0].rstrip("%")) for line in done.stdout.splitlines()[1:]}
    assert shown == pytest.approx({name: 100 * share for name, share in found.top5}, abs=0.02)


def test_a_raw_photograph_is_developed(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    identity = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    tags = [
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, (0, 1, 1, 2), True),
        (50706, 1, 4, (1, 4, 0, 0), True),
        (50708, 2, 0, "Test", True),
        (50721, 10, 9, identity, True),
        (50717, 4, 1, 4095, True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
        (50778, 3, 1, 21, True),
    ]
    values = np.tile(np.linspace(0, 4095, 64).astype("uint16"), (48, 1))
    tifffile.imwrite(tmp_path / "a.dng", values, photometric=32803, extratags=tags, metadata=None)
    pixels, header = decode(tmp_path / "a.dng"), read_header(tmp_path / "a.dng")
    assert pixels.shape == (48, 64, 3) == (header.height, header.width, 3) and header.format == "RAW"
    assert pixels[:, 2].mean() < 60 and pixels[:, -3].mean() > 240


def test_a_tiff_of_endless_planes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", planes(3), photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        first, last = file.pages[0].offset, file.pages[-1].offset
    content = bytearray(path.read_bytes())
    count = int.from_bytes(content[last : last + 2], "little")
    content[last + 2 + 12 * count : last + 6 + 12 * count] = first.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ImageError):
        decode(path, reading=ImageReading(plane="max"))


MANY = 99_999_999


def test_a_stack_that_states_more_planes_than_it_has_ends_soon(tmp_path: Path) -> None:
    text = f"ImageJ=1.11a\nimages={MANY}\nframes={MANY}\n"
    pages = planes(2)[:, :1, :1]
    tifffile.imwrite(tmp_path / "a.tif", pages, description=text, metadata=None, photometric="minisblack")
    with contextlib.suppress(ImageError):
        decode(tmp_path / "a.tif", reading=ImageReading(window="400,1300", plane="max"))


@pytest.fixture
def write_dicom(tmp_path: Path):
    """Return a function: pixel data, other elements -> a DICOM file of 24 x 32 pixels with 12 of 16 bits."""
    pydicom = pytest.importorskip("pydicom")

    def write(pixels: bytes, syntax: str = "ExplicitVRLittleEndian", **elements) -> Path:
        data, meta = pydicom.Dataset(), pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = getattr(pydicom.uid, syntax), "1.2"
        meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.CTImageStorage
        data.file_meta, data.PixelData = meta, pixels
        usual = {"Rows": HEIGHT, "Columns": WIDTH, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"}
        usual |= {"PixelRepresentation": 0, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
        for name, value in (usual | elements).items():
            setattr(data, name, value)
        data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        return tmp_path / "a.dcm"

    return write


def test_dicom_is_read_in_its_unit_and_its_bright_zeros_are_inverted(write_dicom) -> None:
    values = planes(3)
    path = write_dicom(values.tobytes(), NumberOfFrames=3, RescaleSlope=2, RescaleIntercept=-100)
    shown = decode(path, reading=ImageReading(window="700,2500", plane="2"))
    assert np.array_equal(shown[:, :, 2], grey(2 * values[1].astype(int) - 100, 700, 2500))
    assert measure_window([path]).reading.plane == "middle"
    named = write_dicom(values[0].tobytes(), WindowCenter=850.5, WindowWidth=901)
    assert measure_window([named]).reading.windows == ((400, 1300),) and np.array_equal(
        decode(named)[:, :, 0], grey(values[0], 400, 1300)
    )
    inverted = write_dicom(values[0].tobytes(), PhotometricInterpretation="MONOCHROME1")
    reading = ImageReading(window="2795,3695")
    assert np.array_equal(decode(inverted, reading=reading)[:, :, 0], grey(4095 - values[0], 2795, 3695))
