"""What `vodstack demo` refuses before it starts anything, and where it leaves its files."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from vodstack_cli.errors import CommandError
from vodstack_cli.main import cli
from vodstack_cli.project import state_folder

ROOT = Path(__file__).parents[2]


def refusal(*arguments: object) -> str:
    result = CliRunner().invoke(cli, ["demo", "--project", str(ROOT), *map(str, arguments)])
    assert isinstance(result.exception, CommandError), result.output
    assert result.output == "", "nothing was begun"
    return str(result.exception)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "is not there"), (b"", "is empty"), (b"This is a letter.\n" * 300, "is no video, by its first bytes")],
)
def test_a_file_that_is_no_video_is_refused_first(content, sentence, tmp_path):
    path = tmp_path / "my film's.mp4"
    if content is not None:
        path.write_bytes(content)
    assert f"{path} {sentence}" in refusal(path)


def test_a_folder_is_no_video(tmp_path):
    assert f"{tmp_path} is a folder" in refusal(tmp_path)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert f"{tmp_path}/film.mov is not there" in refusal("~/film.mov")


@pytest.mark.parametrize(
    ("name", "sentence"), [("folder", "is not empty"), ("file", "is a file"), ("file/below", "cannot be made")]
)
def test_renditions_are_kept_in_a_new_or_empty_folder_alone(name, sentence, clip, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "holiday.jpg").touch()
    assert f"{tmp_path / name} {sentence}" in refusal(clip, "--keep", tmp_path / name)


def test_files_lie_in_the_project_or_where_it_takes_none_with_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = tmp_path / "project"
    project.mkdir()
    assert state_folder(project) == project / ".vodstack"
    (project / ".vodstack").rmdir()
    (project / ".vodstack").touch()
    assert state_folder(project) == tmp_path / "cache" / "vodstack"
    monkeypatch.setenv("VODSTACK_STATE_DIR", str(tmp_path / "state"))
    assert state_folder(project) == tmp_path / "state"


def test_a_failure_ends_with_its_sentence(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "vodstack_cli", "demo", tmp_path / "film.mov"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith(f"error: {tmp_path}/film.mov is not there")
