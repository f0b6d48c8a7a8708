class EngineError(Exception):
    """The embedded engine cannot go on."""


class ConfigError(EngineError):
    """A stack's configuration is not one that the embedded engine can use."""


class ProgramError(EngineError):
    """The Pulumi program failed; its own error is the cause."""


class UnknownTypeError(EngineError):
    """The program uses a resource type or a function that the embedded engine does not know."""


class ManifestError(EngineError):
    """A Kubernetes object is not what its schema says."""


class EmulatorError(EngineError):
    """The AWS emulator did not start or did not do as asked."""


class PortTakenError(EngineError):
    """A port on which a process of ours would listen is taken."""


class ProcessError(EngineError):
    """A process of ours did not become ready."""
