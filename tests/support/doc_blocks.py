"""Code in documents that is code of files: each block says where it comes from, and is the same.

    ```ts file=examples/receiver/src/main.ts#bootstrap

names a region of a file, from `#region bootstrap` to `#endregion bootstrap` in comments; without
`#…` the block is the whole file. Mending the blocks after a change of the files:

    python -m tests.support.doc_blocks docs/integrating.md docs/main-server.md
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"^\s*(//|#) ?#?(end)?region\b")


@frozen
class Block:
    """A fenced block.

    Attributes:
        language: the first word after the fence; empty when there is none.
        source: what follows `file=`, or None.
    """

    language: str
    source: str | None
    text: str


def blocks_in(document: str) -> list[Block]:
    """All fenced blocks of a document, in order."""
    return [_block(found) for found in _BLOCK.finditer(document)]


def code_of(source: str) -> str:
    """The code that a block with `file=source` has.

    Raises:
        LookupError: when the file has no such region.
        OSError: when there is no such file.
    """
    name, _, region = source.partition("#")
    text = (ROOT / name).read_text(encoding="utf-8")
    return _region(text, region, source) if region else text


def mended(document: str) -> str:
    """The document with each block as its file has it."""

    def mend(found: re.Match[str]) -> str:
        block = _block(found)
        text = block.text if block.source is None else code_of(block.source)
        return f"```{found['info']}\n{text}```"

    return _BLOCK.sub(mend, document)


def _block(found: re.Match[str]) -> Block:
    language, *options = found["info"].split() or [""]
    sources = [each.removeprefix("file=") for each in options if each.startswith("file=")]
    return Block(language, sources[0] if sources else None, found["text"])


def _region(text: str, name: str, source: str) -> str:
    start, end = (
        re.search(rf"^\s*(//|#) ?#?{word} {re.escape(name)}\n", text, re.MULTILINE)
        for word in ("region", "endregion")
    )
    if start is None or end is None:
        raise LookupError(f"There is no region {source}.")
    lines = text[start.end() : end.start()].splitlines(keepends=True)
    inner = "".join(line for line in lines if not _MARKER.match(line))
    return textwrap.dedent(inner).strip("\n") + "\n"


def main() -> None:
    """Mend the documents that are named."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(mended(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
