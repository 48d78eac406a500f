"""As much of a query as a gate needs: which columns it gives out, and which words it uses.

No parser: names are found where SQL lets names of columns stand. In doubt nothing is certain.

Rules kept here:
- comments and literals are no part of a query; nor is what stands in parentheses, where the outermost SELECT has no
  star;
- a name is given out where a comma, a cast, the next clause or the end follows it: `a, b.c as d` gives out a and d;
- a star gives out whatever its source has, unless the source is a WITH of the same query: then what that names;
- what a template is yet to fill in (Jinja beyond `ref`, `source`, `config`, `this`) may give out anything; so may what
  stands in a comment that never ends;
- the dialect is not known either: what one takes for a comment or for the end of a literal, and another does not (a
  hash, two slashes, a backslash before a quote, dollar quotes, a comment within a comment, quotes around more than a
  name), may hide anything, so that such a query is open. A parser (sqlglot) would have to be told the dialect, and
  reads no templates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_NOISE = re.compile(
    r"--[^\n]*|/\*.*?\*/|\{#.*?#\}|'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|(?P<unended>(?:/\*|\{#).*)", re.DOTALL
)
_NAME = re.compile(r"[\"`][\w$ .:-]+[\"`]")
_BY_DIALECT = re.compile(r"#|//|'|\$\w*\$")
"""What is left of literals and comments that some dialects have."""
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\'")
_ANYTHING = "{%"
_PLAIN_JINJA = re.compile(r"\{\{-?\s*(?:ref|source|this|config)\b[^{}]*\}\}", re.DOTALL)
_JINJA = re.compile(r"\{[{%]")
_INNERMOST = re.compile(r"\([^()]*\)")
_STAR = re.compile(r"(?:\bselect|\bdistinct|\ball|,|\.)\s*\*", re.IGNORECASE)
_STAR_FROM = re.compile(r"(?:\bselect|\bdistinct|,|\.)\s*\*\s*from\s+([\w.\"`\[\]]+)", re.IGNORECASE)
_WITH = re.compile(r"(?:\bwith|,)\s*(?:recursive\s+)?([\w\"`]+)\s+as\s*(?:materialized\s*)?\(", re.IGNORECASE)
_ENDS = "from|union|intersect|except|minus|where|order|limit|qualify"
_GIVEN = rf"[\"`\]]?\s*(?:,|$|::|\)|\b(?:{_ENDS})\b)"
_WORD = re.compile(r"[\w$]+")
_MOST_CHARS = 1_000_000
_MOST_DEPTH = 200


@dataclass(frozen=True)
class Query:
    """The text of a query, compiled or as it is written."""

    text: str

    def gives(self, column: str) -> bool | None:
        """Whether the query gives out a column of that name; None where that is not certain."""
        if self._is_open:
            return None
        if not self._names(column):
            return False
        return None if self._has_star else True

    def may_use(self, columns: frozenset[str]) -> bool:
        """Whether the query may read any of these columns, or hand them on by a star."""
        if self._is_open or _STAR.search(self._plain):
            return True
        words = {word.casefold() for word in re.findall(r"[\w$]+", self._plain)}
        return any(column.partition(".")[0].casefold() in words for column in columns)

    def _names(self, column: str) -> bool:
        """Whether a name stands where one is given out. Plain ones are found all at once: there may be thousands."""
        if _WORD.fullmatch(column):
            return column.casefold() in self._given
        return re.search(rf"(?<![\w$]){re.escape(column)}{_GIVEN}", self._giving, re.IGNORECASE) is not None

    @cached_property
    def _given(self) -> frozenset[str]:
        found = re.findall(rf"(?<![\w$])[\w$]+(?={_GIVEN})", self._giving, re.IGNORECASE)
        return frozenset(name.casefold() for name in found)

    @cached_property
    def _has_star(self) -> bool:
        return _STAR.search(self._outermost) is not None

    @property
    def _giving(self) -> str:
        return self._plain if self._has_star else self._outermost

    @cached_property
    def _plain(self) -> str:
        return _PLAIN_JINJA.sub(" relation ", _NOISE.sub(_gap, self.text[:_MOST_CHARS])).strip().rstrip(";").strip()

    @cached_property
    def _is_open(self) -> bool:
        """Whether anything may come out of it."""
        if len(self.text) > _MOST_CHARS or _JINJA.search(self._plain) or _BY_DIALECT.search(self._plain):
            return True
        if self._plain.count('"') % 2 or self._plain.count("`") % 2:
            return True
        own = {name.strip('"`').casefold() for name in _WITH.findall(self._plain)}
        if not self._has_star:
            return False
        known = [name.strip('"`[]').casefold() in own for name in _STAR_FROM.findall(self._plain)]
        return not all(known) or len(known) < len(_STAR.findall(self._plain))

    @cached_property
    def _outermost(self) -> str:
        """What is left without all that stands in parentheses."""
        text = self._plain
        for _ in range(_MOST_DEPTH):
            shorter = _INNERMOST.sub(" ", text)
            if shorter == text:
                return text
            text = shorter
        return text


def _gap(noise: re.Match[str]) -> str:
    """What is left of a comment, a literal or a quoted name."""
    text, before = noise[0], noise.string[max(0, noise.start() - 2) : noise.start()]
    if noise["unended"] is not None or _is_doubtful(text, before):
        return _ANYTHING
    return text if text[0] in '"`' else " "


def _is_doubtful(text: str, before: str) -> bool:
    """Whether dialects differ in where it ends, or in what it is."""
    match text[0]:
        case "'":
            return _ESCAPED.search(text) is not None or re.search(r"(?<!\w)q$", before, re.IGNORECASE) is not None
        case "-":
            return before[-1:].isalnum() and not text[2:3].isspace()
        case "/":
            return "/*" in text[2:]
        case '"' | "`":
            return _NAME.fullmatch(text) is None
    return False
