"""Pictures of time, computed here as plain positions and drawn by templates as SVG.

Nothing here draws: it says where each mark and each label stands, so that a test can hold it to two promises no
picture can be trusted with: positions are to scale, and labels never stand on one another.

Horizontal positions are percentages of the drawing's width, because SVG takes them and no script is needed to
fit a phone. Sizes of text are given in pixels at the narrowest width that a layout is shown at.
"""
