"""Django as WSGI; `asgi.py` mounts it, and any WSGI server can run it alone (without intake and live pages)."""

import os

from django.core.wsgi import get_wsgi_application

from andon.kit import crypto

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "andon.site.settings")

application = get_wsgi_application()
crypto.hold_keys()
