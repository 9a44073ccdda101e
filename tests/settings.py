"""The settings the suite and the type checker run under: a data folder of their own, a fixed pair of keys, both databases."""

import os
import tempfile

_folder = os.environ.setdefault("ANDON_DATA_DIR", tempfile.mkdtemp(prefix="andon-tests-"))
os.environ.setdefault("ANDON_SECRET_KEY", "a-key-for-tests-that-signs-nothing-real-0123456789")
os.environ.setdefault("ANDON_FIELD_KEYS", "dGVzdHMtb25seS1maWVsZC1rZXktMzItYnl0ZXMtISE=")
os.environ.setdefault("ANDON_ALLOW_PRIVATE_TARGETS", "true")
os.environ["ANDON_BASE_URL"] = "http://testserver"
if _url := os.environ.get("ANDON_TEST_POSTGRES_URL"):
    os.environ["ANDON_DATABASE_URL"] = _url

from andon.site.settings import *  # noqa: E402, F403
from andon.site.settings import DATABASES  # noqa: E402

if "sqlite" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder}/test.sqlite3"}
else:
    DATABASES["default"]["OPTIONS"].pop("pool")  # a pool keeps connections that stop pytest dropping the database
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
MAIL_CONFIGURED = True
# Each client of a test makes its middleware anew; a look at every static file then is a tenth of what a page's test takes.
WHITENOISE_AUTOREFRESH = True
