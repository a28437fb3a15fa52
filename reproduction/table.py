"""A table as Markdown, as HTML, or for a terminal."""

import dataclasses
import html
import re
import textwrap

import rich.box
import rich.table

# The texts that a column of numbers may hold.
_NUMERIC = re.compile(r"-|[-+]?[\d.,]+(e[-+]\d+)?|inf|\d+ of \d+|")

# A command in a note, marked as in Markdown.
_CODE = re.compile(r"`([^`]+)`")

# On a terminal, the largest number of characters in a line of a header, and in a cell that is not broken into lines.
_HEAD, _UNBROKEN = 12, 40


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of text under a header, with a title and notes."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The table as Markdown, with the notes as a list below."""
        rules = ["---:" if numeric else "---" for numeric in self._numeric()]
        lines = [f"**{self.title}**", "", _line(self.header), _line(rules)]
        lines += [_line(row) for row in self.rows]
        if self.notes:
            lines += ["", *[f"- {note}" for note in self.notes]]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """The table as HTML, with the notes as a list below.

        Columns have the classes `number`, `paper` and `worse`. Cells have the class `refuted`.
        """
        classes = [
            " ".join(["number"] * numeric + ["paper"] * (name == "paper") + ["worse"] * (name == "worse in"))
            for name, numeric in zip(self.header, self._numeric(), strict=True)
        ]
        head = _html_cells("th", self.header, classes)
        body = "".join(f"<tr>{_html_cells('td', row, classes)}</tr>\n" for row in self.rows)
        notes = "".join(f"<li>{_html_note(note)}</li>\n" for note in self.notes)
        listed = f"<ul>\n{notes}</ul>\n" if notes else ""
        caption = f"<caption>{html.escape(self.title)}</caption>"
        table = f"<table>\n{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"
        return f'<div class="wide">\n{table}</div>\n{listed}'

    def terminal(self) -> rich.table.Table:
        """The table for a terminal, which `rich` prints with the notes below."""
        table = rich.table.Table(
            title=self.title,
            caption="\n".join(f"- {note}" for note in self.notes) or None,
            box=rich.box.SIMPLE_HEAD,
            title_justify="left",
            caption_justify="left",
            padding=(0, 1, 0, 0),
        )
        for column, (name, numeric) in enumerate(zip(self.header, self._numeric(), strict=True)):
            head = textwrap.wrap(name, _HEAD, break_on_hyphens=False)
            widest = max(map(len, [*head, *(row[column] for row in self.rows)]), default=0)
            table.add_column(
                "\n".join(head),
                justify="right" if numeric else "left",
                style="dim" if name == "paper" else None,
                no_wrap=widest <= _UNBROKEN,
                min_width=widest if widest <= _UNBROKEN else None,
            )
        for row in self.rows:
            table.add_row(*row)
        return table

    def _numeric(self) -> list[bool]:
        """Whether each column holds numbers only."""
        columns = range(len(self.header))
        return [
            any(row[column] for row in self.rows) and all(_NUMERIC.fullmatch(row[column]) for row in self.rows)
            for column in columns
        ]


def _line(cells) -> str:
    return f"| {' | '.join(cells)} |"


def _html_note(note: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(note))


def _html_cells(tag: str, cells: tuple[str, ...], classes: list[str]) -> str:
    named = ["refuted" if cell == "refuted" else name for cell, name in zip(cells, classes, strict=True)]
    return "".join(
        f'<{tag} class="{name}">{html.escape(cell)}</{tag}>' if name else f"<{tag}>{html.escape(cell)}</{tag}>"
        for cell, name in zip(cells, named, strict=True)
    )
