"""Which token looks at which, in every layer and head of a model: type a text, choose a head."""

from __future__ import annotations

import base64
from html import escape

from helpers import runtime
from helpers.widgets.attention_drawing import head_html, overview_png, without_first
from helpers.widgets.attention_patterns import attention_patterns

LONGEST = 40  # tokens: a larger table does not fit on a page
_WORDS = "Each small square is a head: columns are layers 0 to {layers}, rows are heads 0 to {heads}."


def attention_viewer(model, tokenizer, text: str) -> None:
    """Show the attention shares of all heads of a causal `model` for `text`, and one head's with its tokens.

    Texts are cut after 40 tokens. Where nobody can choose (a notebook run by a program), shows one head.
    """
    if runtime.has_front_end():
        from IPython.display import display

        bundle = AttentionViewer(model, tokenizer, text).widget._repr_mimebundle_()
        bundle["text/plain"] = "[A viewer of attention shares: run this cell in Jupyter.]"
        display(bundle, raw=True)
    else:
        _still(model, tokenizer, text)


class AttentionViewer:
    """The `widget` with its controls; every change of one draws anew."""

    def __init__(self, model, tokenizer, text: str) -> None:
        import ipywidgets as widgets

        self._model, self._tokenizer = model, tokenizer
        self._read(text)
        wide = {"description_width": "50px"}
        layers, heads = self._shares.shape[:2]
        self.text = widgets.Text(
            text, description="Text", continuous_update=False, style=wide, layout={"width": "auto"}
        )
        layer, head = _striking(self._shares)
        self.layer = widgets.IntSlider(layer, 0, layers - 1, description="Layer", style=wide)
        self.head = widgets.IntSlider(head, 0, heads - 1, description="Head", style=wide)
        self.hide = widgets.Checkbox(False, description="Hide the first token", indent=False)
        self.overview = widgets.Image(format="png", layout={"max_width": "100%", "object_fit": "contain"})
        self.words, self.table = widgets.HTML(), widgets.HTML()
        self.text.observe(lambda _: self._retype(), "value")
        for control in (self.layer, self.head, self.hide):
            control.observe(lambda _: self.draw(), "value")
        row = widgets.HBox([self.layer, self.head, self.hide], layout={"flex_flow": "row wrap"})
        self.widget = widgets.VBox([self.text, row, self.overview, self.words, self.table])
        self.draw()

    def draw(self) -> None:
        """Show what the controls say."""
        shares = without_first(self._shares) if self.hide.value else self._shares
        layer, head = self.layer.value, self.head.value
        self.overview.value = overview_png(shares, (layer, head))
        self.overview.width = f"{shares.shape[0] * 25 + 3}px"
        self.words.value = _WORDS.format(layers=shares.shape[0] - 1, heads=shares.shape[1] - 1)
        self.table.value = head_html(shares[layer, head], self._tokens, _title(layer, head, self.hide.value))

    def _read(self, text: str) -> None:
        self._tokens, self._shares = _looked(self._model, self._tokenizer, text)

    def _retype(self) -> None:
        try:
            self._read(self.text.value)
        except Exception as error:  # whatever is wrong with a text must not end the viewer
            self.table.value = f"<b>{escape(str(error))}</b>"
            return
        self.draw()


def _looked(model, tokenizer, text: str):
    ids = tokenizer(text, return_tensors="pt").input_ids[:, :LONGEST]
    if ids.shape[1] < 2:
        raise ValueError(f"The text {text!r} has {ids.shape[1]} tokens: attention needs at least two to show anything.")
    return [tokenizer.decode([i]) for i in ids[0]], attention_patterns(model, ids).numpy()


def _striking(shares) -> tuple[int, int]:
    """The layer and head that looks most at the token just before: a pattern that everybody can name."""
    before = shares.diagonal(-1, 2, 3).mean(-1)
    layer, head = divmod(int(before.argmax()), shares.shape[1])
    return layer, head


def _title(layer: int, head: int, hidden: bool) -> str:
    rest = "; shares of the first token left out" if hidden else ""
    return f"Layer {layer}, head {head}: each row is a token that looks, each column a token looked at{rest}."


def _still(model, tokenizer, text: str) -> None:
    tokens, shares = _looked(model, tokenizer, text)
    layer, head = _striking(shares)
    words = _WORDS.format(layers=shares.shape[0] - 1, heads=shares.shape[1] - 1)
    note = "Open this notebook in Jupyter and run this cell to choose a head and to type a text of your own."
    plain = f"[Attention shares of {shares.shape[0]} layers with {shares.shape[1]} heads for {text!r}.] {note}"
    if not runtime.has_kernel():
        print(plain)
        return
    from IPython.display import display

    picture = base64.b64encode(overview_png(shares, (layer, head))).decode()
    image = (
        f'<img alt="Small tables of attention shares of all heads; most have a dark first column." '
        f'src="data:image/png;base64,{picture}" style="width: {shares.shape[0] * 25 + 3}px; max-width: 100%">'
    )
    table = head_html(shares[layer, head], tokens, _title(layer, head, hidden=False))
    shown = f"{image}<div>{words}</div>{table}<div style='opacity: 0.8'>{note}</div>"
    display({"text/html": shown, "text/plain": plain}, raw=True)
