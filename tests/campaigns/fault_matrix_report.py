"""The matrix in words: calls, kinds and counts, as `docs/fault-matrix.md` has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from tests.campaigns.fault_matrix_faults import (
    KINDS,
    SERVICES,
    Call,
    Cell,
    Persistence,
    cells_of,
    impossible,
)
from tests.campaigns.fault_matrix_scenarios import Scenario

Calls = Sequence[tuple[Scenario, Sequence[Call]]]

_HEAD: Final = """\
# The fault matrix

Every request that WaveFlow makes for every kind of message × everything that can go wrong with it.
This page is written by the matrix itself; a test compares the two.

```sh
python -m tests.campaigns.fault_matrix                                 # all cells: {cells}
python -m tests.campaigns.fault_matrix --server moto --share 0.1       # a seeded tenth
python -m tests.campaigns.fault_matrix --only "mix .* stall" --verbose      # by name
python -m tests.campaigns.fault_matrix --share 0 --write docs/fault-matrix.md
```

**How.** Each scenario below runs once without a fault, on a real server for S3 and SQS, through a
fault proxy for S3, one for SQS and one for the main server. What the proxies saw are the calls.
Then the scenario runs once for each cell, in a bucket and on queues of its own, with the whole
worker in one process: container, use cases, adapters, poller, desk, slot, heartbeat, decoders in
child processes. Only waits are shortened.

**What has to be true after each cell**, once the fault is gone, is told from bucket, queues,
webhooks and work folder, and not by the product:

- The objects are those of the run without a fault: the same keys, uploads byte for byte,
  waveforms, mixes and ledger lines with the same content. Nothing is there twice, nothing is left
  over, and nothing was deleted but the one copy that the message names.
- The main server was told the same as without a fault, at least once, with the same `webhook-id`
  each time. It was never told of a success and a failure of one message.
- The queue is empty, nothing is lent out, and the dead-letter queue holds what it should.
- The work folder is empty. In the end, no thread is left.
- The fault was met.

## What goes wrong, and for how long

"Once": the SDK's own retry may hide it. "Until a delivery is given up": that call fails again and
again until the message has gone back to the queue. "The whole service": from that call on,
everything that is asked of the same service. "Until the message is given up": longer than all
retries; the message then has to fail with its webhook, be parked, and lose nothing.

"""

_REST: Final = """\

A truncated or trickled body needs a body: of S3's answers those to `GET` have one. 409 and 412 are
answers to conditional requests: not to `GET` and `HEAD`, which have no condition here. Statuses
are those that a service, or a load balancer in front of it, gives; what throttling is to S3 and
SQS, 429 and 503 are to the main server.

## What is accepted

- *S3 is believed.* 404 and 412 are statements, not failures, and S3 doesn't make them in error.
  When the proxy does, a message may fail for good (with its webhook), or hold a copy for gone that
  is still there. Nothing is deleted for it.
- *Two dead letters of one message*, when the answer to `SendMessage` got lost, or the deletion
  after it fails until the lease ends: the copy is sent first and the message deleted then, so
  that whoever dies in between leaves two rather than none.
- *A small object in `outcomes/`*, when the outcome of a settled message can't be deleted, or when
  SQS deletes a message and can't say so for as long as the lease lasts. Nobody asks for it again;
  the bucket's lifecycle rule removes it ([Running on AWS](aws.md)).
- *A mix without its waveform*, and a ledger line that condemns a copy which was kept, when the
  message is given up between the two writes. Nothing refers to them.
- *A dead-letter queue that refuses* (400, 403): the message is hidden for up to twelve hours, with
  what is known of it in `outcomes/`, and parked then.
- *A failure after a success*, in one case: a worker died after the webhook and before the deletion,
  and then the result, which is there, can't be read until all retries are used up.

## Calls and cells

"""


def document(calls: Calls) -> str:
    """The page for `docs/`."""
    cells = [cell for scenario, made in calls for cell in cells_of(scenario, made)]
    parts = [_HEAD.format(cells=f"{len(cells):,}"), _kinds(cells), _REST, _totals(calls, cells)]
    parts += [_scenario(scenario, made) for scenario, made in calls]
    return "".join(parts)


def _kinds(cells: Sequence[Cell]) -> str:
    counts: Counter[tuple[str, Persistence]] = Counter(
        (cell.kind.name, cell.persistence) for cell in cells
    )
    rows = [
        [kind.name, *(_number(counts[kind.name, persistence]) for persistence in Persistence)]
        for kind in KINDS
    ]
    by_persistence = Counter(cell.persistence for cell in cells)
    rows.append(["**all**", *(f"{by_persistence[each]:,}" for each in Persistence)])
    return _table(["fault", *(persistence.value for persistence in Persistence)], rows)


def _totals(calls: Calls, cells: Sequence[Cell]) -> str:
    of_service = Counter(call.service for _, made in calls for call in made)
    cells_of_service = Counter(cell.call.service for cell in cells)
    rows = [
        [service, str(of_service[service]), f"{cells_of_service[service]:,}"]
        for service in SERVICES
    ]
    rows.append(["**all**", str(sum(of_service.values())), f"{len(cells):,}"])
    return _table([f"{len(calls)} scenarios", "calls", "cells"], rows)


def _scenario(scenario: Scenario, made: Sequence[Call]) -> str:
    cells = cells_of(scenario, made)
    counts = Counter(cell.call for cell in cells)
    rows = [
        [
            call.service,
            f"`{call.name}`",
            str(sum(impossible(call, kind) is None for kind in KINDS)),
            str(counts[call]),
        ]
        for call in made
    ]
    title = f"\n### {scenario.use_case}: {scenario.name}\n\n{len(cells)} cells.\n\n"
    return title + _table(["service", "call", "kinds", "cells"], rows)


def _number(count: int) -> str:
    return str(count) if count else "–"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
