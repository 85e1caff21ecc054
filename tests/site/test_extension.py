"""The parts of the Sphinx extension that can be wrong without a browser noticing."""

from __future__ import annotations

import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import nbformat
import pytest
from fontTools.ttLib import TTFont

from helpers.page import plots
from helpers.press import site
from helpers.press.site import figures, finish, pages, status
from helpers.press.site.fonts import subset_font


@pytest.fixture
def drawn(tmp_path) -> str:
    plots.use_theme()
    fig, ax = plt.subplots()
    plots.curve(ax, [1, 10, 100], [1, 2, 4], [1, 1, 3], [2, 3, 5], log="xy", label="a")
    ax.set(xlabel=r"scale $\beta$")
    fig.savefig(tmp_path / "figure.svg")
    plt.close(fig)
    return (tmp_path / "figure.svg").read_text(encoding="utf-8")


def test_inline_figure_is_well_formed_labelled_and_inked_by_the_page(drawn):
    element = figures.inline_svg(drawn, 'A "quoted" <label>', "f1-")
    root = ET.fromstring(element)
    assert root.get("aria-label") == 'A "quoted" <label>'
    assert root.get("role") == "img"
    assert plots.INK not in element
    assert "currentColor" in element
    assert "<style" not in element  # would reach the whole page
    assert len(element) < len(drawn)


def test_inline_figures_do_not_share_ids_and_keep_their_references(drawn):
    one, two = (ET.fromstring(figures.inline_svg(drawn, "x", f"f{n}-")) for n in (1, 2))
    ids = [{node.get("id") for node in root.iter() if node.get("id")} for root in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    link = "{http://www.w3.org/1999/xlink}href"
    used = {node.get(link)[1:] for node in one.iter() if (node.get(link) or "").startswith("#")}
    assert used
    assert used <= ids[0]


def test_a_file_without_svg_is_refused():
    with pytest.raises(ValueError, match="no <svg>"):
        figures.inline_svg("<html></html>", "x", "f1-")


def test_unused_rules_go_and_used_ones_stay():
    sheet = """
    .used, .gone { color: red } .gone > .used { color: blue } p { margin: 0 }
    @media print { .gone { display: none } } @media print { .used { display: none } }
    .used:not(.gone) { top: 0 } @font-face { font-family: "Font Awesome 6 Free"; src: url(x) }
    @keyframes spin { to { rotate: 1turn } }
    """
    kept = "".join(finish.used_rules(sheet, {"used"}).split())
    assert kept == (
        ".used{color:red}p{margin:0}@mediaprint{.used{display:none}}"
        ".used:not(.gone){top:0}@keyframesspin{to{rotate:1turn}}"
    )


def test_a_subset_font_sets_its_characters_as_the_whole_font_does(root, tmp_path):
    whole = root / "book" / "_static" / "katex" / "fonts" / "KaTeX_Main-Regular.woff2"
    small = tmp_path / "small.woff2"
    small.write_bytes(subset_font(whole, "∑xαΓ="))
    before, after = TTFont(whole), TTFont(small)
    assert after.getBestCmap().keys() == {ord(one) for one in "∑xαΓ="} & before.getBestCmap().keys()
    for code, glyph in after.getBestCmap().items():
        assert after["hmtx"][glyph] == before["hmtx"][before.getBestCmap()[code]]
    assert small.stat().st_size < whole.stat().st_size / 4


def test_fonts_follow_a_text_that_gains_a_character(root, tmp_path):
    originals = root / "book" / "_static"
    font = tmp_path / "_static" / "katex" / "fonts" / "KaTeX_Main-Regular.woff2"
    shutil.copytree(originals / "katex", tmp_path / "_static" / "katex")
    page = tmp_path / "page.html"
    for text, there in (("<p>x</p>", False), ("<p>x &forall;</p>", True)):
        page.write_text(text, encoding="utf-8")
        finish.subset_formula_fonts(tmp_path, [page], originals)
        assert (ord("∀") in TTFont(font).getBestCmap()) == there


def test_one_bundle_holds_every_sheet_in_order_with_its_files_still_found(tmp_path):
    static = tmp_path / "_static"
    (static / "maths").mkdir(parents=True)
    (static / "a.css").write_text("a{background:url(a.png)}")
    (static / "maths" / "b.css").write_text("b{src:url('f/b.woff2')} c{src:url(data:x)}")
    page = tmp_path / "book" / "p.html"
    page.parent.mkdir()
    page.write_text(
        '<link href="../_static/a.css?v=1" rel="stylesheet"/>\n<title>t</title>'
        '<link rel="stylesheet" href="../_static/maths/b.css"/>'
    )
    finish.bundle_styles(tmp_path, [page])
    (bundle,) = static.glob("site-*.css")
    assert bundle.read_text() == (
        "a{background:url(a.png)}\nb{src:url(maths/f/b.woff2)} c{src:url(data:x)}"
    )
    text = page.read_text()
    assert text.count("stylesheet") == 1
    assert f'href="../_static/{bundle.name}"' in text
    assert "<title>t</title>" in text


def test_policy_names_the_digest_of_each_inline_script():
    page = "<script src='a.js'></script><script>let a = 1;</script>"
    policy = finish.content_policy(page)
    # printf 'let a = 1;' | openssl dgst -sha256 -binary | base64
    assert "'sha256-xY6QKfH9PRsQnLz56nj6MBwiK5oHg+im1Jkpdp1x/Ck='" in policy
    assert "unsafe-inline" not in policy.split("style-src")[0]
    assert "sha256" not in finish.content_policy("<script src='a.js'></script>")


def test_clean_notebook_is_the_source_where_there_is_one(tmp_path):
    def book(folder: str, profile: str, outputs: list) -> Path:
        cell = nbformat.v4.new_code_cell(f"profile = '{profile}'", id="p", outputs=outputs)
        path = tmp_path / folder
        path.mkdir()
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path / "a.ipynb")
        return path

    output = [nbformat.v4.new_output("stream", text="1")]
    executed, sources = book("executed", "smoke", output), book("sources", "laptop", [])
    finish.write_clean_notebooks(executed, sources, tmp_path / "out")
    (cell,) = nbformat.read(tmp_path / "out" / "a.ipynb", as_version=4).cells
    assert (cell.source, cell.outputs) == ("profile = 'laptop'", [])
    finish.write_clean_notebooks(executed, tmp_path / "nowhere", tmp_path / "out")
    (cell,) = nbformat.read(tmp_path / "out" / "a.ipynb", as_version=4).cells
    assert (cell.source, cell.outputs) == ("profile = 'smoke'", [])


def test_parameter_cells_are_hidden_and_others_are_not():
    cells = [
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "a"},
        {"cell_type": "code", "metadata": {"tags": ["injected-parameters"]}, "source": "b"},
        {"cell_type": "code", "metadata": {}, "source": "c"},
    ]
    content = [json.dumps({"cells": cells})]
    app = SimpleNamespace(env=SimpleNamespace(doc2path=lambda name: f"{name}.ipynb"))
    pages.drop_parameter_cells(app, "book/01", content)
    hidden = [
        "remove-cell" in c["metadata"].get("tags", []) for c in json.loads(content[0])["cells"]
    ]
    assert hidden == [True, True, False]


def test_a_page_says_only_what_the_builder_knows():
    run = {"seconds": 41.3, "date": "2026-01-02T03:04:05+00:00", "commit": "f00d"}
    known = {
        "profile": "laptop",
        "device": "cpu",
        "commit": "abc",
        "chapters": {"01-a": run, "02-b": {"seconds": 600, "device": "cuda"}},
    }
    assert pages.run_facts("01-a", known) == [
        *("profile laptop", "device cpu", "41 s", "on 2026-01-02", "commit f00d")
    ]
    assert pages.run_facts("02-b", known) == ["profile laptop", "device cuda", "10 min"]
    assert pages.run_facts("03-c", known) == []
    assert pages.origin_facts(known) == [
        ("commit", "abc"),
        ("profile", "laptop"),
        ("device", "cpu"),
        ("chapters computed in", "11 min"),
    ]
    assert pages.origin_facts({}) == []


def test_status_has_a_row_per_chapter_and_says_what_was_kept():
    run = {"seconds": 41.3, "peak_mb": 512, "date": "2026-01-02T03:04:05+00:00", "commit": "f00d"}
    frame = status.chapter_rows(
        {
            "profile": "smoke",
            "device": "cpu",
            "chapters": {"01-a": {**run, "reused": True}, "02-b": {**run, "device": "cuda"}},
        }
    )
    assert frame.iloc[0].tolist() == [*("01 a", "smoke", "cpu", 41.3, 512, "2026-01-02", "kept")]
    assert frame.iloc[1]["device"] == "cuda"
    assert frame.iloc[1]["in this build"] == "run"
    assert status.chapter_rows({}).empty


def test_node_comes_with_the_environment():
    done = subprocess.run([site.node_binary(), "--version"], capture_output=True, check=True)
    assert done.stdout.startswith(b"v")


def test_numbers_from_the_run_get_true_minus_signs_and_words_keep_their_hyphens():
    body = '<span class="pasted-text">-0.26</span> <span class="pasted-text">large-batch</span> -1'
    assert pages.tidy_body(body) == body.replace("-0.26", "\N{MINUS SIGN}0.26")
