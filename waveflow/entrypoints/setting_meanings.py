"""What each setting means: one sentence for `waveflow config`, and the same in the README."""

from __future__ import annotations

MEANINGS = {
    "LOG_LEVEL": (
        "debug, info, warning, error or critical; commands log warnings only unless it is set"
    ),
    "LOG_FORMAT": "console or json; log lines go to standard error",
    "MAX_FILE_SIZE_MB": (
        "largest file to analyse or mix, in MB of 1024² bytes; hashing takes any size"
    ),
    "ALLOWED_MIME_TYPES": (
        "accepted formats, judged by content: audio/wav, audio/x-wav, audio/wave, audio/mpeg,"
        " audio/mp3, audio/flac, audio/ogg, audio/aiff, audio/x-aiff, and for M4A, which needs"
        " the extra ffmpeg, audio/mp4, audio/x-m4a, audio/m4a"
    ),
    "DEFAULT_WAVEFORM_PEAKS": "peaks of a waveform when the message doesn't say, 1 to 4000",
    "WAVEFLOW_LEVELS": (
        "true to measure loudness, peaks and silence of stems and mixes, and to add them to"
        " waveform documents and webhooks"
    ),
    "WAVEFLOW_DAT_BITS": (
        "8 (for peaks.js) or 16 to store an audiowaveform .dat beside each waveform,"
        " 512 samples per pixel, for zooming; 0 for none"
    ),
    "MAX_RETRIES": "tries after the first for work that may succeed later",
    "RETRY_DELAY": "seconds before the first retry; doubled for each one after, 300 at most",
    "WAVEFLOW_MAX_RECEIVES": (
        "deliveries after which a message that never came to an end is given up without another"
        " try; not more than the redrive policy's maxReceiveCount"
    ),
    "AWS_REGION": (
        "region of bucket and queue; without it the queue's address or the AWS configuration says"
    ),
    "S3_BUCKET_NAME": "bucket with the stems; it has to exist",
    "SQS_QUEUE_URL": "address of the queue, a standard one",
    "WAVEFLOW_DEAD_LETTER_QUEUE_URL": (
        "where messages are parked; without it, where the queue's redrive policy says"
    ),
    "WEBHOOK_URL": "address of the main server; each endpoint is a path below it",
    "WAVEFLOW_WEBHOOK_SECRET": (
        "signs webhooks: whsec_ and base64; two, with a space between, while one takes over"
    ),
    "WAVEFLOW_WEBHOOK_TIMEOUT_S": "seconds that the server has for one webhook",
    "WAVEFLOW_WEBHOOK_PATIENCE_S": (
        "seconds for which a webhook waits in its slot while the server is away"
    ),
    "WAVEFLOW_STORAGE": "s3, folder or memory",
    "WAVEFLOW_STORAGE_FOLDER": "root of the local-folder storage; has to exist when it is set",
    "WAVEFLOW_QUEUE": "sqs or memory",
    "WAVEFLOW_NOTIFIER": "webhook, console (webhooks as JSON lines on standard error) or memory",
    "WAVEFLOW_SLOTS": (
        "messages that a worker works on at once, 1 to 128; a quarter of them for light work alone"
    ),
    "WAVEFLOW_WAITING_MESSAGES": (
        "messages that a worker holds beyond those, so that light work passes mixes; up to 1000"
    ),
    "WAVEFLOW_POLL_WAIT_S": "seconds that a receive waits for a first message, 1 to 20",
    "WAVEFLOW_VISIBILITY_TIMEOUT_S": (
        "seconds for which a message is borrowed, 3 to 43000; extended while it is held"
    ),
    "WAVEFLOW_DRAIN_TIMEOUT_S": (
        "seconds that running work has left when the worker is told to stop"
    ),
    "WAVEFLOW_WATCHDOG_S": (
        "seconds of a silent queue after which the worker ends; more than WAVEFLOW_POLL_WAIT_S"
    ),
    "WAVEFLOW_STUCK_AFTER_S": (
        "seconds without a step forward after which a slot counts as stuck, and the worker"
        " ends; waiting for a server that is away, or for a decoder, doesn't count; more than"
        " WAVEFLOW_TASK_TIMEOUT_S and WAVEFLOW_WEBHOOK_TIMEOUT_S, or 0 for never"
    ),
    "WAVEFLOW_SWEEP_INTERVAL_S": "seconds between two sweeps of the work folder",
    "WAVEFLOW_COMPUTE_PROCESSES": "child processes that decode",
    "WAVEFLOW_COMPUTE_TASKS_PER_PROCESS": "tasks after which a child is replaced",
    "WAVEFLOW_COMPUTE_MEMORY_MB": "address space of a child, 768 or more",
    "WAVEFLOW_TASK_TIMEOUT_S": "seconds for one decode or mix; the child is then killed",
    "WAVEFLOW_MAX_DURATION_S": "longest audio, in seconds of decoded frames",
    "WAVEFLOW_HTTP_PORT": (
        "where a worker answers /livez, /readyz and /metrics, 1 to 65535; 0 for nowhere"
    ),
    "WAVEFLOW_HTTP_HOST": "the address that it does so at; 0.0.0.0 or :: for all of the machine",
    "WAVEFLOW_QUEUE_LOOK_S": (
        "seconds between two looks at queue, dead-letter queue and disk, for metrics; none"
        " without the port"
    ),
    "WAVEFLOW_WORK_DIR": "where running tasks keep files",
}
"""By variable; in the README with links and code set off."""
