"""A text and how tokenizers cut it, to play with: type, choose a tokenizer, look at its pieces or at their ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from helpers import runtime
from helpers.widgets.token_html import SHOWN, chips, counts, plain, visible_piece
from helpers.widgets.token_pieces import NAMES, OWN, Cut, Piece, cutter, own_cutter

TEXT = "Tokenizers cut text into pieces: unbelievable, antidisestablishmentarianism, 3.14159, naïve café, 😀!"
_NOTE = '<div style="opacity: 0.8">{}</div>'


def token_playground(
    text: str = TEXT, own: tuple[Callable[[str], list[int]], Mapping[int, bytes]] | None = None
) -> None:
    """Show `text` as the tokens of GPT-2, of the course's model, of WordPiece and, if given, of your own tokenizer.

    own: (encode, vocab), a function from a text to ids and the bytes of each id.
    Where nobody can type (a notebook run by a program), shows the pieces of each tokenizer one below the other.
    """
    cutters: dict[str, Cut] = {name: cutter(name) for name in NAMES}
    if own is not None:
        cutters[OWN] = own_cutter(*own)
    if not runtime.has_front_end():
        _still(text, cutters)
        return
    from IPython.display import display

    bundle = TokenPlayground(text, cutters).widget._repr_mimebundle_()
    bundle["text/plain"] = "[A tokenizer to play with: run this cell in Jupyter.]"
    display(bundle, raw=True)


class TokenPlayground:
    """The `widget` with its controls; every change of one draws anew."""

    def __init__(self, text: str, cutters: Mapping[str, Cut]) -> None:
        import ipywidgets as widgets

        self._cutters = cutters
        wide = {"description_width": "70px"}
        first = OWN if OWN in cutters else next(iter(cutters))
        self.tokenizer = widgets.Dropdown(
            options=list(cutters), value=first, description="Tokenizer", style=wide, layout={"width": "340px"}
        )
        self.show = widgets.ToggleButtons(
            options=list(SHOWN), description="Show", style=wide | {"button_width": "60px"},
            tooltips=["The text of each token", "The id of each token", "The counts alone"],
        )  # fmt: skip
        self.leading_space = widgets.Checkbox(
            False, description="Put a space in front", indent=False, layout={"width": "180px"}
        )
        self.text = widgets.Textarea(
            text, description="Text", style=wide, layout={"width": "auto", "height": "90px"}, rows=4
        )
        self.pieces, self.summary, self.note = (widgets.HTML(layout={"width": "auto"}) for _ in range(3))
        for control in (self.tokenizer, self.show, self.leading_space, self.text):
            control.observe(lambda _: self.draw(), "value")
        row = widgets.HBox(
            [self.tokenizer, self.show, self.leading_space], layout={"flex_flow": "row wrap", "align_items": "center"}
        )
        self.widget = widgets.VBox([row, self.text, self.summary, self.pieces, self.note])
        self.draw()

    def draw(self) -> None:
        """Show what the controls say."""
        cut = self._cutters[self.tokenizer.value]
        text = (" " if self.leading_space.value else "") + self.text.value
        try:
            pieces = cut(text)
            note = leading_space(cut, self.text.value)
        except Exception as error:  # an encoder that a learner is still writing
            self.summary.value = f"<b>This tokenizer failed: {escape(f'{type(error).__name__}: {error}')}</b>"
            self.pieces.value = self.note.value = ""
            return
        self.summary.value = f"<b>{counts(pieces, text)}</b>"
        self.pieces.value = chips(pieces, self.show.value)
        self.note.value = _NOTE.format(escape(note))


def leading_space(cut: Cut, text: str) -> str:
    """In one sentence, what a space in front of `text` does to its first token."""
    text = text.lstrip(" ")
    without, with_space = ([piece for piece in cut(t) if not piece.special] for t in (text, " " + text))
    if not without or not with_space:
        return ""
    if [piece.id for piece in without] == [piece.id for piece in with_space]:
        return "A space in front changes nothing for this tokenizer."
    return f"Without a space in front the text begins with {_named(without)}, with one {_named(with_space)}."


def _named(pieces: list[Piece]) -> str:
    return f"“{visible_piece(pieces[0].text)}” (id {pieces[0].id}; {len(pieces)} tokens)"


def _still(text: str, cutters: Mapping[str, Cut]) -> None:
    made = {name: cut(text) for name, cut in cutters.items()}
    words = "\n".join(f"{name}: {counts(pieces, text)}\n  {plain(pieces)}" for name, pieces in made.items())
    if not runtime.has_kernel():
        print(words)
        return
    from IPython.display import display

    shown = "".join(
        f"<div><b>{escape(name)}</b>: {counts(pieces, text)}{chips(pieces)}</div>" for name, pieces in made.items()
    )
    note = _NOTE.format("Open this notebook in Jupyter and run this cell to type a text of your own.")
    display({"text/html": shown + note, "text/plain": words}, raw=True)
