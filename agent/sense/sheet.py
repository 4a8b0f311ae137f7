"""A table as people keep it: CSV (RFC 4180) with the ways of spreadsheets.

Read as it is: UTF-8 with or without a byte-order mark, UTF-16 with one; columns parted by `,`, `;` or tabs, as the
header has them; a line `sep=;` before it; blanks after a separator; `1,5` for 1.5 where no comma parts columns.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_SEPARATORS = ("\t", ";", ",")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_SEP_LINE = re.compile(r"sep=(.)\r?\n")


class Sheet:
    """One table of two columns or more. Raises OSError, UnicodeError where it is no text, and csv.Error where it is no
    table, also while it is gone through."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if wide else "utf-8-sig")
        said = _SEP_LINE.match(text)
        text = text[said.end() :] if said else text
        header = text.partition("\n")[0]
        self._separator = said[1] if said else max(_SEPARATORS, key=header.count)
        self._rows = csv.DictReader(
            io.StringIO(text, newline=""), strict=True, delimiter=self._separator, skipinitialspace=True
        )
        self.columns: Sequence[str] = tuple(self._rows.fieldnames or ())
        if len(self.columns) < 2:
            raise csv.Error("its first line names no columns")

    def __repr__(self) -> str:
        return f"<Sheet {', '.join(self.columns)}>"

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        """The number of a row's last line in the file, and its cells by their columns; a short row lacks some."""
        for row in self._rows:
            yield self._rows.line_num, {name: self._cell(text) for name, text in row.items() if isinstance(text, str)}

    def _cell(self, text: str) -> str:
        comma = self._separator != "," and _DECIMAL_COMMA.fullmatch(text.strip())
        return text.replace(",", ".") if comma else text
