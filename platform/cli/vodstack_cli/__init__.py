"""The `vodstack` command, and the client that Python programs import: `from vodstack_cli.client import Client`."""
