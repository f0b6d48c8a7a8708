"""Headers by which browsers take an answer for what it says it is, and come back by TLS alone."""

SAFETY_HEADERS = {"X-Content-Type-Options": "nosniff"}
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
