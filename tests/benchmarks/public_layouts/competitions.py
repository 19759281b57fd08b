"""Data sets of Kaggle: competitions with their tables and submissions, and uploads of class folders."""

from data_sets import ANY, MAYBE_TEST, MAYBE_TRAIN, DataSet, collect

COMPETITIONS, data_set = collect()


def stems(names: list[str]) -> list[str]:
    """Return the names of files without folder and suffix."""
    return [name.split("/")[-1].rsplit(".", 1)[0] for name in names]


@data_set("Cassava leaf disease")
def cassava(made: DataSet) -> None:
    names = {"0": "Cassava Bacterial Blight (CBB)", "1": "Cassava Brown Streak Disease (CBSD)", "4": "Healthy"}
    made.name_both(names)
    rows = []
    for number in range(9):
        key = list(names)[number % 3]
        made.image(f"train_images/{1000015157 + number * 7919}.jpg", names[key], MAYBE_TRAIN)
        rows.append((f"{1000015157 + number * 7919}.jpg", key))
    made.table("train.csv", "image_id,label", rows)
    made.json("label_num_to_disease_map.json", names)
    made.plain("test_images/221684994{n}.jpg", 1, split=MAYBE_TEST)
    made.table("sample_submission.csv", "image_id,label", [("2216849941.jpg", 4)])
    made.data("train_tfrecords/ld_train00-1338.tfrec", b"\x10\0\0\0\0\0\0\0 record")


@data_set("Plant Pathology 2020")
def plant_pathology(made: DataSet) -> None:
    names, rows = ("healthy", "multiple_diseases", "rust", "scab"), []
    for number in range(12):
        made.image(f"images/Train_{number}.jpg", names[number % 4], MAYBE_TRAIN)
        rows.append((f"Train_{number}", *(int(place == number % 4) for place in range(4))))
    tests = made.plain("images/Test_{n}.jpg", 5, split=MAYBE_TEST)
    made.table("train.csv", f"image_id,{','.join(names)}", rows)
    made.table("test.csv", "image_id", [(name,) for name in stems(tests)])
    made.table("sample_submission.csv", f"image_id,{','.join(names)}", [(name, *[0.25] * 4) for name in stems(tests)])


@data_set("Plant Pathology 2021", task="multi")
def plant_pathology_2021(made: DataSet) -> None:
    cells = ("healthy", "scab frog_eye_leaf_spot complex", "scab", "complex", "rust frog_eye_leaf_spot", "scab complex")
    rows = []
    for number in range(18):
        name = f"{0x800113BB65EFE69E + number * 104729:016x}.jpg"
        made.image(f"train_images/{name}", cells[number % 6].split(), MAYBE_TRAIN)
        rows.append((name, cells[number % 6]))
    tests = made.plain("test_images/85f8cb619c66b86{n}.jpg", 3, split=MAYBE_TEST)
    made.table("train.csv", "image,labels", rows)
    made.table("sample_submission.csv", "image,labels", [(name.split("/")[1], "healthy") for name in tests])


@data_set("Dog Breed Identification")
def dog_breeds(made: DataSet) -> None:
    names, rows = ("boston_bull", "dingo", "golden_retriever"), []
    for number in range(9):
        stem = f"{number * 7919 + 11:032x}"
        made.image(f"train/{stem}.jpg", names[number % 3], MAYBE_TRAIN)
        rows.append((stem, names[number % 3]))
    tests = stems(made.plain("test/{n:032x}.jpg", 5, split=MAYBE_TEST))
    made.table("labels.csv", "id,breed", rows)
    made.table("sample_submission.csv", f"id,{','.join(names)}", [(name, *[0.00833] * 3) for name in tests])


@data_set("Dogs vs. Cats")
def dogs_vs_cats(made: DataSet) -> None:
    for name in ("cat", "dog"):
        made.grid("train/{c}.{i}.jpg", (name,), 6, split=MAYBE_TRAIN, start=0)
    tests = made.plain("test1/{n}.jpg", 5, split=MAYBE_TEST)
    made.table("sampleSubmission.csv", "id,label", [(name, 0) for name in stems(tests)])


@data_set("Plant Seedlings")
def seedlings(made: DataSet) -> None:
    made.grid("train/{c}/{n:09x}.png", ("Black-grass", "Charlock", "Common Chickweed"), 3, split=MAYBE_TRAIN)
    tests = made.plain("test/f{n:08x}.png", 5, split=MAYBE_TEST)
    made.table("sample_submission.csv", "file,species", [(name.split("/")[1], "Sugar beet") for name in tests])


@data_set("State Farm distracted drivers")
def drivers(made: DataSet) -> None:
    rows = []
    for path, name in made.grid("imgs/train/{c}/img_{n}0.jpg", ("c0", "c1", "c2"), 3, split=MAYBE_TRAIN):
        rows.append((f"p00{len(rows) % 2}", name, path.split("/")[-1]))
    tests = made.plain("imgs/test/img_{n}.jpg", 5, split=MAYBE_TEST)
    made.table("driver_imgs_list.csv", "subject,classname,img", rows)
    made.table("sample_submission.csv", "img,c0,c1,c2", [(name.split("/")[-1], 0.3, 0.3, 0.3) for name in tests])


@data_set("Aerial Cactus")
def cactus(made: DataSet) -> None:
    rows = []
    for number in range(10):
        name = f"{number * 7919 + 3:032x}.jpg"
        made.image(f"train/train/{name}", str(int(number % 3 > 0)), MAYBE_TRAIN)
        rows.append((name, int(number % 3 > 0)))
    tests = made.plain("test/test/{n:032x}.jpg", 4, split=MAYBE_TEST)
    made.table("train.csv", "id,has_cactus", rows)
    made.table("sample_submission.csv", "id,has_cactus", [(name.split("/")[-1], 0.5) for name in tests])


@data_set("Humpback Whale")
def whales(made: DataSet) -> None:
    names, rows = ("new_whale", "w_f48451c", "w_c3d896a", "w_20df2c5"), []
    for number in range(12):
        name = f"{0x0000E88A + number * 7919:08x}.jpg"
        made.image(f"train/{name}", names[number % 4], MAYBE_TRAIN)
        rows.append((name, names[number % 4]))
    tests = made.plain("test/00028a0{n}.jpg", 4, split=MAYBE_TEST)
    made.table("train.csv", "Image,Id", rows)
    made.table(
        "sample_submission.csv",
        "Image,Id",
        [(name.split("/")[1], "new_whale w_23a388d w_9b5109b w_9c506f6 w_0369a5c") for name in tests],
    )


@data_set("Planet: Amazon", task="multi")
def amazon(made: DataSet) -> None:
    cells, rows = ("haze primary", "agriculture clear primary water", "clear primary", "cloudy", "clear water"), []
    for number in range(15):
        made.image(f"train-jpg/train_{number}.jpg", cells[number % 5].split(), MAYBE_TRAIN)
        rows.append((f"train_{number}", cells[number % 5]))
    tests = made.plain("test-jpg/test_{n}.jpg", 4, split=MAYBE_TEST)
    made.table("train_v2.csv", "image_name,tags", rows)
    made.table(
        "sample_submission_v2.csv",
        "image_name,tags",
        [(name, "primary clear agriculture road water") for name in stems(tests)],
    )


@data_set("Leaf Classification")
def leaves(made: DataSet) -> None:
    names, rows, tests = ("Acer_Opalus", "Pterocarya_Stenoptera", "Quercus_Rubra"), [], []
    for number in range(1, 16):
        margins = [round(0.0078125 + number / 999, 7), round(number / 777, 7)]
        if number % 5:
            made.image(f"images/{number}.jpg", names[number % 3], MAYBE_TRAIN, levels=256)
            rows.append((number, names[number % 3], *margins))
        else:
            made.image(f"images/{number}.jpg", None, MAYBE_TEST, levels=256)
            tests.append((number, *margins))
    made.table("train.csv", "id,species,margin1,shape1", rows)
    made.table("test.csv", "id,margin1,shape1", tests)
    made.table("sample_submission.csv", f"id,{','.join(names)}", [(row[0], 0.01, 0.01, 0.01) for row in tests])


@data_set("Invasive Species, equal names in train and test")
def invasive(made: DataSet) -> None:
    rows = []
    for number in range(1, 11):
        made.image(f"train/{number}.jpg", str(int(number % 3 > 0)), MAYBE_TRAIN)
        rows.append((number, int(number % 3 > 0)))
    made.plain("test/{n}.jpg", 6, split=MAYBE_TEST)
    made.table("train_labels.csv", "name,invasive", rows)
    made.table("sample_submission.csv", "name,invasive", [(number, 0.5) for number in range(1, 7)])


@data_set("CIFAR-10 (Kaggle), its table named", source="trainLabels.csv")
def cifar_table(made: DataSet) -> None:
    names, rows = ("frog", "truck", "deer"), []
    for number in range(1, 13):
        made.image(f"train/{number}.png", names[number % 3], MAYBE_TRAIN)
        rows.append((number, names[number % 3]))
    made.plain("test/{n}.png", 12, split=MAYBE_TEST)
    made.table("trainLabels.csv", "id,label", rows)
    made.table("sampleSubmission.csv", "id,label", [(number, "cat") for number in range(1, 13)])


@data_set("CIFAR-10 (Kaggle)")
def cifar_kaggle(made: DataSet) -> None:
    cifar_table(made)


@data_set("Human Protein Atlas", task="multi")
def proteins(made: DataSet) -> None:
    cells, rows = ("16 0", "7 1 2 0", "5", "1", "18", "0", "25", "2"), []
    for number in range(8):
        stem = f"00070df0-bbc3-11e8-b2bc-{number:012x}"
        for colour in ("red", "green", "blue", "yellow"):
            made.image(f"train/{stem}_{colour}.png", cells[number].split(), MAYBE_TRAIN, levels=256)
        rows.append((stem, cells[number]))
    made.table("train.csv", "Id,Target", rows)
    made.table("sample_submission.csv", "Id,Predicted", [("00008af0-bad0-11e8-b2b8-ac1f6b6435d0", 0)])


@data_set("Digit Recognizer: pixels in a table")
def digit_pixels(made: DataSet) -> None:
    made.is_refused = True
    pixels = ",".join(f"pixel{place}" for place in range(784))
    made.table("train.csv", f"label,{pixels}", [[number % 10, *[0] * 784] for number in range(20)])
    made.table("test.csv", pixels, [[0] * 784 for _ in range(5)])
    made.table("sample_submission.csv", "ImageId,Label", [(number, 0) for number in range(1, 6)])


@data_set("Digit Recognizer, its table named", source="train.csv")
def digit_table(made: DataSet) -> None:
    digit_pixels(made)


@data_set("FER-2013 in a table", source="fer2013.csv")
def fer_pixels(made: DataSet) -> None:
    made.is_refused = True
    made.table(
        "fer2013.csv", "emotion,pixels,Usage", [(place % 7, " ".join(["70"] * 64), "Training") for place in range(9)]
    )
    made.text("fer2013.bib", "@inproceedings{fer}")


@data_set("Dry Bean: measurements without images")
def dry_bean(made: DataSet) -> None:
    made.is_refused = True
    made.text("Dry_Bean_Dataset/Dry_Bean_Dataset.arff", "@RELATION beans", "@ATTRIBUTE Area INTEGER")
    made.text("Dry_Bean_Dataset/Dry_Bean_Dataset.txt", "Citation Request")
    made.table(
        "Dry_Bean_Dataset/beans.csv", "Area,Perimeter,Class", [(28395, 610.291, "SEKER"), (28734, 638.018, "BOMBAY")]
    )


@data_set("Fashion products")
def fashion(made: DataSet) -> None:
    kinds = (("Men", "Apparel", "Topwear", "Shirts"), ("Women", "Accessories", "Watches", "Watches"),
             ("Men", "Footwear", "Shoes", "Casual Shoes"), ("Unisex", "Apparel", "Topwear", "Tshirts"))  # fmt: skip
    rows, links = [], []
    for number in range(12):
        key, (gender, master, sub, kind) = 15970 + 37 * number, kinds[number % 4]
        made.image(f"fashion-dataset/images/{key}.jpg", master, also=(sub, kind, gender))
        made.json(f"fashion-dataset/styles/{key}.json", {"meta": {"code": 200}, "data": {"id": key}})
        rows.append(
            f"{key},{gender},{master},{sub},{kind},Navy Blue,Fall,2011,Casual,Turtle Check Shirt"
            f"{', Slim' if number == 5 else ''}"
        )
        links.append((f"{key}.jpg", f"http://assets.myntassets.com/v1/images/style/{key}.jpg"))
    made.text(
        "fashion-dataset/styles.csv",
        "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName",
        *rows,
    )
    made.table("fashion-dataset/images.csv", "filename,link", links)


@data_set("Pokemon types")
def pokemon(made: DataSet) -> None:
    rows, names = [], ("abra", "absol", "bulbasaur", "charmander", "eevee", "gastly", "mew", "oddish")
    for place, name in enumerate(names):
        kind = ("Psychic", "Dark", "Grass", "Fire")[place % 4]
        made.image(f"images/images/{name}.png", kind)
        rows.append((name, kind, "Poison" if place in (2, 5) else "", names[(place + 1) % 8] if place < 2 else ""))
    made.table("pokemon.csv", "Name,Type1,Type2,Evolution", rows)


@data_set("Butterflies, equal names in train and test")
def butterflies(made: DataSet) -> None:
    rows, names = [], ("SOUTHERN DOGFACE", "ADONIS", "BROWN SIPROETA")
    for number in range(1, 13):
        made.image(f"train/Image_{number}.jpg", names[number % 3], "train")
        rows.append((f"Image_{number}.jpg", names[number % 3]))
    tests = made.plain("test/Image_{n}.jpg", 6, split="test")
    made.table("Training_set.csv", "filename,label", rows)
    made.table("Testing_set.csv", "filename", [(name.split("/")[1],) for name in tests])


def _gpiosenka(made: DataSet, table: str, names: tuple[str, ...], header: str, tail: tuple[str, ...]) -> None:
    rows: list[tuple[object, ...]] = []
    for side, split in (("train", "train"), ("valid", "val"), ("test", "test")):
        for path, name in made.grid(f"{side}/{{c}}/{{i:03d}}.jpg", names, 2 if side != "train" else 4, split=split):
            rows.append((names.index(name), path, name, *tail[:-1], side, *tail[-1:]))
    made.table(table, header, rows)


@data_set("Birds 525")
def birds(made: DataSet) -> None:
    _gpiosenka(
        made,
        "birds.csv",
        ("ABBOTTS BABBLER", "ALBATROSS", "YELLOW CACIQUE"),
        "class id,filepaths,labels,data set,scientific name",
        ("MALACOCINCLA ABBOTTI",),
    )
    made.data("EfficientNetB0-525-(224 X 224)- 98.97.h5", b"\x89HDF\r\n\x1a\n")


@data_set("Playing cards")
def cards(made: DataSet) -> None:
    _gpiosenka(
        made,
        "cards.csv",
        ("ace of clubs", "joker", "two of spades"),
        "class index,filepaths,labels,card type,data set",
        ("ace", ""),
    )
    text = (made.folder / "cards.csv").read_text().replace(",test,\n", ",test\n").replace(",train,\n", ",train\n")
    (made.folder / "cards.csv").write_text(
        text.replace(",valid,\n", ",valid\n").replace("joker/002.jpg", "joker/002.lnk")
    )
    made.data("53cards-53-(200 X 200)-100.00.h5", b"\x89HDF\r\n\x1a\n")


@data_set("Ten Monkey Species")
def monkeys(made: DataSet) -> None:
    made.name_both(
        {
            "mantled_howler": "n0",
            "alouatta_palliata": "n0",
            "patas_monkey": "n1",
            "bald_uakari": "n2",
            "erythrocebus_patas": "n1",
            "cacajao_calvus": "n2",
        }
    )
    for side, split in (("training", "train"), ("validation", "val")):
        made.grid(f"{side}/{side}/{{c}}/{{c}}{side[0]}{{i:02d}}.jpg", ("n0", "n1", "n2"), 3, split=split)
    made.text(
        "monkey_labels.txt",
        "Label, Latin Name              , Common Name                   , Train Images , Validation Images",
        "n0   , alouatta_palliata\t   , mantled_howler                , 131          , 26",
        "n1   , erythrocebus_patas\t   , patas_monkey                  , 139          , 28",
        "n2   , cacajao_calvus\t   , bald_uakari                   , 137          , 27",
    )


@data_set("Multi-class Weather, classes in names")
def weather_names(made: DataSet) -> None:
    for name in ("cloudy", "rain", "shine", "sunrise"):
        made.grid("dataset2/{c}{i}.jpg", (name,), 4)


@data_set("Simpsons characters")
def simpsons(made: DataSet) -> None:
    names, lines = ("abraham_grampa_simpson", "bart_simpson", "moe_szyslak"), []
    for path, name in made.grid("simpsons_dataset/{c}/pic_{i:04d}.jpg", names, 4, split=ANY, start=0):
        content = (made.folder / path).read_bytes()
        made.data(f"simpsons_dataset/simpsons_dataset/{name}/{path.split('/')[-1]}", content)
        lines.append(f"./characters/{name}/{path.split('/')[-1]},57,72,52,72,{name}")
    for name in names:
        made.grid("kaggle_simpson_testset/kaggle_simpson_testset/{c}_{i}.jpg", (name,), 2, kind="optional", start=0)
    made.text("annotation.txt", *lines)
    made.table(
        "number_pic_char.csv", ",name,total,train,test,bounding_box", [(0, "Bart Simpson", 1342, 1142, 200, 554)]
    )
    made.data("weights.best.hdf5", b"\x89HDF\r\n\x1a\n")


@data_set("Garbage classification (TrashNet)")
def trashnet(made: DataSet) -> None:
    names, short = ("cardboard", "glass", "metal", "trash"), []
    for path, name in made.grid("Garbage classification/Garbage classification/{c}/{c}{i}.jpg", names, 4, split=ANY):
        short.append(f"{path.split('/')[-1]} {names.index(name) + 1}")
    made.text("one-indexed-files.txt", *short)
    made.text("zero-indexed-files.txt", *(f"{line[:-1]}{int(line[-1]) - 1}" for line in short))
    for place, part in enumerate(("train", "val", "test")):
        made.text(f"one-indexed-files-notrash_{part}.txt", *short[place:-4:3])


@data_set("ASL alphabet")
def asl(made: DataSet) -> None:
    names = ("A", "B", "nothing", "space")
    made.grid("asl_alphabet_train/asl_alphabet_train/{c}/{c}{i}.jpg", names, 3, split=MAYBE_TRAIN)
    made.grid("asl_alphabet_test/asl_alphabet_test/{c}_test.jpg", names, 1, split="test", kind="optional")


@data_set("iWildCam 2022")
def wild_cam(made: DataSet) -> None:
    names, images, annotations = {0: "empty", 2: "tayassu pecari", 24: "puma concolor"}, [], []
    for number in range(9):
        image_id = f"8b02698a-21bc-11ea-a13a-{number:012x}"
        made.image(f"train/train/{image_id}.jpg", list(names.values())[number % 3], MAYBE_TRAIN)
        images.append(
            {
                "id": image_id,
                "file_name": f"{image_id}.jpg",
                "width": 8,
                "height": 8,
                "location": number % 2,
                "seq_id": "30048d32",
                "seq_num_frames": 6,
                "datetime": "2013-06-05 05:44:19.000",
            }
        )
        annotations.append({"id": f"a{number}", "image_id": image_id, "category_id": list(names)[number % 3]})
    tests = made.plain("test/test/8b4c2e2a-21bc-11ea-a13a-{n:012x}.jpg", 3, split=MAYBE_TEST)
    categories = [{"id": number, "name": name} for number, name in names.items()]
    made.json(
        "metadata/metadata/iwildcam2022_train_annotations.json",
        {"images": images, "annotations": annotations, "categories": categories},
    )
    made.json("metadata/metadata/iwildcam2022_test_information.json",
              {"images": [{"id": stem, "file_name": f"{stem}.jpg", "width": 8, "height": 8} for stem in stems(tests)],
               "categories": categories})  # fmt: skip
    made.table("sample_submission.csv", "Id,Predicted", [("30048d32", 0)])
