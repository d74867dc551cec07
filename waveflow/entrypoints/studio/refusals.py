"""What the page is told when a request can't be handled: a status, a sentence and a code."""

from __future__ import annotations

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from waveflow.domain.errors import ObjectNotFound, PermanentError, TransientError

_log = structlog.get_logger(__name__)

_OF_STATUS = {
    404: ("There is nothing here.", "not_found"),
    405: ("That can't be done here.", "not_allowed"),
}


class Refused(Exception):
    """Raised when a request can't be handled; becomes the answer to it."""

    def __init__(self, status: int, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


def refusal(status: int, sentence: str, code: str) -> Response:
    """An answer that says why not."""
    return JSONResponse({"error": sentence, "code": code}, status)


async def answer_for(_: Request, error: Exception) -> Response:
    """The answer that tells of `error`."""
    match error:
        case Refused():
            return refusal(error.status, str(error), error.code)
        case HTTPException():
            sentence, code = _OF_STATUS.get(error.status_code, (error.detail, "refused"))
            return refusal(error.status_code, sentence, code)
        case ClientDisconnect():
            return Response(status_code=400)  # Nobody hears it.
        case ObjectNotFound():
            return refusal(404, "It is no longer in the studio's folder.", error.code)
        case PermanentError():
            return refusal(400, str(error), error.code)
        case TransientError():
            return refusal(503, f"{error} Try it again.", "temporarily_unavailable")
        case _:
            _log.error("studio_defect", exc_info=error)
            answer = refusal(
                500,
                "The studio has a defect; the terminal that it was started in says which.",
                "internal_error",
            )
            # The server closes it in any case, and the browser has to know.
            answer.headers["connection"] = "close"
            return answer


HANDLED = (Refused, HTTPException, ClientDisconnect, PermanentError, TransientError, Exception)
"""What `answer_for` is for."""
