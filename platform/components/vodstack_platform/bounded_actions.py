"""What the permissions boundaries let a stack's roles do: what their own policies and AWS's managed ones are used for.

Of the managed policies some is left out, for nothing here asks for it and other teams would feel it: routes, other
instances' attributes, autoscaling groups, classic load balancers, snapshots.
"""

S3 = (
    "AbortMultipartUpload DeleteObject GetObject ListBucket ListBucketMultipartUploads "
    "ListMultipartUploadParts PutObject"
)
DYNAMODB = "DeleteItem GetItem PutItem Query Scan UpdateItem"
SQS_JOBS = "ChangeMessageVisibility DeleteMessage GetQueueAttributes ReceiveMessage SendMessage"
SQS_WARNINGS = "DeleteMessage GetQueueUrl ReceiveMessage"
KMS_OF_DISKS = "CreateGrant Decrypt DescribeKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo"
ECR = "BatchGetImage BatchImportUpstreamImage GetAuthorizationToken GetDownloadUrlForLayer"
EC2_OF_NODES = (
    "AssignPrivateIpAddresses AttachNetworkInterface AttachVolume CreateFleet CreateLaunchTemplate "
    "CreateNetworkInterface CreateVolume DeleteNetworkInterface DeleteTags DeleteVolume DescribeAvailabilityZones "
    "DescribeCapacityReservations DescribeImages DescribeInstanceStatus DescribeInstanceTypeOfferings "
    "DescribeInstanceTypes DescribeInstances DescribeLaunchTemplates DescribeNetworkInterfaces "
    "DescribePlacementGroups DescribeRouteTables DescribeSecurityGroups DescribeSnapshots DescribeSpotPriceHistory "
    "DescribeSubnets DescribeTags DescribeVolumeStatus DescribeVolumes DescribeVolumesModifications DescribeVpcs "
    "DetachNetworkInterface DetachVolume ModifyNetworkInterfaceAttribute ModifyVolume RunInstances "
    "UnassignPrivateIpAddresses"
)
EC2_OF_BALANCERS = (
    "AuthorizeSecurityGroupIngress CreateSecurityGroup DeleteSecurityGroup DeleteTags DescribeAccountAttributes "
    "DescribeAddresses DescribeAvailabilityZones DescribeDhcpOptions DescribeInstanceTopology DescribeInstances "
    "DescribeInternetGateways DescribeIpamPools DescribeNetworkInterfaces DescribeRouteTables DescribeSecurityGroups "
    "DescribeSubnets DescribeTags DescribeVpcPeeringConnections DescribeVpcs GetSecurityGroupsForVpc "
    "RevokeSecurityGroupIngress"
)
BALANCING = (
    "AddListenerCertificates AddTags CreateListener CreateLoadBalancer CreateRule CreateTargetGroup DeleteListener "
    "DeleteLoadBalancer DeleteRule DeleteTargetGroup DeregisterTargets DescribeCapacityReservation "
    "DescribeListenerAttributes DescribeListenerCertificates DescribeListeners DescribeLoadBalancerAttributes "
    "DescribeLoadBalancers DescribeRules DescribeSSLPolicies DescribeTags DescribeTargetGroupAttributes "
    "DescribeTargetGroups DescribeTargetHealth DescribeTrustStores ModifyCapacityReservation ModifyIpPools "
    "ModifyListener ModifyListenerAttributes ModifyLoadBalancerAttributes ModifyRule ModifyTargetGroup "
    "ModifyTargetGroupAttributes RegisterTargets RemoveListenerCertificates RemoveTags SetIpAddressType "
    "SetRulePriorities SetSecurityGroups SetSubnets"
)
