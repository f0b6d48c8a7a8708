import asyncio
import sys

from vodstack_worker.logs import configure_logs
from vodstack_worker.service import serve
from vodstack_worker.settings import SettingsError, read_settings

_MISCONFIGURED = 2


def main() -> None:
    """Run the worker; a mistake in the environment ends it with one sentence."""
    try:
        settings = read_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - logs are not configured yet
        raise SystemExit(_MISCONFIGURED) from error
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
