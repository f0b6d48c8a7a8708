"""The typed config tree of a stack: every option with its default, meaning and unit. docs/config.md is made from it."""

from vodstack_platform.config.reading import ConfigError, read_settings
from vodstack_platform.config.tree import LayerName, StackSettings

__all__ = ["ConfigError", "LayerName", "StackSettings", "read_settings"]
