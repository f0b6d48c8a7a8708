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
    "CreateRole DeleteRole DeleteRolePolicy DetachRolePolicy GetRole GetRolePolicy ListAttachedRolePolicies "
    "ListInstanceProfilesForRole ListRolePolicies ListRoleTags PutRolePolicy TagRole UntagRole "
    "UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription"
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
# These make or describe what has no name before it is there, or take no resource at all.
EC2 = (
    "AllocateAddress AssociateRouteTable AttachInternetGateway AuthorizeSecurityGroupEgress "
    "AuthorizeSecurityGroupIngress CreateInternetGateway CreateLaunchTemplate CreateLaunchTemplateVersion "
    "CreateNatGateway CreateRoute CreateRouteTable CreateSecurityGroup CreateSubnet CreateTags CreateVpc "
    "CreateVpcEndpoint DeleteInternetGateway DeleteLaunchTemplate DeleteLaunchTemplateVersions DeleteNatGateway "
    "DeleteRoute DeleteRouteTable DeleteSecurityGroup DeleteSubnet DeleteTags DeleteVpc DeleteVpcEndpoints "
    "DescribeAddresses DescribeAddressesAttribute DescribeAvailabilityZones DescribeInternetGateways "
    "DescribeLaunchTemplateVersions DescribeLaunchTemplates DescribeNatGateways DescribeNetworkAcls "
    "DescribeNetworkInterfaces DescribePrefixLists DescribeRouteTables DescribeSecurityGroupRules "
    "DescribeSecurityGroups DescribeSubnets DescribeVpcAttribute DescribeVpcEndpoints DescribeVpcs "
    "DetachInternetGateway DisassociateAddress DisassociateRouteTable ModifyLaunchTemplate ModifySubnetAttribute "
    "ModifyVpcAttribute ModifyVpcEndpoint ReleaseAddress ReplaceRoute ReplaceRouteTableAssociation "
    "RevokeSecurityGroupEgress RevokeSecurityGroupIngress RunInstances"
)
UNNAMED = (
    "cognito-idp:CreateUserPool cognito-idp:DescribeUserPoolDomain ecr:GetAuthorizationToken "
    "eks:DescribeAddonVersions eks:DescribeClusterVersions kms:CreateKey kms:ListAliases logs:DescribeLogGroups "
    "ssm:DescribeParameters"
)


def actions(service: str, names: str) -> list[str]:
    return [f"{service}:{name}" for name in names.split()]


def is_read(action: str) -> bool:
    """Whether an action changes nothing, judged by AWS's own naming."""
    name = action.partition(":")[2]
    return (
        name.startswith(("BatchCheck", "BatchGet", "Describe", "Get", "List", "View"))
        and name != "GetAuthorizationToken"
    )
