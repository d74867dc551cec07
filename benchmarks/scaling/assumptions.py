"""What the simulation takes for granted: each figure with the reason for it."""

from __future__ import annotations

from attrs import frozen

GBIT = 1e9 / 8
MB = 1e6


@frozen
class Kind:
    """Files of one kind among the uploads.

    Attributes:
        share: of all stems.
        bytes_per_s: of audio.
    """

    name: str
    share: float
    bytes_per_s: float


KINDS = (
    Kind("mp3", 0.35, 32_000),
    Kind("vorbis", 0.05, 16_000),
    Kind("flac-16", 0.10, 96_000),
    Kind("wav-16", 0.30, 176_400),
    Kind("wav-24", 0.20, 288_000),
)
"""MP3 at 256 kbit/s (6 MB) and 24-bit WAV at 48 kHz (55 MB) are what musicians export; nobody has
counted the platform's uploads yet."""


@frozen
class Load:
    """What is uploaded.

    Attributes:
        stems_per_hour: in the evening's busiest hour.
        night_share: of that, at the quietest hour; between them a sine.
        peak_hour: of the day.
        burst_share: of stems that come in bursts, a stage or an album at once.
        burst_stems: smallest and largest burst, all between as likely.
        burst_s: within which a burst's stems arrive.
        duplicate_share: of stems.
        audio_s: median length; lengths are log-normal.
        audio_spread: sigma of its logarithm: a tenth are under 100 s, a tenth over 360 s.
        spike_factor: so many times the stems from `spike_from_h` on, for `spike_h` hours.
    """

    stems_per_hour: float = 10_000.0
    night_share: float = 0.2
    peak_hour: float = 20.0
    burst_share: float = 0.7
    burst_stems: tuple[int, int] = (8, 40)
    burst_s: float = 20.0
    duplicate_share: float = 0.08
    audio_s: float = 190.0
    audio_spread: float = 0.5
    spike_factor: float = 1.0
    spike_from_h: float = 18.0
    spike_h: float = 0.25


@frozen
class Machine:
    """A c7i.large, and what one worker does with it.

    Attributes:
        second_thread: what a second busy hyper-thread adds to the work done; two vCPUs are one
            core. Pairs of decoders usually get 1.2 to 1.4 times the work of one done.
        cpu_factor: seconds there for a second here. Not measured: both are recent x86 servers.
        tls_s_per_byte: of decryption, which loopback doesn't have: 1 GB/s with Python's ssl.
        network, network_burst: bytes per second, AWS's figures (0.781 and 12.5 Gbit/s).
        burst_credit_s: how long a full burst lasts. AWS says 5 to 60 minutes and promises
            nothing; a fifth of the least is counted on.
        transfer: bytes per second of one object: four connections of 85 MB/s.
        slots, waiting_messages, compute_processes, visibility_timeout_s: WaveFlow's defaults.
    """

    second_thread: float = 0.3
    cpu_factor: float = 1.0
    tls_s_per_byte: float = 1e-9
    network: float = 0.781 * GBIT
    network_burst: float = 12.5 * GBIT
    burst_credit_s: float = 60.0
    transfer: float = 4 * 85 * MB
    slots: int = 8
    waiting_messages: int = 64
    compute_processes: int = 2
    visibility_timeout_s: float = 60.0
    drain_s: float = 90.0


@frozen
class Services:
    """S3, SQS and the main server, seen from a worker in their region.

    Attributes:
        s3_read_s: median until the first byte of a GET or HEAD; latencies are log-normal.
        s3_write_s: median of a PUT, without its body.
        s3_spread: sigma of the logarithm: the 99th percentile is 4 times the median.
        sqs_s: of a receive that finds messages, and of a deletion.
        webhook_s: mean of the server's handler, exponential.
        webhook_workers: handlers at once; together they take `webhook_workers / webhook_s`
            requests per second. None: as many as come.
        reaction_s: between the server's 2xx to a hash and its next message.
    """

    s3_read_s: float = 0.025
    s3_write_s: float = 0.040
    s3_spread: float = 0.6
    sqs_s: float = 0.010
    webhook_s: float = 0.050
    webhook_workers: int | None = None
    reaction_s: float = 0.020


@frozen
class Group:
    """The auto-scaling group.

    Attributes:
        least, most: instances.
        backlog_target: visible messages per instance to keep to.
        network_target: share of the baseline (bytes in) to keep to with a second policy; None
            for no such policy.
        metric_s: between two data points, CloudWatch's shortest for SQS.
        metric_delay_s: until a data point can be seen; SQS's come a minute or two late.
        high_points: so many data points over the target raise the alarm (target tracking).
        low_points: so many under nine tenths of it: 15 minutes before anything is taken away.
        launch_s: from the decision to the first receive: 30 s of EC2, 40 s of boot and set-up,
            15 s of pulling the image, 5 s of start; rounded up.
        spot_share: of instances.
        interruptions_per_hour: of each spot instance. Types interrupted in a fifth of the
            months have 0.0003; 0.01 is a bad day.
        notice_s: between AWS's notice and the end.
        at_start: instances at the start; the group is warm.
    """

    least: int = 1
    most: int = 500
    backlog_target: float = 100.0
    network_target: float | None = None
    metric_s: float = 60.0
    metric_delay_s: float = 60.0
    high_points: int = 3
    low_points: int = 15
    launch_s: float = 90.0
    spot_share: float = 0.0
    interruptions_per_hour: float = 0.01
    notice_s: float = 120.0
    at_start: int = 1


@frozen
class Assumptions:
    """All of them, and the run itself.

    Attributes:
        hours: simulated.
        from_hour: of the day, at which it begins.
        cell: so many times smaller than the real thing: stems, instances and what the
            server takes are divided by it, and what comes out is multiplied.
        seed: of all that is drawn.
    """

    load: Load = Load()
    machine: Machine = Machine()
    services: Services = Services()
    group: Group = Group()
    hours: float = 6.0
    from_hour: float = 16.0
    cell: int = 1
    seed: int = 1
