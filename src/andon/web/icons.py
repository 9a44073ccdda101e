"""Our own small set of signs, drawn on a 16 by 16 grid with a line of 1.5.

A sign stands in the page itself, not in a file of its own, so that it takes the colour of the words beside it
and goes into print and PDF as it is. Parts of the class ``shape`` are filled while a lamp is lit; ``solid`` always.
"""

from typing import Final

SIGNS: Final[dict[str, str]] = {
    # Severities: five outlines that differ without their colours. Fewer corners, less harm.
    "s1": '<path class="shape" d="M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3z"/>',
    "s2": '<path class="shape" d="M8 2 15 14H1z"/>',
    "s3": '<path class="shape" d="M8 1.2 14.8 8 8 14.8 1.2 8z"/>',
    "s4": '<path class="shape" d="M2.5 2.5h11v11h-11z"/>',
    "s5": '<circle class="shape" cx="8" cy="8" r="5.5"/>',
    # Lamps
    "clock": '<circle cx="8" cy="8" r="6.2"/><path d="M8 4.6V8l2.3 1.6"/>',
    "uncovered": '<path d="M2 8.2a6 6 0 0 1 12 0"/><path d="M8 2.2V1.2M8 8.2v4.6a1.6 1.6 0 0 1-3.1.5" />'
    '<path d="M1.6 14.4 14.4 1.6"/>',
    "overdue": '<path d="M3.5 14.8V1.8M3.5 2.5h8.6L10 5.6l2.1 3.2H3.5"/>',
    # What is done to an incident
    "acknowledge": '<path d="M5.2 8.4V3.3a1.1 1.1 0 0 1 2.2 0v3.9-5a1.1 1.1 0 0 1 2.2 0v5-3.9a1.1 1.1 0 0 1 2.2 0v6.3'
    'c0 2.9-1.7 5-4.4 5-2 0-3.2-.9-4.2-2.8L1.9 9.2c-.3-.7.7-1.5 1.5-.8z"/>',
    "contain": '<path d="M4.5 1.8H1.8v12.4h2.7M11.5 1.8h2.7v12.4h-2.7"/><circle class="solid" cx="8" cy="8" r="2.2"/>',
    "roll_back": '<path d="M2.2 2.6v4h4"/><path d="M2.6 6.4A6 6 0 1 1 2 9.4"/>',
    "disable": '<path d="M8 1.5v6M11.6 3.6a5.8 5.8 0 1 1-7.2 0"/>',
    "constrain": '<path d="M2 2.5h12L9.8 8v5.2l-3.6 1V8z"/>',
    "resolve": '<path d="M1.8 8.6 5.6 12.4 14.2 3.8"/>',
    "verified": '<circle cx="8" cy="8" r="6.2"/><path d="m5 8.2 2.1 2.1L11 6.2"/>',
    # What stands in a timeline or a list
    "signal": '<path d="M1.2 8h3l2-5 3.4 10 2-5h3.2"/>',
    "bell": '<path d="M3.4 11.4c1-1 1.2-2.2 1.2-4.2a3.4 3.4 0 0 1 6.8 0c0 2 .2 3.2 1.2 4.2z"/>'
    '<path d="M6.6 13.7a1.5 1.5 0 0 0 2.8 0"/>',
    "note": '<path d="M2.4 13.6l.7-3L10.7 3a1.6 1.6 0 0 1 2.3 2.3l-7.6 7.6z"/>',
    "link": '<path d="M6.7 9.3a2.7 2.7 0 0 0 3.8 0l2.7-2.7a2.7 2.7 0 0 0-3.8-3.8L8.3 3.9"/>'
    '<path d="M9.3 6.7a2.7 2.7 0 0 0-3.8 0L2.8 9.4a2.7 2.7 0 0 0 3.8 3.8l1.1-1.1"/>',
    "person": '<circle cx="8" cy="5" r="3"/><path d="M2.2 14.4a5.9 5.9 0 0 1 11.6 0"/>',
    "severity": '<path d="M2 13.8h3V10H2zM6.5 13.8h3V6.2h-3zM11 13.8h3V2.4h-3z"/>',
    "system": '<path d="M4 4h8v8H4z"/>'
    '<path d="M6.2 4V1.6M9.8 4V1.6M6.2 14.4V12M9.8 14.4V12M4 6.2H1.6M4 9.8H1.6M14.4 6.2H12M14.4 9.8H12"/>',
    "evidence": '<path d="M1.8 2.4h12.4v3.4H1.8zM3 5.8v7.8h10V5.8"/><path d="M6.2 8.6h3.6"/>',
    "review": '<path d="M3 1.8h7l3 3v9.4H3z"/><path d="M5.5 7.5h5M5.5 10.5h5"/>',
    "dot": '<circle class="solid" cx="8" cy="8" r="2.6"/>',
    # States of a step
    "todo": '<circle cx="8" cy="8" r="6.2"/>',
    "current": '<circle cx="8" cy="8" r="6.2"/><circle class="solid" cx="8" cy="8" r="2.6"/>',
    "check": '<circle cx="8" cy="8" r="6.2"/><path d="m5 8.2 2.1 2.1L11 6.2"/>',
    "waived": '<circle cx="8" cy="8" r="6.2"/><path d="M5.2 8h5.6"/>',
    # The frame of the page
    "andon": '<path class="solid" d="M5 1.2h6v3.6H5z"/><path d="M5 6.2h6v3.6H5zM5 11.2h6v3.6H5z"/>',
    "warning": '<path d="M8 2 15 14H1z"/><path d="M8 6.4v3.4M8 11.8v.1"/>',
    "info": '<circle cx="8" cy="8" r="6.2"/><path d="M8 7.4v3.6M8 5v.1"/>',
    "search": '<circle cx="7" cy="7" r="4.6"/><path d="m10.5 10.5 3.9 3.9"/>',
    "plus": '<path d="M8 2.2v11.6M2.2 8h11.6"/>',
    "close": '<path d="m3.5 3.5 9 9M12.5 3.5l-9 9"/>',
    "more": '<path d="M2 4h12M2 8h12M2 12h12"/>',
    "home": '<path d="M2 7.2 8 2l6 5.2v6.8H9.8V9.6H6.2V14H2z"/>',
    "incidents": '<path d="M2 3.2h2.4v2.4H2zM2 10.4h2.4v2.4H2zM7 4.4h7M7 11.6h7"/>',
    "arrow": '<path d="M2.2 8h11.2M9.4 4l4 4-4 4"/>',
}  # fmt: skip


def svg(name: str, label: str = "") -> str:
    """The sign as markup. With a `label` it is an image that a screen reader names; without, it is passed over.

    `label` must be safe for an attribute already. Raises KeyError for a sign that is not in the set.
    """
    said = f'role="img" aria-label="{label}"' if label else 'aria-hidden="true"'
    return f'<svg class="icon" viewBox="0 0 16 16" width="16" height="16" {said}>{SIGNS[name]}</svg>'
