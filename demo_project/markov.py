"""A small Markov model of text: which word may follow the two before it.

Knows nothing of Django and waits for nothing. A stand-in for a language model, which it resembles
in two ways: it makes its text one token after the other, and it means nothing by it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from random import Random

PARAGRAPH = "\n\n"
"""The token that ends a paragraph."""

MIN_WORDS = 12
"""Paragraphs of fewer words are mostly notes, such as "Added in version 3.5."."""

_EMPHASIS = re.compile(r"(?<!\S)\*{1,2}([^\s*](?:[^*]*[^\s*])?)\*{1,2}(?!\w)")
_FOOTNOTE = re.compile(r"\s*\[\d+\](?:_)?")


def prose(text: str) -> Iterator[str]:
    """Yields the paragraphs of a reStructuredText document that are whole sentences, without
    markup.

    Headings, code, grammar and tables are no prose: they do not begin with a capital, or do not end
    with a full stop, or are short.
    """
    for block in re.split(r"\n\s*\n", text):
        paragraph = " ".join(block.split()).removeprefix("* ")
        paragraph = _FOOTNOTE.sub("", _EMPHASIS.sub(r"\1", paragraph))
        is_whole = paragraph[:1].isupper() and paragraph.endswith(".")
        is_code = paragraph.endswith("...") or "::=" in paragraph
        if is_whole and not is_code and len(paragraph.split()) >= MIN_WORDS:
            yield paragraph


class MarkovModel:
    """Trained once, on paragraphs; then it makes as many texts as it is asked for."""

    def __init__(self, paragraphs: Iterable[str]) -> None:
        self._followers: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for paragraph in paragraphs:
            before: tuple[str, ...] = ()
            for word in (*paragraph.split(), PARAGRAPH):
                self._learn(before, word)
                before = (*before[-1:], word.casefold())
        if not self._followers:
            raise ValueError("a Markov model needs at least one paragraph to learn from")
        self._followers = dict(self._followers)

    def tokens(self, prompt: str, random: Random) -> Iterator[str]:
        """Yields the text that continues the prompt, a token at a time, without end.

        A token is a word with the space before it, or the end of a paragraph. After a prompt whose
        words it does not know a new paragraph begins. The same `random` makes the same text.
        """
        before = self._known_end(prompt)
        if not before:
            yield PARAGRAPH
        while True:
            word = random.choice(self._followers[before])
            yield f" {word}" if before and word != PARAGRAPH else word
            before = () if word == PARAGRAPH else self._known((*before[-1:], word.casefold()))

    def _learn(self, before: tuple[str, ...], word: str) -> None:
        """Learns a word after the two before it, and after the last of them alone: a prompt may
        know no more."""
        self._followers[before].append(word)
        if len(before) == 2:
            self._followers[before[1:]].append(word)

    def _known_end(self, prompt: str) -> tuple[str, ...]:
        """Returns the last words of the prompt that the model has seen; none, if it knows none."""
        words = prompt.casefold().split()
        for end in range(len(words), 0, -1):
            if known := self._known(tuple(words[max(0, end - 2) : end])):
                return known
        return ()

    def _known(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """Returns as many of the last words as the model has seen together."""
        while words and words not in self._followers:
            words = words[1:]
        return words
