"""Data sets of industry, remote sensing and plants, as their archives unpack."""

from data_sets import ANY, MAYBE_TEST, MAYBE_TRAIN, DataSet, collect

INDUSTRY, data_set = collect()


@data_set("Magnetic tile defects")
def magnetic_tiles(made: DataSet) -> None:
    top = "Magnetic-tile-defect-datasets.-master"
    for name in ("MT_Blowhole", "MT_Break", "MT_Free"):
        for number in range(1, 5):
            made.image(f"{top}/{name}/Imgs/exp{number}_num_{108719 + number}.jpg", name, levels=256)
            made.mask(f"{top}/{name}/Imgs/exp{number}_num_{108719 + number}.png")
    made.text(f"{top}/README.md", "# Magnetic-tile-defect-datasets.")


@data_set("NEU surface defects, classes in names")
def neu(made: DataSet) -> None:
    for short in ("Cr", "In", "Pa", "PS", "RS", "Sc"):
        made.grid("NEU-CLS/{c}_{i}.bmp", (short,), 3, levels=256)


@data_set("NEU-DET")
def neu_boxes(made: DataSet) -> None:
    for side, split in (("train", "train"), ("validation", "val")):
        for place, name in enumerate(("crazing", "inclusion", "patches")):
            for number in range(1, 4):
                stem = f"{name}_{number + 3 * (split == 'val')}"
                made.image(f"NEU-DET/{side}/images/{name}/{stem}.jpg", name, split, levels=256)
                made.text(
                    f"NEU-DET/{side}/annotations/{stem}.xml",
                    f"<annotation><folder>{name}</folder><filename>{stem}"
                    f".jpg</filename><object><name>{name}</name><bndbox><xmin>{place}</xmin><ymin>1</ymin><xmax>7"
                    "</xmax><ymax>7</ymax></bndbox></object></annotation>",
                )


@data_set("Severstal steel defects", task="multi")
def severstal(made: DataSet) -> None:
    rows = []
    for number in range(9):
        labels = [kind for kind in "1234" if (number + int(kind)) % 4 == 0 or (number == 2 and kind == "1")]
        made.image(f"train_images/{0x2CC93B + number * 9973:09x}.jpg", labels, MAYBE_TRAIN, levels=256)
        rows += [(f"{0x2CC93B + number * 9973:09x}.jpg", kind, "29102 12 29346 24") for kind in labels]
    tests = made.plain("test_images/{n:09x}.jpg", 3, split=MAYBE_TEST)
    made.table("train.csv", "ImageId,ClassId,EncodedPixels", rows)
    made.table("sample_submission.csv", "ImageId,EncodedPixels,ClassId", [(name[12:], "1 409600", 0) for name in tests])


def _mvtec(made: DataSet, top: str, defects: tuple[str, ...], **more: tuple[str, ...]) -> None:
    made.grid(f"{top}train/good/{{i:03d}}.png", ("good",), 6, split="train", start=0, **more)
    for defect in ("good", *defects):
        made.grid(f"{top}test/{defect}/{{i:03d}}.png", (defect,), 3, split="test", start=0, **more)
        for number in range(3 if defect != "good" else 0):
            made.mask(f"{top}ground_truth/{defect}/{number:03d}_mask.png")
    made.text(f"{top}readme.txt", "MVTec Anomaly Detection")
    made.text(f"{top}license.txt", "CC BY-NC-SA 4.0")


@data_set("MVTec AD, one object")
def mvtec_bottle(made: DataSet) -> None:
    _mvtec(made, "bottle/", ("broken_large", "contamination"))


@data_set("MVTec AD, whole")
def mvtec(made: DataSet) -> None:
    for name, defects in (
        ("bottle", ("broken_large", "contamination")),
        ("cable", ("cut_wire",)),
        ("tile", ("crack",)),
    ):
        _mvtec(made, f"{name}/", defects, also=(name,))


@data_set("DAGM 2007")
def dagm(made: DataSet) -> None:
    for name in ("Class1", "Class2", "Class3"):
        for part, split in (("Train", MAYBE_TRAIN), ("Test", MAYBE_TEST)):
            made.grid(f"{name}/{part}/{{i:04d}}.PNG", (name,), 4, split=split, start=576, levels=256)
            made.mask(f"{name}/{part}/Label/0576_label.PNG")
            made.text(
                f"{name}/{part}/Label/Labels.txt", "1", "576\t1\t0576.PNG\t0\t0576_label.PNG", "577\t0\t0577.PNG\t0\t0"
            )


@data_set("Casting defects")
def casting(made: DataSet) -> None:
    names = ("def_front", "ok_front")
    for side in ("train", "test"):
        made.grid(
            f"casting_data/casting_data/{side}/{{c}}/cast_{{c}}_0_{side}{{n}}.jpeg", names, 3, split=side, levels=256
        )
    made.grid("casting_512x512/casting_512x512/{c}/cast_{c}_0_{n}.jpeg", names, 3, split=ANY, levels=256)


@data_set("Concrete cracks (METU)")
def cracks(made: DataSet) -> None:
    made.grid("Concrete Crack Images for Classification/{c}/{i:05d}.jpg", ("Negative", "Positive"), 4)


@data_set("SDNET2018")
def sdnet(made: DataSet) -> None:
    for place in "DPW":
        for state in "CU":
            made.grid(f"SDNET2018/{place}/{{c}}/70{{i:02d}}-{state}{place}.jpg", (f"{state}{place}",), 3, also=(place,))


@data_set("ELPV solar cells")
def solar_cells(made: DataSet) -> None:
    lines = []
    for number in range(1, 13):
        defect, kind = (
            ("1.0", "0.0", "0.3333333333333333", "0.6666666666666666")[number % 4],
            ("mono", "poly")[number // 7],
        )
        made.image(f"elpv-dataset-master/images/cell{number:04d}.png", defect, also=(kind,), levels=256)
        lines.append(f"{f'images/cell{number:04d}.png':<73} {defect}     {kind}")
    made.text("elpv-dataset-master/labels.csv", *lines)
    made.text("elpv-dataset-master/README.md", "# A Benchmark for Visual Identification of Defective Solar Cells")


@data_set("EuroSAT (Kaggle)")
def eurosat(made: DataSet) -> None:
    names = ("AnnualCrop", "Forest", "SeaLake")
    made.name_both({str(place): name for place, name in enumerate(names)})
    parts: dict[str, list[tuple[object, ...]]] = {"train": [], "validation": [], "test": []}
    for number in range(12):
        name, part = names[number % 3], list(parts)[number // 3 % 4 % 3]
        path = f"{name}/{name}_{number + 1}.jpg"
        made.image(f"EuroSAT/{path}", name, {"validation": "val"}.get(part, part))
        parts[part].append((len(parts[part]), path, number % 3, name))
        made.data(f"EuroSATallBands/{path[:-4]}.tif", b"II*\0 thirteen bands")
    for part, rows in parts.items():
        made.table(f"EuroSAT/{part}.csv", ",Filename,Label,ClassName", rows)
    made.json("EuroSAT/label_map.json", {name: place for place, name in enumerate(names)})


@data_set("UC Merced")
def merced(made: DataSet) -> None:
    for name in ("agricultural", "airplane", "beach"):
        made.grid(f"UCMerced_LandUse/Images/{{c}}/{name}{{i:02d}}.tif", (name,), 3, start=0)
    made.text("UCMerced_LandUse/readme.txt", "This is a 21 class land use image dataset")


@data_set("NWPU-RESISC45")
def nwpu(made: DataSet) -> None:
    made.grid("NWPU-RESISC45/{c}/{c}_{i:03d}.jpg", ("airplane", "basketball_court", "sea_ice"), 3)


@data_set("AID, two parts")
def aid(made: DataSet) -> None:
    made.grid("AID/{c}/{c}_{i}.jpg", ("Airport", "BareLand", "Viaduct"), 3)
    made.text("AID/ReadMe.txt", "AID: a benchmark dataset")


@data_set("PlantVillage, three versions")
def plant_village(made: DataSet) -> None:
    names = ("Apple___Apple_scab", "Apple___healthy", "Tomato___Late_blight")
    for version, levels in (("color", 0), ("grayscale", 256), ("segmented", 0)):
        for name in names:
            for number in range(3):
                stem = f"{number:08x}-2b58-42ce-bf52-{name[:3].lower()}___FREC_Scab {3335 + number}"
                end = "_final_masked.jpg" if version == "segmented" else ".JPG"
                made.image(f"plantvillage dataset/{version}/{name}/{stem}{end}", name, levels=levels)


@data_set("PlantDoc")
def plant_doc(made: DataSet) -> None:
    for side in ("train", "test"):
        made.grid(
            f"PlantDoc-Dataset-master/{side}/{{c}}/{side}{{n}}.jpg",
            ("Apple Scab Leaf", "Apple leaf", "Tomato leaf"),
            3,
            split=side,
        )
    made.text("PlantDoc-Dataset-master/README.md", "# PlantDoc")
    made.text("PlantDoc-Dataset-master/LICENSE.txt", "Creative Commons")
    made.figure("PlantDoc-Dataset-master/PlantDoc_Examples.png")
