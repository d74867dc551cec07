"""What can become of a message, and when it comes back."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, get_args

from attrs import field, frozen
from attrs.validators import ge

OutcomeName = Literal[
    "done", "failed", "removed", "retried", "undelivered", "postponed", "given_back", "parked"
]
"""What came of a delivery, in the word that logs and metrics have for it.

`removed`: the server had the stem removed since. `undelivered`: the server doesn't know yet.
`postponed`: the message was not due yet.
"""

OUTCOME_NAMES: tuple[OutcomeName, ...] = get_args(OutcomeName)


@frozen
class Acknowledge:
    """The message is dealt with: delete it.

    Attributes:
        outcome: done, failed or removed.
        code: of the failure that the server was told of.
    """

    outcome: OutcomeName = field(default="done", eq=False)
    code: str | None = field(default=None, eq=False)


@frozen
class BackOff:
    """Let the message come back after `delay_s`.

    Attributes:
        outcome: retried, undelivered or postponed.
    """

    delay_s: float
    outcome: OutcomeName = field(default="retried", eq=False)
    code: None = field(default=None, init=False, eq=False)


@frozen
class GiveBack:
    """Let somebody else have the message at once: nothing more can be done with it here."""

    outcome: OutcomeName = field(default="given_back", init=False, eq=False)
    code: None = field(default=None, init=False, eq=False)


@frozen
class Park:
    """Move the message to the dead-letter queue, with the reason.

    Attributes:
        code: of the failure.
    """

    reason: str
    code: str | None = field(default=None, eq=False)
    outcome: OutcomeName = field(default="parked", init=False, eq=False)


Disposition = Acknowledge | BackOff | GiveBack | Park
"""Two are equal that do the same to a message, whatever it is called."""


@frozen
class RetryPolicy:
    """When work that failed is tried again.

    Attributes:
        max_retries: tries after the first.
        retry_delay_s: back-off before the first retry; doubled for each one after.
        max_undelivered_delay_s: the same for a webhook that the server hasn't taken. Longer, so
            that the receives that a queue allows (10, say) outlast an outage of two hours.
        spread: the delay is multiplied by 1 ± this, so that failures don't come back together.
        draw: uniform in [0, 1).
        most_tries: after which a message is given up without another, whatever came of those
            before: they may have killed the worker. A queue gives it up then too, in silence.
    """

    max_retries: int = field(default=3, validator=ge(0))
    retry_delay_s: float = field(default=60.0, validator=ge(0))
    max_delay_s: float = 300.0
    max_undelivered_delay_s: float = 1800.0
    spread: float = 0.1
    draw: Callable[[], float] = random.random
    most_tries: int = 10

    def is_spent(self, tries: int) -> bool:
        """Whether the try numbered `tries` (from 1) was the last."""
        return tries > self.max_retries

    def is_hopeless(self, tries: int) -> bool:
        """Whether the try numbered `tries` (from 1) is one too many to be made."""
        return tries >= max(self.most_tries, self.max_retries + 2)

    def delay_s(self, tries: int) -> float:
        """Seconds to wait after the try numbered `tries` (from 1) failed."""
        return self._grown_s(tries, self.max_delay_s)

    def undelivered_delay_s(self, receive_count: int) -> float:
        """Seconds to wait after the delivery numbered `receive_count` left a webhook in doubt."""
        return self._grown_s(receive_count, self.max_undelivered_delay_s)

    def _grown_s(self, receive_count: int, most_s: float) -> float:
        # The exponent is bounded: an undelivered webhook has no limit of receives.
        doublings = min(max(receive_count - 1, 0), 20)
        delay_s: float = min(self.retry_delay_s * 2**doublings, most_s)
        return delay_s * (1 + self.spread * (2 * self.draw() - 1))
