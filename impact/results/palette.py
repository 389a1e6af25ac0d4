"""The colours of every page, figure and plot."""

from __future__ import annotations

COLOURS: dict[str, str] = {
    "ink": "#16243A",  # body text
    "navy": "#123C5E",  # titles, header band, favourable effect
    "teal": "#0B7170",  # section heads and rules
    "tint": "#EAF2F4",  # panels
    "zebra": "#F6F8F9",  # alternate rows
    "line": "#C9D3DA",  # hairlines
    "mute": "#566573",  # secondary text, effect not clear of zero
    "amber": "#944A02",  # stamps
    "sand": "#FDF1DC",  # ground of stamps
    "red": "#A3262A",  # unfavourable effect
}
