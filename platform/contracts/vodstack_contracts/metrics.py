"""Names of the metrics that dashboards, rules and alerts stand on.

The first four are those of the Go service that vodstack succeeds; new ones begin with `vodstack_`.
"""

HTTP_REQUESTS = "myapp_http_requests_total"  # labels path (the route's template), method, status
HTTP_REQUEST_DURATION = "myapp_http_request_duration_seconds"  # labels path, method, status
WORKER_PROCESSING_DURATION = "worker_processing_duration_seconds"  # time at work on a video, idle not counted
WORKER_ERRORS = "worker_errors_total"

UPLOADS_IN_FLIGHT = "vodstack_uploads_in_flight"
HTTP_REQUESTS_IN_FLIGHT = "vodstack_http_requests_in_flight"  # streams of events included
CONNECTIONS_OPEN = "vodstack_connections_open"
CONNECTIONS_REFUSED = "vodstack_connections_refused_total"  # label reason: process, address, unread
UPLOAD_SIZE = "vodstack_upload_size_bytes"  # label way: streamed, direct; uploads that became videos
UPLOAD_DURATION = "vodstack_upload_duration_seconds"  # likewise
UPLOAD_BYTES = "vodstack_upload_bytes_total"
WORKER_JOBS_IN_FLIGHT = "vodstack_worker_jobs_in_flight"
WORKER_JOBS = "vodstack_worker_jobs_total"  # label outcome: ready, failed, planned, dropped, returned, retried, waiting
WORKER_STAGE_DURATION = "vodstack_worker_stage_duration_seconds"  # label stage
WORKER_HEARTBEATS_LOST = "vodstack_worker_heartbeats_lost_total"  # label reason: ended, taken, unreachable
WORKER_QUEUE_WAIT = "vodstack_worker_queue_wait_seconds"  # from arrival to start of work, first attempts
WORKER_BYTES = "vodstack_worker_bytes_total"  # label direction: in, out
WORKER_REALTIME_FACTOR = "vodstack_worker_realtime_factor"  # seconds of video transcoded in a second
WORKER_RETRIES = "vodstack_worker_retries_total"  # label reason: counted, mismatch, not_counted, unexpected
WORKER_FAILURES = "vodstack_worker_failures_total"  # label code
QUEUE_MESSAGES = "vodstack_queue_messages"  # label state: waiting, in_flight, delayed
QUEUE_AGE = "vodstack_queue_age_seconds"  # wait of the arrival received last, while others wait
WORKER_ARRIVALS_RESENT = "vodstack_worker_arrivals_resent_total"
WORKER_CHUNKS_PLANNED = "vodstack_worker_chunks_planned_total"  # jobs of new plans, the sound's among them
WORKER_CHUNKS = "vodstack_worker_chunks_total"  # label outcome: encoded, dropped, returned, retried, given_up, waiting
WORKER_CHUNK_DURATION = "vodstack_worker_chunk_duration_seconds"
WORKER_ENCODES = "vodstack_worker_encodes_total"  # label ending: done, failed, killed, limit, stopped
WORKER_SANDBOX = "vodstack_worker_sandbox"  # label layer; 1 where it stands, 0 where it does not
WORKER_PLANS = "vodstack_worker_plans_total"  # label way: one_pass, chunks; and fallen_back
CHUNK_QUEUE_MESSAGES = "vodstack_chunk_queue_messages"  # label state: waiting, in_flight, delayed
WAITING_JOBS = "vodstack_waiting_jobs"  # label reason: turn, long, day; outside the queues
CHUNK_QUEUE_AGE = "vodstack_chunk_queue_age_seconds"  # likewise, of the chunk received last
