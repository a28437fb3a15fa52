"""A page of HTML that needs no other file: its style, sections, and figures for wide and for narrow screens."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

# Screens up to this width have the narrow figures. It is the width of a wide figure with the margins of the page.
_NARROW = "46rem"

# Dots per inch. A screen shows 96 or, if it is fine, twice as many.
_RESOLUTION = 160

_STYLE = """
:root { color-scheme: light; }
body { font: 17px/1.55 Georgia, "Liberation Serif", serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; overflow-wrap: break-word; }
h1, h2, h3, h4, nav, table, figcaption, summary, .verdict {
  font-family: Helvetica, Arial, "Liberation Sans", sans-serif; }
h1, h2, h3, h4 { font-weight: 600; line-height: 1.25; text-wrap: balance; }
h1 { font-size: 1.8rem; }
h2 { margin-top: 3rem; padding-top: 0.6rem; border-top: 2px solid #ccc; }
h3 { margin: 2.2rem 0 0.6rem; }
h4 { margin: 1rem 0 0.3rem; font-size: 0.95rem; }
p, ol, ul, dl, figcaption { max-width: 44rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1.4rem; list-style: none; padding: 0; font-size: 15px; }
nav ul { max-width: none; }
a { color: #0b5394; }
nav a { display: inline-block; padding: 0.3rem 0; }
ol.claims > li { margin-bottom: 1rem; }
.verdict { font-weight: 600; font-size: 0.92em; }
.confirmed { color: #1e6b34; }
.smaller { color: #5a5f00; }
.undecided { color: #555; }
.refuted { color: #a93226; }
.wide { overflow-x: auto; margin: 0.8rem 0; }
.wide:focus-visible { outline: 2px solid #0b5394; }
table { border-collapse: collapse; font-size: 14px; line-height: 1.4; }
th { text-align: left; vertical-align: bottom; border-bottom: 2px solid #444; padding: 0.25rem 0.9rem 0.25rem 0; }
td { border-bottom: 1px solid #ddd; padding: 0.25rem 0.9rem 0.25rem 0; vertical-align: top; overflow-wrap: normal; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.paper { color: #666; }
td.worse { color: #a93226; }
table.many td, th.worse { white-space: nowrap; }
table.many th:first-child, table.many td:first-child {
  position: sticky; left: 0; background: #fff; white-space: nowrap; }
.notes, .notes ul { font-size: 15px; }
.notes summary { cursor: pointer; font-size: 14px; padding: 0.3rem 0; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.3rem 1.5rem; font-size: 15px; }
dt { font-weight: 600; }
dd { margin: 0; }
figure { margin: 1.8rem 0; break-inside: avoid; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption { font-size: 15px; color: #444; margin-top: 0.5rem; }
@media (max-width: 46rem) {
  body { margin: 1rem auto; font-size: 16px; }
  h1 { font-size: 1.45rem; }
  table { font-size: 13px; }
  table.prose { min-width: 34rem; }
  th, td { padding-right: 0.7rem; }
  dl { grid-template-columns: minmax(0, 1fr); }
  dd { margin-bottom: 0.6rem; }
  ol, ul { padding-left: 1.4rem; }
}
"""


def write_page(title: str, opening: str, sections: Mapping[str, str]) -> str:
    """A page with a title, an opening, a table of contents, and sections of HTML under their headings."""
    links = "".join(f'<li><a href="#section{number}">{name}</a></li>\n' for number, name in enumerate(sections))
    contents = f'<nav aria-label="Contents">\n<ul>\n{links}</ul>\n</nav>'
    blocks = [
        f'<section aria-labelledby="section{number}">\n<h2 id="section{number}">{name}</h2>\n{content}\n</section>'
        for number, (name, content) in enumerate(sections.items())
    ]
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>"
    )
    body = "\n".join([f"<header>\n<h1>{html.escape(title)}</h1>\n{opening}\n{contents}\n</header>", "<main>", *blocks])
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</main>\n</body>\n</html>\n'


def picture(wide: Figure, narrow: Figure, alternative: str, caption: str) -> str:
    """A figure as HTML in two shapes, of which a screen shows the one that suits its width.

    - `alternative`: what the figure shows, for readers who do not see it.
    """
    size = f'width="{round(96 * wide.get_figwidth())}" height="{round(96 * wide.get_figheight())}"'
    small = f'width="{round(96 * narrow.get_figwidth())}" height="{round(96 * narrow.get_figheight())}"'
    return (
        f'<figure>\n<picture>\n<source media="(max-width: {_NARROW})" {small} srcset="{_data(narrow)}">\n'
        f'<img alt="{html.escape(alternative)}" {size} src="{_data(wide)}">\n</picture>\n'
        f"<figcaption>{html.escape(caption)}</figcaption>\n</figure>"
    )


def paragraphs(texts: Sequence[str]) -> str:
    """Texts as paragraphs of HTML."""
    return "\n".join(f"<p>{html.escape(text)}</p>" for text in texts)


def definitions(terms: Mapping[str, str]) -> str:
    """Terms and their texts as a list of definitions in HTML."""
    listed = "".join(f"<dt>{html.escape(term)}</dt><dd>{html.escape(text)}</dd>\n" for term, text in terms.items())
    return f"<dl>\n{listed}</dl>"


def _data(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_RESOLUTION, format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
