"""A table as text, Markdown or HTML."""

import dataclasses
import html


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of text under a header, with a title and notes."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """With the notes as a list below."""
        lines = [f"**{self.title}**", "", _line(self.header), _line(["---"] * len(self.header))]
        lines += [_line(row) for row in self.rows]
        if self.notes:
            lines += ["", *[f"- {note}" for note in self.notes]]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """With the notes as a list below."""
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in self.header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in self.rows
        )
        notes = "".join(f"<li>{html.escape(note)}</li>\n" for note in self.notes)
        listed = f"<ul>\n{notes}</ul>\n" if notes else ""
        caption = f"<caption>{html.escape(self.title)}</caption>"
        return f"<table>\n{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n{listed}"


def _line(cells) -> str:
    return f"| {' | '.join(cells)} |"
