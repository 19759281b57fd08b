"""Data sets of medicine, as their archives unpack."""

from data_sets import ANY, MAYBE_TEST, MAYBE_TRAIN, DataSet, collect
from public_layouts.spreadsheet import write_xlsx

MEDICINE, data_set = collect()


@data_set("Chest X-ray, pneumonia")
def pneumonia(made: DataSet) -> None:
    for side in ("train", "val", "test"):
        for name, stem in (("NORMAL", "IM"), ("PNEUMONIA", "person1_bacteria")):
            made.grid(f"chest_xray/{side}/{{c}}/{stem}-{{i:04d}}-{side}.jpeg", (name,), 3, split=side, levels=256)
        made.data(f"chest_xray/__MACOSX/{side}/._.DS_Store", b"\0\5\x16\7")
    made.data("chest_xray/__MACOSX/train/NORMAL/._IM-0001-train.jpeg", b"\0\5\x16\7")
    made.data("chest_xray/train/.DS_Store", b"\0")


@data_set("NIH ChestX-ray14", task="multi")
def chest_xray_14(made: DataSet) -> None:
    findings = ("Cardiomegaly", "No Finding", "Effusion|Mass", "Effusion", "No Finding", "Mass|Cardiomegaly|Effusion")
    rows, lists = [], {"train": [], "test": []}
    for number in range(18):
        name, labels = f"{number // 3 + 1:08d}_{number % 3:03d}.png", findings[number % 6]
        side = "test" if number // 3 == 5 else "train"
        made.image(f"images_{number // 6 + 1:03d}/images/{name}", labels.split("|"), side, levels=256)
        lists[side].append(name)
        rows.append(
            (
                name,
                labels,
                number % 3,
                number // 3 + 1,
                f"{58 + number % 3:03d}Y",
                "MF"[number // 3 % 2],
                "PA",
                2682,
                2749,
                0.143,
                0.143,
                "",
            )
        )
    made.table(
        "Data_Entry_2017.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],",
        rows,
    )
    made.table(
        "BBox_List_2017.csv",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,",
        [("00000001_002.png", "Effusion", 225.0, 547.0, 86.7, 79.1, "", "", "")],
    )
    made.text("train_val_list.txt", *lists["train"])
    made.text("test_list.txt", *lists["test"])
    made.text("README_CHESTXRAY.pdf", "%PDF-1.4")
    made.text("LOG_CHESTXRAY.pdf", "%PDF-1.4")


@data_set("CheXpert small", task="multi")
def chexpert(made: DataSet) -> None:
    names, top = ("No Finding", "Cardiomegaly", "Edema", "Pleural Effusion"), "CheXpert-v1.0-small"
    for side, split in (("train", "train"), ("valid", "val")):
        rows = []
        for number in range(9):
            values = [
                "1.0" if (number + place) % 4 == 0 else ("", "0.0", "-1.0")[(number + place) % 3] for place in range(4)
            ]
            path = f"{top}/{side}/patient{number + 1:05d}/study{number % 2 + 1}/view1_frontal.jpg"
            labels = [name for name, value in zip(names, values, strict=True) if value == "1.0"]
            made.image(path, labels, split, levels=256)
            rows.append((path, ("Male", "Female")[number % 2], 40 + number, "Frontal", "AP", *values))
        made.table(f"{top}/{side}.csv", f"Path,Sex,Age,Frontal/Lateral,AP/PA,{','.join(names)}", rows)


def _one_hot(made: DataSet, folder: str, number: int, names: tuple[str, ...]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for place in range(number):
        name, which = f"ISIC_{24306 + place:07d}", place % len(names)
        made.image(f"{folder}/{name}.jpg", names[which], MAYBE_TRAIN)
        rows.append((name, *(float(other == which) for other in range(len(names)))))
    return rows


@data_set("ISIC 2018, task 3")
def isic_2018(made: DataSet) -> None:
    names = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    top = "ISIC2018_Task3_Training"
    rows = _one_hot(made, f"{top}_Input", 14, names)
    for text in ("ATTRIBUTION.txt", "LICENSE.txt"):
        made.text(f"{top}_Input/{text}", "HAM10000 Dataset: (c) by ViDIR Group", "cc-by-nc")
        made.text(f"{top}_GroundTruth/{text}", "HAM10000 Dataset: (c) by ViDIR Group")
    made.table(f"{top}_GroundTruth/{top}_GroundTruth.csv", f"image,{','.join(names)}", rows)
    made.table(f"{top}_LesionGroupings.csv", "image,lesion_id,diagnosis_confirm_type",
               [(row[0], f"HAM_{place // 2:07d}", ("histopathology", "follow_up")[place % 2])
                for place, row in enumerate(rows)])  # fmt: skip
    made.plain("ISIC2018_Task3_Validation_Input/ISIC_{n:07d}.jpg", 4, split=("val", None))


@data_set("ISIC 2019")
def isic_2019(made: DataSet) -> None:
    names = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
    rows = _one_hot(made, "ISIC_2019_Training_Input/ISIC_2019_Training_Input", 16, names[:-1])
    made.table("ISIC_2019_Training_GroundTruth.csv", f"image,{','.join(names)}", [(*row, 0.0) for row in rows])
    made.table("ISIC_2019_Training_Metadata.csv", "image,age_approx,anatom_site_general,lesion_id,sex",
               [(row[0], 55.0, ("anterior torso", "upper extremity")[place % 2], "", ("female", "male")[place // 2 % 2])
                for place, row in enumerate(rows)])  # fmt: skip


@data_set("HAM10000")
def ham(made: DataSet) -> None:
    rows, kinds = [], ("bkl", "nv", "mel", "df")
    for number in range(12):
        name = f"ISIC_{27419 + number:07d}"
        made.image(f"HAM10000_images_part_{number // 6 + 1}/{name}.jpg", kinds[number % 4])
        rows.append(
            (
                f"HAM_{number // 2:07d}",
                name,
                kinds[number % 4],
                ("histo", "follow_up")[number // 4 % 2],
                80.0,
                ("male", "female")[number // 3 % 2],
                ("scalp", "ear", "back")[number // 4],
            )
        )
    made.table("HAM10000_metadata.csv", "lesion_id,image_id,dx,dx_type,age,sex,localization", rows)
    pixels = ",".join(f"pixel{place:04d}" for place in range(64))
    made.table("hmnist_8_8_L.csv", f"{pixels},label", [[*range(64), number % 4] for number in range(12)])


@data_set("APTOS 2019")
def aptos(made: DataSet) -> None:
    rows = []
    for number in range(10):
        name = f"{0x1C1434D8D7 + number * 7919:012x}"
        made.image(f"train_images/{name}.png", str(number % 5), MAYBE_TRAIN)
        rows.append((name, number % 5))
    made.table("train.csv", "id_code,diagnosis", rows)
    tests = [name.split("/")[-1][:-4] for name in made.plain("test_images/{n:012x}.png", 4, split=MAYBE_TEST)]
    made.table("test.csv", "id_code", [(name,) for name in tests])
    made.table("sample_submission.csv", "id_code,diagnosis", [(name, 0) for name in tests])


@data_set("Diabetic Retinopathy 2015")
def retinopathy(made: DataSet) -> None:
    rows = []
    for number in range(6):
        for eye in ("left", "right"):
            made.image(f"train/{10 + 3 * number}_{eye}.jpeg", str(number % 5), MAYBE_TRAIN)
            rows.append((f"{10 + 3 * number}_{eye}", number % 5))
    made.table("trainLabels.csv", "image,level", rows)
    tests = made.plain("test/{n}_left.jpeg", 4, split=MAYBE_TEST)
    made.table("sampleSubmission.csv", "image,level", [(name[5:-5], 0) for name in tests])


@data_set("ODIR-5K, eye diseases")
def odir(made: DataSet) -> None:
    rows, kinds = [], "NDGC"
    for number in range(8):
        for eye in ("left", "right"):
            name, kind = f"{number}_{eye}.jpg", kinds[(number + (eye == "left")) % 4]
            made.image(f"ODIR-5K/ODIR-5K/Training Images/{name}", kind, ANY)
            made.image(f"preprocessed_images/{name}", kind, ANY)
            flags = [int(kind == each) for each in kinds]
            rows.append(
                (
                    number,
                    60 + number,
                    ("Female", "Male")[number % 2],
                    f"{number}_left.jpg",
                    f"{number}_right.jpg",
                    "cataract",
                    "normal fundus",
                    *flags,
                    f"../input/ocular/ODIR-5K/Training Images/{name}",
                    f"['{kind}']",
                    str(flags),
                    name,
                )
            )
    made.plain("ODIR-5K/ODIR-5K/Testing Images/9{n}_left.jpg", 3, split=MAYBE_TEST)
    made.table(
        "full_df.csv",
        "ID,Patient Age,Patient Sex,Left-Fundus,Right-Fundus,Left-Diagnostic Keywords,"
        "Right-Diagnostic Keywords,N,D,G,C,filepath,labels,target,filename",
        rows,
    )
    write_xlsx(made.folder / "ODIR-5K/ODIR-5K/data.xlsx", [("ID", "Patient Age", "N"), (0, 60, 1)])


@data_set("BreakHis")
def breakhis(made: DataSet) -> None:
    top, kinds = (
        "BreaKHis_v1/BreaKHis_v1/histology_slides/breast",
        {"benign": ("adenosis", "fibroadenoma"), "malignant": ("ductal_carcinoma", "lobular_carcinoma")},
    )
    rows, number = [], 0
    for kind, leaves in kinds.items():
        for leaf in leaves:
            for patient in ("14-22549AB", "14-29960CD"):
                for zoom in ("40X", "100X"):
                    number += 1
                    stem = f"SOB_{kind[0].upper()}_{leaf[0].upper()}"
                    path = (
                        f"{top}/{kind}/SOB/{leaf}/{stem}_{patient}/{zoom}/{stem}-{patient}-{zoom[:-1]}-{number:03d}.png"
                    )
                    made.image(path, kind, ANY, also=(leaf,))
                    rows.append((number % 5 + 1, zoom[:-1], ("train", "test")[number % 3 == 0], path.split("/", 1)[1]))
    made.table("Folds.csv", "fold,mag,grp,filename", rows)
    made.text("BreaKHis_v1/BreaKHis_v1/histology_slides/breast/README.txt", "BreaKHis")
    made.text("BreaKHis_v1/BreaKHis_v1/histology_slides/breast/count_files.sh", "#!/bin/bash")


@data_set("PatchCamelyon (Kaggle)")
def patch_camelyon(made: DataSet) -> None:
    rows = []
    for number in range(10):
        name = f"{number * 7919 + 5:040x}"
        made.image(f"train/{name}.tif", str(number % 2), MAYBE_TRAIN)
        rows.append((name, number % 2))
    tests = [path[5:-4] for path in made.plain("test/{n:040x}.tif", 4, split=MAYBE_TEST)]
    made.table("train_labels.csv", "id,label", rows)
    made.table("sample_submission.csv", "id,label", [(name, 0) for name in tests])


@data_set("Malaria cells")
def malaria(made: DataSet) -> None:
    for place, name in enumerate(("Parasitized", "Uninfected")):
        for number in range(4):
            path = f"{name}/C{33 + place}P1thinF_IMG_2015_cell_{number}.png"
            content = made.image(f"cell_images/{path}", name)
            made.data(f"cell_images/cell_images/{path}", content)  # Kaggle's archive holds everything twice
        made.data(f"cell_images/{name}/Thumbs.db", b"\xd0\xcf\x11\xe0")
        made.data(f"cell_images/cell_images/{name}/Thumbs.db", b"\xd0\xcf\x11\xe0")


@data_set("Blood cells (dataset2-master)")
def blood(made: DataSet) -> None:
    names, top = ("EOSINOPHIL", "LYMPHOCYTE", "MONOCYTE", "NEUTROPHIL"), "dataset2-master/dataset2-master"
    for part, split in (("TRAIN", "train"), ("TEST", "test"), ("TEST_SIMPLE", ("test", None))):
        made.grid(f"{top}/images/{part}/{{c}}/_{part[-1]}_{{n}}.jpeg", names, 2, split=split)
    made.table(f"{top}/labels.csv", ",Image,Category", [(place, place, names[place % 4]) for place in range(8)])


@data_set("Colorectal histology (Kather 2016)")
def colorectal(made: DataSet) -> None:
    top = "Kather_texture_2016_image_tiles_5000/Kather_texture_2016_image_tiles_5000"
    made.grid(
        f"{top}/{{c}}/10{{n:03d}}_CRC-Prim-HE-03_009.tif_Row_301_Col_151.tif", ("01_TUMOR", "02_STROMA", "08_EMPTY"), 3
    )
    for number in (1, 2):
        made.image(f"Kather_texture_2016_larger_images_10/Kather_texture_2016_larger_images_10/CRC-Prim-HE-{number:02d}"
                   "_APPLICATION.tif")  # fmt: skip
    made.table(
        "hmnist_8_8_L.csv", f"{','.join(f'pixel{place:04d}' for place in range(64))},label", [[*range(64), 2]] * 9
    )


@data_set("NCT-CRC-HE, two sets")
def crc(made: DataSet) -> None:
    for part, split in (("NCT-CRC-HE-100K", MAYBE_TRAIN), ("CRC-VAL-HE-7K", ("val", "test", None))):
        made.grid(f"{part}/{{c}}/{{c}}-{part[:3]}AAMHQ{{i}}.tif", ("ADI", "BACK", "TUM"), 3, split=split)


@data_set("LC25000")
def lung_and_colon(made: DataSet) -> None:
    for organ, kinds in (("colon", ("colon_aca", "colon_n")), ("lung", ("lung_aca", "lung_n", "lung_scc"))):
        for kind in kinds:
            made.grid(
                f"lung_colon_image_set/{organ}_image_sets/{{c}}/{kind.replace('_', '')}{{i}}.jpeg",
                (kind,),
                3,
                also=(f"{organ}_image_sets",),
            )


@data_set("COVID-19 Radiography")
def covid(made: DataSet) -> None:
    for name in ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia"):
        rows: list[tuple[object, ...]] = [("FILE NAME", "FORMAT", "SIZE", "URL")]
        for number in range(1, 4):
            made.image(f"COVID-19_Radiography_Dataset/{name}/images/{name}-{number}.png", name, levels=256)
            made.mask(f"COVID-19_Radiography_Dataset/{name}/masks/{name}-{number}.png")
            rows.append((f"{name}-{number}", "PNG", "256*256", "https://sirm.org/"))
        write_xlsx(made.folder / f"COVID-19_Radiography_Dataset/{name}.metadata.xlsx", rows)
    made.text("COVID-19_Radiography_Dataset/README.md.txt", "COVID-19 CHEST X-RAY DATABASE")


@data_set("Brain tumour MRI")
def tumour(made: DataSet) -> None:
    for side, short in (("Training", "Tr"), ("Testing", "Te")):
        made.grid(
            f"{side}/{{c}}/{short}-{{n:04d}}.jpg",
            ("glioma", "meningioma", "notumor"),
            3,
            split="train" if side == "Training" else "test",
            levels=256,
        )


@data_set("Brain tumour, yes and no twice")
def tumour_twice(made: DataSet) -> None:
    for name in ("yes", "no"):
        for number in range(1, 5):
            content = made.image(f"{name}/{name[0].upper()}{number}.jpg", name)
            made.data(f"brain_tumor_dataset/{name}/{name[0].upper()}{number}.jpg", content)
