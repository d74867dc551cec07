"""Three proxies between the worker and the world, which let a share of all calls go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import Factory, define, evolve

from tests.support.fault_proxy import Fault, FaultProxy, Rule
from tests.support.production import Production

WEBHOOK_TIMEOUT_S = 5

_EVERY_KIND = (
    Rule(Fault.LATENCY, seconds=0.3),
    Rule(Fault.STATUS, status=500),
    Rule(Fault.STATUS, status=503),
    Rule(Fault.SLOW_DOWN),
    Rule(Fault.TOO_MANY_REQUESTS, seconds=1),
    Rule(Fault.RESET_BEFORE),
    Rule(Fault.RESET_AFTER),
    Rule(Fault.TRUNCATE),
    Rule(Fault.TRICKLE, seconds=0.0001),
    Rule(Fault.STALL, seconds=3.0),
    Rule(Fault.DUPLICATE),
)
_STALLED_WEBHOOK = Rule(Fault.STALL, seconds=WEBHOOK_TIMEOUT_S + 1.0)


@define
class Weather:
    """The proxies, and what they have done.

    Attributes:
        faults: by service, while the weather was bad: how many calls there were, and how many of
            them met which fault.
    """

    s3: FaultProxy
    sqs: FaultProxy
    webhooks: FaultProxy
    faults: dict[str, tuple[int, Counter[Fault]]] = Factory(dict)

    @property
    def _all(self) -> dict[str, FaultProxy]:
        return {"S3": self.s3, "SQS": self.sqs, "webhooks": self.webhooks}

    def turn_bad(self, share: float) -> None:
        """From here on that share of the calls fault, all kinds alike."""
        for name, proxy in self._all.items():
            rules = list(_EVERY_KIND)
            if name == "webhooks":
                rules = [_STALLED_WEBHOOK if r.fault is Fault.STALL else r for r in rules]
            for number, rule in enumerate(rules):
                # A rule only sees what those before it have let pass.
                left = 1 - number * share / len(rules)
                proxy.add(evolve(rule, times=None, share=share / len(rules) / left))

    def clear_up(self) -> None:
        """Nothing goes wrong from here on."""
        for name, proxy in self._all.items():
            self.faults[name] = (len(proxy.requests), proxy.faults)
            proxy.clear()

    def environment(self) -> dict[str, str]:
        """What makes a worker talk through the proxies."""
        return {
            "AWS_ENDPOINT_URL_S3": self.s3.url,
            "AWS_ENDPOINT_URL_SQS": self.sqs.url,
            "WEBHOOK_URL": self.webhooks.url,
            "WAVEFLOW_WEBHOOK_TIMEOUT_S": str(WEBHOOK_TIMEOUT_S),
        }


@contextmanager
def weather(production: Production, seed: int) -> Iterator[Weather]:
    """Proxies in front of everything that a worker talks to; good weather at first."""
    aws = production.server.endpoint_url
    with (
        FaultProxy(aws, seed) as s3,
        FaultProxy(aws, seed + 1) as sqs,
        FaultProxy(production.receiver.url, seed + 2) as webhooks,
    ):
        yield Weather(s3, sqs, webhooks)
