"""A table as Markdown, as HTML, or for a terminal."""

import dataclasses
import html
import re
import textwrap

import rich.box
import rich.table

# The texts that a column of numbers may hold.
_NUMERIC = re.compile(r"-|[-+]?[\d.,]+(e[-+]\d+)?|inf|\d+ of \d+|")

VERDICTS = {
    "confirmed": "confirmed",
    "confirmed with a smaller margin": "smaller",
    "not decided": "undecided",
    "refuted": "refuted",
    "no": "refuted",
}
"""The classes of cells with a verdict in HTML."""

# A table with more columns than this has a first column that stays in view. Cells with more characters than this are
# sentences. More notes than this are folded.
_FEW, _PHRASE, _OPEN_NOTES = 5, 70, 3

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

    def html(self, *, heading: str | None = None, notes: bool = True) -> str:
        """The table as HTML, in a box that scrolls if the table is too wide, with the notes as a list below.

        Columns have the classes `number`, `paper` and `worse`. Cells with a verdict have the class that `VERDICTS`
        names. The table has the class `many` if it has many columns, and `prose` if its cells are sentences.

        - `heading`: the element for the title, such as `h3`. Without it, only screen readers have the title.
        - `notes`: whether to append the notes.
        """
        classes = [
            " ".join(["number"] * numeric + ["paper"] * (name == "paper") + ["worse"] * (name == "worse in"))
            for name, numeric in zip(self.header, self._numeric(), strict=True)
        ]
        head = _html_cells('th scope="col"', self.header, classes)
        body = "".join(f"<tr>{_html_cells('td', row, classes)}</tr>\n" for row in self.rows)
        title = html.escape(self.title)
        box = f'<div class="wide" role="region" tabindex="0" aria-label="{title}">'
        table = f"<table{self._shape()}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
        above = f"<{heading}>{title}</{heading}>\n" if heading else ""
        return f"{above}{box}\n{table}\n</div>\n{_html_notes(self.notes) if notes else ''}"

    def _shape(self) -> str:
        if len(self.header) > _FEW:
            return ' class="many"'
        longest = max((len(cell) for row in self.rows for cell in row), default=0)
        return ' class="prose"' if longest > _PHRASE else ""

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


def _html_notes(notes: tuple[str, ...]) -> str:
    if not notes:
        return ""
    listed = "".join(f"<li>{_html_note(note)}</li>\n" for note in notes)
    if len(notes) <= _OPEN_NOTES:
        return f'<div class="notes">\n<ul>\n{listed}</ul>\n</div>\n'
    return f'<details class="notes">\n<summary>{len(notes)} notes</summary>\n<ul>\n{listed}</ul>\n</details>\n'


def _html_note(note: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(note))


def _html_cells(tag: str, cells: tuple[str, ...], classes: list[str]) -> str:
    named = [VERDICTS.get(cell, name) for cell, name in zip(cells, classes, strict=True)]
    close = tag.split()[0]
    return "".join(
        f'<{tag} class="{name}">{html.escape(cell)}</{close}>' if name else f"<{tag}>{html.escape(cell)}</{close}>"
        for cell, name in zip(cells, named, strict=True)
    )
