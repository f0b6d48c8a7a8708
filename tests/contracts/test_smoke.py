from vodstack_contracts.jobs import decode_arrivals


def test_the_buckets_test_event_is_no_arrival():
    assert decode_arrivals('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}') == []
