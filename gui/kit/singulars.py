"""What is said of one thing: English messages that count, and their singular (`gui.kit.i18n.tr` chooses by `count`)."""

OF_ONE = {
    "Judged on {count} validation pictures, and timed in turn on this machine.": (
        "Judged on {count} validation picture, and timed in turn on this machine."
    ),
    "{count} pictures": "{count} picture",
    "{count} files, {size}": "{count} file, {size}",
    "{count} files, {size}, go to {hub}. Nothing is sent before you press Send.": (
        "{count} file, {size}, goes to {hub}. Nothing is sent before you press Send."
    ),
    "Boxes or shapes are marked in {count} pictures, and none has a class as a whole.": (
        "Boxes or shapes are marked in {count} picture, and none has a class as a whole."
    ),
    "Boxes or shapes are marked in {count} pictures; their classes are not taken.": (
        "Boxes or shapes are marked in {count} picture; their classes are not taken."
    ),
    "{count} pictures were found by name, in other folders than the file says.": (
        "{count} picture was found by name, in another folder than the file says."
    ),
    "{count} pictures lie outside the folder of this file, where other programs hardly find them.": (
        "{count} picture lies outside the folder of this file, where other programs hardly find it."
    ),
    "The format has no place for {count} pictures.": "The format has no place for {count} picture.",
    "{count} pictures imported": "{count} picture imported",
    "{count} suggestions by {run}": "{count} suggestion by {run}",
    "{count} suggestions from your {labelled} labels": "{count} suggestion from your {labelled} labels",
    "{count} pictures without a label": "{count} picture without a label",
    "{count} epochs": "{count} epoch",
    "{count} pictures a second.": "{count} picture a second.",
    "{count} pictures, {classes} classes": "{count} picture, {classes} classes",
    "{count} pictures: {classes}": "{count} picture: {classes}",
    "{name}: {count} pictures": "{name}: {count} picture",
    "{count} pictures were found again.": "{count} picture was found again.",
    "{count} pictures have several classes.": "{count} picture has several classes.",
    "{count} pictures without a class": "{count} picture without a class",
    "{count} files are left out": "{count} file is left out",
    "{count} answers written to {path}.": "{count} answer written to {path}.",
    "{count} pictures, {sure} sure, {right} right": "{count} picture, {sure} sure, {right} right",
    "{count} pictures: say what they are": "{count} picture: say what it is",
    "{count} pictures are in the project as “{name}”.": "{count} picture is in the project as “{name}”.",
    "{count} labelled pictures, the same for all": "{count} labelled picture, the same for all",
    "{count} answers were made without training.": "{count} answer was made without training.",
    "{count} runs to measure": "{count} run to measure",
    "{count} runs are not here: what they cost was not measured on this computer.": (
        "{count} run is not here: what it costs was not measured on this computer."
    ),
    "{count} pictures have other labels now": "{count} picture has another label now",
    "{count} of its classes have no picture here.": "{count} of its classes has no picture here.",
    "Measured on {count} pictures. On new ones like these expect {low} to {high} right.": (
        "Measured on {count} picture. On new ones like it expect {low} to {high} right."
    ),
    "Uncertain: only {count} pictures were measured. On new ones expect {low} to {high} right.": (
        "Uncertain: only {count} picture was measured. On new ones expect {low} to {high} right."
    ),
    "Import {count} pictures": "Import {count} picture",
    "Explaining {count} pictures": "Explaining {count} picture",
    "Memory ran out at first: {count} pictures will go through at once.": (
        "Memory ran out at first: {count} picture will go through at once."
    ),
    "Tag {count} pictures (a tag that all have is taken off)": "Tag {count} picture (a tag it has is taken off)",
    "The files of {count} pictures are gone.": "The file of {count} picture is gone.",
    "The labels of {count} pictures were exported.": "The labels of {count} picture were exported.",
    "{count} pictures are labelled “{name}” now.": "{count} picture is labelled “{name}” now.",
    "“{name}” was taken off {count} pictures.": "“{name}” was taken off {count} picture.",
    "{count} suggestions were accepted.": "{count} suggestion was accepted.",
    "{count} pictures were put off.": "{count} picture was put off.",
    "{count} pictures have the tag “{tag}” now.": "{count} picture has the tag “{tag}” now.",
    "The tag “{tag}” was taken off {count} pictures.": "The tag “{tag}” was taken off {count} picture.",
    "{count} pictures have no label now.": "{count} picture has no label now.",
    "{count} pictures were taken out of the project.": "{count} picture was taken out of the project.",
    "{count} copies, labelled {labels}: which is right?": "{count} copy, labelled {labels}: which is right?",
    "{count} groups of copies.": "{count} group of copies.",
    "{count} pictures with the same pixels": "{count} picture with the same pixels",
    "{count} pictures, {share} alike": "{count} picture, {share} alike",
    "{count} copies were taken out of the project.": "{count} copy was taken out of the project.",
    "{count} pairs are no doubles.": "{count} pair is no double.",
    "{count} pairs": "1 pair",
    "All {count} labels were checked": "The only label was checked",
    "{count} of the {sample} pictures that you checked were wrong; your corrections stand.": (
        "{count} of the {sample} pictures that you checked was wrong; your correction stands."
    ),
    "{count} of the {sample} pictures that you checked were wrong, with at most {allowed} allowed.": (
        "{count} of the {sample} pictures that you checked was wrong, with at most {allowed} allowed."
    ),
    (
        "{run} is right in {all} of the {split} pictures, but in {without} ({low} to {high}) without the {count} "
        "that it knew from training."
    ): (
        "{run} is right in {all} of the {split} pictures, but in {without} ({low} to {high}) without the one "
        "that it knew from training."
    ),
    (
        "{count} of them leak: what belongs together with them was trained on. Without them {share} are right; "
        "on new ones expect {low} to {high}."
    ): (
        "{count} of them leaks: what belongs together with it was trained on. Without it {share} are right; "
        "on new ones expect {low} to {high}."
    ),
    "{count} groups lie in several splits": "1 group lies in several splits",
    "{count} pictures moved to the split of their group.": "1 picture moved to the split of its group.",
    "{count} have no label.": "{count} has no label.",
    "of {count} pictures are flagged.": "of {count} picture is flagged.",
    "{count} pictures are flagged.": "{count} picture is flagged.",
    "{count} pictures were looked at.": "{count} picture was looked at.",
    "{count} pictures came since this was looked at.": "{count} picture came since this was looked at.",
    "{count} pictures are kept as they are.": "{count} picture is kept as it is.",
    "{count} pictures are in “{split}” now.": "{count} picture is in “{split}” now.",
    "Place {count} new pictures": "Place {count} new picture",
    "{count} pictures have no place: a network makes nothing of them.": (
        "{count} picture has no place: a network makes nothing of it."
    ),
    "Check {count} pictures": "Check {count} picture",
    "Check {count} random pictures of these {accepted}.": "Check {count} random picture of these {accepted}.",
    "{count} suggestions were accepted. Nothing is proven about them.": (
        "{count} suggestion was accepted. Nothing is proven about it."
    ),
    "The check was stopped; it proves nothing. {count} pictures keep what you said of them.": (
        "The check was stopped; it proves nothing. {count} picture keeps what you said of it."
    ),
}
