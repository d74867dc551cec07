"""What README.ko.md has to share with README.md, and where the two differ.

Both pages have the same chunks in the same order: headings, paragraphs, lists, pictures, tables,
blocks of code. A chunk and its translation have the same links, pictures, code, names and numbers.
README.ko.md ends with a digest of the README.md that it translates:

    python -m tests.support.readme_ko            tells what differs
    python -m tests.support.readme_ko --renew    enters the digest, if nothing does
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from attrs import frozen

from tests.support.doc_blocks import blocks_in

ROOT = Path(__file__).parents[2]
ENGLISH, KOREAN = ROOT / "README.md", ROOT / "README.ko.md"

# Chunks and defaults that are words: each has this one translation.
SAID_SO = {
    "**English** · [한국어](README.ko.md)": "[English](README.md) · **한국어**",
    "all below": "아래 전부",
    "s3 when S3_BUCKET_NAME is set, else folder": "S3_BUCKET_NAME이 있으면 s3, 없으면 folder",
    "sqs when SQS_QUEUE_URL is set, else memory": "SQS_QUEUE_URL이 있으면 sqs, 없으면 memory",
    "webhook when WEBHOOK_URL is set, else console": (
        "WEBHOOK_URL이 있으면 webhook, 없으면 console"
    ),
    "(temporary folder)/waveflow": "(임시 폴더)/waveflow",
}
# What Korean readers are told beyond README.md.
KOREAN_ONLY = (
    "화면은 브라우저 언어에 따라 한국어로 표시되며, 좁은 화면에서도 쓸 수 있습니다.",
    '<img src="docs/pictures/studio-phone.png" width="300" alt="좁은 화면에서 본 한국어 스튜디오">',
)
# Figures in Korean for what English says in words ("a quarter").
FIGURES_FOR_WORDS = ("4분의 1", "10분의 1")

_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_DIGEST = re.compile(r"\n*<!-- README\.md sha256: ([0-9a-f]*) -->\s*\Z")
_SHELL_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_HANGUL = re.compile(r"[가-힣]")
_MARKS = {
    "links": re.compile(r"(?<!!)\[[^]]*\]\(([^)]+)\)"),
    "pictures": re.compile(r"!\[[^]]*\]\(([^)]+)\)|<img src=\"([^\"]+)\""),
    "code": re.compile(r"`([^`]+)`"),
    "names": re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"),
    "numbers": re.compile(r"\d+(?:[.,]\d+)*", re.ASCII),
}


@frozen
class Chunk:
    """What stands between two empty lines, or a whole block of code.

    Attributes:
        kind: what a reader sees, with what has to be the same of it: a heading's level, how many
            items or rows there are, the language of a block.
    """

    kind: str
    text: str

    @property
    def beginning(self) -> str:
        return " ".join(self.text.split())[:60]


def differences(english: str, korean: str) -> list[str]:
    """One sentence for each thing in which the Korean page departs from the English one."""
    missing = [
        f"README.ko.md lacks its own '{each}'." for each in KOREAN_ONLY if each not in korean
    ]
    pairs = zip_longest(chunks_of(english), chunks_of(_without_additions(korean)))
    return missing + [each for one, other in _while_in_step(pairs) for each in _between(one, other)]


def chunks_of(page: str) -> list[Chunk]:
    """The page from top to bottom, without the digest at its end."""
    parts = _FENCED.split(_DIGEST.sub("\n", page))
    texts = (text for part in parts for text in _split(part))
    return [Chunk(_kind(text), text) for text in texts]


def digest_of(english: str) -> str:
    """SHA-256 of the page, 64 hexadecimal digits."""
    return hashlib.sha256(english.encode()).hexdigest()


def digest_in(korean: str) -> str | None:
    """The digest at the end of the Korean page, or None when there is none."""
    found = _DIGEST.search(korean)
    return found[1] if found else None


def renewed(english: str, korean: str) -> str:
    """The Korean page with the digest of this English one."""
    return (
        f"{_DIGEST.sub('', korean).rstrip()}\n\n<!-- README.md sha256: {digest_of(english)} -->\n"
    )


def links_in(page: str) -> list[str]:
    """Where all links and pictures of a page lead."""
    return [*marks_of(page)["links"], *marks_of(page)["pictures"]]


def marks_of(text: str) -> dict[str, Counter[str]]:
    """What a text has in every language, by kind, with how often."""
    return {
        kind: Counter(_name_of(found) for found in mark.finditer(text))
        for kind, mark in _MARKS.items()
    }


def _name_of(mark: re.Match[str]) -> str:
    inner = "".join(mark.groups("")) if mark.groups() else mark[0]
    return " ".join(inner.split())


def _without_additions(korean: str) -> str:
    for addition in KOREAN_ONLY:
        korean = korean.replace(addition, "")
    return korean


def _split(part: str) -> list[str]:
    if part.startswith("```"):
        return [part]
    return [text.strip("\n") for text in re.split(r"\n\s*\n", part) if text.strip()]


def _kind(text: str) -> str:
    lines = text.splitlines()
    if text.startswith("```"):
        return f"a block of code ({lines[0].removeprefix('```').strip()})"
    if heading := re.match(r"#+ ", text):
        return f"a heading of level {len(heading[0]) - 1}"
    if text.startswith("|"):
        return f"a table of {len(lines)} lines"
    if items := re.findall(r"^(?:[-*]|\d+\.) ", text, re.MULTILINE):
        return f"a list of {len(items)}"
    return "a picture" if text.startswith(("![", "<img")) else "a paragraph"


def _while_in_step(
    pairs: Iterator[tuple[Chunk | None, Chunk | None]],
) -> Iterator[tuple[Chunk, Chunk]]:
    """Pairs up to the first whose kinds differ: what comes after it can't be compared."""
    end = Chunk("the end", "")
    for one, other in pairs:
        yield one or end, other or end
        if one is None or other is None or one.kind != other.kind:
            return


def _between(english: Chunk, korean: Chunk) -> list[str]:
    where = f"At '{english.beginning or korean.beginning}':"
    if english.kind != korean.kind:
        return [f"{where} README.md has {english.kind}, README.ko.md {korean.kind}."]
    if english.text in SAID_SO:
        return [] if korean.text == SAID_SO[english.text] else [f"{where} '{korean.text}'?"]
    if english.kind.startswith("a table"):
        return _between_tables(english.text, korean.text)
    if english.kind.startswith("a block"):
        return [f"{where} {each}" for each in _between_blocks(english.text, korean.text)]
    return [f"{where} {each}" for each in _between_texts(english.text, korean.text)]


def _between_texts(english: str, korean: str) -> list[str]:
    found = [] if english == "# WaveFlow" or _HANGUL.search(korean) else ["it isn't translated."]
    return found + _between_marks(english, korean)


def _between_marks(english: str, korean: str) -> list[str]:
    for figure in FIGURES_FOR_WORDS:
        korean = korean.replace(figure, "")
    ours, theirs = marks_of(english), marks_of(korean)
    return [
        f"{word} {kind}: {', '.join(sorted(left))}."
        for kind in _MARKS
        for word, left in (
            ("missing", ours[kind] - theirs[kind]),
            ("extra", theirs[kind] - ours[kind]),
        )
        if left
    ]


def _between_tables(english: str, korean: str) -> list[str]:
    rows = zip(english.splitlines(), korean.splitlines(), strict=True)
    return [
        f"In the row '{ours[:60]}': {each}" for ours, theirs in rows for each in _rows(ours, theirs)
    ]


def _rows(english: str, korean: str) -> list[str]:
    """A row's first column shows that it is the same one; a default is the same to the letter."""
    ours, theirs = _cells(english), _cells(korean)
    if len(ours) != len(theirs):
        return [f"it has {len(theirs)} columns in README.ko.md, not {len(ours)}."]
    found = _between_marks(ours[0], theirs[0]) or _between_marks(english, korean)
    is_setting = len(ours) == 3 and ours[0].startswith("`")
    if is_setting and theirs[1] != SAID_SO.get(ours[1], ours[1]):
        found.append(f"the default is '{ours[1]}', not '{theirs[1]}'.")
    return found


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def _between_blocks(english: str, korean: str) -> list[str]:
    [ours], [theirs] = blocks_in(english), blocks_in(korean)
    if ours.language != "sh":
        return [] if ours.text == theirs.text else ["the code differs."]
    code = [_SHELL_COMMENT.sub("#", block.text) for block in (ours, theirs)]
    comments = [_SHELL_COMMENT.findall(block.text) for block in (ours, theirs)]
    if _squeezed(code[0]) != _squeezed(code[1]):
        return ["the code differs."]
    untranslated = [each for each in comments[1] if not _HANGUL.search(each)]
    found = [f"the comment '{each}' isn't translated." for each in untranslated]
    return found + _between_marks("\n".join(comments[0]), "\n".join(comments[1]))


def _squeezed(code: str) -> list[str]:
    """Lines without the space in front of comments."""
    return [re.sub(r"\s+#$", " #", line) for line in code.splitlines()]


def main() -> None:
    """Tell what differs; with `--renew`, enter the digest when nothing does."""
    english, korean = ENGLISH.read_text(encoding="utf-8"), KOREAN.read_text(encoding="utf-8")
    if found := differences(english, korean):
        sys.exit("\n".join([*found, "README.ko.md isn't up to date yet; no digest was entered."]))
    if sys.argv[1:] == ["--renew"]:
        KOREAN.write_text(renewed(english, korean), encoding="utf-8")


if __name__ == "__main__":
    main()
