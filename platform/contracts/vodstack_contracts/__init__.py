"""The words that the API, the worker, the platform and the command share.

Nothing here talks to anything: structs, names, and the pure functions that turn one into another.
"""
