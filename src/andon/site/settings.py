"""Django's settings. What a user may set is in `environment.py`; this file puts it where Django looks."""

from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import dj_database_url
from django.utils.functional import SimpleLazyObject

from andon.site import environment
from andon.site.logs import logging_config

DEBUG = False
# Kept keys are read where they are first used, and made there where there are none: a command that only looks leaves
# nothing behind. What goes on to run reads them as it starts (`kit.crypto.hold_keys`).
SECRET_KEY = environment.read("ANDON_SECRET_KEY") or cast("str", SimpleLazyObject(environment.secret_key))
FIELD_KEYS = environment.given_field_keys() or cast("list[str]", SimpleLazyObject(environment.field_keys))
DATA_DIR = environment.data_dir()
LOG_DIRS = environment.log_dirs()
LEVERS_FILE = environment.levers_file()
BASE_URL = environment.read("ANDON_BASE_URL", "http://localhost:8321").rstrip("/")
SMTP_LISTEN = environment.listen_address("ANDON_SMTP_LISTEN")
HEARTBEAT_URL = environment.read("ANDON_HEARTBEAT_URL")
ALLOW_PRIVATE_TARGETS = environment.flag("ANDON_ALLOW_PRIVATE_TARGETS")

_base = urlsplit(BASE_URL)
_secure = _base.scheme == "https"
ALLOWED_HOSTS = [_base.hostname or "localhost", "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [BASE_URL]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "andon.web",  # before allauth, so that its templates win
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "andon.people",
    "andon.handbook",
    "andon.oncall",
    "andon.registry",
    "andon.incidents",
    "andon.intake",
    "andon.paging",
    "andon.reviews",
    "andon.rules",
    "andon.watch",
    "andon.switch",
    "andon.containment",
    "andon.containment.evidence",
    "andon.runbooks",
    "andon.response",
    "andon.slack",
    "andon.api",
    "andon.engine",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "andon.web.middleware.ForgetAfterWriting",
    "andon.web.middleware.ViewersZone",
    "andon.site.older.OlderThanTheRules",
    "andon.web.middleware.NoNul",
    "andon.web.middleware.RefusalsInWords",
]

ROOT_URLCONF = "andon.site.urls"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "andon.web.context.shell",
            ],
            "builtins": ["andon.web.templatetags.andon"],
        },
    },
]


def _database(url: str) -> dict[str, Any]:
    """Connection settings for the two databases; the reasons are in docs/explanation/databases.md."""
    config: dict[str, Any] = dict(dj_database_url.parse(url))
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["ENGINE"] = "andon.kit.sqlite"
        config["CONN_MAX_AGE"] = None
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
                "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536; PRAGMA journal_size_limit=67108864; "
                "PRAGMA wal_autocheckpoint=4000;"
            ),
        }
    elif config["ENGINE"] == "django.db.backends.postgresql":
        config["CONN_HEALTH_CHECKS"] = True
        config["OPTIONS"] = {
            "connect_timeout": 5,
            # A replica that freezes while it holds an incident must not stall all others for ever.
            "options": "-c lock_timeout=15s -c idle_in_transaction_session_timeout=60s",
            "pool": {"min_size": 1, "max_size": 24, "timeout": 10},
            **config.get("OPTIONS", {}),
        }
    else:
        raise ValueError("ANDON_DATABASE_URL must begin with sqlite:/// or postgresql://.")
    return config


DATABASES = {"default": _database(environment.read("ANDON_DATABASE_URL") or f"sqlite:///{DATA_DIR / 'andon.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People and signing in
AUTH_USER_MODEL = "people.Person"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "andon.people.adapter.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "andon.people.adapter.SocialAccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # an invitation or the identity provider vouches for the address
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_FORMS = {"login": "andon.people.entry_form.LoginForm"}
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Andon"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _secure
SOCIALACCOUNT_AUTO_SIGNUP = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True  # from then on the provider's subject is what counts
SOCIALACCOUNT_ONLY = False
OIDC_ISSUER = environment.read("ANDON_OIDC_ISSUER")
SOCIALACCOUNT_PROVIDERS = (
    {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "sso",
                    "name": environment.read("ANDON_OIDC_NAME", "Single sign-on"),
                    "client_id": environment.read("ANDON_OIDC_CLIENT_ID"),
                    "secret": environment.read("ANDON_OIDC_CLIENT_SECRET"),
                    "settings": {"server_url": OIDC_ISSUER},
                }
            ],
        }
    }
    if OIDC_ISSUER
    else {}
)

# Browsers
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if int(environment.read("ANDON_TRUSTED_PROXIES", "0")) else None
)
ALLAUTH_TRUSTED_PROXY_COUNT = int(environment.read("ANDON_TRUSTED_PROXIES", "0"))
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"] + ([OIDC_ISSUER] if OIDC_ISSUER else []),
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# Words, times, files
LANGUAGE_CODE = "en"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
CACHES = {
    "default": {  # what limits rates (signing in, test messages): all processes and replicas must count together
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "andon_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # so that a stranger cannot push a count out by filling it
    }
}
SILENCED_SYSTEM_CHECKS = ["auth.W004"]  # person_email_once makes the address unique whatever its case


def _mail(url: str) -> dict[str, Any]:
    """SMTP settings from ANDON_SMTP_URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("ANDON_SMTP_URL must look like smtp://user:password@host:port.")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "host": parts.hostname,
        "port": parts.port or (465 if parts.scheme == "smtps" else 25),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "ssl": parts.scheme == "smtps",
        "tls": query.get("tls") == "starttls",
        "sender": query.get("from", f"andon@{_base.hostname}"),
    }


EMAIL_TIMEOUT = 15
if _smtp := environment.read("ANDON_SMTP_URL"):
    _server = _mail(_smtp)
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = _server["host"], _server["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _server["user"], _server["password"]
    EMAIL_USE_SSL, EMAIL_USE_TLS = _server["ssl"], _server["tls"]
    DEFAULT_FROM_EMAIL = SERVER_EMAIL = _server["sender"]
    MAIL_CONFIGURED = True
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    MAIL_CONFIGURED = False

LOGGING = logging_config(environment.read("ANDON_LOG_LEVEL", "info"))
