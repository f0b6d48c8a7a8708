"""The recommended Kubernetes labels (app.kubernetes.io), by which objects of ours are selected."""

PART_OF = "vodstack"


def labels(name: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": PART_OF,
        "app.kubernetes.io/managed-by": "pulumi",
    }
