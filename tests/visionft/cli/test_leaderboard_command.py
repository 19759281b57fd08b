"""`visionft run leaderboard`: empty, built, evaluated, ranked; the same in text and in JSON."""

from pathlib import Path

from visionft.cli.next_steps import joined


def test_runs_are_ranked_evaluated_and_timed(run, value, train, project: Path) -> None:
    project = project.rename(project.with_name("my project"))
    command = ["visionft", "run", "leaderboard", str(project)]
    empty = value("run", "leaderboard", project)
    assert empty == {
        "split": "val", "images": empty["images"], "best": None, "front_by_time": [], "front_by_seconds": [],
        "models": [], "made": None, "measured": None,
    }  # fmt: skip
    assert joined([*command, "--make"]) in run("run", "leaderboard", project)[1]

    names = {train(project, "linear"), train(project, "lora", "--epochs", 1)}
    waiting = value("run", "leaderboard", project)  # training evaluates, and does not time
    assert waiting["best"] and all(each["milliseconds"] is None for each in waiting["models"])
    assert joined([*command, "--split", "val", "--measure"]) in run("run", "leaderboard", project)[1]

    board = value("run", "leaderboard", project, "--measure")
    assert not board["measured"]["evaluated"] and set(board["measured"]["timed"]) == names
    assert board["best"] in names and board["front_by_seconds"] and board["front_by_time"]
    first, second = board["models"]
    assert first["rank"] == 1 and first["to_best"] is None and second["to_best"]["p_value"] <= 1
    assert all(not each["is_live"] and each["milliseconds"] > 0 for each in board["models"])
    assert next(each for each in board["models"] if "linear" in each["run"])["is_training_free"]
    text = run("run", "leaderboard", project)[1]
    assert all(each["title"] in text for each in board["models"]) and "fp32" in text and "--measure" not in text


def test_what_cannot_be_ranked_is_one_clear_line(run, refused, project: Path, image_folder: Path) -> None:
    assert "'train'" in refused("run", "leaderboard", project, "--split", "train")
    bare = project.with_name("bare")
    run("project", "new", bare)
    run("import", bare, image_folder)
    assert "visionft split" in refused("run", "leaderboard", bare)
