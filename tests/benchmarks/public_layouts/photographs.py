"""Research data sets of photographs, as their archives unpack."""

import numpy as np
from data_sets import ANY, MAYBE_TRAIN, DataSet, collect

PHOTOGRAPHS, data_set = collect()
SIDES = ("train", "test")


def save_mat(made: DataSet, name: str, **values: object) -> None:
    """Write a MATLAB file."""
    from scipy.io import savemat

    path = made.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, values)


@data_set("Oxford Flowers 102")
def oxford_flowers(made: DataSet) -> None:
    kinds, splits = [77, 77, 73, 73, 1, 1, 77, 73, 1], ["train", "val", "test"]
    for number, kind in enumerate(kinds):
        made.image(f"jpg/image_{number + 1:05d}.jpg", str(kind), splits[number % 3])
    save_mat(made, "imagelabels.mat", labels=np.array([kinds], np.uint8))
    ids = {name: np.array([range(place + 1, 10, 3)]) for place, name in enumerate(("trnid", "valid", "tstid"))}
    save_mat(made, "setid.mat", **ids)
    made.text("README.txt", "Automated flower classification over a large number of classes")


@data_set("Oxford-IIIT Pets")
def oxford_pets(made: DataSet) -> None:
    breeds = {"Abyssinian": (1, 1, 1), "american_bulldog": (2, 2, 1), "Egyptian_Mau": (3, 1, 2)}
    head = ["#Image CLASS-ID SPECIES BREED ID", "#ID: 1:37 Class ids", "#SPECIES: 1:Cat 2:Dog"]
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for breed, numbers in breeds.items():
        made.name_both({str(numbers[0]): breed, breed.replace("_", " "): breed})
        for number in (100, 101, 2, 34):
            name, part = f"{breed}_{number}", "trainval" if number > 34 else "test"
            made.image(f"images/{name}.jpg", breed, "train" if part == "trainval" else "test")
            made.mask(f"annotations/trimaps/{name}.png")
            made.text(
                f"annotations/xmls/{name}.xml",
                f"<annotation><filename>{name}.jpg</filename><object><name>"
                f"{'cat' if numbers[1] == 1 else 'dog'}</name></object></annotation>",
            )
            lists[part].append(f"{name} {' '.join(map(str, numbers))}")
    made.data("images/Abyssinian_100.mat", b"MATLAB 5.0 MAT-file")
    made.text("annotations/list.txt", *head, *lists["trainval"], *lists["test"])
    for part, lines in lists.items():
        made.text(f"annotations/{part}.txt", *lines)
    made.text("annotations/README", "The Oxford-IIIT Pet Dataset")


@data_set("Stanford Cars")
def stanford_cars(made: DataSet) -> None:
    names = ["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Acura TL Sedan 2012"]
    made.name_both({str(number): name for number, name in enumerate(names, 1)})
    fields = [(each, "O") for each in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
    rows = []
    for number in range(9):
        made.image(f"cars_train/{number + 1:05d}.jpg", names[number % 3], "train")
        rows.append((1, 1, 7, 7, number % 3 + 1, f"{number + 1:05d}.jpg"))
    made.plain("cars_test/{n:05d}.jpg", 4, split="test")
    save_mat(made, "devkit/cars_train_annos.mat", annotations=np.array([rows], dtype=fields))
    tests = [(1, 1, 7, 7, f"{number:05d}.jpg") for number in range(1, 5)]
    save_mat(made, "devkit/cars_test_annos.mat", annotations=np.array([tests], dtype=[*fields[:4], fields[5]]))
    save_mat(made, "devkit/cars_meta.mat", class_names=np.array([names], object))
    made.text("devkit/README.txt", "This file gives documentation for the cars 196 dataset.")


@data_set("Stanford Dogs (Kaggle)")
def stanford_dogs(made: DataSet) -> None:
    for wnid, breed in (("n02085620", "Chihuahua"), ("n02086240", "Shih-Tzu"), ("n02088094", "Afghan_hound")):
        made.name_both({breed: f"{wnid}-{breed}", wnid: f"{wnid}-{breed}"})
        for number in (10074, 10131, 10621):
            made.image(f"images/Images/{wnid}-{breed}/{wnid}_{number}.jpg", f"{wnid}-{breed}")
            made.text(
                f"annotations/Annotation/{wnid}-{breed}/{wnid}_{number}",
                "<annotation><folder>02085620</folder>"
                f"<filename>{wnid}_{number}</filename><object><name>{breed}</name></object></annotation>",
            )


@data_set("CUB-200-2011")
def cub(made: DataSet) -> None:
    names = ["001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross"]
    made.name_both({each[4:]: each for each in names} | {str(place): each for place, each in enumerate(names, 1)})
    top, images, labels, sides = "CUB_200_2011", [], [], []
    for number in range(1, 10):
        name, is_train = names[(number - 1) // 3], number % 3 != 0
        path = f"{name}/{name[4:]}_{number:04d}_79{number}111.jpg"
        made.image(f"{top}/images/{path}", name, "train" if is_train else "test")
        images.append(f"{number} {path}")
        labels.append(f"{number} {(number - 1) // 3 + 1}")
        sides.append(f"{number} {int(is_train)}")
    made.text(f"{top}/images.txt", *images)
    made.text(f"{top}/image_class_labels.txt", *labels)
    made.text(f"{top}/train_test_split.txt", *sides)
    made.text(f"{top}/classes.txt", *(f"{place} {name}" for place, name in enumerate(names, 1)))
    made.text(f"{top}/bounding_boxes.txt", *(f"{place} 60.0 27.0 325.0 304.0" for place in range(1, 10)))
    made.text(f"{top}/parts/parts.txt", "1 back", "2 beak")
    made.text(f"{top}/attributes/image_attribute_labels.txt", "1 1 0 3 27.7", "1 2 0 3 27.7")
    made.text("attributes.txt", "1 has_bill_shape::curved_(up_or_down)")
    made.text(f"{top}/README", "The Caltech-UCSD Birds-200-2011 Dataset")


@data_set("Food-101")
def food(made: DataSet) -> None:
    parts: dict[str, dict[str, list[str]]] = {side: {} for side in SIDES}
    for place, name in enumerate(("apple_pie", "baby_back_ribs", "waffles")):
        for number in range(4):
            side, path = SIDES[number == 3], f"{name}/{1005649 + 1000 * place + number}"
            made.image(f"food-101/images/{path}.jpg", name, side)
            parts[side].setdefault(name, []).append(path)
    for side, rows in parts.items():
        made.text(f"food-101/meta/{side}.txt", *(path for paths in rows.values() for path in paths))
        made.json(f"food-101/meta/{side}.json", rows)
    made.text("food-101/meta/classes.txt", "apple_pie", "baby_back_ribs", "waffles")
    made.text("food-101/meta/labels.txt", "Apple pie", "Baby back ribs", "Waffles")
    made.text("food-101/license_agreement.txt", "Food-101 is for scientific use")
    made.text("food-101/README.txt", "The test is in test.txt")


@data_set("Caltech-101")
def caltech_101(made: DataSet) -> None:
    names = ("accordion", "BACKGROUND_Google", "Faces_easy")
    made.grid("caltech-101/101_ObjectCategories/{c}/image_{i:04d}.jpg", names, 3)
    made.data("caltech-101/101_ObjectCategories/BACKGROUND_Google/tmp", b"")
    for name in names:
        made.data(f"caltech-101/Annotations/{name}/annotation_0001.mat", b"MATLAB 5.0 MAT-file")
    made.data("caltech-101/show_annotation.m", b"function show_annotation")


@data_set("Caltech-256")
def caltech_256(made: DataSet) -> None:
    names = ("001.ak47", "056.dog", "257.clutter")
    made.grid("256_ObjectCategories/{c}/{c}_{i:04d}.jpg", names, 3)
    made.image("256_ObjectCategories/056.dog/greg/vision309/056_0001.jpg", "056.dog")
    made.data("256_ObjectCategories/198.spider/RENAME2", b"rename")


@data_set("MIT Indoor 67")
def mit_67(made: DataSet) -> None:
    lists: dict[str, list[str]] = {side: [] for side in SIDES}
    for name in ("airport_inside", "bakery", "kitchen"):
        for number in range(4):
            side = SIDES[number == 3]
            made.image(f"Images/{name}/{name}_{number:04d}.jpg", name, side)
            lists[side].append(f"{name}/{name}_{number:04d}.jpg")
            made.text(
                f"Annotations/{name}/{name}_{number:04d}.xml",
                "<annotation><object><name>door</name></object>"
                f"<filename>{name}_{number:04d}.jpg</filename></annotation>",
            )
    made.text("TrainImages.txt", *lists["train"])
    made.text("TestImages.txt", *lists["test"])


@data_set("SUN397")
def sun(made: DataSet) -> None:
    for name, folder in (("abbey", "a/abbey"), ("alley", "a/alley"), ("bakery", "b/bakery/shop"), ("zoo", "z/zoo")):
        made.name_both({folder: name, f"/{folder}": name, folder[2:]: name})
        for number in range(3):
            made.image(f"SUN397/{folder}/sun_a{name[:3]}{number}xyz.jpg", name, ANY)
    made.text("SUN397/ClassName.txt", "/a/abbey", "/a/alley", "/b/bakery/shop", "/z/zoo")
    made.text("Partitions/Training_01.txt", "/a/abbey/sun_aabb0xyz.jpg")


@data_set("DTD")
def textures(made: DataSet) -> None:
    rows = made.grid("dtd/images/{c}/{c}_{i:04d}.jpg", ("banded", "blotchy", "braided"), 3, split=ANY)
    short = [path.removeprefix("dtd/images/") for path, _ in rows]
    for part, first in (("train", 0), ("val", 1), ("test", 2)):
        for fold in range(1, 4):
            made.text(f"dtd/labels/{part}{fold}.txt", *short[(first + fold) % 3 :: 3])
    made.text("dtd/labels/labels_joint_anno.txt", *(f"{path} {path.split('/')[0]} " for path in short))
    made.data("dtd/imdb/imdb.mat", b"MATLAB 5.0 MAT-file")


@data_set("FGVC Aircraft")
def aircraft(made: DataSet) -> None:
    top, kinds = (
        "fgvc-aircraft-2013b/data",
        [
            ("Boeing 707", "Boeing 707-320", "Boeing"),
            ("Airbus A320", "A320", "Airbus"),
            ("Cessna 172", "Cessna 172", "Cessna"),
        ],
    )
    lines: dict[str, list[str]] = {}
    for number in range(12):
        side, (family, variant, maker) = ("train", "val", "test")[number // 4], kinds[number % 3]
        name = f"{1025794 + 37 * number:07d}"
        made.image(f"{top}/images/{name}.jpg", variant, side, also=(family, maker))
        for kind, value in (("variant", variant), ("family", family), ("manufacturer", maker)):
            lines.setdefault(f"{kind}_{side}", []).append(f"{name} {value}")
            if side != "test":
                lines.setdefault(f"{kind}_trainval", []).append(f"{name} {value}")
        lines.setdefault(side, []).append(name)
        lines.setdefault("box", []).append(f"{name} 3 144 998 431")
    for kind, rows in lines.items():
        made.text(f"{top}/images_{kind}.txt", *rows)
    for kind, place in (("families", 0), ("variants", 1), ("manufacturers", 2)):
        made.text(f"{top}/{kind}.txt", *sorted(each[place] for each in kinds))
    made.text("fgvc-aircraft-2013b/README.md", "# FGVC-Aircraft Benchmark")


@data_set("Tiny ImageNet 200")
def tiny_imagenet(made: DataSet) -> None:
    wnids, top = ("n01443537", "n01629819", "n02124075"), "tiny-imagenet-200"
    words = ("goldfish", "salamander", "cat")
    made.name_both(dict(zip(words, wnids, strict=True)) | {"goldfish, Carassius auratus": wnids[0]})
    made.grid(f"{top}/train/{{c}}/images/{{c}}_{{i}}.JPEG", wnids, 3, split="train", start=0)
    rows = []
    for wnid in wnids:
        made.text(f"{top}/train/{wnid}/{wnid}_boxes.txt", f"{wnid}_0.JPEG\t0\t10\t63\t58")
    for number in range(4):
        made.image(f"{top}/val/images/val_{number}.JPEG", wnids[number % 3], "val")
        rows.append((f"val_{number}.JPEG", wnids[number % 3], 0, 32, 44, 62))
    made.table(f"{top}/val/val_annotations.txt", "", rows, "\t")
    made.plain(f"{top}/test/images/test_{{n}}.JPEG", 3, split="test")
    made.text(f"{top}/wnids.txt", *wnids)
    made.text(f"{top}/words.txt", "n01443537\tgoldfish, Carassius auratus", "n01629819\tsalamander", "n02124075\tcat")


@data_set("ImageNet (Kaggle)")
def imagenet(made: DataSet) -> None:
    wnids, top = ("n01440764", "n01443537", "n02124075"), "ILSVRC/Data/CLS-LOC"
    made.name_both({"tench, Tinca tinca": wnids[0], "goldfish, Carassius auratus": wnids[1], "Egyptian cat": wnids[2]})
    rows = made.grid(f"{top}/train/{{c}}/{{c}}_{{i}}.JPEG", wnids, 3, split="train")
    for path, wnid in rows:
        name = path.split("/")[-1][:-5]
        made.text(
            f"ILSVRC/Annotations/CLS-LOC/train/{wnid}/{name}.xml",
            f"<annotation><filename>{name}</filename><object><name>{wnid}</name></object></annotation>",
        )
    solutions = []
    for number in range(1, 5):
        made.image(f"{top}/val/ILSVRC2012_val_{number:08d}.JPEG", wnids[number % 3], "val")
        solutions.append((f"ILSVRC2012_val_{number:08d}", f"{wnids[number % 3]} 85 1 499 272 "))
    made.plain(f"{top}/test/ILSVRC2012_test_{{n:08d}}.JPEG", 3, split="test")
    made.table("LOC_val_solution.csv", "ImageId,PredictionString", solutions)
    made.table(
        "LOC_train_solution.csv",
        "ImageId,PredictionString",
        [(path.split("/")[-1][:-5], f"{wnid} 13 25 175 211 ") for path, wnid in rows],
    )
    made.table(
        "LOC_sample_submission.csv",
        "ImageId,PredictionString",
        [(f"ILSVRC2012_test_{number:08d}", "0 0 0 0 0 ") for number in range(1, 4)],
    )
    made.text(
        "LOC_synset_mapping.txt",
        "n01440764 tench, Tinca tinca",
        "n01443537 goldfish, Carassius auratus",
        "n02124075 Egyptian cat",
    )
    made.text(
        "ILSVRC/ImageSets/CLS-LOC/train_cls.txt",
        *(f"{path.split('train/')[-1][:-5]} {place}" for place, (path, _) in enumerate(rows, 1)),
    )
    made.text("ILSVRC/ImageSets/CLS-LOC/val.txt", *(f"ILSVRC2012_val_{place:08d} {place}" for place in range(1, 5)))


def _imagenette(made: DataSet, top: str, table: str, wnids: tuple[str, ...]) -> None:
    rows = []
    for side in ("train", "val"):
        for path, wnid in made.grid(f"{top}/{side}/{{c}}/{{c}}_{side}_{{i}}.JPEG", wnids, 4, split=side):
            noisy = wnids[(wnids.index(wnid) + len(rows) % 4 // 3) % len(wnids)]
            rows.append((path.removeprefix(f"{top}/"), wnid, noisy, noisy, noisy, noisy, side == "val"))
    made.table(
        f"{top}/{table}",
        "path,noisy_labels_0,noisy_labels_1,noisy_labels_5,noisy_labels_25,noisy_labels_50,is_valid",
        rows,
    )
    made.data(f"{top}/train/.DS_Store", b"\0")


@data_set("Imagenette")
def imagenette(made: DataSet) -> None:
    _imagenette(made, "imagenette2-160", "noisy_imagenette.csv", ("n01440764", "n02102040", "n03000684"))


@data_set("Imagewoof, only the table of version 1")
def imagewoof(made: DataSet) -> None:
    _imagenette(made, "imagewoof2-160", "noisy_imagewoof.csv", ("n02086240", "n02087394", "n02088364", "n02089973"))
    path = made.folder / "imagewoof2-160/noisy_imagewoof.csv"
    header, *rows = path.read_text().splitlines()
    cut = [(line.split(",")[0], line.split(",")[3], line.split(",")[-1]) for line in (header, *rows)]
    path.write_text("".join(f"{','.join(cells)}\n" for cells in cut))


@data_set("CIFAR-10 (fast.ai)")
def cifar(made: DataSet) -> None:
    for side in SIDES:
        made.grid(f"cifar10/{side}/{{c}}/{{n:04d}}_{{c}}.png", ("airplane", "frog", "truck"), 3, split=side)
    made.text("cifar10/labels.txt", "airplane", "frog", "truck")


@data_set("STL-10 in folders, with unlabelled ones")
def stl(made: DataSet) -> None:
    for side in SIDES:
        made.grid(f"stl10/{side}/{{c}}/{{n}}.png", ("airplane", "bird", "monkey"), 2, split=side)
    made.plain("stl10/unlabeled/{n}.png", 4, split=ANY)


@data_set("SVHN, full numbers")
def svhn(made: DataSet) -> None:
    for side in SIDES:
        made.plain(f"{side}/{{n}}.png", 4, split=side)
        made.data(f"{side}/digitStruct.mat", b"MATLAB 7.3 MAT-file" + bytes(493) + b"\x89HDF\r\n\x1a\n")
        made.data(f"{side}/see_bboxes.m", b"load digitStruct.mat")


@data_set("MNIST as PNG")
def mnist(made: DataSet) -> None:
    for side in ("training", "testing"):
        made.grid(
            f"mnist_png/{side}/{{c}}/{side[:2]}{{n}}.png",
            "0123",
            3,
            split=side[:-3].replace("train", "train"),
            levels=256,
        )


@data_set("MNIST sample (fast.ai)")
def mnist_sample(made: DataSet) -> None:
    rows = []
    for side, split in (("train", "train"), ("valid", "val")):
        for path, name in made.grid(f"mnist_sample/{side}/{{c}}/{side}{{n}}.png", "37", 4, split=split, levels=256):
            rows.append((path.removeprefix("mnist_sample/"), int(name == "7")))
    made.table("mnist_sample/labels.csv", "name,label", rows)


@data_set("WikiArt (Kaggle)")
def wikiart(made: DataSet) -> None:
    rows = []
    for path, style in made.grid("{c}/aaron-siskind_work-{c}-{i}.jpg", ("Baroque", "Cubism", "Pop_Art"), 4, split=ANY):
        genre = "['Pop Art', 'Cubism']" if len(rows) == 5 else f"['{style.replace('_', ' ')}']"
        rows.append(
            (path, "aaron siskind", genre, "work", f"bebbeb0{len(rows)}", 8, 8, 1, "train" if len(rows) % 4 else "test")
        )
    made.table("classes.csv", "filename,artist,genre,description,phash,width,height,genre_count,subset", rows)


@data_set("Places365, small images")
def places(made: DataSet) -> None:
    names = {"airfield": "a/airfield", "bakery": "b/bakery/shop", "zoo": "z/zoo"}
    for name, folder in names.items():
        made.name_both({folder: name, f"/{folder}": name, folder[2:]: name, str(list(names).index(name)): name})
        made.grid(f"data_256/{folder}/{{i:08d}}.jpg", (name,), 3, split=MAYBE_TRAIN)
    rows = []
    for number in range(1, 5):
        made.image(f"val_256/Places365_val_{number:08d}.jpg", list(names)[number % 3], ("val", None))
        rows.append(f"Places365_val_{number:08d}.jpg {number % 3}")
    made.text("filelist_places365-standard/places365_val.txt", *rows)
    made.text(
        "filelist_places365-standard/places365_train_standard.txt",
        *(f"/{folder}/{n:08d}.jpg {p}" for p, folder in enumerate(names.values()) for n in (1, 2, 3)),
    )
    made.text(
        "filelist_places365-standard/categories_places365.txt",
        *(f"/{folder} {place}" for place, folder in enumerate(names.values())),
    )
