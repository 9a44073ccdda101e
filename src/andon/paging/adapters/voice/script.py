"""What a call says, in the provider's markup. Formats: twilio.com/docs, TwiML "Say" and "Gather"."""

import xml.etree.ElementTree as ET

from andon.paging.message import About, Message

_LONGEST = 1500
"""Characters; a call that reads for minutes is not listened to."""
_LONGEST_PART = 300
"""Characters of what people or senders typed, so that what the keys do is always said."""
_MOST_INCIDENTS = 3
_WAIT = "8"
"""Seconds for a key after the words."""
_WORDS = {"S1": "severity 1", "S2": "severity 2", "S3": "severity 3", "S4": "severity 4", "S5": "severity 5"}


def of_page(message: Message) -> str:
    """A page as it is read out; of several incidents in one, the first few are named."""
    abouts = [about for about in (message.about, *(one.about for one in message.also)) if about]
    several = f"{len(abouts)} incidents. " if len(abouts) > 1 else ""
    what = several + " ".join(_incident(about) for about in abouts[:_MOST_INCIDENTS])
    first = f" First: {message.first[0][:_LONGEST_PART]}." if message.first and not message.also else ""
    them = " them all" if several else ""
    keys = f"Press 4 to acknowledge{them}. Press 1 to hear it again."
    return f"This is Andon, with a page for {message.to}. {what}{first} {keys}"


def _incident(about: About) -> str:
    drill = "This is a drill. " if about.kind == "drill" else ""
    number = about.ref.removeprefix("INC-")
    return f"{drill}Incident {number}, {_WORDS[about.severity]}. {about.system}. {about.title[:_LONGEST_PART]}."


def of_test(name: str) -> str:
    """A test as it is read out."""
    return f"This is Andon, with a test for {name}. Press 1 to confirm that it reached you."


def asks(words: str) -> ET.Element:
    """Say it twice, listening for one key all the while; the key goes to the address that this came from."""
    reply = ET.Element("Response")
    for _ in range(2):
        listen = ET.SubElement(reply, "Gather", numDigits="1", timeout=_WAIT)
        ET.SubElement(listen, "Say").text = speakable(words)
    ET.SubElement(reply, "Say").text = "No key was pressed. Goodbye."
    return reply


def says(words: str) -> ET.Element:
    """Say it, and hang up."""
    reply = ET.Element("Response")
    ET.SubElement(reply, "Say").text = f"{speakable(words)} Goodbye."
    ET.SubElement(reply, "Hangup")
    return reply


def speakable(words: str) -> str:
    """On one line, without what XML cannot carry, and not endless."""
    return "".join(sign for sign in " ".join(words.split()) if sign.isprintable())[:_LONGEST]
