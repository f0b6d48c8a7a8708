class ContractError(ValueError):
    """What came in is not what the contract says."""


class MalformedMessageError(ContractError):
    """A queue message that no version of vodstack has written."""


class MalformedItemError(ContractError):
    """A table item that does not decode into its struct."""


class UnknownKeyError(ContractError):
    """An object key that lies outside the layout of the bucket."""


class MissingOutputError(ContractError):
    """A stack does not export an output that the layer's contract promises."""


class ForbiddenMoveError(ContractError):
    """No state allows this move."""
