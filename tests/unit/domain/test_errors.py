"""The tree of errors: where each stands, its code, and that it survives a process boundary."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Iterator

import pytest

from waveflow.domain import errors
from waveflow.domain.errors import (
    AudioTooLarge,
    InvalidAudio,
    MachineUnavailable,
    NotifierUnavailable,
    PermanentError,
    TransientError,
    TruncatedAudio,
    UnreadableStem,
    WaveFlowError,
    WorkFolderUnavailable,
)

SNAKE_CASE = re.compile(r"[a-z]+(_[a-z]+)*")


def descendants(root: type[WaveFlowError]) -> Iterator[type[WaveFlowError]]:
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from descendants(child)


PERMANENT = [kind for kind in descendants(PermanentError) if issubclass(kind, PermanentError)]
TRANSIENT = list(descendants(TransientError))
ORDINARY = [kind for kind in PERMANENT if kind is not UnreadableStem]


class TestTree:
    def test_every_error_is_either_permanent_or_transient(self) -> None:
        assert set(WaveFlowError.__subclasses__()) >= {PermanentError, TransientError}
        in_module = {
            value
            for _, value in inspect.getmembers(errors, inspect.isclass)
            if issubclass(value, WaveFlowError)
        }
        assert in_module == {
            WaveFlowError,
            PermanentError,
            TransientError,
            *PERMANENT,
            *TRANSIENT,
        }
        assert not set(PERMANENT) & set(TRANSIENT)

    @pytest.mark.parametrize("kind", [*PERMANENT, *TRANSIENT])
    def test_every_error_is_drawn_in_the_tree_and_says_when_it_is_raised(
        self, kind: type[WaveFlowError]
    ) -> None:
        assert f"── {kind.__name__}" in str(errors.__doc__)
        assert str(kind.__doc__).startswith("Raised when ")

    @pytest.mark.parametrize("kind", [PermanentError, *PERMANENT])
    def test_every_permanent_error_has_a_snake_case_code(self, kind: type[PermanentError]) -> None:
        assert SNAKE_CASE.fullmatch(kind.default_code)

    def test_no_two_permanent_errors_share_their_code(self) -> None:
        kinds: list[type[PermanentError]] = [PermanentError, *PERMANENT]
        codes = [kind.default_code for kind in kinds]
        assert len(set(codes)) == len(codes)

    def test_kinds_of_damaged_audio_are_caught_as_invalid_audio(self) -> None:
        children = {kind.__name__ for kind in InvalidAudio.__subclasses__()}
        assert children == {"NotAudio", "TruncatedAudio", "DecoderFailed"}

    def test_what_the_machine_lacks_is_caught_as_one(self) -> None:
        children = [kind for kind in TRANSIENT if issubclass(kind, MachineUnavailable)]
        assert children == [MachineUnavailable, WorkFolderUnavailable]


class TestNotifierUnavailable:
    def test_nothing_more_is_known_unless_it_is_said(self) -> None:
        error = NotifierUnavailable("No answer.")
        assert (error.retry_after_s, error.refused, error.too_slow) == (None, False, False)

    @pytest.mark.parametrize("too_slow", [False, True])
    def test_it_says_whether_the_event_has_probably_arrived(self, too_slow: bool) -> None:
        error = NotifierUnavailable("No answer.", retry_after_s=7.0, too_slow=too_slow)
        assert (error.retry_after_s, error.refused, error.too_slow) == (7.0, False, too_slow)


class TestCodes:
    @pytest.mark.parametrize("kind", ORDINARY)
    def test_the_code_is_the_kinds_own_unless_another_is_given(
        self, kind: type[PermanentError]
    ) -> None:
        assert kind("text").code == kind.default_code
        assert kind("text", code="something_else").code == "something_else"
        assert str(kind("text", code="something_else")) == "text"

    def test_an_unreadable_stem_has_the_code_of_its_cause_and_counts_from_1(self) -> None:
        error = UnreadableStem(2, TruncatedAudio("The file is cut short."))
        assert str(error) == "Stem 3: The file is cut short."
        assert (error.code, error.index) == ("audio_truncated", 2)


class TestPickling:
    @pytest.mark.parametrize("kind", ORDINARY)
    @pytest.mark.parametrize("code", [None, "decoder_timeout"])
    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_a_permanent_error_keeps_its_kind_text_and_code(
        self, kind: type[PermanentError], code: str | None, protocol: int
    ) -> None:
        error = kind("드럼.wav: cut short.", code=code)
        back = pickle.loads(pickle.dumps(error, protocol))
        assert type(back) is kind
        assert (str(back), back.code) == ("드럼.wav: cut short.", error.code)

    @pytest.mark.parametrize("kind", [WaveFlowError, *TRANSIENT])
    def test_other_errors_keep_their_kind_and_text(self, kind: type[WaveFlowError]) -> None:
        back = pickle.loads(pickle.dumps(kind("No answer.")))
        assert type(back) is kind
        assert str(back) == "No answer."

    @pytest.mark.parametrize(
        "cause",
        [TruncatedAudio("Cut."), AudioTooLarge("Too long.", code="audio_too_long")],
    )
    def test_an_unreadable_stem_keeps_its_index_and_its_cause(self, cause: PermanentError) -> None:
        back = pickle.loads(pickle.dumps(UnreadableStem(7, cause)))
        assert type(back) is UnreadableStem
        assert (back.index, back.code, str(back)) == (7, cause.code, f"Stem 8: {cause}")
        assert type(back.cause) is type(cause)
        assert (str(back.cause), back.cause.code) == (str(cause), cause.code)

    def test_a_copy_is_as_good_as_a_pickle(self) -> None:
        error = copy.copy(AudioTooLarge("Too long.", code="audio_too_long"))
        assert (str(error), error.code) == ("Too long.", "audio_too_long")
