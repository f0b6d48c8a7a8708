"""A team's own program: vodstack's data and worker in a cluster that the team has, beside a table of the team's own."""  # noqa: INP001

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

import vodstack_platform as vodstack

config = pulumi.Config()
tags = {"project": "films", "stack": pulumi.get_stack(), "managed-by": "pulumi"}
account = aws.Provider(
    "aws", region=pulumi.Config("aws").require("region"), default_tags=aws.ProviderDefaultTagsArgs(tags=tags)
)
cluster = kubernetes.Provider("cluster", context=config.require("context"), enable_server_side_apply=True)
opts = pulumi.ResourceOptions(providers=[account, cluster])

data = vodstack.VideoData(
    "films",
    vodstack.VideoDataArgs(
        bucket=vodstack.BucketSettings(prefix="films", cors_origins=("https://films.example.com",)),
        tables=vodstack.TableSettings(videos="films-videos", work="films-work"),
        queues=vodstack.QueueSettings(arrivals="films-arrivals", chunks="films-chunks"),
    ),
    opts,
)
namespace = vodstack.ServiceNamespace("films", vodstack.ServiceNamespaceArgs(namespace="films"), opts)
worker = vodstack.VideoWorker(
    "films",
    vodstack.VideoWorkerArgs(
        data=data.outputs,
        cluster_name=config.require("cluster"),
        namespace=namespace.namespace,
        image=config.require("image"),
        settings=vodstack.WorkerSettings(replicas=2, scratch_gib=40),
    ),
    opts,
)

reviews = aws.dynamodb.Table(
    "reviews",
    billing_mode="PAY_PER_REQUEST",
    hash_key="video_id",
    attributes=[aws.dynamodb.TableAttributeArgs(name="video_id", type="S")],
    server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=data.outputs.key_arn),
    deletion_protection_enabled=True,
    opts=pulumi.ResourceOptions(provider=account),
)

pulumi.export("bucketName", data.outputs.bucket_name)
pulumi.export("arrivalsQueueUrl", data.outputs.arrivals_queue_url)
pulumi.export("workerRoleArn", worker.role_arn)
pulumi.export("reviewsTableName", reviews.name)
