"""Make matplotlib's SVG part of the page: themed, labelled, and free of clashes."""

from __future__ import annotations

import html
import re

from helpers.page.plots import INK

_ID = re.compile(r'\bid="([^"]+)"')
_USE = re.compile(r'(?:href="#|url\(#)([^")]+)')
_LONG_DECIMAL = re.compile(r"(-?\d+\.\d{2})\d+")


def inline_svg(source: str, label: str, prefix: str) -> str:
    """Return an SVG document as an element to put inside a page.

    The ink of `helpers.page.plots` becomes the page's text colour; the element is one image named
    `label` to assistive technology (hidden from it when the label is empty); every id takes
    `prefix`, so that two figures on one page do not clash. Raises ValueError without an <svg>.
    """
    start = source.find("<svg")
    if start < 0:
        raise ValueError("no <svg> element")
    head_end = source.index(">", start)
    head, body = source[start : head_end + 1], source[head_end + 1 : source.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    # Matplotlib styles every element of the *document*: on a page that would be all of it.
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(re.escape(INK), "currentColor", body, flags=re.IGNORECASE)
    body = _shorten(body)
    used = set(_USE.findall(body))
    body = _ID.sub(lambda m: f'id="{prefix}{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", body)
    body = re.sub(r"\s*\n\s*", "\n", body).replace(" >", ">").replace(" />", "/>")
    box = re.search(r'viewBox="([^"]+)"', head)
    size = re.search(r'\bwidth="([\d.]+)(?:pt)?"', head)
    width = f' width="{float(size[1]) * 4 / 3:.0f}"' if size else ""
    role = f'role="img" aria-label="{html.escape(label)}"' if label else 'aria-hidden="true"'
    return (
        f'<svg class="figure" {role} xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink"{width} '
        f'viewBox="{box[1] if box else "0 0 1 1"}">{body}</svg>'
    )


def _shorten(body: str) -> str:
    """Cut coordinates to a hundredth of a point; scales, images and glyphs stay as they are."""

    def shorten(match: re.Match[str]) -> str:
        return match[1] + _LONG_DECIMAL.sub(r"\1", match[2]) + match[3]

    return re.sub(r'(\b(?:d|x|y|points)=")([^"]*)(")', shorten, body)
