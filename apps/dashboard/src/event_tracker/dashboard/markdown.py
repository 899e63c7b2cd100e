"""Texts in Markdown. Streamlit reads captions, messages and the labels of inputs and buttons as Markdown."""

import re


def as_text(text: str) -> str:
    """A text as it is, in Markdown: a URL, an asterisk or `:material/home:` in it means nothing.

    It is a code span, which `charts.style` shows like the text around it. Backslashes don't help: Streamlit finds URLs, icons,
    emojis and arrows after they are resolved.
    """
    if not text:
        return ""
    # Streamlit replaces this even in code spans; with a word joiner, which isn't visible, it isn't found.
    text = text.replace(":material/", ":material\N{WORD JOINER}/")
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    # One space at either end is removed if both have one.
    pad = " " if text.strip() and (text[0] in "` " or text[-1] in "` ") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
