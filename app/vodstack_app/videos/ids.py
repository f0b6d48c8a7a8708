from vodstack_app.errors import InvalidIdError
from vodstack_contracts.videos import is_video_id


def read_video_id(text: str) -> str:
    """The canonical form of a client's id. Raises InvalidIdError."""
    video_id = text.lower()
    if not is_video_id(video_id):
        raise InvalidIdError("A video's id is a UUID, as the upload's answer gave it.", field="videoId")
    return video_id
