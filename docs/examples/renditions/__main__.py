"""Lets another team's jobs read the renditions of every video, and nothing else."""  # noqa: INP001

import pulumi
import pulumi_aws as aws

from vodstack_contracts.outputs import FoundationOutputs, read

stack = pulumi.StackReference(pulumi.Config().require("videos"))
videos = read(FoundationOutputs[pulumi.Output[str]], stack)
document = pulumi.Output.json_dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": pulumi.Output.concat(videos.bucket_arn, "/renditions/*"),
            },
            {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": videos.key_arn},
        ],
    }
)
policy = aws.iam.Policy("read-renditions", policy=document)
pulumi.export("policyArn", policy.arn)
