"""Where Pulumi keeps a stack's state: `vodstack bootstrap` makes it, and the workflows' roles name it in their rights.

The bucket and its key are one of an account and region. Each stack has a folder in the bucket, and a key of its own for
the secrets in its state.
"""

KEY_ALIAS = "alias/vodstack-state"
"""The key that encrypts the bucket's objects."""

# The names of a stack's own bucket and key begin with `vodstack-<stack>`: called so, they would be those of the state.
_RESERVED = "state"


def bucket_name(account: str, region: str) -> str:
    return f"vodstack-state-{account}-{region}"


def secrets_alias(stack: str) -> str:
    """The alias of the key of a stack's secrets. No stack's name holds a slash, and no alias a dot."""
    return f"{KEY_ALIAS}/{stack.replace('.', '/')}"


def is_reserved(stack: str) -> bool:
    """Whether a stack of this name would have the state's own names."""
    return stack == _RESERVED or stack.startswith((f"{_RESERVED}-", f"{_RESERVED}."))
