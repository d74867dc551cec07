"""Sending analysis messages, for those stems among the candidates that can be analysed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.domain.errors import ObjectNotFound, PermanentError
from waveflow.domain.keys import OWN_PREFIXES, WAVEFORM_PREFIX
from waveflow.entrypoints.cli.again.sources import Candidate, checked
from waveflow.entrypoints.cli.pace import Pace

if TYPE_CHECKING:
    from waveflow.application.key_set import KeySet
    from waveflow.application.ports import AudioStorage, MessageQueue
    from waveflow.entrypoints.cli.again.report import Report
    from waveflow.entrypoints.cli.again.state import State

_GONE = (
    "its upload is not stored any more; it is left out, or the musician would be told of a failure"
)
_UNKNOWN = "no known stem; name its id with --ids"


@frozen
class Run:
    """One call of the command.

    Attributes:
        queue: None only shows the messages.
    """

    storage: AudioStorage
    report: Report
    queue: MessageQueue | None
    pace: Pace
    clock: Clock = field(factory=Clock)

    def one(self, candidate: Candidate) -> None:
        """Send the message of one stem.

        Raises:
            ObjectNotFound: when its upload isn't stored.
            PermanentError: when a worker would refuse it.
        """
        key = candidate.filepath or ""
        try:
            self.storage.stat(key)
        except ObjectNotFound as error:
            raise ObjectNotFound(
                f"Nothing is stored at {key!r}, so the stem can't be analysed;"
                f" `waveflow explain {candidate.stem_id}` says what became of it."
            ) from error
        body = self._body(candidate)
        if problem := _problem_of(body, self.clock.unix_s()):
            raise PermanentError(problem, code="invalid_message")
        self._send(candidate, body)

    def all(
        self, candidates: Iterator[Candidate], prefix: str, stored: KeySet | None, reached: State
    ) -> None:
        """Send the messages of all stems below `prefix` whose uploads are stored.

        Args:
            stored: what is stored below the prefix; None has each upload looked up.

        Raises:
            TransientError: when storage or queue don't answer.
        """
        for candidate, is_stored in self._sorted(candidates, prefix, stored):
            self._take(candidate, reached, is_stored=is_stored)
        if stored is not None:
            for key in uploads(self.storage, prefix, self.report):
                if not stored.has_met(key):
                    self.report.left_out("unknown", _UNKNOWN, filepath=key)

    def _sorted(
        self, candidates: Iterator[Candidate], prefix: str, stored: KeySet | None
    ) -> Iterator[tuple[Candidate, bool]]:
        meant = (each for each in candidates if self._is_meant(each, prefix))
        if stored is None:
            yield from checked(self.storage, meant)
        else:
            for each in meant:
                yield each, stored.meet(each.filepath or "")

    def _is_meant(self, candidate: Candidate, prefix: str) -> bool:
        self.report.looked_at()
        is_waveform = candidate.place.startswith(WAVEFORM_PREFIX)
        self.report.listed += is_waveform
        if candidate.filepath is None:
            if is_waveform:
                self.report.passed("waveforms_without_filepath")
            else:
                self.report.left_out("refused", "has no filepath", stem_id=candidate.stem_id)
            return False
        return lies_in(prefix, candidate.filepath)

    def _take(self, candidate: Candidate, reached: State, *, is_stored: bool) -> None:
        body = self._body(candidate)
        about = {"stem_id": candidate.stem_id, "filepath": candidate.filepath}
        if reached.is_done(candidate.place):
            self.report.passed("sent_before")
            return
        if not is_stored:
            self.report.left_out("gone", _GONE, **about)
        elif problem := _problem_of(body, self.clock.unix_s()):
            self.report.left_out("refused", problem, **about)
        else:
            self._send(candidate, body)
        reached.done(candidate.place)

    def _send(self, candidate: Candidate, body: str) -> None:
        message_id = None
        if self.queue is not None:
            self.pace.wait()
            message_id = self.queue.send(body)
        self.report.sent(candidate.stem_id, candidate.filepath or "", message_id)

    def _body(self, candidate: Candidate) -> str:
        from waveflow.entrypoints.cli.task_form import nested_body, task_kind

        kind, now_s = task_kind("analysis"), self.clock.unix_s()
        fields = dict(candidate.fields) | {"timestamp": self.clock.now_iso()}
        return nested_body(kind, kind.task_id(fields, int(now_s * 1000)), fields)


def uploads(storage: AudioStorage, prefix: str, report: Report) -> Iterator[str]:
    """The keys at or below a prefix, without those of objects that WaveFlow writes."""
    for stat in storage.list(prefix):
        report.listed += 1
        if lies_in(prefix, stat.key) and not stat.key.startswith(OWN_PREFIXES):
            yield stat.key


def lies_in(prefix: str, key: str) -> bool:
    """Whether a key is `prefix` or below it: `users/u10/a.wav` isn't below `users/u1`."""
    return not prefix or key == prefix or key.startswith(f"{prefix.removesuffix('/')}/")


def _problem_of(body: str, now_s: float) -> str | None:
    from waveflow.domain.audio import MAX_PEAKS
    from waveflow.entrypoints.cli.task_form import problem_of
    from waveflow.entrypoints.messages import MessageParser

    return problem_of(body, MessageParser(default_num_peaks=MAX_PEAKS), now_s)
