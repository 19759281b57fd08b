"""Data sets of class folders and traffic signs, as they are passed on: wrappers, versions, and what else lies there."""

from data_sets import ANY, MAYBE_TEST, MAYBE_TRAIN, DataSet, collect

UPLOADS, data_set = collect()


@data_set("TensorFlow flowers")
def flower_photos(made: DataSet) -> None:
    made.grid(
        "flower_photos/{c}/1008006{n}_79c64e1a{i}.jpg", ("daisy", "dandelion", "roses", "sunflowers", "tulips"), 3
    )
    made.text("flower_photos/LICENSE.txt", "All images in this archive are licensed under Creative Commons")


@data_set("Flowers, the folder in itself")
def flowers_nested(made: DataSet) -> None:
    made.grid("archive/flowers/{c}/1008006{n}.jpg", ("daisy", "rose", "tulip"), 4)
    made.data("archive/flowers/.DS_Store", b"\0")
    made.data("archive/flowers/daisy/flickr.py", b"import flickrapi")


@data_set("Cats and Dogs (Microsoft)")
def pet_images(made: DataSet) -> None:
    for name in ("Cat", "Dog"):
        made.grid("PetImages/{c}/{i}.jpg", (name,), 5, start=0)
        made.data(f"PetImages/{name}/Thumbs.db", b"\xd0\xcf\x11\xe0")
    made.data("PetImages/Cat/666.jpg", b"")
    made.data("MSR-LA - 3467.docx", b"PK")
    made.text("readme[1].txt", "This data consists of two folders.")


@data_set("Cats and dogs, filtered")
def cats_and_dogs(made: DataSet) -> None:
    for side, split in (("train", "train"), ("validation", "val")):
        for name in ("cat", "dog"):
            made.grid(f"cats_and_dogs_filtered/{side}/{name}s/{name}.{side[0]}{{i}}.jpg", (f"{name}s",), 4, split=split)
    made.data("cats_and_dogs_filtered/vectorize.py", b"import numpy")


@data_set("Intel scenes")
def intel(made: DataSet) -> None:
    for part, split in (("seg_train", "train"), ("seg_test", "test")):
        made.grid(f"{part}/{part}/{{c}}/{part[4]}{{n}}.jpg", ("buildings", "forest", "sea"), 3, split=split)
    made.plain("seg_pred/seg_pred/{n}.jpg", 4, split=ANY)


@data_set("Rice varieties")
def rice(made: DataSet) -> None:
    made.grid("Rice_Image_Dataset/{c}/{c} ({i}).jpg", ("Arborio", "Basmati", "Ipsala"), 3)
    made.text("Rice_Image_Dataset/Rice_Citation_Request.txt", "Citation Request : See the articles")


@data_set("Mushroom genera")
def mushrooms(made: DataSet) -> None:
    made.grid("Mushrooms/{c}/{n:03d}_mF2YgHSd_{i}E.jpg", ("Agaricus", "Amanita", "Boletus"), 3)


@data_set("Weather images")
def weather(made: DataSet) -> None:
    made.grid("dataset/{c}/{n}208.jpg", ("dew", "fogsmog", "rain"), 3)


@data_set("Vehicle types (TAU)")
def vehicles(made: DataSet) -> None:
    made.grid("train/train/{c}/{n:06d}_{i:02d}.jpg", ("Ambulance", "Barge", "Bicycle"), 3, split=MAYBE_TRAIN)
    tests = made.plain("test/testset/{n:06d}.jpg", 5, split=MAYBE_TEST)
    made.table("empty_submission.csv", "Id,Category", [(number, "") for number in range(len(tests))])


@data_set("Yoga poses")
def yoga(made: DataSet) -> None:
    for part, split in (("TRAIN", "train"), ("TEST", "test")):
        made.grid(
            f"yoga poses dataset/DATASET/{part}/{{c}}/{part}{{n:08d}}.jpg",
            ("downdog", "goddess", "tree"),
            3,
            split=split,
        )


@data_set("Garbage, twelve classes")
def garbage(made: DataSet) -> None:
    made.grid("garbage_classification/{c}/{c}{i}.jpg", ("battery", "brown-glass", "shoes"), 3)


@data_set("Waste, organic and recyclable")
def waste(made: DataSet) -> None:
    for part, split in (("TRAIN", "train"), ("TEST", "test")):
        for name in "OR":
            for number in range(3):
                content = made.image(f"DATASET/{part}/{name}/{name}_{part[:2]}{number}.jpg", name, split)
                made.data(f"dataset/DATASET/{part}/{name}/{name}_{part[:2]}{number}.jpg", content)


@data_set("Fruits-360")
def fruits(made: DataSet) -> None:
    top = "fruits-360_dataset/fruits-360"
    for part, split in (("Training", "train"), ("Test", "test")):
        made.grid(
            f"{top}/{part}/{{c}}/{part[1]}{{i}}_100.jpg", ("Apple Braeburn", "Apple Golden 1", "Banana"), 3, split=split
        )
    for name in ("apple_apricot_peach", "cherries(rainier)_strawberries"):
        made.image(f"{top}/test-multiple_fruits/{name}.jpg", None, ANY)
    made.data(f"{top}/papers/fruit recognition.pdf", b"%PDF-1.4")
    made.text(f"{top}/LICENSE", "MIT License")
    made.text(f"{top}/readme.md", "# Fruits-360")


@data_set("Sign language digits")
def sign_digits(made: DataSet) -> None:
    top = "Sign-Language-Digits-Dataset-master"
    made.grid(f"{top}/Dataset/{{c}}/IMG_{{n}}118.JPG", "0123", 3)
    for number in range(3):
        made.figure(f"{top}/Examples/example_{number}.JPG")
    made.text(f"{top}/README.md", "# Sign Language Digits Dataset")


def _signs(made: DataSet, folder: str, name: str, split: str, number: int) -> None:
    rows = []
    for place in range(number):
        file = f"{split[1]}{int(name):03d}_{place:05d}.ppm" if split == "test" else f"{place // 3:05d}_{place:05d}.ppm"
        made.image(f"{folder}/{name}/{file}", name, split)
        rows.append((file, 29, 30, 5, 6, 24, 25, int(name)))
    made.table(f"{folder}/{name}/GT-{name}.csv", "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId", rows, ";")


@data_set("GTSRB, final training and test")
def gtsrb(made: DataSet) -> None:
    for name in ("00000", "00001", "00002"):
        made.name_both({str(int(name)): name})
        _signs(made, "GTSRB/Final_Training/Images", name, "train", 4)
    rows = []
    for number in range(6):
        made.image(f"GTSRB/Final_Test/Images/{number:05d}.ppm", f"{number % 3:05d}", "test")
        rows.append((f"{number:05d}.ppm", 53, 54, 6, 5, 48, 49, number % 3))
    made.table(
        "GTSRB/Final_Test/Images/GT-final_test.csv",
        "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId",
        rows,
        ";",
    )
    made.text("GTSRB/Readme-Images.txt", "German Traffic Sign Recognition Benchmark")


@data_set("GTSRB (Kaggle)")
def gtsrb_kaggle(made: DataSet) -> None:
    head, train, test = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path", [], []
    for path, name in made.grid("Train/{c}/{c}_00000_{n:05d}.png", "012", 4, split="train"):
        train.append((27, 26, 5, 5, 22, 20, name, path))
    for number in range(6):
        made.image(f"Test/{number:05d}.png", str(number % 3), "test")
        test.append((53, 54, 6, 5, 48, 49, number % 3, f"Test/{number:05d}.png"))
    for name in "012":
        made.figure(f"Meta/{name}.png")
    made.table("Train.csv", head, train)
    made.table("Test.csv", head, test)
    made.table(
        "Meta.csv",
        "Path,ClassId,ShapeId,ColorId,SignId",
        [(f"Meta/{name}.png", name, int(name) % 2, 0, "3.32") for name in "012"],
    )


@data_set("Belgian traffic signs")
def belgian_signs(made: DataSet) -> None:
    for side, split in (("Training", "train"), ("Testing", "test")):
        for name in ("00000", "00001", "00017"):
            made.name_both({str(int(name)): name})
            _signs(made, side, name, split, 3)
        made.text(f"{side}/Readme.txt", "BelgiumTS for classification")


@data_set("Chest CT, class names of the splits differ")
def chest_ct(made: DataSet) -> None:
    long, short = "adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib", "adenocarcinoma"
    for side, names, split in (("train", (long, "normal"), "train"), ("valid", (long, "normal"), "val"),
                               ("test", (short, "normal"), "test")):  # fmt: skip
        made.grid(f"Data/{side}/{{c}}/{side}{{n:06d}} ({{i}}).png", names, 3, split=split)


@data_set("Class folders with a figure beside them and a nested taxonomy")
def taxonomy(made: DataSet) -> None:
    for family, kinds in (("Canidae", ("dog", "wolf")), ("Felidae", ("cat", "lynx"))):
        for kind in kinds:
            made.grid(f"animals/{family}/{{c}}/{kind}_{{i}}.jpg", (kind,), 3, also=(family,))
    made.figure("animals/overview.png")


@data_set("Class folders of patients")
def patients(made: DataSet) -> None:
    for name in ("healthy", "sick"):
        for patient in ("P001", "P002", "P003") if name == "sick" else ("P004", "P005"):
            made.grid(f"scans/{name}/{patient}/slice_{{i}}.png", (name,), 3, label=str, levels=256)


@data_set("Folds of cross-validation")
def folds(made: DataSet) -> None:
    for fold in range(1, 4):
        made.grid(f"fold{fold}/{{c}}/f{fold}_{{n}}.jpg", ("benign", "malignant"), 3, split=ANY)


@data_set("One folder of photographs")
def loose(made: DataSet) -> None:
    made.plain("holiday/DSC_{n:04d}.JPG", 6)
    made.text("holiday/notes.txt", "Photographs of the holiday")
