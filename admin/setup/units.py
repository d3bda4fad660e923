"""What starts Tollgate and keeps its logs small: files of systemd and logrotate."""

import os
from pathlib import Path

from admin.setup.places import LEDGER_FOLDER, LEGS_FILE, SETTINGS_FILE, USER
from assembly.process import WRONG_TABLES

WATCHDOG_S = 60
START_TIMEOUT_S = 90

SERVICE = """\
# Written by `tollgate setup asterisk`: what you add belongs into `systemctl edit tollgate`.
[Unit]
Description=Tollgate, prepaid calling on Asterisk
After=network.target asterisk.service postgresql.service
Wants=asterisk.service
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} serve
Environment=TOLLGATE_SETTINGS={settings}
User={user}
Group={user}
WorkingDirectory={ledger}
WatchdogSec={watchdog_s}
TimeoutStartSec={start_timeout_s}
TimeoutStopSec=30
Restart=on-failure
RestartSec=2
# A wrong setting, or tables of another version: it has said so, and another start is no cure.
RestartPreventExitStatus={wrong_tables} {wrong_settings}
UMask=0077
LimitNOFILE=65536
OOMScoreAdjust=-200

# It reads its settings, writes its ledger, and talks to Asterisk on this machine and to the card
# processor: nothing else is open to it.
ReadWritePaths={ledger}
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

LOGROTATE = """\
# Written by `tollgate setup asterisk`. What is moved aside is still read while a call that it tells
# of is open; Asterisk opens the file anew for each line, so nobody has to be told.
{legs} {{
    daily
    rotate 14
    missingok
    notifempty
    compress
    delaycompress
    nocreate
    su {asterisk} {user}
}}
"""


def service(program: Path) -> str:
    return SERVICE.format(
        program=program,
        settings=SETTINGS_FILE,
        user=USER,
        ledger=LEDGER_FOLDER,
        watchdog_s=WATCHDOG_S,
        start_timeout_s=START_TIMEOUT_S,
        wrong_tables=WRONG_TABLES,
        wrong_settings=os.EX_CONFIG,
    )


def logrotate(asterisk_user: str) -> str:
    return LOGROTATE.format(legs=LEGS_FILE, asterisk=asterisk_user, user=USER)
