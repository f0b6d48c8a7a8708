"""A supervisor in a process of its own, to be killed. Prints the process id of the service it runs."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from test_supervisor import container, deployment, running


async def main(port: int, directory: Path):
    async with running(directory, deployment(container(port))) as (supervisor, _):
        await supervisor.ready(30)
        sys.stdout.write(f"{supervisor.services['service'].process_id}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
