"""Telling the server that a message has failed for good."""

from __future__ import annotations

from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.application.commands import AnalysisRequest, Command, MixRequest, Origin, StemRequest
from waveflow.application.events import Failure, StageMixed, StemCompleted
from waveflow.application.ports import Notifier
from waveflow.domain.errors import TransientError


@frozen(kw_only=True)
class StemSubject:
    """The stem that a message is about, as far as the message could be read."""

    stem_id: str
    user_id: str | None = None
    track_id: str | None = None
    upstream_id: str | None = None
    original_filename: str | None = None


@frozen(kw_only=True)
class StageSubject:
    """The stage that a message is about, as far as the message could be read."""

    stage_id: str
    upstream_id: str | None = None
    stem_paths: tuple[str, ...] = ()


Subject = StemSubject | StageSubject


def subject_of(command: Command) -> Subject | None:
    """Whom to name in a failure of `command`; None for maintenance, which has nobody to tell."""
    if isinstance(command, MixRequest):
        return StageSubject(
            stage_id=command.stage_id,
            upstream_id=command.upstream_id,
            stem_paths=command.stem_paths,
        )
    if isinstance(command, StemRequest):
        return StemSubject(
            stem_id=command.stem_id,
            user_id=command.user_id,
            track_id=command.track_id,
            upstream_id=command.upstream_id if isinstance(command, AnalysisRequest) else None,
            original_filename=command.filename,
        )
    return None


class NeverEnded(TransientError):
    """Raised for work that was begun often and never came to any end: it may kill workers."""


def exhausted(error: Exception) -> Failure:
    """What the server is told when the last try has failed with `error`."""
    is_away = isinstance(error, TransientError) and not isinstance(error, NeverEnded)
    return Failure(
        "The file could not be processed, although it was tried several times."
        " It is kept; please try again later or contact support.",
        "temporarily_unavailable" if is_away else "internal_error",
    )


@frozen
class FailureReporter:
    """Sends the failure webhook that fits the subject of a message."""

    notifier: Notifier
    clock: Clock = field(factory=Clock)

    def report(
        self, subject: Subject | None, origin: Origin, failure: Failure, processing_time_s: float
    ) -> None:
        """Send `/completion` or `/mixing-complete` with status FAILED.

        Raises:
            NotifierUnavailable: when the server hasn't taken it.
        """
        if isinstance(subject, StemSubject):
            self.notifier.stem_completed(
                StemCompleted(
                    event_id=origin.event_id("completion", "failed"),
                    stem_id=subject.stem_id,
                    user_id=subject.user_id,
                    track_id=subject.track_id,
                    upstream_id=subject.upstream_id,
                    original_filename=subject.original_filename,
                    completed_at=self.clock.now_iso(),
                    processing_time_s=processing_time_s,
                    outcome=failure,
                )
            )
        elif isinstance(subject, StageSubject):
            self.notifier.stage_mixed(
                StageMixed(
                    event_id=origin.event_id("mixing-complete", "failed"),
                    stage_id=subject.stage_id,
                    upstream_id=subject.upstream_id,
                    task_id=origin.task_id,
                    stem_paths=subject.stem_paths,
                    processed_at=self.clock.now_iso(),
                    outcome=failure,
                )
            )
