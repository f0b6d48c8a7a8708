"""The embedded engine: it runs the Pulumi program of a stack in this process, with moto as AWS.

Its bounds are set in docs/adr/0008-bounds-of-the-embedded-engine.md. Nothing is imported here, for the emulator's
process is a module of this package and needs no Pulumi.
"""
