"""Data sets of faces, clothes and animals, as their archives unpack."""

from data_sets import DataSet, collect

PEOPLE_AND_ANIMALS, data_set = collect()


@data_set("LFW (deep funneled)")
def faces_in_the_wild(made: DataSet) -> None:
    top = "lfw-deepfunneled/lfw-deepfunneled"
    counts = {"Aaron_Eckhart": 1, "George_W_Bush": 5, "Zico": 3, "Abel_Pacheco": 4}
    for name, count in counts.items():
        made.grid(f"{top}/{{c}}/{{c}}_{{i:04d}}.jpg", (name,), count)
    made.table("lfw_allnames.csv", "name,images", counts.items())
    made.table("pairs.csv", "name,imagenum1,imagenum2,", [("Zico", 1, 2, ""), ("Abel_Pacheco", 1, "Zico", 3)])
    made.table("peopleDevTrain.csv", "name,images", list(counts.items())[:3])
    made.table("matchpairsDevTest.csv", "name,imagenum1,imagenum2", [("George_W_Bush", 1, 2)])


@data_set("UTKFace")
def utk_face(made: DataSet) -> None:
    for number in range(16):
        age, gender, race = (26, 39, 1, 54)[number // 4], str(number % 2), str(number // 2 % 4)
        name = f"UTKFace/{age}_{gender}_{race}_201701161745{number:05d}.jpg.chip.jpg"
        made.image(name, gender, also=(race, str(age)))


@data_set("FER-2013 in folders")
def expressions(made: DataSet) -> None:
    for side, word in (("train", "Training"), ("test", "PublicTest")):
        made.grid(f"{side}/{{c}}/{word}_{{n}}.jpg", ("angry", "happy", "neutral"), 3, split=side, levels=256)


@data_set("FairFace")
def fair_face(made: DataSet) -> None:
    races, ages, head = (
        ("East Asian", "Indian", "Black"),
        ("3-9", "20-29", "more than 70"),
        "file,age,gender,race,service_test",
    )
    for side in ("train", "val"):
        rows = []
        for number in range(1, 10):
            race, age, gender = races[number % 3], ages[number // 4], ("Male", "Female")[number % 2]
            made.image(f"{side}/{number}.jpg", race, side, also=(age, gender))
            rows.append((f"{side}/{number}.jpg", age, gender, race, number % 3 == 0))
        made.table(f"fairface_label_{side}.csv", head, rows)


@data_set("CelebA (original lists)", task="multi")
def celeba(made: DataSet) -> None:
    names, lines, parts = ("5_o_Clock_Shadow", "Bald", "Smiling"), [], []
    for number in range(1, 10):
        has = [number % 2 == 0, number % 3 == 0, number % 4 != 1]
        split = ("train", "val", "test")[number // 4]
        made.image(f"img_align_celeba/{number:06d}.jpg", [n for n, yes in zip(names, has, strict=True) if yes], split)
        lines.append(f"{number:06d}.jpg " + " ".join(f"{1 if yes else -1:>2}" for yes in has) + " ")
        parts.append(f"{number:06d}.jpg {number // 4}")
    made.text("list_attr_celeba.txt", "9", " ".join(names) + " ", *lines)
    made.text("list_eval_partition.txt", *parts)
    made.text("identity_CelebA.txt", *(f"{number:06d}.jpg {2880 + number * 7 % 3}" for number in range(1, 10)))
    made.text(
        "list_landmarks_align_celeba.txt", "9", "lefteye_x lefteye_y", *(f"{n:06d}.jpg 69 109" for n in range(1, 10))
    )


@data_set("CelebA (Kaggle)", task="multi")
def celeba_kaggle(made: DataSet) -> None:
    names, rows, parts = ("5_o_Clock_Shadow", "Bald", "Smiling"), [], []
    for number in range(1, 10):
        has = [number % 2 == 0, number % 3 == 0, number % 4 != 1]
        split, name = ("train", "val", "test")[number // 4], f"{number:06d}.jpg"
        made.image(
            f"img_align_celeba/img_align_celeba/{name}", [n for n, y in zip(names, has, strict=True) if y], split
        )
        rows.append((name, *(1 if yes else -1 for yes in has)))
        parts.append((name, number // 4))
    made.table("list_attr_celeba.csv", f"image_id,{','.join(names)}", rows)
    made.table("list_eval_partition.csv", "image_id,partition", parts)
    made.table("list_bbox_celeba.csv", "image_id,x_1,y_1,width,height", [(row[0], 95, 71, 226, 313) for row in rows])
    made.table("list_landmarks_align_celeba.csv", "image_id,lefteye_x,lefteye_y", [(row[0], 69, 109) for row in rows])


@data_set("DeepFashion, categories")
def deep_fashion(made: DataSet) -> None:
    kinds, lines, parts = {"Blouse": 3, "Tee": 18, "Jeans": 32}, [], []
    made.name_both({str(number): name for name, number in kinds.items()})
    for number in range(12):
        kind, side = list(kinds)[number % 3], ("train", "val", "test")[number // 4]
        name = f"img/Sheer_Pleated_{kind}_{number // 2}/img_{number + 1:08d}.jpg"
        made.image(name, kind, side)
        lines.append(f"{name:<70} {kinds[kind]}")
        parts.append(f"{name:<70} {side}")
    made.text("Anno_coarse/list_category_img.txt", "12", "image_name  category_label", *lines)
    cloth = [f"Cloth{number}   1" for number in range(1, 51)]
    for name, number in kinds.items():
        cloth[number - 1] = f"{name}   {1 if number < 21 else 2}"
    made.text("Anno_coarse/list_category_cloth.txt", "50", "category_name  category_type", *cloth)
    made.text("Eval/list_eval_partition.txt", "12", "image_name  evaluation_status", *parts)
    made.text("README.txt", "Large-scale Fashion (DeepFashion) Database")


@data_set("iNaturalist 2018")
def inaturalist(made: DataSet) -> None:
    species = [
        ("Aves", "Parus major"),
        ("Aves", "Corvus corax"),
        ("Insecta", "Apis mellifera"),
        ("Insecta", "Vespa crabro"),
    ]
    categories = [{"id": 10 + place, "name": name, "supercategory": kind} for place, (kind, name) in enumerate(species)]
    for side, split in (("train", "train"), ("val", "val")):
        images, annotations = [], []
        for number in range(8):
            kind, name = species[number % 4]
            path = f"train_val2018/{kind}/{10 + number % 4}/{side}{number:032x}.jpg"
            made.image(path, name, split, also=(str(10 + number % 4), kind))
            images.append({"id": number, "file_name": path, "width": 8, "height": 8, "license": 1})
            annotations.append({"id": number, "image_id": number, "category_id": 10 + number % 4})
        made.json(
            f"{side}2018.json",
            {
                "info": {"year": 2018},
                "images": images,
                "categories": categories,
                "annotations": annotations,
                "licenses": [],
            },
        )


@data_set("Snapshot Serengeti (LILA)")
def serengeti(made: DataSet) -> None:
    names, images, annotations = ("empty", "zebra", "gazelleThomsons"), [], []
    for number in range(9):
        image_id = f"S1/B0{number % 2 + 4}/B04_R1/S1_B04_R1_PICT{number:04d}"
        made.image(f"{image_id}.JPG", names[number % 3])
        images.append(
            {
                "id": image_id,
                "file_name": f"{image_id}.JPG",
                "frame_num": 1,
                "seq_id": f"SER_S1#{number}",
                "width": 8,
                "height": 8,
                "location": "B04",
                "datetime": "2010-07-18 16:26:14",
            }
        )
        annotations.append(
            {
                "id": str(number),
                "category_id": number % 3,
                "image_id": image_id,
                "sequence_level_annotation": True,
                "season": "S1",
                "subject_id": "",
            }
        )
    made.json("SnapshotSerengetiS01.json", {"info": {}, "categories": [{"id": place, "name": name} for place, name
              in enumerate(names)], "images": images, "annotations": annotations})  # fmt: skip


@data_set("Caltech Camera Traps")
def camera_traps(made: DataSet) -> None:
    names, images, labels, boxes = {1: "opossum", 3: "raccoon", 30: "empty"}, [], [], []
    for number in range(9):
        category, image_id = list(names)[number % 3], f"5858bfa7-23d2-11e8-a6a3-{number:012x}"
        made.image(f"cct_images/{image_id}.jpg", names[category])
        images.append(
            {
                "id": image_id,
                "file_name": f"{image_id}.jpg",
                "location": "115",
                "seq_num_frames": 3,
                "width": 8,
                "height": 8,
                "date_captured": "2013-10-04 13:31:53",
            }
        )
        labels.append({"id": f"a{number}", "image_id": image_id, "category_id": category})
        if category != 30:
            boxes.append(labels[-1] | {"id": f"b{number}", "bbox": [1, 1, 4, 4]})
    categories = [{"id": number, "name": name} for number, name in names.items()]
    made.json("caltech_images_20210113.json", {"images": images, "annotations": labels, "categories": categories})
    made.json(
        "caltech_bboxes_20200316.json", {"images": images[:6], "annotations": boxes[:4], "categories": categories}
    )
