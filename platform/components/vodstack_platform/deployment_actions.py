"""The AWS actions by which the program's resources are made, read, changed and removed, each by its name."""

S3_BUCKET = (
    "CreateBucket DeleteBucket DeleteBucketPolicy GetAccelerateConfiguration GetBucketAcl GetBucketCORS "
    "GetBucketLocation GetBucketLogging GetBucketNotification GetBucketObjectLockConfiguration "
    "GetBucketOwnershipControls GetBucketPolicy GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging "
    "GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration GetLifecycleConfiguration "
    "GetReplicationConfiguration ListBucket ListTagsForResource PutBucketCORS PutBucketNotification "
    "PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging PutBucketVersioning "
    "PutEncryptionConfiguration PutLifecycleConfiguration TagResource UntagResource"
)
SQS = "CreateQueue DeleteQueue GetQueueAttributes GetQueueUrl ListQueueTags SetQueueAttributes TagQueue UntagQueue"
DYNAMODB = (
    "CreateTable DeleteTable DescribeContinuousBackups DescribeTable DescribeTimeToLive ListTagsOfResource "
    "TagResource UntagResource UpdateContinuousBackups UpdateTable UpdateTimeToLive"
)
ECR = (
    "BatchCheckLayerAvailability BatchGetImage CompleteLayerUpload CreateRepository DeleteLifecyclePolicy "
    "DeleteRepository DescribeImages DescribeRepositories GetDownloadUrlForLayer GetLifecyclePolicy "
    "GetRepositoryPolicy InitiateLayerUpload ListTagsForResource PutImage PutImageScanningConfiguration "
    "PutImageTagMutability PutLifecyclePolicy TagResource UntagResource UploadLayerPart"
)
SSM = (
    "AddTagsToResource DeleteParameter GetParameter GetParameters ListTagsForResource PutParameter "
    "RemoveTagsFromResource"
)
KMS_KEY = (
    "CreateAlias CreateGrant Decrypt DeleteAlias DescribeKey DisableKeyRotation EnableKeyRotation Encrypt "
    "GenerateDataKey GenerateDataKeyWithoutPlaintext GetKeyPolicy GetKeyRotationStatus ListResourceTags "
    "PutKeyPolicy ScheduleKeyDeletion TagResource UntagResource UpdateAlias UpdateKeyDescription"
)
LOGS = (
    "CreateLogGroup DeleteLogGroup DeleteRetentionPolicy ListTagsForResource PutRetentionPolicy TagResource "
    "UntagResource"
)
IAM_ROLE = (
    "DeleteRole DeleteRolePolicy DetachRolePolicy GetRole GetRolePolicy ListAttachedRolePolicies "
    "ListInstanceProfilesForRole ListRolePolicies ListRoleTags TagRole UntagRole UpdateRole UpdateRoleDescription"
)
# By these a role gets rights, or hands them to others: only where the boundary keeps them low.
IAM_BOUNDED_ROLE = "CreateRole PutRolePolicy UpdateAssumeRolePolicy"
# By these a deployment would climb: refused in so many words, whatever else it is granted some day.
IAM_BOUNDARY = "DeleteRolePermissionsBoundary PutRolePermissionsBoundary"
IAM_CLIMB = (
    "AttachRolePolicy CreatePolicyVersion CreateRole DeletePolicy DeletePolicyVersion DeleteRole DeleteRolePolicy "
    "DetachRolePolicy PassRole PutRolePolicy SetDefaultPolicyVersion UpdateAssumeRolePolicy"
)
IAM_DELIVERY = (
    "GetOpenIDConnectProvider GetPolicy GetPolicyVersion GetRole ListAttachedRolePolicies ListPolicyVersions "
    "ListRolePolicies ListRoleTags"
)
EKS = (
    "AssociateAccessPolicy AssociateEncryptionConfig CreateAccessEntry CreateAddon CreateCluster CreateNodegroup "
    "CreatePodIdentityAssociation DeleteAccessEntry DeleteAddon DeleteCluster DeleteNodegroup "
    "DeletePodIdentityAssociation DescribeAccessEntry DescribeAddon DescribeCluster DescribeNodegroup "
    "DescribePodIdentityAssociation DescribeUpdate DisassociateAccessPolicy ListAccessEntries "
    "ListAssociatedAccessPolicies ListPodIdentityAssociations ListTagsForResource TagResource UntagResource "
    "UpdateAccessEntry UpdateAddon UpdateClusterConfig UpdateClusterVersion UpdateNodegroupConfig "
    "UpdateNodegroupVersion UpdatePodIdentityAssociation"
)
SNS = (
    "CreateTopic DeleteTopic GetSubscriptionAttributes GetTopicAttributes ListSubscriptionsByTopic "
    "ListTagsForResource SetTopicAttributes Subscribe TagResource Unsubscribe UntagResource"
)
ALARMS = "DeleteAlarms DescribeAlarms ListTagsForResource PutMetricAlarm TagResource UntagResource"
BUDGETS = "ListTagsForResource ModifyBudget TagResource UntagResource ViewBudget"
EVENTS = (
    "DeleteRule DescribeRule ListTagsForResource ListTargetsByRule PutRule PutTargets RemoveTargets TagResource "
    "UntagResource"
)
COGNITO = (
    "CreateResourceServer CreateUserPoolClient CreateUserPoolDomain DeleteResourceServer DeleteUserPool "
    "DeleteUserPoolClient DeleteUserPoolDomain DescribeResourceServer DescribeUserPool DescribeUserPoolClient "
    "GetUserPoolMfaConfig ListTagsForResource SetUserPoolMfaConfig TagResource UntagResource UpdateResourceServer "
    "UpdateUserPool UpdateUserPoolClient UpdateUserPoolDomain"
)
# The issuer's client, which CloudFormation keeps, with the rights of its caller.
CLOUDFORMATION = (
    "CreateStack DeleteStack DescribeStackEvents DescribeStacks GetTemplate TagResource UntagResource UpdateStack"
)
# A rule of a security group is a resource of its own in the call that makes or removes it.
EC2_RULES = (
    "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress RevokeSecurityGroupEgress RevokeSecurityGroupIngress"
)
# These make what has no name and no tag before it is there. EKS asks for RunInstances where it is given a template.
EC2_CREATIONS = (
    "AllocateAddress CreateInternetGateway CreateLaunchTemplate CreateNatGateway CreateRouteTable CreateSecurityGroup "
    "CreateSubnet CreateVpc CreateVpcEndpoint RunInstances"
)
EC2_CHANGES = (
    "AssociateRouteTable AttachInternetGateway CreateLaunchTemplateVersion CreateRoute CreateTags "
    "DeleteInternetGateway DeleteLaunchTemplate DeleteLaunchTemplateVersions DeleteNatGateway DeleteRoute "
    "DeleteRouteTable DeleteSecurityGroup DeleteSubnet DeleteTags DeleteVpc DeleteVpcEndpoints DetachInternetGateway "
    "DisassociateAddress DisassociateRouteTable ModifyLaunchTemplate ModifySubnetAttribute ModifyVpcAttribute "
    f"ModifyVpcEndpoint ReleaseAddress ReplaceRoute ReplaceRouteTableAssociation {EC2_RULES}"
)
EC2_READS = (
    "DescribeAddresses DescribeAddressesAttribute DescribeAvailabilityZones DescribeInternetGateways "
    "DescribeLaunchTemplateVersions DescribeLaunchTemplates DescribeNatGateways DescribeNetworkAcls "
    "DescribeNetworkInterfaces DescribePrefixLists DescribeRouteTables DescribeSecurityGroupRules "
    "DescribeSecurityGroups DescribeSubnets DescribeVpcAttribute DescribeVpcEndpoints DescribeVpcs"
)
UNNAMED = (
    "cognito-idp:CreateUserPool cognito-idp:DescribeUserPoolDomain ecr:GetAuthorizationToken "
    "eks:DescribeAddonVersions eks:DescribeClusterVersions kms:CreateKey kms:ListAliases logs:DescribeLogGroups "
    "ssm:DescribeParameters"
)


def actions(service: str, names: str) -> list[str]:
    return [f"{service}:{name}" for name in names.split()]


# Reads that reveal a secret: a token of the registry, and that of the issuer's client.
_REVEALING = ("GetAuthorizationToken", "DescribeUserPoolClient")


def is_read(action: str) -> bool:
    """Whether an action changes nothing and reveals no secret, judged by AWS's own naming."""
    name = action.partition(":")[2]
    return name.startswith(("BatchCheck", "BatchGet", "Describe", "Get", "List", "View")) and name not in _REVEALING
