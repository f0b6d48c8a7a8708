import asyncio
import os
import sys

from vodstack_worker.errors import InstallationError
from vodstack_worker.logs import configure_logs
from vodstack_worker.process_tree import hide_from_others
from vodstack_worker.service import serve
from vodstack_worker.settings import SettingsError, read_settings

_MISCONFIGURED = 2
_BROKEN = 3
# Media tools, which run as another user, read what the worker writes for them, whatever the shell's umask.
_UMASK = 0o022


def main() -> None:
    """Run the worker; a mistake in the environment, or a broken installation, ends it with one sentence."""
    # Before anything secret is read. What is to be read of this process is in its log and its metrics.
    hide_from_others()
    os.umask(_UMASK)
    try:
        settings = read_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - logs are not configured yet
        raise SystemExit(_MISCONFIGURED) from error
    configure_logs(settings.log_format, settings.log_level)
    try:
        asyncio.run(serve(settings))
    except InstallationError as error:
        print(f"the worker stops: {error}", file=sys.stderr)  # noqa: T201 - for the eyes that see only the last line
        raise SystemExit(_BROKEN) from error


if __name__ == "__main__":
    main()
