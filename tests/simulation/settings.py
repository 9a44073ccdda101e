"""The settings under which a simulation runs: a folder of its own, fixed keys, no waiting for disks that do not matter.

A crash is played inside the process, so nothing is gained by flushing: what is committed stays, the rest is dropped.
"""

import os
import tempfile

os.environ.setdefault("ANDON_DATA_DIR", tempfile.mkdtemp(prefix="andon-simulation-"))
os.environ["ANDON_SECRET_KEY"] = "a-key-for-simulations-that-signs-nothing-real-0123456789"
os.environ["ANDON_FIELD_KEYS"] = "dGVzdHMtb25seS1maWVsZC1rZXktMzItYnl0ZXMtISE="
os.environ["ANDON_BASE_URL"] = "http://testserver"
os.environ["ANDON_HEARTBEAT_URL"] = ""

from andon.site.settings import *  # noqa: F403
from andon.site.settings import DATABASES

if "sqlite" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"]["OPTIONS"]["init_command"] = (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;"
    )
else:
    DATABASES["default"]["OPTIONS"].pop("pool")  # a process that dies takes its line along; a pool would keep it
LOGGING = {"version": 1, "disable_existing_loggers": False, "handlers": {}, "root": {"level": "CRITICAL"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
