"""Colours for the code that the pages show: as much of Python and JavaScript as that takes."""

import re

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

KEYWORDS = (
    "and as async await break case catch class const continue def del elif else except export "
    "extends False finally for from function if import in is lambda let new None nonlocal not null "
    "of or raise return static super this throw True true try false undefined while with yield"
)

# The first that matches wins, so that a keyword within a string or a comment is none.
TOKENS = re.compile(
    r"(?P<comment>\#\ .*|//.*|/\*[\s\S]*?\*/)"
    r'|(?P<string>[rbf]?"""[\s\S]*?"""|[rbf]?"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)'
    rf"|(?P<keyword>\b(?:{'|'.join(KEYWORDS.split())})\b)"
    r"|(?P<number>\b\d[\d_.xa-fA-F]*n?\b)"
    r"|(?P<decorator>^\s*@[\w.]+)"
    r"|(?P<name>(?<=\bdef\ )\w+|(?<=\bclass\ )\w+|(?<=\bfunction\ )\w+|(?<=\bfunction\*\ )\w+)",
    re.MULTILINE,
)


def highlighted(code: str) -> SafeString:
    """Returns the code as HTML, each comment, string, keyword and so on in a span of that class."""
    pieces, end = [], 0
    for token in TOKENS.finditer(code):
        pieces.append(escape(code[end : token.start()]))
        pieces.append(format_html('<span class="{}">{}</span>', token.lastgroup, token[0]))
        end = token.end()
    pieces.append(escape(code[end:].rstrip("\n")))
    return mark_safe("".join(pieces))
