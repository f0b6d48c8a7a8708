"""`vodstack upload`: a file of any size over any line."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from vodstack_cli.client import Client
from vodstack_cli.errors import StoppedError
from vodstack_contracts.environment import DEFAULT_PORT, Variable


@click.command()
@click.argument("video", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--url",
    envvar=Variable.API_URL,
    default=f"http://localhost:{DEFAULT_PORT}",
    show_default=True,
    show_envvar=True,
    help="The API's root address, with no path of the API.",
)
@click.option("--token", envvar=Variable.TOKEN, show_envvar=True, help="Access token, where the API asks for one.")
@click.option("--title", default="", help="What the video is called.")
@click.option("--tag", "tags", multiple=True, help="A word to find it by; may be repeated.")
def upload(video: Path, url: str, token: str | None, title: str, tags: tuple[str, ...]) -> None:
    """Send VIDEO to the bucket in parts, and print the new video's id.

    Cut it off whenever you like: the same command goes on where it was. With another --title or --tag, the video's are
    changed.
    """
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    try:
        with Client(url, token=token) as client, bar:
            task = bar.add_task(click.format_filename(video.name), total=video.stat().st_size)
            video_id = client.upload_direct(
                video,
                title=title,
                tags=tags,
                progress=lambda sent, size: bar.update(task, completed=sent, total=size),
                notice=lambda sentence: bar.console.print(sentence, markup=False, highlight=False, soft_wrap=True),
            )
    except KeyboardInterrupt as error:
        raise StoppedError("stopped: the same command goes on from here") from error
    click.echo(video_id)
