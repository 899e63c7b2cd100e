"""CSS for what Streamlit's theme can't do: the layout on narrow pages, and parts that must not fade."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

FILTERS = "filters"
"""The key of the row that has the filter bar."""

UNSEEN = "unseen"
"""The key of a container that isn't shown."""

NARROW = "narrow"
"""The key of a container whose columns are stacked on a narrow page."""

CSS = """
.ranking-frame { overflow-x: auto; }
.ranking { width: 100%; border-collapse: collapse; font-size: 0.875rem; }
.ranking th, .ranking td { padding: 0.35rem 0.75rem; border: 0; border-bottom: 1px solid rgba(128, 140, 158, 0.35); text-align: right;
  font-weight: 400; font-variant-numeric: tabular-nums; }
.ranking thead th { opacity: 0.8; vertical-align: bottom; }
.ranking td { white-space: nowrap; }
.ranking th:first-child { width: 100%; max-width: 0; min-width: 7rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  text-align: left; }
.ranking .bar { background: linear-gradient(light-dark(#d5e5f5, #1b3f60), light-dark(#d5e5f5, #1b3f60)) no-repeat left; }
.ranking a { color: inherit; text-decoration: underline; text-decoration-style: dotted; text-underline-offset: 0.2em; }
.ranking a:hover { text-decoration-style: solid; }

/* Streamlit's white has a contrast of 2.3 to the dark theme's blue. */
[data-testid^="stBaseButton-primary"], [data-testid="stMultiSelect"] [data-tag] { color: light-dark(#ffffff, #0d131b) !important; }

/* With the wrapper, whose place in the page would still have a gap. */
[data-testid="stLayoutWrapper"]:has(> .st-key-unseen) { display: none !important; }

/* The chips are in one row with the caption before them, whatever Streamlit has around them. */
.st-key-filters > [data-testid="stLayoutWrapper"]:has([data-testid="stPopover"]),
.st-key-filters > [data-testid="stLayoutWrapper"] > [data-testid="stVerticalBlock"],
.st-key-filters [data-testid="stVerticalBlock"] > [data-testid="stLayoutWrapper"]:has(> [data-testid="stHorizontalBlock"]),
.st-key-filters [data-testid="stVerticalBlock"] > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] { display: contents; }
.st-key-filters { gap: 0.5rem !important; margin-bottom: -0.5rem; }
.st-key-filters button { min-height: 2rem; padding-top: 0; padding-bottom: 0; }
.st-key-filters button p { font-size: 0.875rem; }

/* Streamlit replaces the arrow of a popover as it opens. A click on an arrow that is gone by the time its event has gone through the page
  counts as one outside, which closes the popover again: after 50 ms, so only on a busy machine. */
[data-testid="stPopoverButton"] [aria-hidden="true"] { pointer-events: none; }

.account, .account p { font-size: 0.875rem; }
.account a { color: light-dark(#0b5cad, #6cb2f0); }

/* A text as it is (markdown.as_text). */
:is([data-testid="stMarkdownContainer"], [data-testid="stCaptionContainer"]) code { all: unset; overflow-wrap: anywhere; }

.sankey .node-label a { fill: inherit !important; text-decoration: underline; text-decoration-style: dotted; text-underline-offset: 0.2em; }

/* What is asked again every few seconds doesn't fade meanwhile. */
.st-key-live [data-stale="true"] { opacity: 1 !important; transition: none !important; }

/* Boxes of one width, four in a row, so that none stands alone in one. */
[class*="st-key-tiles"] { display: grid !important; grid-template-columns: repeat(4, 1fr); }
[class*="st-key-tiles"] > * { width: auto !important; min-width: 0 !important; }
.st-key-tilessix { grid-template-columns: repeat(6, 1fr) !important; }
.st-key-tilessix [data-testid="stMetricValue"] { font-size: 1.5rem; }
.st-key-tilessix :is([data-testid="stMetric"], [data-testid="stMetric"] > div) { padding: 0.3rem 0.4rem; }
.st-key-tileslive, .st-key-tilesthree { grid-template-columns: repeat(3, 1fr) !important; }
[class*="st-key-tiles"] > *, [class*="st-key-tiles"] [data-testid="stMetric"] { height: 100%; }
:is([data-testid="stMetricLabel"], [data-testid="stMetricValue"]) :is(.stMarkdownEllipsis, p) { white-space: normal !important;
  overflow: visible !important; }
[data-testid="stMetric"] > div > div { flex-wrap: wrap; }

.st-key-scrolled { overflow-x: auto; }
.st-key-scrolled:has(.scroll-keys:focus-visible) { outline: 2px solid #3c82c4; }

@media (min-width: 641px) and (max-width: 1100px) {
  /* Streamlit's margins of 5rem take a third of what the sidebar leaves. */
  [data-testid="stMainBlockContainer"] { padding-left: 2rem !important; padding-right: 2rem !important; }
}
@media (max-width: 1200px) {
  .st-key-tilessix { grid-template-columns: repeat(3, 1fr) !important; }
}
@media (max-width: 1100px) {
  [class*="st-key-narrow"] [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  [class*="st-key-narrow"] [data-testid="stColumn"] { min-width: 100%; }
  [data-testid="stMetric"], [data-testid="stMetric"] > div { padding: 0.25rem 0.4rem !important; }
  [data-testid="stMetricValue"] { font-size: 1.5rem !important; }
}
@media (max-width: 640px) {
  .st-key-tilessix { grid-template-columns: repeat(2, 1fr) !important; }
  [class*="st-key-tiles"] { grid-template-columns: repeat(2, 1fr); gap: 0.5rem !important; }
  /* The toolbar of a table stands above it, as wide as half of the page, over whatever is there. */
  [data-testid="stElementContainer"]:has([data-testid="stDataFrame"]) { margin-top: 2rem; }
  .ranking th, .ranking td { padding: 0.35rem 0.25rem; }
  .ranking th:first-child { min-width: 4rem; }
  .ranking td { white-space: normal; }
}
"""


def apply() -> None:
    """Add the CSS to the page."""
    # What opens stands outside of the element that has the theme.
    opened = f'[data-testid="stPopoverBody"] {{ color-scheme: {theme()}; }}'
    st.html(f"<style>{CSS}{opened}</style>")


def theme() -> str:
    """`dark` or `light`."""
    return "dark" if st.context.theme.type == "dark" else "light"


@contextmanager
def scrolled(pixels: int) -> Iterator[None]:
    """A container whose content is at least so wide. On a narrower page it scrolls. Use it once on a page."""
    st.html(f"<style>.st-key-scrolled > * {{ min-width: {pixels}px; }}</style>")
    with st.container(key="scrolled"):
        # Arrow keys scroll an element that has the focus within. A Streamlit container can't get the focus itself.
        st.html(
            '<div class="scroll-keys" role="note" tabindex="0" aria-label="The arrow keys scroll this sideways."></div>'
        )
        yield
