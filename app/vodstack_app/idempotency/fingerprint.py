"""What makes two requests the same: what they say of the video, and the bytes of the file."""

import hashlib

import msgspec


def fingerprint_of(*said: object, file_digest: str = "") -> str:
    """The same for requests that mean the same, however their bodies were cut or ordered."""
    return hashlib.sha256(msgspec.json.encode([*said, file_digest], order="deterministic")).hexdigest()
