"""Colour. Imported only where a terminal asks for it, since rich costs more than a small check."""

from __future__ import annotations

from typing import TextIO

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style as RichStyle

from referee.render.plain import Paint, Style, no_paint

_STYLES: dict[Style, str] = {
    "error": "bold red",
    "warning": "bold yellow",
    "info": "bold blue",
    "place": "cyan",
    "name": "bold",
    "quiet": "dim",
    "good": "bold green",
    "heading": "bold underline",
}

_SYSTEMS = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "windows": ColorSystem.WINDOWS}


def painter(stream: TextIO) -> Paint:
    """Paints for a terminal as far as it can show colours; rich honours NO_COLOR, FORCE_COLOR and TERM."""
    console = Console(file=stream)
    if console.color_system is None or console.no_color:
        return no_paint
    system = _SYSTEMS.get(console.color_system, ColorSystem.TRUECOLOR)
    styles = {style: RichStyle.parse(definition) for style, definition in _STYLES.items()}
    return lambda style, text: styles[style].render(text, color_system=system)
