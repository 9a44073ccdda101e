"""iCalendar (RFC 5545): shifts of a person out, shifts of a schedule in."""
