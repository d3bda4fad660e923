"""Where an installed Tollgate keeps its things."""

from pathlib import Path

from settings.reading import SYSTEM_FILE

USER = "tollgate"  # the system user that runs it, and the group that may read its settings
SETTINGS_FILE = SYSTEM_FILE
SETTINGS_FOLDER = SETTINGS_FILE.parent
PHONES_FILE = SETTINGS_FOLDER / "phones.toml"
ARI_PASSWORD = SETTINGS_FOLDER / "ari.password"
AMI_SECRET = SETTINGS_FOLDER / "ami.secret"
AGI_SECRET = SETTINGS_FOLDER / "agi.secret"
LEDGER_FOLDER = Path("/var/lib/tollgate")
LEDGER = LEDGER_FOLDER / "ledger.sqlite"
BACKUPS = LEDGER_FOLDER / "backups"
# Asterisk's user writes it and ours reads it, so it is in the folder of neither.
LOG_FOLDER = Path("/var/log/tollgate")
LEGS_FILE = LOG_FOLDER / "legs.json"
SOUNDS = Path("/usr/local/share/tollgate/sounds")
COMMAND = Path("/usr/local/bin/tollgate")
SERVICE = Path("/etc/systemd/system/tollgate.service")
LOGROTATE = Path("/etc/logrotate.d/tollgate")
OURS = "tollgate"  # the folder of our files in Asterisk's
