import pulumi
import pulumi_kubernetes as kubernetes

from vodstack_platform.labels import labels


class DefaultStorage(pulumi.ComponentResource):
    """The storage class of every volume that names none: gp3, encrypted, in the zone of its pod."""

    class_name: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vodstack:platform:DefaultStorage", name, None, opts)
        storage = kubernetes.storage.v1.StorageClass(
            name,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=name, labels=labels(name), annotations={"storageclass.kubernetes.io/is-default-class": "true"}
            ),
            provisioner="ebs.csi.aws.com",
            parameters={"type": "gp3", "encrypted": "true"},
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            reclaim_policy="Delete",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.class_name = storage.metadata.name
        self.register_outputs({"class_name": self.class_name})
