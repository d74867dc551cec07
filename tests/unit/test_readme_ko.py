"""README.ko.md says what README.md says, of the same state."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import readme_ko
from tests.support.readme_ko import (
    ENGLISH,
    FIGURES_FOR_WORDS,
    KOREAN,
    KOREAN_ONLY,
    ROOT,
    SAID_SO,
    chunks_of,
    differences,
    digest_in,
    digest_of,
    links_in,
    renewed,
)

README, README_KO = ENGLISH.read_text(encoding="utf-8"), KOREAN.read_text(encoding="utf-8")
LINKS = sorted({each for each in links_in(README_KO) if not each.startswith("http")})
RENEW = "python -m tests.support.readme_ko --renew"


class TestThePages:
    def test_they_are_in_step(self) -> None:
        assert differences(README, README_KO) == []

    def test_the_korean_one_is_of_the_english_one_as_it_is(self) -> None:
        assert digest_in(README_KO) == digest_of(README), (
            f"README.md has changed: bring README.ko.md up to date, then run `{RENEW}`."
        )

    @pytest.mark.parametrize("link", LINKS)
    def test_every_link_leads_somewhere(self, link: str) -> None:
        name, _, anchor = link.partition("#")
        assert (ROOT / name).is_file()
        assert not anchor or anchor in _anchors(ROOT / name)

    def test_every_exception_is_still_needed(self) -> None:
        assert [each for each in SAID_SO if each not in README] == []
        assert [each for each in FIGURES_FOR_WORDS if each not in README_KO] == []

    def test_there_is_something_to_compare(self) -> None:
        kinds = [chunk.kind.split()[1] for chunk in chunks_of(README)]
        assert len(LINKS) > 20
        assert {"heading", "paragraph", "list", "picture", "table", "block"} <= set(kinds)


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


# What is done to README.ko.md, and what is said of it.
DEPARTURES = [
    (
        "## 설정\n",
        "### 설정\n",
        "README.md has a heading of level 2, README.ko.md a heading of level 3",
    ),
    ("## 설정\n", "## Settings\n", "'## Settings': it isn't translated"),
    ("| `LOG_FORMAT` | console |", "| `LOG_FORMAT` | json |", "default is 'console', not 'json'"),
    ("| `WAVEFLOW_SLOTS` | 8 |", "| `WAVEFLOW_SLOTS` | 16 |", "missing numbers: 8"),
    ("| `LOG_LEVEL` | info |", "| `LOG_LEVELS` | info |", "missing code: LOG_LEVEL."),
    ("아래 전부 |", "모두 |", "the default is 'all below', not '모두'"),
    ("| 4 | 실행", "| 5 | 실행", "In the row '| 4 | running"),
    ("| 0 | 정상 |", "| 0 | 정상 | 끝 |", "it has 3 columns in README.ko.md, not 2"),
    ("| 0 | 정상 |\n", "", "README.md has a table of 9 lines, README.ko.md a table of 8 lines"),
    ("1~4000", "1~400", "missing numbers: 4000"),
    ("최대 4000개", "최대 40개", "extra numbers: 40"),
    ("](docs/aws.md#the-role)", "](docs/aws.md)", "missing links: docs/aws.md#the-role"),
    ("(docs/pictures/mix.svg)", "(docs/pictures/bass.svg)", "extra pictures: docs/pictures/bass"),
    ("`NUMBA_CACHE_DIR`로", "환경 변수로", "missing code: NUMBA_CACHE_DIR"),
    ("WAVEFLOW_POLL_WAIT_S보다", "이보다", "missing names: WAVEFLOW_POLL_WAIT_S"),
    ("make demo    # .venv", "make dome    # .venv", "the code differs"),
    ("main server ──►", "메인 서버 ──►", "the code differs"),
    ("# 파일의 파형", "", "the code differs"),
    ("# 파일의 파형", "# a waveform", "comment '# a waveform' isn't translated"),
    ("메시지 300개", "메시지 200개", "missing numbers: 300"),
    ("```json", "```text", "block of code (json), README.ko.md a block of code (text)"),
    ("[English](README.md) · **한국어**", "**한국어**", "'**한국어**'?"),
    (KOREAN_ONLY[0], "", f"lacks its own '{KOREAN_ONLY[0]}'"),
    ("실행할 수 있습니다.\n\n|", "실행할 수 있습니다.\n\n더 있습니다.\n\n|", "a paragraph"),
]


class TestComparing:
    @pytest.mark.parametrize(("said", "instead", "told"), DEPARTURES)
    def test_a_departure_is_told(self, said: str, instead: str, told: str) -> None:
        assert said in README_KO
        found = differences(README, README_KO.replace(said, instead, 1))
        assert any(told in each for each in found), found

    def test_what_only_one_page_has_at_its_end_is_told(self) -> None:
        longer = README_KO.replace("<!-- README.md", "## 끝\n\n<!-- README.md")
        assert differences(README, longer) == [
            "At '## 끝': README.md has the end, README.ko.md a heading of level 2."
        ]
        assert differences(f"{README}\n## End\n", README_KO) == [
            "At '## End': README.md has a heading of level 2, README.ko.md the end."
        ]

    def test_the_english_page_is_no_translation_of_itself(self) -> None:
        assert len(differences(README, README)) > 50


class TestTheDigest:
    def test_a_page_without_one_gets_it_at_its_end(self) -> None:
        page = renewed("# A\n", "# 가\n")
        comment = f"<!-- README.md sha256: {digest_of('# A' + chr(10))} -->"
        assert page == f"# 가\n\n{comment}\n"

    def test_an_old_one_is_replaced(self) -> None:
        page = renewed("# B\n", renewed("# A\n", "# 가\n"))
        assert page == renewed("# B\n", "# 가\n")
        assert digest_in(page) == digest_of("# B\n") != digest_of("# A\n")

    def test_there_may_be_none(self) -> None:
        assert digest_in("# 가\n") is None


class TestTheCommand:
    @pytest.fixture
    def pages(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Copies, the Korean one with the digest of an empty page."""
        for name, page in (("ENGLISH", README), ("KOREAN", renewed("", README_KO))):
            path = tmp_path / f"{name}.md"
            path.write_text(page, encoding="utf-8")
            monkeypatch.setattr(readme_ko, name, path)
        return tmp_path

    def run(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["readme_ko", *arguments])
        readme_ko.main()

    def test_it_enters_the_digest(self, pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run(monkeypatch, "--renew")
        page = (pages / "KOREAN.md").read_text(encoding="utf-8")
        assert page == renewed(README, README_KO)

    def test_without_the_option_it_only_looks(
        self, pages: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.run(monkeypatch)
        page = (pages / "KOREAN.md").read_text(encoding="utf-8")
        assert digest_in(page) == digest_of("")

    def test_pages_that_differ_get_none(self, pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (pages / "ENGLISH.md").write_text(README.replace("4000", "8000"), encoding="utf-8")
        with pytest.raises(SystemExit, match=r"missing numbers: 8000(?s:.*)no digest was entered"):
            self.run(monkeypatch, "--renew")
        assert digest_in((pages / "KOREAN.md").read_text(encoding="utf-8")) == digest_of("")
